"""Guards: what the database itself refuses about lists (see `models.guards`, of which this is the first form); and the
requests that were carried out.

Rows that are there are not looked at.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make a table and the triggers."""
    op.create_table(
        "done_requests",
        sa.Column("id", ID, nullable=False),
        sa.Column("staff_id", ID, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("record_id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_done_requests_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_done_requests")),
        sa.UniqueConstraint("staff_id", "key_hash", name=op.f("uq_done_requests_staff_id_key_hash")),
    )
    op.create_index(op.f("ix_done_requests_at"), "done_requests", ["at"], unique=False)
    dialect = op.get_bind().dialect.name
    for guard in GUARDS:
        for statement in statements(guard, dialect):
            op.execute(statement)


def downgrade() -> None:
    """Take them away again."""
    for guard in GUARDS:
        for when in ("insert", "update"):
            name = f"{guard.table}_guard_{when}"
            if op.get_bind().dialect.name == "sqlite":
                op.execute(f"DROP TRIGGER {name}")
            else:
                op.execute(f"DROP FUNCTION {name} CASCADE")
    op.drop_table("done_requests")


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """What is looked at when a row of `table` is written: conditions that are wrong, and what is said then."""

    table: str
    new: tuple[tuple[str, str], ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    both: tuple[tuple[str, str], ...] = ()
    only_if: str = "TRUE"
    source: str = ""


def _differs(*columns: str) -> str:
    return " OR ".join(f"CAST(NEW.{name} AS text) <> CAST(OLD.{name} AS text)" for name in columns)


def _rewritten(*columns: str) -> str:
    return " OR ".join(
        f"(OLD.{name} IS NOT NULL AND (NEW.{name} IS NULL OR NEW.{name} <> OLD.{name}))" for name in columns
    )


GUARDS = (
    Guard(
        table="entries",
        only_if="NEW.state <> 'ended'",
        source="FROM basis_versions AS v WHERE v.id = NEW.basis_version_id",
        new=(
            ("NEW.ends_at <= NEW.starts_at", "expected an end after the start"),
            (
                "NEW.ends_at - NEW.starts_at > v.longest",
                "expected an end within the longest duration of the basis",
            ),
            ("kind_of(NEW.scopes) <> 'array'", "expected a list of scopes"),
            ("json_array_length(NEW.scopes) = 0", "expected at least one scope"),
            (
                "EXISTS (SELECT 1 FROM elements(NEW.scopes) WHERE CAST(value AS text) NOT IN"
                " (SELECT CAST(value AS text) FROM elements(v.scopes)))",
                "expected scopes of the basis",
            ),
            ("NEW.effect NOT IN (SELECT value FROM elements(v.effects))", "expected an effect of the basis"),
            (
                "NEW.effect = 'red' AND NOT v.health AND EXISTS (SELECT 1 FROM scopes AS s"
                " WHERE s.network_id = NEW.network_id AND s.essential"
                " AND CAST(s.number AS text) IN (SELECT CAST(value AS text) FROM elements(NEW.scopes)))",
                "expected a basis of health for red in an essential scope",
            ),
            ("v.approved_by IS NULL", "expected a basis that two people put in force"),
            ("trim(NEW.reason) = ''", "expected a reason"),
        ),
        changed=(
            ("OLD.state = 'ended'", "expected an entry that has not ended"),
            (
                _differs(
                    "network_id",
                    "person_id",
                    "basis_version_id",
                    "effect",
                    "scopes",
                    "reason",
                    "case_reference",
                    "starts_at",
                    "ends_at",
                    "proposed_by",
                ),
                "expected what it says to stay as it was proposed",
            ),
            (
                _rewritten("approved_by", "confirmed_by", "notified_at", "takes_effect_at"),
                "expected its steps to stay as they were taken",
            ),
            (
                "OLD.state = 'held' AND NEW.state <> 'held' AND NEW.confirmed_by IS NULL",
                "expected a third person to confirm what was held",
            ),
        ),
        both=(
            ("NEW.approved_by = NEW.proposed_by", "expected another person to approve than the one who proposed"),
            (
                "NEW.confirmed_by IN (NEW.proposed_by, NEW.approved_by)",
                "expected a third person to confirm",
            ),
            ("NEW.state <> 'proposed' AND NEW.approved_by IS NULL", "expected a second person to approve"),
            (
                "NEW.state IN ('notified', 'suspended', 'in-effect')"
                " AND NOT EXISTS (SELECT 1 FROM notices AS n WHERE n.person_id = NEW.person_id"
                " AND n.entry_id = NEW.id AND n.kind = 'entry' AND n.delivered_at <= NEW.notified_at)",
                "expected a notice that was delivered",
            ),
            (
                "NEW.state IN ('notified', 'suspended', 'in-effect')"
                " AND (NEW.takes_effect_at IS NULL OR NEW.takes_effect_at < NEW.starts_at"
                " OR NEW.takes_effect_at < NEW.notified_at + v.notice)",
                "expected effect after the notice of the basis and after the start",
            ),
            (
                "NEW.state = 'in-effect' AND (NEW.effective_at IS NULL OR NEW.effective_at < NEW.takes_effect_at)",
                "expected effect when it is due",
            ),
        ),
    ),
    Guard(
        table="objections",
        changed=((_rewritten("decided_by", "decided_at"), "expected a decision to stay as it was taken"),),
        both=(
            (
                "NEW.state IN ('upheld', 'lifted') AND NEW.decided_by IS NULL",
                "expected somebody who decided",
            ),
            (
                "EXISTS (SELECT 1 FROM entries AS e WHERE e.id = NEW.entry_id"
                " AND NEW.decided_by IN (e.proposed_by, e.approved_by, e.confirmed_by))",
                "expected a reviewer who had no part in the entry",
            ),
            (
                "EXISTS (SELECT 1 FROM entries AS e JOIN basis_versions AS v ON v.id = e.basis_version_id"
                " JOIN bases AS b ON b.id = v.basis_id JOIN staff AS s ON s.authority_id = b.authority_id"
                " WHERE e.id = NEW.entry_id AND s.id = NEW.decided_by)",
                "expected a reviewer who does not work for the authority of the entry",
            ),
        ),
    ),
    Guard(
        table="basis_versions",
        changed=(
            (
                _differs(
                    "basis_id",
                    "number",
                    "title",
                    "citation",
                    "health",
                    "effects",
                    "scopes",
                    "longest",
                    "notice",
                    "objection_deadline",
                    "exclusions",
                    "proposed_by",
                ),
                "expected what it says to stay as it was proposed",
            ),
            (_rewritten("approved_by"), "expected its steps to stay as they were taken"),
        ),
        both=(
            ("NEW.approved_by = NEW.proposed_by", "expected another person to approve than the one who proposed"),
            ("NEW.state <> 'proposed' AND NEW.approved_by IS NULL", "expected a second person to approve"),
        ),
    ),
    Guard(
        table="rule_set_versions",
        changed=(
            (
                _differs("rule_set_id", "number", "text", "proposed_by"),
                "expected what it says to stay as it was proposed",
            ),
            (_rewritten("approved_by"), "expected its steps to stay as they were taken"),
        ),
        both=(
            ("NEW.approved_by = NEW.proposed_by", "expected another person to approve than the one who proposed"),
            (
                "NEW.state IN ('in-force', 'replaced') AND NEW.approved_by IS NULL",
                "expected a second person to approve",
            ),
        ),
    ),
    Guard(
        table="limit_changes",
        changed=(
            (
                _differs("network_id", "level", "subject_id", "window", "value", "before", "proposed_by"),
                "expected what it says to stay as it was proposed",
            ),
            (_rewritten("second_by", "third_by", "third_at"), "expected its steps to stay as they were taken"),
        ),
        both=(
            ("NEW.value < 1", "expected a limit of at least one"),
            ("NEW.second_by = NEW.proposed_by", "expected another person to agree than the one who proposed"),
            ("NEW.third_by IN (NEW.proposed_by, NEW.second_by)", "expected a third person to agree"),
            ("NEW.in_force_at IS NOT NULL AND NEW.second_by IS NULL", "expected a second person to agree"),
            (
                "NEW.in_force_at IS NOT NULL AND NEW.value > NEW.before"
                " AND (NEW.third_by IS NULL OR NEW.in_force_at < NEW.third_at + 259200)",
                "expected three people and 72 hours in public for a higher limit",
            ),
        ),
    ),
    Guard(
        table="emergency_withdrawals",
        both=(("NEW.confirmed_by = NEW.asked_by", "expected another person to confirm than the one who asked"),),
    ),
    Guard(
        table="exemptions",
        both=(("NEW.ends_at > NEW.starts_at + 259200", "expected an end within 72 hours of the start"),),
    ),
    Guard(
        table="facts",
        both=(("NEW.weight NOT IN ('admits', 'yellow', 'none')", "expected a weight of yellow at most"),),
    ),
)


def statements(guard: Guard, dialect: str) -> list[str]:
    """What makes the triggers of one table in one of the two databases."""
    render = _on_postgresql if dialect == "postgresql" else _on_sqlite
    new, changed = (*guard.new, *guard.both), (*guard.changed, *guard.both)
    return [*render(guard, "insert", new), *render(guard, "update", changed)]


def _cases(guard: Guard, wrong: tuple[tuple[str, str], ...], said: str) -> str:
    return " ".join(f"WHEN {each} THEN {said.format(f'{guard.table}: {message}')}" for each, message in wrong)


def _on_sqlite(guard: Guard, when: str, wrong: tuple[tuple[str, str], ...]) -> list[str]:
    text = (
        f"CREATE TRIGGER {guard.table}_guard_{when} BEFORE {when.upper()} ON {guard.table} WHEN {guard.only_if}"
        f" BEGIN SELECT CASE {_cases(guard, wrong, _ABORT)} END {guard.source}; END"
    )
    return [text.replace("elements(", "json_each(").replace("kind_of(", "json_type(")]


def _on_postgresql(guard: Guard, when: str, wrong: tuple[tuple[str, str], ...]) -> list[str]:
    name = f"{guard.table}_guard_{when}"
    function = (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE wrong text; BEGIN"
        f" IF NOT ({guard.only_if}) THEN RETURN NEW; END IF;"
        f" wrong := (SELECT CASE {_cases(guard, wrong, _WORDS)} END {guard.source});"
        " IF wrong IS NOT NULL THEN RAISE EXCEPTION USING MESSAGE = wrong, ERRCODE = 'check_violation'; END IF;"
        " RETURN NEW; END $$"
    )
    trigger = f"CREATE TRIGGER {name} BEFORE {when.upper()} ON {guard.table} FOR EACH ROW EXECUTE FUNCTION {name}()"
    return [function.replace("elements(", "json_array_elements_text(").replace("kind_of(", "json_typeof("), trigger]


_ABORT, _WORDS = "raise(ABORT, '{}')", "'{}'"
