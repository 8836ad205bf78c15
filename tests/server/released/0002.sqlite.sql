BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE authorities (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	contact VARCHAR(500) NOT NULL, 
	CONSTRAINT pk_authorities PRIMARY KEY (id), 
	CONSTRAINT fk_authorities_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id), 
	CONSTRAINT uq_authorities_network_id_name UNIQUE (network_id, name)
);
INSERT INTO "authorities" VALUES(1,1,'Health office','health@example.org');
INSERT INTO "authorities" VALUES(2,1,'Court office','tel 555-0100');
CREATE TABLE bases (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	authority_id INTEGER NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_bases PRIMARY KEY (id), 
	CONSTRAINT fk_bases_authority_id_authorities FOREIGN KEY(authority_id) REFERENCES authorities (id), 
	CONSTRAINT fk_bases_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id)
);
INSERT INTO "bases" VALUES(1,1,1,1800000000);
CREATE TABLE basis_versions (
	id INTEGER NOT NULL, 
	basis_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	title VARCHAR(200) NOT NULL, 
	citation VARCHAR(500) NOT NULL, 
	health BOOLEAN NOT NULL, 
	effects JSON NOT NULL, 
	scopes JSON NOT NULL, 
	longest BIGINT NOT NULL, 
	notice BIGINT NOT NULL, 
	objection_deadline BIGINT NOT NULL, 
	exclusions JSON NOT NULL, 
	state VARCHAR(40) NOT NULL, 
	proposed_by INTEGER NOT NULL, 
	proposed_at BIGINT NOT NULL, 
	approved_by INTEGER, 
	approved_at BIGINT, 
	CONSTRAINT pk_basis_versions PRIMARY KEY (id), 
	CONSTRAINT fk_basis_versions_approved_by_staff FOREIGN KEY(approved_by) REFERENCES staff (id), 
	CONSTRAINT fk_basis_versions_basis_id_bases FOREIGN KEY(basis_id) REFERENCES bases (id), 
	CONSTRAINT fk_basis_versions_proposed_by_staff FOREIGN KEY(proposed_by) REFERENCES staff (id), 
	CONSTRAINT uq_basis_versions_basis_id_number UNIQUE (basis_id, number)
);
INSERT INTO "basis_versions" VALUES(1,1,1,'Infection protection','Act 7, section 3',1,'["red", "yellow"]','[1, 2, 4]',2592000,7200,864000,'["minors"]','in-force',3,1800000000,5,1800000000);
CREATE TABLE console_sessions (
	id INTEGER NOT NULL, 
	staff_id INTEGER NOT NULL, 
	secret_hash VARCHAR(64) NOT NULL, 
	signed_in_with VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	seen_at BIGINT NOT NULL, 
	ends_at BIGINT NOT NULL, 
	CONSTRAINT pk_console_sessions PRIMARY KEY (id), 
	CONSTRAINT fk_console_sessions_staff_id_staff FOREIGN KEY(staff_id) REFERENCES staff (id), 
	CONSTRAINT uq_console_sessions_secret_hash UNIQUE (secret_hash)
);
INSERT INTO "console_sessions" VALUES(1,1,'ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss','tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt',1800000000,1800000000,1800028800);
CREATE TABLE console_submissions (
	id INTEGER NOT NULL, 
	staff_id INTEGER NOT NULL, 
	key_hash VARCHAR(64) NOT NULL, 
	leads_to VARCHAR(200) NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_console_submissions PRIMARY KEY (id), 
	CONSTRAINT fk_console_submissions_staff_id_staff FOREIGN KEY(staff_id) REFERENCES staff (id), 
	CONSTRAINT uq_console_submissions_staff_id_key_hash UNIQUE (staff_id, key_hash)
);
INSERT INTO "console_submissions" VALUES(1,1,'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk','/ops/entries/1',1800000000);
CREATE TABLE desk_codes (
	id INTEGER NOT NULL, 
	person_id INTEGER NOT NULL, 
	code_hash VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	used_at BIGINT, 
	CONSTRAINT pk_desk_codes PRIMARY KEY (id), 
	CONSTRAINT fk_desk_codes_person_id_people FOREIGN KEY(person_id) REFERENCES people (id), 
	CONSTRAINT uq_desk_codes_code_hash UNIQUE (code_hash)
);
CREATE TABLE emergency_withdrawals (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	person_id INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	state VARCHAR(40) NOT NULL, 
	asked_by INTEGER NOT NULL, 
	asked_at BIGINT NOT NULL, 
	confirmed_by INTEGER, 
	done_at BIGINT, 
	passes INTEGER, 
	CONSTRAINT pk_emergency_withdrawals PRIMARY KEY (id), 
	CONSTRAINT fk_emergency_withdrawals_asked_by_staff FOREIGN KEY(asked_by) REFERENCES staff (id), 
	CONSTRAINT fk_emergency_withdrawals_confirmed_by_staff FOREIGN KEY(confirmed_by) REFERENCES staff (id), 
	CONSTRAINT fk_emergency_withdrawals_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id), 
	CONSTRAINT fk_emergency_withdrawals_person_id_people FOREIGN KEY(person_id) REFERENCES people (id)
);
INSERT INTO "emergency_withdrawals" VALUES(1,1,3,'a lost telephone','done',8,1800007200,NULL,1800007200,0);
CREATE TABLE entries (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	person_id INTEGER NOT NULL, 
	basis_version_id INTEGER NOT NULL, 
	effect VARCHAR(40) NOT NULL, 
	scopes JSON NOT NULL, 
	reason TEXT NOT NULL, 
	case_reference VARCHAR(200) NOT NULL, 
	case_state VARCHAR(40) NOT NULL, 
	starts_at BIGINT NOT NULL, 
	ends_at BIGINT NOT NULL, 
	state VARCHAR(40) NOT NULL, 
	proposed_by INTEGER NOT NULL, 
	proposed_at BIGINT NOT NULL, 
	approved_by INTEGER, 
	approved_at BIGINT, 
	notified_at BIGINT, 
	takes_effect_at BIGINT, 
	effective_at BIGINT, 
	confirmed_at BIGINT, 
	ended_at BIGINT, 
	"end" VARCHAR(40), 
	CONSTRAINT pk_entries PRIMARY KEY (id), 
	CONSTRAINT fk_entries_approved_by_staff FOREIGN KEY(approved_by) REFERENCES staff (id), 
	CONSTRAINT fk_entries_basis_version_id_basis_versions FOREIGN KEY(basis_version_id) REFERENCES basis_versions (id), 
	CONSTRAINT fk_entries_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id), 
	CONSTRAINT fk_entries_person_id_people FOREIGN KEY(person_id) REFERENCES people (id), 
	CONSTRAINT fk_entries_proposed_by_staff FOREIGN KEY(proposed_by) REFERENCES staff (id)
);
INSERT INTO "entries" VALUES(1,1,4,1,'red','[1]','A laboratory found an infection that spreads in closed rooms.','H-2027-11','open',1800000000,1801728000,'proposed',3,1800000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "entries" VALUES(2,1,1,1,'red','[1]','A laboratory found an infection that spreads in closed rooms.','H-2027-11','open',1800000000,1801728000,'in-effect',3,1800000000,5,1800000000,1800000000,1800007200,1800007200,1800000000,NULL,NULL);
INSERT INTO "entries" VALUES(3,1,2,1,'red','[1]','A laboratory found an infection that spreads in closed rooms.','H-2027-11','open',1800007200,1801728000,'suspended',3,1800007200,5,1800007200,1800007200,1800014400,NULL,1800007200,NULL,NULL);
CREATE TABLE events (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	actor VARCHAR(20) NOT NULL, 
	staff_id INTEGER, 
	what VARCHAR(60) NOT NULL, 
	subject VARCHAR(40) NOT NULL, 
	subject_id INTEGER NOT NULL, 
	details JSON NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (id), 
	CONSTRAINT fk_events_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id), 
	CONSTRAINT fk_events_staff_id_staff FOREIGN KEY(staff_id) REFERENCES staff (id)
);
INSERT INTO "events" VALUES(1,1,1800000000,'system',NULL,'network.added','network',1,'{"roles": []}');
INSERT INTO "events" VALUES(2,1,1800000000,'system',NULL,'scope.added','scope',1,'{"roles": []}');
INSERT INTO "events" VALUES(3,1,1800000000,'system',NULL,'scope.added','scope',1,'{"roles": []}');
INSERT INTO "events" VALUES(4,1,1800000000,'system',NULL,'scope.added','scope',1,'{"roles": []}');
INSERT INTO "events" VALUES(5,1,1800000000,'system',NULL,'scope.added','scope',1,'{"roles": []}');
INSERT INTO "events" VALUES(6,1,1800000000,'system',NULL,'authority.added','authority',1,'{"roles": []}');
INSERT INTO "events" VALUES(7,1,1800000000,'system',NULL,'authority.added','authority',1,'{"roles": []}');
INSERT INTO "events" VALUES(8,1,1800000000,'system',NULL,'staff.added','staff',1,'{"roles": ["admin"]}');
INSERT INTO "events" VALUES(9,1,1800000000,'system',NULL,'staff.added','staff',2,'{"roles": ["admin"]}');
INSERT INTO "events" VALUES(10,1,1800000000,'system',NULL,'staff.added','staff',3,'{"roles": ["proposer"]}');
INSERT INTO "events" VALUES(11,1,1800000000,'system',NULL,'staff.added','staff',4,'{"roles": ["proposer"]}');
INSERT INTO "events" VALUES(12,1,1800000000,'system',NULL,'staff.added','staff',5,'{"roles": ["approver"]}');
INSERT INTO "events" VALUES(13,1,1800000000,'system',NULL,'staff.added','staff',6,'{"roles": ["reviewer"]}');
INSERT INTO "events" VALUES(14,1,1800000000,'system',NULL,'staff.added','staff',7,'{"roles": ["reviewer"]}');
INSERT INTO "events" VALUES(15,1,1800000000,'system',NULL,'staff.added','staff',8,'{"roles": ["ops"]}');
INSERT INTO "events" VALUES(16,1,1800000000,'system',NULL,'staff.added','staff',9,'{"roles": ["ops"]}');
INSERT INTO "events" VALUES(17,1,1800000000,'system',NULL,'staff.added','staff',10,'{"roles": ["desk"]}');
INSERT INTO "events" VALUES(18,1,1800000000,'system',NULL,'staff.added','staff',11,'{"roles": ["admin", "approver", "desk", "ops", "proposer", "reviewer"]}');
INSERT INTO "events" VALUES(19,1,1800000000,'staff',3,'basis.proposed','basis',1,'{"version": 1}');
INSERT INTO "events" VALUES(20,1,1800000000,'staff',5,'basis.approved','basis',1,'{"version": 1}');
INSERT INTO "events" VALUES(21,1,1800000000,'staff',10,'person.registered','person',1,'{}');
INSERT INTO "events" VALUES(22,1,1800000000,'staff',10,'desk-code.made','person',1,'{}');
INSERT INTO "events" VALUES(23,1,1800000000,'holder',NULL,'wallet.enrolled','person',1,'{}');
INSERT INTO "events" VALUES(24,1,1800000000,'staff',10,'person.registered','person',2,'{}');
INSERT INTO "events" VALUES(25,1,1800000000,'staff',10,'desk-code.made','person',2,'{}');
INSERT INTO "events" VALUES(26,1,1800000000,'holder',NULL,'wallet.enrolled','person',2,'{}');
INSERT INTO "events" VALUES(27,1,1800000000,'staff',10,'person.registered','person',3,'{}');
INSERT INTO "events" VALUES(28,1,1800000000,'staff',10,'desk-code.made','person',3,'{}');
INSERT INTO "events" VALUES(29,1,1800000000,'holder',NULL,'wallet.enrolled','person',3,'{}');
INSERT INTO "events" VALUES(30,1,1800000000,'staff',10,'person.registered','person',4,'{}');
INSERT INTO "events" VALUES(31,1,1800000000,'staff',10,'desk-code.made','person',4,'{}');
INSERT INTO "events" VALUES(32,1,1800000000,'holder',NULL,'wallet.enrolled','person',4,'{}');
INSERT INTO "events" VALUES(33,1,1800000000,'staff',10,'person.registered','person',5,'{}');
INSERT INTO "events" VALUES(34,1,1800000000,'staff',10,'desk-code.made','person',5,'{}');
INSERT INTO "events" VALUES(35,1,1800000000,'staff',10,'paper-pass.issued','person',2,'{"count": 1}');
INSERT INTO "events" VALUES(36,1,1800000000,'staff',3,'entry.proposed','entry',1,'{"state": "proposed"}');
INSERT INTO "events" VALUES(37,1,1800000000,'staff',3,'entry.proposed','entry',2,'{"state": "proposed"}');
INSERT INTO "events" VALUES(38,1,1800000000,'staff',5,'entry.approved','entry',2,'{"state": "approved"}');
INSERT INTO "events" VALUES(39,1,1800000000,'system',NULL,'entry.notified','entry',2,'{"takes_effect_at": 1800007200}');
INSERT INTO "events" VALUES(40,1,1800007200,'system',NULL,'entry.in-effect','entry',2,'{"state": "in-effect"}');
INSERT INTO "events" VALUES(41,1,1800007200,'staff',3,'entry.proposed','entry',3,'{"state": "proposed"}');
INSERT INTO "events" VALUES(42,1,1800007200,'staff',5,'entry.approved','entry',3,'{"state": "approved"}');
INSERT INTO "events" VALUES(43,1,1800007200,'system',NULL,'entry.notified','entry',3,'{"takes_effect_at": 1800014400}');
INSERT INTO "events" VALUES(44,1,1800007200,'holder',NULL,'objection.made','objection',1,'{"entry": 3, "suspends": true}');
INSERT INTO "events" VALUES(45,1,1800007200,'staff',6,'exemption.granted','exemption',1,'{"ends_at": 1800093600}');
INSERT INTO "events" VALUES(46,1,1800007200,'staff',10,'fact.recorded','fact',1,'{"kind": "survey", "weight": "yellow"}');
INSERT INTO "events" VALUES(47,1,1800007200,'staff',8,'withdrawal.done','withdrawal',1,'{"person": 3, "passes": 0}');
INSERT INTO "events" VALUES(48,1,1800007200,'staff',10,'paper-pass.issued','person',2,'{"count": 1}');
CREATE TABLE exemptions (
	id INTEGER NOT NULL, 
	person_id INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	starts_at BIGINT NOT NULL, 
	ends_at BIGINT NOT NULL, 
	granted_by INTEGER NOT NULL, 
	granted_at BIGINT NOT NULL, 
	CONSTRAINT pk_exemptions PRIMARY KEY (id), 
	CONSTRAINT fk_exemptions_granted_by_staff FOREIGN KEY(granted_by) REFERENCES staff (id), 
	CONSTRAINT fk_exemptions_person_id_people FOREIGN KEY(person_id) REFERENCES people (id)
);
INSERT INTO "exemptions" VALUES(1,1,'a hearing',1800007200,1800093600,6,1800007200);
CREATE TABLE facts (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	person_id INTEGER NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	source VARCHAR(200) NOT NULL, 
	weight VARCHAR(40) NOT NULL, 
	scopes JSON NOT NULL, 
	reason TEXT NOT NULL, 
	valid_from BIGINT NOT NULL, 
	valid_until BIGINT NOT NULL, 
	digest VARCHAR(64), 
	recorded_by INTEGER, 
	recorded_at BIGINT NOT NULL, 
	withdrawn_at BIGINT, 
	CONSTRAINT pk_facts PRIMARY KEY (id), 
	CONSTRAINT fk_facts_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id), 
	CONSTRAINT fk_facts_person_id_people FOREIGN KEY(person_id) REFERENCES people (id), 
	CONSTRAINT fk_facts_recorded_by_staff FOREIGN KEY(recorded_by) REFERENCES staff (id), 
	CONSTRAINT uq_facts_network_id_digest UNIQUE (network_id, digest)
);
INSERT INTO "facts" VALUES(1,1,3,'survey','desk','yellow','[]','fever',1800007200,1800093600,NULL,10,1800007200,NULL);
CREATE TABLE failed_enrolments (
	id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_failed_enrolments PRIMARY KEY (id)
);
CREATE TABLE failed_sign_ins (
	id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_failed_sign_ins PRIMARY KEY (id)
);
INSERT INTO "failed_sign_ins" VALUES(1,1800000000,'ssssssssssssssssssssssssssssssss');
CREATE TABLE networks (
	id INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_networks PRIMARY KEY (id), 
	CONSTRAINT uq_networks_name UNIQUE (name)
);
INSERT INTO "networks" VALUES(1,'metro',1800000000);
CREATE TABLE notices (
	id INTEGER NOT NULL, 
	person_id INTEGER NOT NULL, 
	entry_id INTEGER, 
	kind VARCHAR(40) NOT NULL, 
	content JSON NOT NULL, 
	created_at BIGINT NOT NULL, 
	delivered_at BIGINT, 
	delivery VARCHAR(200), 
	CONSTRAINT pk_notices PRIMARY KEY (id), 
	CONSTRAINT fk_notices_entry_id_entries FOREIGN KEY(entry_id) REFERENCES entries (id), 
	CONSTRAINT fk_notices_person_id_people FOREIGN KEY(person_id) REFERENCES people (id)
);
INSERT INTO "notices" VALUES(1,1,2,'entry','{"entry": 2, "effect": "red", "scopes": [1], "reason": "A laboratory found an infection that spreads in closed rooms.", "basis": "Infection protection", "citation": "Act 7, section 3", "authority": "Health office", "contact": "health@example.org", "case": "H-2027-11", "starts_at": 1800000000, "ends_at": 1801728000, "takes_effect_not_before": 1800007200, "object": "POST /api/v1/me/entries/2/objection", "objection_decided_within": 864000}',1800000000,1800000000,'1');
INSERT INTO "notices" VALUES(2,2,3,'entry','{"entry": 3, "effect": "red", "scopes": [1], "reason": "A laboratory found an infection that spreads in closed rooms.", "basis": "Infection protection", "citation": "Act 7, section 3", "authority": "Health office", "contact": "health@example.org", "case": "H-2027-11", "starts_at": 1800007200, "ends_at": 1801728000, "takes_effect_not_before": 1800014400, "object": "POST /api/v1/me/entries/3/objection", "objection_decided_within": 864000}',1800007200,1800007200,'2');
INSERT INTO "notices" VALUES(3,3,NULL,'fact','{"fact": 1, "kind": "survey", "source": "desk", "reason": "fever", "valid_until": 1800093600}',1800007200,NULL,NULL);
INSERT INTO "notices" VALUES(4,3,NULL,'withdrawal','{"withdrawal": 1, "reason": "a lost telephone", "at": 1800007200}',1800007200,NULL,NULL);
CREATE TABLE objections (
	id INTEGER NOT NULL, 
	entry_id INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	made_at BIGINT NOT NULL, 
	suspends BOOLEAN NOT NULL, 
	decide_by BIGINT NOT NULL, 
	state VARCHAR(40) NOT NULL, 
	decided_by INTEGER, 
	decided_at BIGINT, 
	answer TEXT, 
	CONSTRAINT pk_objections PRIMARY KEY (id), 
	CONSTRAINT fk_objections_decided_by_staff FOREIGN KEY(decided_by) REFERENCES staff (id), 
	CONSTRAINT fk_objections_entry_id_entries FOREIGN KEY(entry_id) REFERENCES entries (id)
);
INSERT INTO "objections" VALUES(1,3,'It was not me.',1800007200,1,1800871200,'open',NULL,NULL,NULL);
CREATE TABLE pass_challenges (
	digest BLOB NOT NULL, 
	wallet_id INTEGER NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_pass_challenges PRIMARY KEY (digest), 
	CONSTRAINT fk_pass_challenges_wallet_id_wallets FOREIGN KEY(wallet_id) REFERENCES wallets (id)
);
CREATE TABLE passes (
	id INTEGER NOT NULL, 
	person_id INTEGER NOT NULL, 
	list_id INTEGER NOT NULL, 
	idx INTEGER NOT NULL, 
	kind VARCHAR(40) NOT NULL, 
	aspects JSON NOT NULL, 
	iat BIGINT NOT NULL, 
	exp BIGINT NOT NULL, 
	status SMALLINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_passes PRIMARY KEY (id), 
	CONSTRAINT fk_passes_list_id_status_lists FOREIGN KEY(list_id) REFERENCES status_lists (id), 
	CONSTRAINT fk_passes_person_id_people FOREIGN KEY(person_id) REFERENCES people (id), 
	CONSTRAINT uq_passes_list_id_idx UNIQUE (list_id, idx)
);
INSERT INTO "passes" VALUES(1,2,1,583891,'paper','{"1": 0}',1800000000,1802592000,1,1800000000);
INSERT INTO "passes" VALUES(2,1,1,316504,'bound','{"1": 0}',1800000000,1800086400,1,1800000000);
INSERT INTO "passes" VALUES(3,1,1,797843,'bound','{"1": 0}',1800000000,1800086400,1,1800000000);
INSERT INTO "passes" VALUES(4,1,1,752397,'bound','{"1": 0}',1800000000,1800086400,1,1800000000);
INSERT INTO "passes" VALUES(5,1,1,483920,'bound','{"1": 0}',1800000000,1800086400,1,1800000000);
INSERT INTO "passes" VALUES(6,2,1,489341,'bound','{"1": 0}',1800000000,1800086400,0,1800000000);
INSERT INTO "passes" VALUES(7,2,1,382400,'bound','{"1": 0}',1800000000,1800086400,0,1800000000);
INSERT INTO "passes" VALUES(8,2,1,25298,'bound','{"1": 0}',1800000000,1800086400,0,1800000000);
INSERT INTO "passes" VALUES(9,2,1,1017040,'bound','{"1": 0}',1800000000,1800086400,0,1800000000);
INSERT INTO "passes" VALUES(10,3,1,263174,'bound','{"1": 0}',1800000000,1800086400,1,1800000000);
INSERT INTO "passes" VALUES(11,3,1,668177,'bound','{"1": 0}',1800000000,1800086400,1,1800000000);
INSERT INTO "passes" VALUES(12,3,1,774380,'bound','{"1": 0}',1800000000,1800086400,1,1800000000);
INSERT INTO "passes" VALUES(13,3,1,878594,'bound','{"1": 0}',1800000000,1800086400,1,1800000000);
INSERT INTO "passes" VALUES(14,2,1,340374,'paper','{"1": 0}',1800007200,1802599200,0,1800007200);
CREATE TABLE people (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	reference VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	reassess_at BIGINT, 
	CONSTRAINT pk_people PRIMARY KEY (id), 
	CONSTRAINT fk_people_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id), 
	CONSTRAINT uq_people_network_id_reference UNIQUE (network_id, reference)
);
INSERT INTO "people" VALUES(1,1,'p-1',1800000000,1800093600);
INSERT INTO "people" VALUES(2,1,'p-2',1800000000,1800871200);
INSERT INTO "people" VALUES(3,1,'p-3',1800000000,1800093600);
INSERT INTO "people" VALUES(4,1,'p-4',1800000000,1801728000);
INSERT INTO "people" VALUES(5,1,'p-5',1800000000,NULL);
CREATE TABLE scopes (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	essential BOOLEAN NOT NULL, 
	by_grant BOOLEAN NOT NULL, 
	needs_evidence BOOLEAN NOT NULL, 
	CONSTRAINT pk_scopes PRIMARY KEY (id), 
	CONSTRAINT fk_scopes_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id), 
	CONSTRAINT uq_scopes_network_id_name UNIQUE (network_id, name), 
	CONSTRAINT uq_scopes_network_id_number UNIQUE (network_id, number)
);
INSERT INTO "scopes" VALUES(1,1,1,'ride',0,0,0);
INSERT INTO "scopes" VALUES(2,1,2,'hospital',1,0,0);
INSERT INTO "scopes" VALUES(3,1,3,'priority lane',0,1,0);
INSERT INTO "scopes" VALUES(4,1,4,'arena',0,0,1);
CREATE TABLE staff (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	desk VARCHAR(200) NOT NULL, 
	authority_id INTEGER, 
	roles JSON NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	left_at BIGINT, 
	CONSTRAINT pk_staff PRIMARY KEY (id), 
	CONSTRAINT fk_staff_authority_id_authorities FOREIGN KEY(authority_id) REFERENCES authorities (id), 
	CONSTRAINT fk_staff_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id), 
	CONSTRAINT uq_staff_network_id_name UNIQUE (network_id, name), 
	CONSTRAINT uq_staff_token_hash UNIQUE (token_hash)
);
INSERT INTO "staff" VALUES(1,1,'admin','Central',NULL,'["admin"]','5dfb1ea61033bae9eb87fae7172f56c64df37357ae411c7d1e410d40993a9576',1800000000,NULL);
INSERT INTO "staff" VALUES(2,1,'admin-2','Central',NULL,'["admin"]','c444c9bde068c27ae401c267b359b4c26090b3d064188ad396f131eff2503ca6',1800000000,NULL);
INSERT INTO "staff" VALUES(3,1,'proposer','Central',1,'["proposer"]','ab1cd6fd78e9a70b66062d8a2085e7884b5fb7926c4be9f8dab5c9f926ab151f',1800000000,NULL);
INSERT INTO "staff" VALUES(4,1,'proposer-2','Central',2,'["proposer"]','0113d2f7449c4b41e3ba565789102a7347d8258412db6ea9ad20901cee93450e',1800000000,NULL);
INSERT INTO "staff" VALUES(5,1,'approver','Central',NULL,'["approver"]','ae291ffc88567aece26608e602de16f22f2c2f4cb8ec1a286f94318cef7026e8',1800000000,NULL);
INSERT INTO "staff" VALUES(6,1,'reviewer','Central',NULL,'["reviewer"]','8ff5db8e61f7adb10a7be0b0c0959f822a4a0f70cd0fa75f35cf16676bae2c42',1800000000,NULL);
INSERT INTO "staff" VALUES(7,1,'health-reviewer','Central',1,'["reviewer"]','c02e6fdd47641083ba3156551a64ba2294996d5136e7cbbd41f3b52504aef1dd',1800000000,NULL);
INSERT INTO "staff" VALUES(8,1,'ops','Central',NULL,'["ops"]','115dda4fdede7c887a20d5659aaab468e2a5c0f4dd3f3ec637b6a0972aec8a3c',1800000000,NULL);
INSERT INTO "staff" VALUES(9,1,'ops-2','Central',NULL,'["ops"]','610c4e9a4483d88c4c3ad14cf31ee8091bdc46bb06ccba8be5c83cde69873342',1800000000,NULL);
INSERT INTO "staff" VALUES(10,1,'desk','Central',NULL,'["desk"]','702ade6d0923cfe18687d2582b575e6342f197adba2710a9a12cd1d2cdd00006',1800000000,NULL);
INSERT INTO "staff" VALUES(11,1,'everything','Central',NULL,'["admin", "approver", "desk", "ops", "proposer", "reviewer"]','bbe24ddaac6131d137d8e090b0977afc0729c3c357d7364eb139442571f40442',1800000000,NULL);
CREATE TABLE status_changes (
	id INTEGER NOT NULL, 
	list_id INTEGER NOT NULL, 
	idx INTEGER NOT NULL, 
	status SMALLINT NOT NULL, 
	committed_at BIGINT NOT NULL, 
	CONSTRAINT pk_status_changes PRIMARY KEY (id), 
	CONSTRAINT fk_status_changes_list_id_status_lists FOREIGN KEY(list_id) REFERENCES status_lists (id)
);
INSERT INTO "status_changes" VALUES(1,1,583891,1,1800007200);
CREATE TABLE status_decoys (
	list_id INTEGER NOT NULL, 
	idx INTEGER NOT NULL, 
	CONSTRAINT pk_status_decoys PRIMARY KEY (list_id, idx), 
	CONSTRAINT fk_status_decoys_list_id_status_lists FOREIGN KEY(list_id) REFERENCES status_lists (id)
);
INSERT INTO "status_decoys" VALUES(1,82223);
INSERT INTO "status_decoys" VALUES(1,127233);
INSERT INTO "status_decoys" VALUES(1,136314);
INSERT INTO "status_decoys" VALUES(1,144206);
INSERT INTO "status_decoys" VALUES(1,153513);
INSERT INTO "status_decoys" VALUES(1,162781);
INSERT INTO "status_decoys" VALUES(1,196285);
INSERT INTO "status_decoys" VALUES(1,247601);
INSERT INTO "status_decoys" VALUES(1,318734);
INSERT INTO "status_decoys" VALUES(1,345950);
INSERT INTO "status_decoys" VALUES(1,566103);
INSERT INTO "status_decoys" VALUES(1,603849);
INSERT INTO "status_decoys" VALUES(1,649293);
INSERT INTO "status_decoys" VALUES(1,657976);
INSERT INTO "status_decoys" VALUES(1,713288);
INSERT INTO "status_decoys" VALUES(1,717343);
INSERT INTO "status_decoys" VALUES(1,734377);
INSERT INTO "status_decoys" VALUES(1,876867);
INSERT INTO "status_decoys" VALUES(1,884365);
INSERT INTO "status_decoys" VALUES(1,941273);
INSERT INTO "status_decoys" VALUES(1,956731);
INSERT INTO "status_decoys" VALUES(1,994256);
INSERT INTO "status_decoys" VALUES(1,1025429);
INSERT INTO "status_decoys" VALUES(1,1041602);
CREATE TABLE status_deltas (
	list_id INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	signed BLOB NOT NULL, 
	iat BIGINT NOT NULL, 
	CONSTRAINT pk_status_deltas PRIMARY KEY (list_id, version), 
	CONSTRAINT fk_status_deltas_list_id_status_lists FOREIGN KEY(list_id) REFERENCES status_lists (id)
);
INSERT INTO "status_deltas" VALUES(1,2,X'D284582EA3012704487C2848801C783C7710781E6170706C69636174696F6E2F776179706173732D64656C74612B63626F72A05834A4026477703A31061A6B49EE203A00011179023A0001117AA1015818868810D2A003F89B0AC19F0BFC9105DFAB01A7B701EFF6045840B3EADF768F964A1F6067E54C7FF1356872EFE88743D9EB3117A7BE8E61CA180F02775E240A680393BEE5CFBF5DEA774B72D6C1EAF658F730EEAEB097A6306A05',1800007200);
CREATE TABLE status_heads (
	network_id INTEGER NOT NULL, 
	sequence INTEGER NOT NULL, 
	holder VARCHAR(32) NOT NULL, 
	CONSTRAINT pk_status_heads PRIMARY KEY (network_id), 
	CONSTRAINT fk_status_heads_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id)
);
INSERT INTO "status_heads" VALUES(1,2,'7db13d110d2d13fc0a81713531eccc70');
CREATE TABLE status_lists (
	id INTEGER NOT NULL, 
	network_id INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	uri VARCHAR(255) NOT NULL, 
	allocated INTEGER NOT NULL, 
	closed BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_status_lists PRIMARY KEY (id), 
	CONSTRAINT fk_status_lists_network_id_networks FOREIGN KEY(network_id) REFERENCES networks (id), 
	CONSTRAINT uq_status_lists_network_id_name UNIQUE (network_id, name), 
	CONSTRAINT uq_status_lists_uri UNIQUE (uri)
);
INSERT INTO "status_lists" VALUES(1,1,'1','wp:1',14,0,1800000000);
CREATE TABLE status_snapshots (
	list_id INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	signed BLOB NOT NULL, 
	kid BLOB NOT NULL, 
	iat BIGINT NOT NULL, 
	exp BIGINT NOT NULL, 
	CONSTRAINT pk_status_snapshots PRIMARY KEY (list_id), 
	CONSTRAINT fk_status_snapshots_list_id_status_lists FOREIGN KEY(list_id) REFERENCES status_lists (id)
);
INSERT INTO "status_snapshots" VALUES(1,1,X'D284582AA3012704487C2848801C783C7710781A6170706C69636174696F6E2F7374617475736C6973742B637774A0590145A6026477703A31041A6B4B3FA0061A6B49EE2019FFFDA2636C737459011578DAEDC13101000000C2A0F54FED6D07A00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000DE00003C000164626974730219FFFE19012C3A000111790158405E81C8CC585C173D8E7F88CFFF93E599A859D969871F614213B58285804F1FD1DDD93B15B6E830CFA7A4E3550B39A9E5535B5F92FEA1359FB631E25323D5ED06',X'7C2848801C783C77',1800007200,1800093600);
CREATE TABLE status_versions (
	list_id INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	CONSTRAINT pk_status_versions PRIMARY KEY (list_id), 
	CONSTRAINT fk_status_versions_list_id_status_lists FOREIGN KEY(list_id) REFERENCES status_lists (id)
);
INSERT INTO "status_versions" VALUES(1,2,X'665304E42AD896073F11BA23DDA3F0CA75D2E3F209045FCB143D2A30D2AED5C0');
CREATE TABLE used_indexes (
	list_id INTEGER NOT NULL, 
	idx INTEGER NOT NULL, 
	CONSTRAINT pk_used_indexes PRIMARY KEY (list_id, idx), 
	CONSTRAINT fk_used_indexes_list_id_status_lists FOREIGN KEY(list_id) REFERENCES status_lists (id)
)
 WITHOUT ROWID

