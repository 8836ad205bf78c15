SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.authorities (
    id bigint NOT NULL,
    network_id bigint NOT NULL,
    name character varying(200) NOT NULL,
    contact character varying(500) NOT NULL
);
CREATE SEQUENCE public.authorities_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.authorities_id_seq OWNED BY public.authorities.id;
CREATE TABLE public.bases (
    id bigint NOT NULL,
    network_id bigint NOT NULL,
    authority_id bigint NOT NULL,
    created_at bigint NOT NULL
);
CREATE SEQUENCE public.bases_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.bases_id_seq OWNED BY public.bases.id;
CREATE TABLE public.basis_versions (
    id bigint NOT NULL,
    basis_id bigint NOT NULL,
    number integer NOT NULL,
    title character varying(200) NOT NULL,
    citation character varying(500) NOT NULL,
    health boolean NOT NULL,
    effects json NOT NULL,
    scopes json NOT NULL,
    longest bigint NOT NULL,
    notice bigint NOT NULL,
    objection_deadline bigint NOT NULL,
    exclusions json NOT NULL,
    state character varying(40) NOT NULL,
    proposed_by bigint NOT NULL,
    proposed_at bigint NOT NULL,
    approved_by bigint,
    approved_at bigint
);
CREATE SEQUENCE public.basis_versions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.basis_versions_id_seq OWNED BY public.basis_versions.id;
CREATE TABLE public.console_sessions (
    id bigint NOT NULL,
    staff_id bigint NOT NULL,
    secret_hash character varying(64) NOT NULL,
    signed_in_with character varying(64) NOT NULL,
    created_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    ends_at bigint NOT NULL
);
CREATE SEQUENCE public.console_sessions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.console_sessions_id_seq OWNED BY public.console_sessions.id;
CREATE TABLE public.console_submissions (
    id bigint NOT NULL,
    staff_id bigint NOT NULL,
    key_hash character varying(64) NOT NULL,
    leads_to character varying(200) NOT NULL,
    at bigint NOT NULL
);
CREATE SEQUENCE public.console_submissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.console_submissions_id_seq OWNED BY public.console_submissions.id;
CREATE TABLE public.desk_codes (
    id bigint NOT NULL,
    person_id bigint NOT NULL,
    code_hash character varying(64) NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint
);
CREATE SEQUENCE public.desk_codes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.desk_codes_id_seq OWNED BY public.desk_codes.id;
CREATE TABLE public.emergency_withdrawals (
    id bigint NOT NULL,
    network_id bigint NOT NULL,
    person_id bigint NOT NULL,
    reason text NOT NULL,
    state character varying(40) NOT NULL,
    asked_by bigint NOT NULL,
    asked_at bigint NOT NULL,
    confirmed_by bigint,
    done_at bigint,
    passes integer
);
CREATE SEQUENCE public.emergency_withdrawals_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.emergency_withdrawals_id_seq OWNED BY public.emergency_withdrawals.id;
CREATE TABLE public.entries (
    id bigint NOT NULL,
    network_id bigint NOT NULL,
    person_id bigint NOT NULL,
    basis_version_id bigint NOT NULL,
    effect character varying(40) NOT NULL,
    scopes json NOT NULL,
    reason text NOT NULL,
    case_reference character varying(200) NOT NULL,
    case_state character varying(40) NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    state character varying(40) NOT NULL,
    proposed_by bigint NOT NULL,
    proposed_at bigint NOT NULL,
    approved_by bigint,
    approved_at bigint,
    notified_at bigint,
    takes_effect_at bigint,
    effective_at bigint,
    confirmed_at bigint,
    ended_at bigint,
    "end" character varying(40)
);
CREATE SEQUENCE public.entries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.entries_id_seq OWNED BY public.entries.id;
CREATE TABLE public.events (
    id bigint NOT NULL,
    network_id bigint NOT NULL,
    at bigint NOT NULL,
    actor character varying(20) NOT NULL,
    staff_id bigint,
    what character varying(60) NOT NULL,
    subject character varying(40) NOT NULL,
    subject_id bigint NOT NULL,
    details json NOT NULL
);
CREATE SEQUENCE public.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_id_seq OWNED BY public.events.id;
CREATE TABLE public.exemptions (
    id bigint NOT NULL,
    person_id bigint NOT NULL,
    reason text NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    granted_by bigint NOT NULL,
    granted_at bigint NOT NULL
);
CREATE SEQUENCE public.exemptions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.exemptions_id_seq OWNED BY public.exemptions.id;
CREATE TABLE public.facts (
    id bigint NOT NULL,
    network_id bigint NOT NULL,
    person_id bigint NOT NULL,
    kind character varying(40) NOT NULL,
    source character varying(200) NOT NULL,
    weight character varying(40) NOT NULL,
    scopes json NOT NULL,
    reason text NOT NULL,
    valid_from bigint NOT NULL,
    valid_until bigint NOT NULL,
    digest character varying(64),
    recorded_by bigint,
    recorded_at bigint NOT NULL,
    withdrawn_at bigint
);
CREATE SEQUENCE public.facts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.facts_id_seq OWNED BY public.facts.id;
CREATE TABLE public.failed_enrolments (
    id bigint NOT NULL,
    at bigint NOT NULL,
    source character varying(64) NOT NULL
);
CREATE SEQUENCE public.failed_enrolments_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.failed_enrolments_id_seq OWNED BY public.failed_enrolments.id;
CREATE TABLE public.failed_sign_ins (
    id bigint NOT NULL,
    at bigint NOT NULL,
    source character varying(64) NOT NULL
);
CREATE SEQUENCE public.failed_sign_ins_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.failed_sign_ins_id_seq OWNED BY public.failed_sign_ins.id;
CREATE TABLE public.networks (
    id bigint NOT NULL,
    name character varying(64) NOT NULL,
    created_at bigint NOT NULL
);
CREATE SEQUENCE public.networks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.networks_id_seq OWNED BY public.networks.id;
CREATE TABLE public.notices (
    id bigint NOT NULL,
    person_id bigint NOT NULL,
    entry_id bigint,
    kind character varying(40) NOT NULL,
    content json NOT NULL,
    created_at bigint NOT NULL,
    delivered_at bigint,
    delivery character varying(200)
);
CREATE SEQUENCE public.notices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.notices_id_seq OWNED BY public.notices.id;
CREATE TABLE public.objections (
    id bigint NOT NULL,
    entry_id bigint NOT NULL,
    text text NOT NULL,
    made_at bigint NOT NULL,
    suspends boolean NOT NULL,
    decide_by bigint NOT NULL,
    state character varying(40) NOT NULL,
    decided_by bigint,
    decided_at bigint,
    answer text
);
CREATE SEQUENCE public.objections_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.objections_id_seq OWNED BY public.objections.id;
CREATE TABLE public.pass_challenges (
    digest bytea NOT NULL,
    wallet_id bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE public.passes (
    id bigint NOT NULL,
    person_id bigint NOT NULL,
    list_id bigint NOT NULL,
    idx integer NOT NULL,
    kind character varying(40) NOT NULL,
    aspects json NOT NULL,
    iat bigint NOT NULL,
    exp bigint NOT NULL,
    status smallint NOT NULL,
    created_at bigint NOT NULL
);
CREATE SEQUENCE public.passes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.passes_id_seq OWNED BY public.passes.id;
CREATE TABLE public.people (
    id bigint NOT NULL,
    network_id bigint NOT NULL,
    reference character varying(64) NOT NULL,
    created_at bigint NOT NULL,
    reassess_at bigint
);
CREATE SEQUENCE public.people_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.people_id_seq OWNED BY public.people.id;
CREATE TABLE public.scopes (
    id bigint NOT NULL,
    network_id bigint NOT NULL,
    number bigint NOT NULL,
    name character varying(100) NOT NULL,
    essential boolean NOT NULL,
    by_grant boolean NOT NULL,
    needs_evidence boolean NOT NULL
);
CREATE SEQUENCE public.scopes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.scopes_id_seq OWNED BY public.scopes.id;
CREATE TABLE public.staff (
    id bigint NOT NULL,
    network_id bigint NOT NULL,
    name character varying(200) NOT NULL,
    desk character varying(200) NOT NULL,
    authority_id bigint,
    roles json NOT NULL,
    token_hash character varying(64) NOT NULL,
    created_at bigint NOT NULL,
    left_at bigint
);
CREATE SEQUENCE public.staff_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.staff_id_seq OWNED BY public.staff.id;
CREATE TABLE public.status_changes (
    id bigint NOT NULL,
    list_id bigint NOT NULL,
    idx integer NOT NULL,
    status smallint NOT NULL,
    committed_at bigint NOT NULL
);
CREATE SEQUENCE public.status_changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.status_changes_id_seq OWNED BY public.status_changes.id;
CREATE TABLE public.status_decoys (
    list_id bigint NOT NULL,
    idx integer NOT NULL
);
CREATE TABLE public.status_deltas (
    list_id bigint NOT NULL,
    version bigint NOT NULL,
    signed bytea NOT NULL,
    iat bigint NOT NULL
);
CREATE TABLE public.status_heads (
    network_id bigint NOT NULL,
    sequence bigint NOT NULL,
    holder character varying(32) NOT NULL
);
CREATE TABLE public.status_lists (
    id bigint NOT NULL,
    network_id bigint NOT NULL,
    name character varying(64) NOT NULL,
    uri character varying(255) NOT NULL,
    allocated integer NOT NULL,
    closed boolean NOT NULL,
    created_at bigint NOT NULL
);
CREATE SEQUENCE public.status_lists_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.status_lists_id_seq OWNED BY public.status_lists.id;
CREATE TABLE public.status_snapshots (
    list_id bigint NOT NULL,
    version bigint NOT NULL,
    signed bytea NOT NULL,
    kid bytea NOT NULL,
    iat bigint NOT NULL,
    exp bigint NOT NULL
);
CREATE TABLE public.status_versions (
    list_id bigint NOT NULL,
    version bigint NOT NULL,
    digest bytea NOT NULL
);
CREATE TABLE public.used_indexes (
    list_id bigint NOT NULL,
    idx integer NOT NULL
);
CREATE TABLE public.wallets (
    id bigint NOT NULL,
    person_id bigint NOT NULL,
    token_hash character varying(64) NOT NULL,
    created_at bigint NOT NULL,
    ended_at bigint
);
CREATE SEQUENCE public.wallets_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.wallets_id_seq OWNED BY public.wallets.id;
ALTER TABLE ONLY public.authorities ALTER COLUMN id SET DEFAULT nextval('public.authorities_id_seq'::regclass);
ALTER TABLE ONLY public.bases ALTER COLUMN id SET DEFAULT nextval('public.bases_id_seq'::regclass);
ALTER TABLE ONLY public.basis_versions ALTER COLUMN id SET DEFAULT nextval('public.basis_versions_id_seq'::regclass);
ALTER TABLE ONLY public.console_sessions ALTER COLUMN id SET DEFAULT nextval('public.console_sessions_id_seq'::regclass);
ALTER TABLE ONLY public.console_submissions ALTER COLUMN id SET DEFAULT nextval('public.console_submissions_id_seq'::regclass);
ALTER TABLE ONLY public.desk_codes ALTER COLUMN id SET DEFAULT nextval('public.desk_codes_id_seq'::regclass);
ALTER TABLE ONLY public.emergency_withdrawals ALTER COLUMN id SET DEFAULT nextval('public.emergency_withdrawals_id_seq'::regclass);
ALTER TABLE ONLY public.entries ALTER COLUMN id SET DEFAULT nextval('public.entries_id_seq'::regclass);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
ALTER TABLE ONLY public.exemptions ALTER COLUMN id SET DEFAULT nextval('public.exemptions_id_seq'::regclass);
ALTER TABLE ONLY public.facts ALTER COLUMN id SET DEFAULT nextval('public.facts_id_seq'::regclass);
ALTER TABLE ONLY public.failed_enrolments ALTER COLUMN id SET DEFAULT nextval('public.failed_enrolments_id_seq'::regclass);
ALTER TABLE ONLY public.failed_sign_ins ALTER COLUMN id SET DEFAULT nextval('public.failed_sign_ins_id_seq'::regclass);
ALTER TABLE ONLY public.networks ALTER COLUMN id SET DEFAULT nextval('public.networks_id_seq'::regclass);
ALTER TABLE ONLY public.notices ALTER COLUMN id SET DEFAULT nextval('public.notices_id_seq'::regclass);
ALTER TABLE ONLY public.objections ALTER COLUMN id SET DEFAULT nextval('public.objections_id_seq'::regclass);
ALTER TABLE ONLY public.passes ALTER COLUMN id SET DEFAULT nextval('public.passes_id_seq'::regclass);
ALTER TABLE ONLY public.people ALTER COLUMN id SET DEFAULT nextval('public.people_id_seq'::regclass);
ALTER TABLE ONLY public.scopes ALTER COLUMN id SET DEFAULT nextval('public.scopes_id_seq'::regclass);
ALTER TABLE ONLY public.staff ALTER COLUMN id SET DEFAULT nextval('public.staff_id_seq'::regclass);
ALTER TABLE ONLY public.status_changes ALTER COLUMN id SET DEFAULT nextval('public.status_changes_id_seq'::regclass);
ALTER TABLE ONLY public.status_lists ALTER COLUMN id SET DEFAULT nextval('public.status_lists_id_seq'::regclass);
ALTER TABLE ONLY public.wallets ALTER COLUMN id SET DEFAULT nextval('public.wallets_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('0002');
INSERT INTO public.authorities VALUES (1, 1, 'Health office', 'health@example.org');
INSERT INTO public.authorities VALUES (2, 1, 'Court office', 'tel 555-0100');
INSERT INTO public.bases VALUES (1, 1, 1, 1800000000);
INSERT INTO public.basis_versions VALUES (1, 1, 1, 'Infection protection', 'Act 7, section 3', true, '["red", "yellow"]', '[1, 2, 4]', 2592000, 7200, 864000, '["minors"]', 'in-force', 3, 1800000000, 5, 1800000000);
INSERT INTO public.console_sessions VALUES (1, 1, 'ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss', 'tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt', 1800000000, 1800000000, 1800028800);
INSERT INTO public.console_submissions VALUES (1, 1, 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk', '/ops/entries/1', 1800000000);
INSERT INTO public.emergency_withdrawals VALUES (1, 1, 3, 'a lost telephone', 'done', 8, 1800007200, NULL, 1800007200, 0);
INSERT INTO public.entries VALUES (1, 1, 4, 1, 'red', '[1]', 'A laboratory found an infection that spreads in closed rooms.', 'H-2027-11', 'open', 1800000000, 1801728000, 'proposed', 3, 1800000000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.entries VALUES (2, 1, 1, 1, 'red', '[1]', 'A laboratory found an infection that spreads in closed rooms.', 'H-2027-11', 'open', 1800000000, 1801728000, 'in-effect', 3, 1800000000, 5, 1800000000, 1800000000, 1800007200, 1800007200, 1800000000, NULL, NULL);
INSERT INTO public.entries VALUES (3, 1, 2, 1, 'red', '[1]', 'A laboratory found an infection that spreads in closed rooms.', 'H-2027-11', 'open', 1800007200, 1801728000, 'suspended', 3, 1800007200, 5, 1800007200, 1800007200, 1800014400, NULL, 1800007200, NULL, NULL);
INSERT INTO public.events VALUES (1, 1, 1800000000, 'system', NULL, 'network.added', 'network', 1, '{"roles": []}');
INSERT INTO public.events VALUES (2, 1, 1800000000, 'system', NULL, 'scope.added', 'scope', 1, '{"roles": []}');
INSERT INTO public.events VALUES (3, 1, 1800000000, 'system', NULL, 'scope.added', 'scope', 1, '{"roles": []}');
INSERT INTO public.events VALUES (4, 1, 1800000000, 'system', NULL, 'scope.added', 'scope', 1, '{"roles": []}');
INSERT INTO public.events VALUES (5, 1, 1800000000, 'system', NULL, 'scope.added', 'scope', 1, '{"roles": []}');
INSERT INTO public.events VALUES (6, 1, 1800000000, 'system', NULL, 'authority.added', 'authority', 1, '{"roles": []}');
INSERT INTO public.events VALUES (7, 1, 1800000000, 'system', NULL, 'authority.added', 'authority', 1, '{"roles": []}');
INSERT INTO public.events VALUES (8, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 1, '{"roles": ["admin"]}');
INSERT INTO public.events VALUES (9, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 2, '{"roles": ["admin"]}');
INSERT INTO public.events VALUES (10, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 3, '{"roles": ["proposer"]}');
INSERT INTO public.events VALUES (11, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 4, '{"roles": ["proposer"]}');
INSERT INTO public.events VALUES (12, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 5, '{"roles": ["approver"]}');
INSERT INTO public.events VALUES (13, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 6, '{"roles": ["reviewer"]}');
INSERT INTO public.events VALUES (14, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 7, '{"roles": ["reviewer"]}');
INSERT INTO public.events VALUES (15, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 8, '{"roles": ["ops"]}');
INSERT INTO public.events VALUES (16, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 9, '{"roles": ["ops"]}');
INSERT INTO public.events VALUES (17, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 10, '{"roles": ["desk"]}');
INSERT INTO public.events VALUES (18, 1, 1800000000, 'system', NULL, 'staff.added', 'staff', 11, '{"roles": ["admin", "approver", "desk", "ops", "proposer", "reviewer"]}');
INSERT INTO public.events VALUES (19, 1, 1800000000, 'staff', 3, 'basis.proposed', 'basis', 1, '{"version": 1}');
INSERT INTO public.events VALUES (20, 1, 1800000000, 'staff', 5, 'basis.approved', 'basis', 1, '{"version": 1}');
INSERT INTO public.events VALUES (21, 1, 1800000000, 'staff', 10, 'person.registered', 'person', 1, '{}');
INSERT INTO public.events VALUES (22, 1, 1800000000, 'staff', 10, 'desk-code.made', 'person', 1, '{}');
INSERT INTO public.events VALUES (23, 1, 1800000000, 'holder', NULL, 'wallet.enrolled', 'person', 1, '{}');
INSERT INTO public.events VALUES (24, 1, 1800000000, 'staff', 10, 'person.registered', 'person', 2, '{}');
INSERT INTO public.events VALUES (25, 1, 1800000000, 'staff', 10, 'desk-code.made', 'person', 2, '{}');
INSERT INTO public.events VALUES (26, 1, 1800000000, 'holder', NULL, 'wallet.enrolled', 'person', 2, '{}');
INSERT INTO public.events VALUES (27, 1, 1800000000, 'staff', 10, 'person.registered', 'person', 3, '{}');
INSERT INTO public.events VALUES (28, 1, 1800000000, 'staff', 10, 'desk-code.made', 'person', 3, '{}');
INSERT INTO public.events VALUES (29, 1, 1800000000, 'holder', NULL, 'wallet.enrolled', 'person', 3, '{}');
INSERT INTO public.events VALUES (30, 1, 1800000000, 'staff', 10, 'person.registered', 'person', 4, '{}');
INSERT INTO public.events VALUES (31, 1, 1800000000, 'staff', 10, 'desk-code.made', 'person', 4, '{}');
INSERT INTO public.events VALUES (32, 1, 1800000000, 'holder', NULL, 'wallet.enrolled', 'person', 4, '{}');
INSERT INTO public.events VALUES (33, 1, 1800000000, 'staff', 10, 'person.registered', 'person', 5, '{}');
INSERT INTO public.events VALUES (34, 1, 1800000000, 'staff', 10, 'desk-code.made', 'person', 5, '{}');
INSERT INTO public.events VALUES (35, 1, 1800000000, 'staff', 10, 'paper-pass.issued', 'person', 2, '{"count": 1}');
INSERT INTO public.events VALUES (36, 1, 1800000000, 'staff', 3, 'entry.proposed', 'entry', 1, '{"state": "proposed"}');
INSERT INTO public.events VALUES (37, 1, 1800000000, 'staff', 3, 'entry.proposed', 'entry', 2, '{"state": "proposed"}');
INSERT INTO public.events VALUES (38, 1, 1800000000, 'staff', 5, 'entry.approved', 'entry', 2, '{"state": "approved"}');
INSERT INTO public.events VALUES (39, 1, 1800000000, 'system', NULL, 'entry.notified', 'entry', 2, '{"takes_effect_at": 1800007200}');
INSERT INTO public.events VALUES (40, 1, 1800007200, 'system', NULL, 'entry.in-effect', 'entry', 2, '{"state": "in-effect"}');
INSERT INTO public.events VALUES (41, 1, 1800007200, 'staff', 3, 'entry.proposed', 'entry', 3, '{"state": "proposed"}');
INSERT INTO public.events VALUES (42, 1, 1800007200, 'staff', 5, 'entry.approved', 'entry', 3, '{"state": "approved"}');
INSERT INTO public.events VALUES (43, 1, 1800007200, 'system', NULL, 'entry.notified', 'entry', 3, '{"takes_effect_at": 1800014400}');
INSERT INTO public.events VALUES (44, 1, 1800007200, 'holder', NULL, 'objection.made', 'objection', 1, '{"entry": 3, "suspends": true}');
INSERT INTO public.events VALUES (45, 1, 1800007200, 'staff', 6, 'exemption.granted', 'exemption', 1, '{"ends_at": 1800093600}');
INSERT INTO public.events VALUES (46, 1, 1800007200, 'staff', 10, 'fact.recorded', 'fact', 1, '{"kind": "survey", "weight": "yellow"}');
INSERT INTO public.events VALUES (47, 1, 1800007200, 'staff', 8, 'withdrawal.done', 'withdrawal', 1, '{"person": 3, "passes": 0}');
INSERT INTO public.events VALUES (48, 1, 1800007200, 'staff', 10, 'paper-pass.issued', 'person', 2, '{"count": 1}');
INSERT INTO public.exemptions VALUES (1, 1, 'a hearing', 1800007200, 1800093600, 6, 1800007200);
INSERT INTO public.facts VALUES (1, 1, 3, 'survey', 'desk', 'yellow', '[]', 'fever', 1800007200, 1800093600, NULL, 10, 1800007200, NULL);
INSERT INTO public.failed_sign_ins VALUES (1, 1800000000, 'ssssssssssssssssssssssssssssssss');
INSERT INTO public.networks VALUES (1, 'metro', 1800000000);
INSERT INTO public.notices VALUES (1, 1, 2, 'entry', '{"entry": 2, "effect": "red", "scopes": [1], "reason": "A laboratory found an infection that spreads in closed rooms.", "basis": "Infection protection", "citation": "Act 7, section 3", "authority": "Health office", "contact": "health@example.org", "case": "H-2027-11", "starts_at": 1800000000, "ends_at": 1801728000, "takes_effect_not_before": 1800007200, "object": "POST /api/v1/me/entries/2/objection", "objection_decided_within": 864000}', 1800000000, 1800000000, '1');
INSERT INTO public.notices VALUES (2, 2, 3, 'entry', '{"entry": 3, "effect": "red", "scopes": [1], "reason": "A laboratory found an infection that spreads in closed rooms.", "basis": "Infection protection", "citation": "Act 7, section 3", "authority": "Health office", "contact": "health@example.org", "case": "H-2027-11", "starts_at": 1800007200, "ends_at": 1801728000, "takes_effect_not_before": 1800014400, "object": "POST /api/v1/me/entries/3/objection", "objection_decided_within": 864000}', 1800007200, 1800007200, '2');
INSERT INTO public.notices VALUES (3, 3, NULL, 'fact', '{"fact": 1, "kind": "survey", "source": "desk", "reason": "fever", "valid_until": 1800093600}', 1800007200, NULL, NULL);
INSERT INTO public.notices VALUES (4, 3, NULL, 'withdrawal', '{"withdrawal": 1, "reason": "a lost telephone", "at": 1800007200}', 1800007200, NULL, NULL);
INSERT INTO public.objections VALUES (1, 3, 'It was not me.', 1800007200, true, 1800871200, 'open', NULL, NULL, NULL);
INSERT INTO public.passes VALUES (6, 2, 1, 489341, 'bound', '{"1": 0}', 1800000000, 1800086400, 0, 1800000000);
INSERT INTO public.passes VALUES (7, 2, 1, 382400, 'bound', '{"1": 0}', 1800000000, 1800086400, 0, 1800000000);
INSERT INTO public.passes VALUES (8, 2, 1, 25298, 'bound', '{"1": 0}', 1800000000, 1800086400, 0, 1800000000);
INSERT INTO public.passes VALUES (9, 2, 1, 1017040, 'bound', '{"1": 0}', 1800000000, 1800086400, 0, 1800000000);
INSERT INTO public.passes VALUES (2, 1, 1, 316504, 'bound', '{"1": 0}', 1800000000, 1800086400, 1, 1800000000);
INSERT INTO public.passes VALUES (3, 1, 1, 797843, 'bound', '{"1": 0}', 1800000000, 1800086400, 1, 1800000000);
INSERT INTO public.passes VALUES (4, 1, 1, 752397, 'bound', '{"1": 0}', 1800000000, 1800086400, 1, 1800000000);
INSERT INTO public.passes VALUES (5, 1, 1, 483920, 'bound', '{"1": 0}', 1800000000, 1800086400, 1, 1800000000);
INSERT INTO public.passes VALUES (10, 3, 1, 263174, 'bound', '{"1": 0}', 1800000000, 1800086400, 1, 1800000000);
INSERT INTO public.passes VALUES (11, 3, 1, 668177, 'bound', '{"1": 0}', 1800000000, 1800086400, 1, 1800000000);
INSERT INTO public.passes VALUES (12, 3, 1, 774380, 'bound', '{"1": 0}', 1800000000, 1800086400, 1, 1800000000);
INSERT INTO public.passes VALUES (13, 3, 1, 878594, 'bound', '{"1": 0}', 1800000000, 1800086400, 1, 1800000000);
INSERT INTO public.passes VALUES (1, 2, 1, 583891, 'paper', '{"1": 0}', 1800000000, 1802592000, 1, 1800000000);
INSERT INTO public.passes VALUES (14, 2, 1, 340374, 'paper', '{"1": 0}', 1800007200, 1802599200, 0, 1800007200);
INSERT INTO public.people VALUES (5, 1, 'p-5', 1800000000, NULL);
INSERT INTO public.people VALUES (4, 1, 'p-4', 1800000000, 1801728000);
INSERT INTO public.people VALUES (2, 1, 'p-2', 1800000000, 1800871200);
INSERT INTO public.people VALUES (1, 1, 'p-1', 1800000000, 1800093600);
INSERT INTO public.people VALUES (3, 1, 'p-3', 1800000000, 1800093600);
INSERT INTO public.scopes VALUES (1, 1, 1, 'ride', false, false, false);
INSERT INTO public.scopes VALUES (2, 1, 2, 'hospital', true, false, false);
INSERT INTO public.scopes VALUES (3, 1, 3, 'priority lane', false, true, false);
INSERT INTO public.scopes VALUES (4, 1, 4, 'arena', false, false, true);
INSERT INTO public.staff VALUES (1, 1, 'admin', 'Central', NULL, '["admin"]', '5dfb1ea61033bae9eb87fae7172f56c64df37357ae411c7d1e410d40993a9576', 1800000000, NULL);
INSERT INTO public.staff VALUES (2, 1, 'admin-2', 'Central', NULL, '["admin"]', 'c444c9bde068c27ae401c267b359b4c26090b3d064188ad396f131eff2503ca6', 1800000000, NULL);
INSERT INTO public.staff VALUES (3, 1, 'proposer', 'Central', 1, '["proposer"]', 'ab1cd6fd78e9a70b66062d8a2085e7884b5fb7926c4be9f8dab5c9f926ab151f', 1800000000, NULL);
INSERT INTO public.staff VALUES (4, 1, 'proposer-2', 'Central', 2, '["proposer"]', '0113d2f7449c4b41e3ba565789102a7347d8258412db6ea9ad20901cee93450e', 1800000000, NULL);
INSERT INTO public.staff VALUES (5, 1, 'approver', 'Central', NULL, '["approver"]', 'ae291ffc88567aece26608e602de16f22f2c2f4cb8ec1a286f94318cef7026e8', 1800000000, NULL);
INSERT INTO public.staff VALUES (6, 1, 'reviewer', 'Central', NULL, '["reviewer"]', '8ff5db8e61f7adb10a7be0b0c0959f822a4a0f70cd0fa75f35cf16676bae2c42', 1800000000, NULL);
INSERT INTO public.staff VALUES (7, 1, 'health-reviewer', 'Central', 1, '["reviewer"]', 'c02e6fdd47641083ba3156551a64ba2294996d5136e7cbbd41f3b52504aef1dd', 1800000000, NULL);
INSERT INTO public.staff VALUES (8, 1, 'ops', 'Central', NULL, '["ops"]', '115dda4fdede7c887a20d5659aaab468e2a5c0f4dd3f3ec637b6a0972aec8a3c', 1800000000, NULL);
INSERT INTO public.staff VALUES (9, 1, 'ops-2', 'Central', NULL, '["ops"]', '610c4e9a4483d88c4c3ad14cf31ee8091bdc46bb06ccba8be5c83cde69873342', 1800000000, NULL);
INSERT INTO public.staff VALUES (10, 1, 'desk', 'Central', NULL, '["desk"]', '702ade6d0923cfe18687d2582b575e6342f197adba2710a9a12cd1d2cdd00006', 1800000000, NULL);
INSERT INTO public.staff VALUES (11, 1, 'everything', 'Central', NULL, '["admin", "approver", "desk", "ops", "proposer", "reviewer"]', 'bbe24ddaac6131d137d8e090b0977afc0729c3c357d7364eb139442571f40442', 1800000000, NULL);
INSERT INTO public.status_changes VALUES (9, 1, 583891, 1, 1800007200);
INSERT INTO public.status_decoys VALUES (1, 82223);
INSERT INTO public.status_decoys VALUES (1, 127233);
INSERT INTO public.status_decoys VALUES (1, 136314);
INSERT INTO public.status_decoys VALUES (1, 144206);
INSERT INTO public.status_decoys VALUES (1, 153513);
INSERT INTO public.status_decoys VALUES (1, 162781);
INSERT INTO public.status_decoys VALUES (1, 196285);
INSERT INTO public.status_decoys VALUES (1, 247601);
INSERT INTO public.status_decoys VALUES (1, 318734);
INSERT INTO public.status_decoys VALUES (1, 345950);
INSERT INTO public.status_decoys VALUES (1, 566103);
INSERT INTO public.status_decoys VALUES (1, 603849);
INSERT INTO public.status_decoys VALUES (1, 649293);
INSERT INTO public.status_decoys VALUES (1, 657976);
INSERT INTO public.status_decoys VALUES (1, 713288);
INSERT INTO public.status_decoys VALUES (1, 717343);
INSERT INTO public.status_decoys VALUES (1, 734377);
INSERT INTO public.status_decoys VALUES (1, 876867);
INSERT INTO public.status_decoys VALUES (1, 884365);
INSERT INTO public.status_decoys VALUES (1, 941273);
INSERT INTO public.status_decoys VALUES (1, 956731);
INSERT INTO public.status_decoys VALUES (1, 994256);
INSERT INTO public.status_decoys VALUES (1, 1025429);
INSERT INTO public.status_decoys VALUES (1, 1041602);
INSERT INTO public.status_deltas VALUES (1, 2, '\xd284582ea3012704487c2848801c783c7710781e6170706c69636174696f6e2f776179706173732d64656c74612b63626f72a05834a4026477703a31061a6b49ee203a00011179023a0001117aa1015818868810d2a003f89b0ac19f0bfc9105dfab01a7b701eff6045840b3eadf768f964a1f6067e54c7ff1356872efe88743d9eb3117a7be8e61ca180f02775e240a680393bee5cfbf5dea774b72d6c1eaf658f730eeaeb097a6306a05', 1800007200);
INSERT INTO public.status_heads VALUES (1, 2, '7db13d110d2d13fc0a81713531eccc70');
INSERT INTO public.status_lists VALUES (1, 1, '1', 'wp:1', 14, false, 1800000000);
INSERT INTO public.status_snapshots VALUES (1, 1, '\xd284582aa3012704487c2848801c783c7710781a6170706c69636174696f6e2f7374617475736c6973742b637774a0590145a6026477703a31041a6b4b3fa0061a6b49ee2019fffda2636c737459011578daedc13101000000c2a0f54fed6d07a00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000de00003c000164626974730219fffe19012c3a000111790158405e81c8cc585c173d8e7f88cfff93e599a859d969871f614213b58285804f1fd1ddd93b15b6e830cfa7a4e3550b39a9e5535b5f92fea1359fb631e25323d5ed06', '\x7c2848801c783c77', 1800007200, 1800093600);
INSERT INTO public.status_versions VALUES (1, 2, '\x665304e42ad896073f11ba23dda3f0ca75d2e3f209045fcb143d2a30d2aed5c0');
INSERT INTO public.wallets VALUES (1, 1, '07d7aafa9d7a1188f29a820cb7ba9139abf49088a37cfffdfe05bced8a6e7018', 1800000000, NULL);
INSERT INTO public.wallets VALUES (2, 2, '51f722dc4b105a9643c5ec28b7eb3be6e184cecdb732838352c1c83c9170c08c', 1800000000, NULL);
INSERT INTO public.wallets VALUES (3, 3, '26921878aa92fb7fe011b76cd62412822c994f694f70e316e86103e430c2a30f', 1800000000, NULL);
INSERT INTO public.wallets VALUES (4, 4, 'ca1f538fcea9a5ad8741f45e01c4dbf791d8ab69a0644148f01933d8638d139e', 1800000000, NULL);
SELECT pg_catalog.setval('public.authorities_id_seq', 2, true);
SELECT pg_catalog.setval('public.bases_id_seq', 1, true);
SELECT pg_catalog.setval('public.basis_versions_id_seq', 1, true);
SELECT pg_catalog.setval('public.console_sessions_id_seq', 1, true);
SELECT pg_catalog.setval('public.console_submissions_id_seq', 1, true);
SELECT pg_catalog.setval('public.desk_codes_id_seq', 5, true);
SELECT pg_catalog.setval('public.emergency_withdrawals_id_seq', 1, true);
SELECT pg_catalog.setval('public.entries_id_seq', 3, true);
SELECT pg_catalog.setval('public.events_id_seq', 48, true);
SELECT pg_catalog.setval('public.exemptions_id_seq', 1, true);
SELECT pg_catalog.setval('public.facts_id_seq', 1, true);
SELECT pg_catalog.setval('public.failed_enrolments_id_seq', 1, true);
SELECT pg_catalog.setval('public.failed_sign_ins_id_seq', 1, true);
SELECT pg_catalog.setval('public.networks_id_seq', 1, true);
SELECT pg_catalog.setval('public.notices_id_seq', 4, true);
SELECT pg_catalog.setval('public.objections_id_seq', 1, true);
SELECT pg_catalog.setval('public.passes_id_seq', 14, true);
SELECT pg_catalog.setval('public.people_id_seq', 5, true);
SELECT pg_catalog.setval('public.scopes_id_seq', 4, true);
SELECT pg_catalog.setval('public.staff_id_seq', 11, true);
SELECT pg_catalog.setval('public.status_changes_id_seq', 9, true);
SELECT pg_catalog.setval('public.status_lists_id_seq', 1, true);
SELECT pg_catalog.setval('public.wallets_id_seq', 4, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.authorities
    ADD CONSTRAINT pk_authorities PRIMARY KEY (id);
ALTER TABLE ONLY public.bases
    ADD CONSTRAINT pk_bases PRIMARY KEY (id);
ALTER TABLE ONLY public.basis_versions
    ADD CONSTRAINT pk_basis_versions PRIMARY KEY (id);
ALTER TABLE ONLY public.console_sessions
    ADD CONSTRAINT pk_console_sessions PRIMARY KEY (id);
ALTER TABLE ONLY public.console_submissions
    ADD CONSTRAINT pk_console_submissions PRIMARY KEY (id);
ALTER TABLE ONLY public.desk_codes
    ADD CONSTRAINT pk_desk_codes PRIMARY KEY (id);
ALTER TABLE ONLY public.emergency_withdrawals
    ADD CONSTRAINT pk_emergency_withdrawals PRIMARY KEY (id);
ALTER TABLE ONLY public.entries
    ADD CONSTRAINT pk_entries PRIMARY KEY (id);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (id);
ALTER TABLE ONLY public.exemptions
    ADD CONSTRAINT pk_exemptions PRIMARY KEY (id);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT pk_facts PRIMARY KEY (id);
ALTER TABLE ONLY public.failed_enrolments
    ADD CONSTRAINT pk_failed_enrolments PRIMARY KEY (id);
ALTER TABLE ONLY public.failed_sign_ins
    ADD CONSTRAINT pk_failed_sign_ins PRIMARY KEY (id);
ALTER TABLE ONLY public.networks
    ADD CONSTRAINT pk_networks PRIMARY KEY (id);
ALTER TABLE ONLY public.notices
    ADD CONSTRAINT pk_notices PRIMARY KEY (id);
ALTER TABLE ONLY public.objections
    ADD CONSTRAINT pk_objections PRIMARY KEY (id);
ALTER TABLE ONLY public.pass_challenges
    ADD CONSTRAINT pk_pass_challenges PRIMARY KEY (digest);
ALTER TABLE ONLY public.passes
    ADD CONSTRAINT pk_passes PRIMARY KEY (id);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT pk_people PRIMARY KEY (id);
ALTER TABLE ONLY public.scopes
    ADD CONSTRAINT pk_scopes PRIMARY KEY (id);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT pk_staff PRIMARY KEY (id);
ALTER TABLE ONLY public.status_changes
    ADD CONSTRAINT pk_status_changes PRIMARY KEY (id);
ALTER TABLE ONLY public.status_decoys
    ADD CONSTRAINT pk_status_decoys PRIMARY KEY (list_id, idx);
ALTER TABLE ONLY public.status_deltas
    ADD CONSTRAINT pk_status_deltas PRIMARY KEY (list_id, version);
ALTER TABLE ONLY public.status_heads
    ADD CONSTRAINT pk_status_heads PRIMARY KEY (network_id);
ALTER TABLE ONLY public.status_lists
    ADD CONSTRAINT pk_status_lists PRIMARY KEY (id);
ALTER TABLE ONLY public.status_snapshots
    ADD CONSTRAINT pk_status_snapshots PRIMARY KEY (list_id);
ALTER TABLE ONLY public.status_versions
    ADD CONSTRAINT pk_status_versions PRIMARY KEY (list_id);
ALTER TABLE ONLY public.used_indexes
    ADD CONSTRAINT pk_used_indexes PRIMARY KEY (list_id, idx);
ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT pk_wallets PRIMARY KEY (id);
ALTER TABLE ONLY public.authorities
    ADD CONSTRAINT uq_authorities_network_id_name UNIQUE (network_id, name);
ALTER TABLE ONLY public.basis_versions
    ADD CONSTRAINT uq_basis_versions_basis_id_number UNIQUE (basis_id, number);
ALTER TABLE ONLY public.console_sessions
    ADD CONSTRAINT uq_console_sessions_secret_hash UNIQUE (secret_hash);
ALTER TABLE ONLY public.console_submissions
    ADD CONSTRAINT uq_console_submissions_staff_id_key_hash UNIQUE (staff_id, key_hash);
ALTER TABLE ONLY public.desk_codes
    ADD CONSTRAINT uq_desk_codes_code_hash UNIQUE (code_hash);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT uq_facts_network_id_digest UNIQUE (network_id, digest);
ALTER TABLE ONLY public.networks
    ADD CONSTRAINT uq_networks_name UNIQUE (name);
ALTER TABLE ONLY public.passes
    ADD CONSTRAINT uq_passes_list_id_idx UNIQUE (list_id, idx);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT uq_people_network_id_reference UNIQUE (network_id, reference);
ALTER TABLE ONLY public.scopes
    ADD CONSTRAINT uq_scopes_network_id_name UNIQUE (network_id, name);
ALTER TABLE ONLY public.scopes
    ADD CONSTRAINT uq_scopes_network_id_number UNIQUE (network_id, number);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT uq_staff_network_id_name UNIQUE (network_id, name);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT uq_staff_token_hash UNIQUE (token_hash);
ALTER TABLE ONLY public.status_lists
    ADD CONSTRAINT uq_status_lists_network_id_name UNIQUE (network_id, name);
ALTER TABLE ONLY public.status_lists
    ADD CONSTRAINT uq_status_lists_uri UNIQUE (uri);
ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT uq_wallets_token_hash UNIQUE (token_hash);
CREATE INDEX ix_console_sessions_ends_at ON public.console_sessions USING btree (ends_at);
CREATE INDEX ix_console_submissions_at ON public.console_submissions USING btree (at);
CREATE INDEX ix_desk_codes_expires_at ON public.desk_codes USING btree (expires_at);
CREATE INDEX ix_desk_codes_person_id ON public.desk_codes USING btree (person_id);
CREATE INDEX ix_emergency_withdrawals_done_at ON public.emergency_withdrawals USING btree (done_at);
CREATE INDEX ix_emergency_withdrawals_person_id ON public.emergency_withdrawals USING btree (person_id);
CREATE INDEX ix_entries_person_id ON public.entries USING btree (person_id);
CREATE INDEX ix_entries_state ON public.entries USING btree (state);
CREATE INDEX ix_exemptions_person_id ON public.exemptions USING btree (person_id);
CREATE INDEX ix_facts_person_id ON public.facts USING btree (person_id);
CREATE INDEX ix_failed_enrolments_at_source ON public.failed_enrolments USING btree (at, source);
CREATE INDEX ix_failed_sign_ins_source_at ON public.failed_sign_ins USING btree (source, at);
CREATE INDEX ix_notices_delivered_at_id ON public.notices USING btree (delivered_at, id);
CREATE INDEX ix_notices_person_id ON public.notices USING btree (person_id);
CREATE INDEX ix_objections_entry_id ON public.objections USING btree (entry_id);
CREATE INDEX ix_objections_state ON public.objections USING btree (state);
CREATE INDEX ix_pass_challenges_expires_at ON public.pass_challenges USING btree (expires_at);
CREATE INDEX ix_pass_challenges_wallet_id ON public.pass_challenges USING btree (wallet_id);
CREATE INDEX ix_passes_exp ON public.passes USING btree (exp);
CREATE INDEX ix_passes_person_id_exp ON public.passes USING btree (person_id, exp);
CREATE INDEX ix_people_reassess_at ON public.people USING btree (reassess_at);
CREATE INDEX ix_wallets_ended_at ON public.wallets USING btree (ended_at);
CREATE INDEX ix_wallets_person_id ON public.wallets USING btree (person_id);
ALTER TABLE ONLY public.authorities
    ADD CONSTRAINT fk_authorities_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.bases
    ADD CONSTRAINT fk_bases_authority_id_authorities FOREIGN KEY (authority_id) REFERENCES public.authorities(id);
ALTER TABLE ONLY public.bases
    ADD CONSTRAINT fk_bases_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.basis_versions
    ADD CONSTRAINT fk_basis_versions_approved_by_staff FOREIGN KEY (approved_by) REFERENCES public.staff(id);
ALTER TABLE ONLY public.basis_versions
    ADD CONSTRAINT fk_basis_versions_basis_id_bases FOREIGN KEY (basis_id) REFERENCES public.bases(id);
ALTER TABLE ONLY public.basis_versions
    ADD CONSTRAINT fk_basis_versions_proposed_by_staff FOREIGN KEY (proposed_by) REFERENCES public.staff(id);
ALTER TABLE ONLY public.console_sessions
    ADD CONSTRAINT fk_console_sessions_staff_id_staff FOREIGN KEY (staff_id) REFERENCES public.staff(id);
ALTER TABLE ONLY public.console_submissions
    ADD CONSTRAINT fk_console_submissions_staff_id_staff FOREIGN KEY (staff_id) REFERENCES public.staff(id);
ALTER TABLE ONLY public.desk_codes
    ADD CONSTRAINT fk_desk_codes_person_id_people FOREIGN KEY (person_id) REFERENCES public.people(id);
ALTER TABLE ONLY public.emergency_withdrawals
    ADD CONSTRAINT fk_emergency_withdrawals_asked_by_staff FOREIGN KEY (asked_by) REFERENCES public.staff(id);
ALTER TABLE ONLY public.emergency_withdrawals
    ADD CONSTRAINT fk_emergency_withdrawals_confirmed_by_staff FOREIGN KEY (confirmed_by) REFERENCES public.staff(id);
ALTER TABLE ONLY public.emergency_withdrawals
    ADD CONSTRAINT fk_emergency_withdrawals_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.emergency_withdrawals
    ADD CONSTRAINT fk_emergency_withdrawals_person_id_people FOREIGN KEY (person_id) REFERENCES public.people(id);
ALTER TABLE ONLY public.entries
    ADD CONSTRAINT fk_entries_approved_by_staff FOREIGN KEY (approved_by) REFERENCES public.staff(id);
ALTER TABLE ONLY public.entries
    ADD CONSTRAINT fk_entries_basis_version_id_basis_versions FOREIGN KEY (basis_version_id) REFERENCES public.basis_versions(id);
ALTER TABLE ONLY public.entries
    ADD CONSTRAINT fk_entries_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.entries
    ADD CONSTRAINT fk_entries_person_id_people FOREIGN KEY (person_id) REFERENCES public.people(id);
ALTER TABLE ONLY public.entries
    ADD CONSTRAINT fk_entries_proposed_by_staff FOREIGN KEY (proposed_by) REFERENCES public.staff(id);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT fk_events_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT fk_events_staff_id_staff FOREIGN KEY (staff_id) REFERENCES public.staff(id);
ALTER TABLE ONLY public.exemptions
    ADD CONSTRAINT fk_exemptions_granted_by_staff FOREIGN KEY (granted_by) REFERENCES public.staff(id);
ALTER TABLE ONLY public.exemptions
    ADD CONSTRAINT fk_exemptions_person_id_people FOREIGN KEY (person_id) REFERENCES public.people(id);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT fk_facts_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT fk_facts_person_id_people FOREIGN KEY (person_id) REFERENCES public.people(id);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT fk_facts_recorded_by_staff FOREIGN KEY (recorded_by) REFERENCES public.staff(id);
ALTER TABLE ONLY public.notices
    ADD CONSTRAINT fk_notices_entry_id_entries FOREIGN KEY (entry_id) REFERENCES public.entries(id);
ALTER TABLE ONLY public.notices
    ADD CONSTRAINT fk_notices_person_id_people FOREIGN KEY (person_id) REFERENCES public.people(id);
ALTER TABLE ONLY public.objections
    ADD CONSTRAINT fk_objections_decided_by_staff FOREIGN KEY (decided_by) REFERENCES public.staff(id);
ALTER TABLE ONLY public.objections
    ADD CONSTRAINT fk_objections_entry_id_entries FOREIGN KEY (entry_id) REFERENCES public.entries(id);
ALTER TABLE ONLY public.pass_challenges
    ADD CONSTRAINT fk_pass_challenges_wallet_id_wallets FOREIGN KEY (wallet_id) REFERENCES public.wallets(id);
ALTER TABLE ONLY public.passes
    ADD CONSTRAINT fk_passes_list_id_status_lists FOREIGN KEY (list_id) REFERENCES public.status_lists(id);
ALTER TABLE ONLY public.passes
    ADD CONSTRAINT fk_passes_person_id_people FOREIGN KEY (person_id) REFERENCES public.people(id);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT fk_people_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.scopes
    ADD CONSTRAINT fk_scopes_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT fk_staff_authority_id_authorities FOREIGN KEY (authority_id) REFERENCES public.authorities(id);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT fk_staff_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.status_changes
    ADD CONSTRAINT fk_status_changes_list_id_status_lists FOREIGN KEY (list_id) REFERENCES public.status_lists(id);
ALTER TABLE ONLY public.status_decoys
    ADD CONSTRAINT fk_status_decoys_list_id_status_lists FOREIGN KEY (list_id) REFERENCES public.status_lists(id);
ALTER TABLE ONLY public.status_deltas
    ADD CONSTRAINT fk_status_deltas_list_id_status_lists FOREIGN KEY (list_id) REFERENCES public.status_lists(id);
ALTER TABLE ONLY public.status_heads
    ADD CONSTRAINT fk_status_heads_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.status_lists
    ADD CONSTRAINT fk_status_lists_network_id_networks FOREIGN KEY (network_id) REFERENCES public.networks(id);
ALTER TABLE ONLY public.status_snapshots
    ADD CONSTRAINT fk_status_snapshots_list_id_status_lists FOREIGN KEY (list_id) REFERENCES public.status_lists(id);
ALTER TABLE ONLY public.status_versions
    ADD CONSTRAINT fk_status_versions_list_id_status_lists FOREIGN KEY (list_id) REFERENCES public.status_lists(id);
ALTER TABLE ONLY public.used_indexes
    ADD CONSTRAINT fk_used_indexes_list_id_status_lists FOREIGN KEY (list_id) REFERENCES public.status_lists(id);
ALTER TABLE ONLY public.wallets
    ADD CONSTRAINT fk_wallets_person_id_people FOREIGN KEY (person_id) REFERENCES public.people(id);
