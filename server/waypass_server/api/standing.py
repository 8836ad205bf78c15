"""A standing in the API's form: for every scope the aspect, and for every contribution who answers for it.

A scope by grant that the person has no grant for has no aspect. Each cause that comes from an entry names basis,
citation, authority and contact, its period and how to object, so that "why" always has an answer.
"""

from typing import Any, assert_never

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server.api.forms import Output, how_to_object
from waypass_server.aspects import Cause, CauseKind, standing_of
from waypass_server.models.lists_of_people import Entry, Exemption, Fact
from waypass_server.models.network import Scope
from waypass_server.models.people import Person
from waypass_server.models.rules import RuleSetVersion
from waypass_server.rule_text import from_json


class CauseOut(Output):
    """One contribution to an aspect, and who answers for it."""

    kind: CauseKind
    aspect: str = Field(examples=["yellow"])
    id: int | None = None
    reason: str
    basis: str | None = None
    citation: str | None = None
    authority: str | None = None
    contact: str | None = None
    source: str | None = None
    rule_set: int | None = Field(default=None, description="For a rule: its rule set; `GET /rule-sets` has it.")
    rule_set_version: int | None = None
    rule: str | None = None
    failed: bool = Field(default=False, description="The rule could not be evaluated.")
    starts_at: int | None = None
    ends_at: int | None = None
    how_to_object: str | None = None


class ScopeStanding(Output):
    """One scope; `aspect` is None for a scope by grant without a grant."""

    number: int
    name: str
    aspect: str | None = Field(examples=["green", "yellow", "red"])
    why: list[CauseOut]


def explain(session: Session, person: Person, now: int) -> tuple[list[ScopeStanding], int | None]:
    """Every scope of the network with the person's aspect and its causes, and when anything may change by itself."""
    standing = standing_of(session, person.id, now)
    scopes = session.scalars(select(Scope).where(Scope.network_id == person.network_id).order_by(Scope.number))
    explained = []
    for scope in scopes:
        aspect = standing.aspects.get(scope.number)
        why = [_cause(session, cause) for cause in standing.why.get(scope.number, ())]
        name = None if aspect is None else aspect.name.lower()
        explained.append(ScopeStanding(number=scope.number, name=scope.name, aspect=name, why=why))
    return explained, standing.until


def _cause(session: Session, cause: Cause) -> CauseOut:
    same: dict[str, Any] = {"kind": cause.kind, "aspect": cause.aspect.name.lower(), "id": cause.record_id}
    match cause.kind:
        case CauseKind.ENTRY | CauseKind.GRANT:
            return _from_entry(session.get_one(Entry, cause.record_id), same)
        case CauseKind.FACT | CauseKind.EVIDENCE:
            fact = session.get_one(Fact, cause.record_id)
            same |= {"starts_at": fact.valid_from, "ends_at": fact.valid_until}
            return CauseOut(**same, reason=fact.reason, source=fact.source)
        case CauseKind.EXEMPTION:
            exemption = session.get_one(Exemption, cause.record_id)
            same |= {"starts_at": exemption.starts_at, "ends_at": exemption.ends_at}
            return CauseOut(**same, reason=exemption.reason)
        case CauseKind.NO_EVIDENCE:
            return CauseOut(**same, reason="this scope needs a health certificate that is in force")
        case CauseKind.RULE:
            return _from_rule(session.get_one(RuleSetVersion, cause.record_id), cause, same)
    assert_never(cause.kind)


def _from_rule(version: RuleSetVersion, cause: Cause, same: dict[str, Any]) -> CauseOut:
    rule_set, text = version.rule_set, from_json(version.text)
    (reason,) = [rule.reason for rule in text.rules if rule.id == cause.rule]
    return CauseOut(
        **same,
        reason=reason,
        citation=text.citation,
        authority=rule_set.authority.name,
        contact=rule_set.authority.contact,
        source=rule_set.title,
        rule_set=rule_set.id,
        rule_set_version=version.number,
        rule=cause.rule,
        failed=cause.failed,
        starts_at=version.approved_at,
    )


def _from_entry(entry: Entry, same: dict[str, Any]) -> CauseOut:
    version = entry.version
    return CauseOut(
        **same,
        reason=entry.reason,
        basis=version.title,
        citation=version.citation,
        authority=version.basis.authority.name,
        contact=version.basis.authority.contact,
        starts_at=entry.takes_effect_at,
        ends_at=entry.ends_at,
        how_to_object=how_to_object(entry),
    )