;
CREATE TABLE wallets (
	id INTEGER NOT NULL, 
	person_id INTEGER NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	CONSTRAINT pk_wallets PRIMARY KEY (id), 
	CONSTRAINT fk_wallets_person_id_people FOREIGN KEY(person_id) REFERENCES people (id), 
	CONSTRAINT uq_wallets_token_hash UNIQUE (token_hash)
);
INSERT INTO "wallets" VALUES(1,1,'07d7aafa9d7a1188f29a820cb7ba9139abf49088a37cfffdfe05bced8a6e7018',1800000000,NULL);
INSERT INTO "wallets" VALUES(2,2,'51f722dc4b105a9643c5ec28b7eb3be6e184cecdb732838352c1c83c9170c08c',1800000000,NULL);
INSERT INTO "wallets" VALUES(3,3,'26921878aa92fb7fe011b76cd62412822c994f694f70e316e86103e430c2a30f',1800000000,NULL);
INSERT INTO "wallets" VALUES(4,4,'ca1f538fcea9a5ad8741f45e01c4dbf791d8ab69a0644148f01933d8638d139e',1800000000,NULL);
CREATE INDEX ix_people_reassess_at ON people (reassess_at);
CREATE INDEX ix_desk_codes_expires_at ON desk_codes (expires_at);
CREATE INDEX ix_desk_codes_person_id ON desk_codes (person_id);
CREATE INDEX ix_wallets_ended_at ON wallets (ended_at);
CREATE INDEX ix_wallets_person_id ON wallets (person_id);
CREATE INDEX ix_failed_enrolments_at_source ON failed_enrolments (at, source);
CREATE INDEX ix_entries_person_id ON entries (person_id);
CREATE INDEX ix_entries_state ON entries (state);
CREATE INDEX ix_objections_entry_id ON objections (entry_id);
CREATE INDEX ix_objections_state ON objections (state);
CREATE INDEX ix_exemptions_person_id ON exemptions (person_id);
CREATE INDEX ix_facts_person_id ON facts (person_id);
CREATE INDEX ix_notices_delivered_at_id ON notices (delivered_at, id);
CREATE INDEX ix_notices_person_id ON notices (person_id);
CREATE INDEX ix_emergency_withdrawals_done_at ON emergency_withdrawals (done_at);
CREATE INDEX ix_emergency_withdrawals_person_id ON emergency_withdrawals (person_id);
CREATE INDEX ix_passes_exp ON passes (exp);
CREATE INDEX ix_passes_person_id_exp ON passes (person_id, exp);
CREATE INDEX ix_pass_challenges_expires_at ON pass_challenges (expires_at);
CREATE INDEX ix_pass_challenges_wallet_id ON pass_challenges (wallet_id);
CREATE INDEX ix_console_sessions_ends_at ON console_sessions (ends_at);
CREATE INDEX ix_console_submissions_at ON console_submissions (at);
CREATE INDEX ix_failed_sign_ins_source_at ON failed_sign_ins (source, at);
COMMIT;
