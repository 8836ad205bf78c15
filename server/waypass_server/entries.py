"""Entries: how one is proposed, and how each step of its life is taken and recorded. The steps' rules are in `life`.

A proposal is accepted only if all of this holds; the first rule that fails decides:

1. the basis exists and is in force (`NotFound`, `Conflict`)
2. staff of an authority propose on its bases only (`Forbidden`)
3. the network has each scope (`UnknownScope`)
4. effect and scopes are among those of the basis (`OutsideBasis`)
5. red in an essential scope comes from a basis of health (`OutsideBasis`)
6. it ends after it starts, lasts no longer than the basis allows, and is not over before notice is given
   (`OutsideBasis`)
7. each exclusion of the basis was looked at (`OutsideBasis`)
8. the source case is open or was upheld (`OutsideBasis`)
9. the person is known (`NotFound`)

Every step reassesses the person in its own transaction. Repeating a step that was taken changes nothing.

Entries are read by those who judge or watch over what others propose (`READERS_OF_ALL`), and by the network's own
staff; who only proposes, for one authority, reads what is on its bases. What keeps an entry going (that its source
stands by it, that its case is open or upheld) is for its authority and the network to say; what ends it, for whoever
the rules of `life` name.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from waypass_server import bases, desks, events, life, worsening
from waypass_server.bases import Proposer
from waypass_server.database import LOCKED
from waypass_server.life import Action, Actor, State
from waypass_server.many_rows import AnyRow, from_text
from waypass_server.models.lists_of_people import (
    Basis,
    BasisVersion,
    CaseState,
    Effect,
    Entry,
    Exclusion,
    ObjectionState,
)
from waypass_server.models.network import Scope
from waypass_server.models.records import NoticeKind
from waypass_server.notifying import tell
from waypass_server.people import find_person, known_scopes
from waypass_server.reassess import reassess
from waypass_server.refusals import Conflict, NotFound, OutsideBasis
from waypass_server.roles import Role

OVER = frozenset({CaseState.DISMISSED, CaseState.WON})
"""Outcomes of a case that end what rests on it."""

READERS_OF_ALL = frozenset({Role.APPROVER, Role.REVIEWER, Role.OPS})


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What somebody proposes. Times are UNIX seconds."""

    person: str
    basis_id: int
    effect: Effect
    scopes: tuple[int, ...]
    reason: str
    case_reference: str
    case_state: CaseState
    starts_at: int
    ends_at: int
    exclusions_checked: frozenset[Exclusion]


def propose(session: Session, proposal: Proposal, *, proposer: Proposer, now: int) -> Entry:
    """A new entry, without effect yet. Raises what the module's rules name."""
    basis = bases.find_basis(session, proposer.network_id, proposal.basis_id)  # rule 1
    version = bases.version_in_force(basis)
    bases.check_authority(basis, proposer)  # rule 2
    scopes = known_scopes(session, proposer.network_id, list(proposal.scopes))  # rule 3
    check_content(proposal, version, scopes, now)  # rules 4 to 8
    person = find_person(session, proposer.network_id, proposal.person)  # rule 9
    entry = Entry(
        network_id=proposer.network_id,
        person=person,
        version=version,
        effect=proposal.effect,
        scopes=sorted(proposal.scopes),
        reason=proposal.reason,
        case_reference=proposal.case_reference,
        case_state=proposal.case_state,
        starts_at=proposal.starts_at,
        ends_at=proposal.ends_at,
        state=State.PROPOSED,
        proposed_by=proposer.staff_id,
        proposed_at=now,
    )
    session.add(entry)
    session.flush()
    _log(session, entry, proposer.actor, "entry.proposed", now)
    reassess(session, person.id, now)
    return entry


def approve(session: Session, entry: Entry, *, approver: Proposer, elsewhere: bool = False, now: int) -> Entry:
    """A second person approves, from another desk than the first, and with `elsewhere` not of the basis's authority;
    the holder is told. Past a limit (`worsening`) it is held for a third one instead.

    Raises `LifeError`, `SamePerson`, `Forbidden`, and `Conflict` when the basis has changed.
    """
    actor = approver.actor
    life.check_actor(Action.APPROVE, actor)
    check_alone(entry, "approve")
    if life.already_done(Action.APPROVE, entry.life(), actor):
        return entry
    life.after(Action.APPROVE, entry.life(), actor, now)
    check_approver(session, entry, actor, elsewhere=elsewhere)
    basis = entry.version.basis
    if bases.version_in_force(basis) is not entry.version:
        raise Conflict("approve: expected an entry on the basis as it is in force, the basis has changed since")
    worsens = entry.effect is not Effect.GRANT
    held = worsens and bool(worsening.count(session, basis, 1, actor=actor, now=now))
    entry.state = life.after(Action.HOLD if held else Action.APPROVE, entry.life(), actor, now)
    entry.approved_by = actor.staff_id
    entry.approved_at = now
    if held:
        _log(session, entry, actor, "entry.held", now)
        reassess(session, entry.person_id, now)
        return entry
    return _announce(session, entry, actor, "entry.approved", now)


def confirm(session: Session, entry: Entry, *, confirmer: Proposer, elsewhere: bool = False, now: int) -> Entry:
    """A third person, from a third desk, lets an entry go on that was held; the holder is told. Raises as `approve`
    does.
    """
    actor = confirmer.actor
    life.check_actor(Action.CONFIRM, actor)
    check_alone(entry, "confirm")
    if life.already_done(Action.CONFIRM, entry.life(), actor):
        return entry
    state = life.after(Action.CONFIRM, entry.life(), actor, now)
    check_approver(session, entry, actor, elsewhere=elsewhere)
    if bases.version_in_force(entry.version.basis) is not entry.version:
        raise Conflict("confirm: expected an entry on the basis as it is in force, the basis has changed since")
    entry.state, entry.confirmed_by = state, actor.staff_id
    return _announce(session, entry, actor, "entry.confirmed", now)


def check_alone(entry: Entry, what: str) -> None:
    """What came in a batch is decided as a batch (`bulk.batches`). Raises `Conflict`."""
    if entry.batch_id is not None:
        raise Conflict(f"{what}: expected an entry that stands alone, this one is of batch {entry.batch_id}")


def check_approver(session: Session, entry: Entry, actor: Actor, *, elsewhere: bool = False) -> None:
    """Whoever approves or confirms is another person at another desk (`desks`). Raises `SamePerson` or `Forbidden`."""
    what = "approve" if entry.approved_by is None else "confirm"
    not_of = desks.NotOf(authorities={entry.version.basis.authority_id}) if elsewhere else None
    desks.check_other(session, what, actor.staff_id, desks.parts_of(entry.life()), not_of=not_of)


def _announce(session: Session, entry: Entry, actor: Actor, what: str, now: int) -> Entry:
    """It is approved now by all who have to: the holder is told."""
    entry.confirmed_at = now
    tell(
        session,
        person_id=entry.person_id,
        kind=NoticeKind.ENTRY,
        now=now,
        entry_id=entry.id,
        content=describe(entry, entry.version, now),
    )
    _log(session, entry, actor, what, now)
    reassess(session, entry.person_id, now)
    return entry


def end(session: Session, entry: Entry, action: Action, *, actor: Actor, now: int) -> Entry:
    """Take one of the steps that end an entry: lift, withdraw, undo, dismiss, expire, lapse. Raises `LifeError`."""
    life.check_actor(action, actor)
    if life.already_done(action, entry.life(), actor):
        return entry
    # A notice that has not left yet is not sent any more (`delivery`): there is no end to tell of.
    was_announced = entry.notified_at is not None
    entry.state = life.after(action, entry.life(), actor, now)
    entry.end = life.RULES[action].end
    entry.ended_at = now
    for objection in entry.objections:
        if objection.state is ObjectionState.OPEN:
            objection.state = ObjectionState.MOOT
    _log(session, entry, actor, f"entry.{action.value}", now)
    if was_announced:
        content: dict[str, object] = {"entry": entry.id, "end": str(entry.end), "reason": entry.reason}
        tell(
            session,
            person_id=entry.person_id,
            kind=NoticeKind.ENTRY_ENDED,
            now=now,
            entry_id=entry.id,
            content=content,
        )
    reassess(session, entry.person_id, now)
    return entry


def take_effect(session: Session, entry: Entry, *, actor: Actor, now: int) -> None:
    """The notice period is over. Raises `LifeError`."""
    entry.state = life.after(Action.TAKE_EFFECT, entry.life(), actor, now)
    entry.effective_at = now
    _log(session, entry, actor, "entry.in-effect", now)


def reconfirm(session: Session, entry: Entry, *, proposer: Proposer, now: int) -> Entry:
    """Its source was asked again and still stands by it: not another authority, and not too late. Raises `LifeError`,
    `Forbidden`, or `Conflict`.
    """
    actor = proposer.actor
    life.check_actor(Action.RECONFIRM, actor)
    bases.check_authority(entry.version.basis, proposer)
    state = life.after(Action.RECONFIRM, entry.life(), actor, now)
    check_confirmable(entry, now)
    entry.state, entry.confirmed_at = state, now
    _log(session, entry, actor, "entry.reconfirmed", now)
    reassess(session, entry.person_id, now)
    return entry


def check_confirmable(entry: Entry, now: int) -> None:
    """Raises `Conflict` once the source was not asked for too long."""
    confirm_by = entry.confirm_by()
    if confirm_by is not None and confirm_by <= now:
        raise Conflict("reconfirm: expected it within 90 days of the last time; the entry lapses")


def set_case(session: Session, entry: Entry, state: CaseState, *, keeper: Proposer, now: int) -> Entry:
    """Record the source case's state; dismissed, or won by the person, ends the entry. Another authority may say only
    what ends it. Raises `LifeError`, `Forbidden` or `Conflict`.
    """
    actor = keeper.actor
    life.check_actor(Action.DISMISS, actor)
    if state not in OVER:
        bases.check_authority(entry.version.basis, keeper)
    if entry.case_state is state:
        return entry
    if entry.state is State.ENDED:
        raise Conflict(f"case: expected an entry that has not ended, this one has ({entry.end})")
    entry.case_state = state
    _log(session, entry, actor, "entry.case", now, case=state.value)
    return end(session, entry, Action.DISMISS, actor=actor, now=now) if state in OVER else entry


def find_entry(session: Session, network_id: int, entry_id: int, *, lock: bool = True) -> Entry:
    """Locked until the transaction ends, unless it is only looked at. Raises `NotFound`."""
    entry = session.get(Entry, entry_id, with_for_update=LOCKED if lock else None)
    if entry is None or entry.network_id != network_id:
        raise NotFound(f"entry: expected one of the network's entries, got {entry_id}")
    return entry


def cases_for(entry: Entry, keeper: Proposer) -> list[CaseState]:
    """The states of its case that this person may record, as far as it is about their authority."""
    return [state for state in CaseState if state in OVER or bases.is_of_authority(entry.version.basis, keeper)]


def check_reader(entry: Entry, reader: Proposer) -> None:
    """Raises `Forbidden` for whoever may not read it, by the module's rules."""
    if not _reads_all(reader):
        bases.check_authority(entry.version.basis, reader)


def readable(query: Select[Entry], reader: Proposer) -> Select[Entry]:
    """Of the entries of a query those that this person may read."""
    if _reads_all(reader):
        return query
    mine = select(BasisVersion.id).join(Basis, Basis.id == BasisVersion.basis_id)
    return query.where(Entry.basis_version_id.in_(mine.where(Basis.authority_id == reader.authority_id)))


def _reads_all(reader: Proposer) -> bool:
    return reader.authority_id is None or bool(reader.actor.roles & READERS_OF_ALL)


def scopes_of(entry: Entry | Proposal | AnyRow) -> list[int]:
    """Of one of many (`together`) they come as text."""
    if isinstance(entry, Row):
        return list(from_text(entry.scopes_text))
    return list(entry.scopes)


def describe(entry: Entry | AnyRow, version: BasisVersion, now: int) -> dict[str, object]:
    """What the holder is told: all that an objection needs, and who answers for it."""
    return {
        "entry": entry.id,
        "effect": entry.effect.value,
        "scopes": scopes_of(entry),
        "reason": entry.reason,
        "basis": version.title,
        "citation": version.citation,
        "authority": version.basis.authority.name,
        "contact": version.basis.authority.contact,
        "case": entry.case_reference,
        "starts_at": entry.starts_at,
        "ends_at": entry.ends_at,
        "takes_effect_not_before": max(entry.starts_at, now + version.notice),
        "object": f"POST /api/v1/me/entries/{entry.id}/objection",
        "objection_decided_within": version.objection_deadline,
    }


def check_content(proposal: Proposal, version: BasisVersion, scopes: dict[int, Scope], now: int) -> None:
    """Rules 4 to 8. Raises `OutsideBasis`."""
    _check_reach(proposal, version, scopes)
    _check_period(proposal, version, now)
    _check_grounds(proposal, version)


def _check_reach(proposal: Proposal, version: BasisVersion, scopes: dict[int, Scope]) -> None:
    if proposal.effect.value not in version.effects:
        raise OutsideBasis(f"effect: expected one of {version.effects}, got {proposal.effect.value}")
    outside = sorted(set(proposal.scopes) - set(version.scopes))
    if outside:
        raise OutsideBasis(f"scopes: expected scopes of the basis, {version.scopes}, got {outside}")
    if proposal.effect is Effect.RED and not version.health:
        essential = sorted(number for number, scope in scopes.items() if scope.essential)
        if essential:
            raise OutsideBasis(
                f"scopes: expected a basis of health for red in essential scopes, got {essential} without"
            )


def _check_period(proposal: Proposal, version: BasisVersion, now: int) -> None:
    if proposal.ends_at <= proposal.starts_at:
        raise OutsideBasis(f"ends_at: expected an end after the start {proposal.starts_at}, got {proposal.ends_at}")
    length = proposal.ends_at - proposal.starts_at
    if length > version.longest:
        raise OutsideBasis(f"ends_at: expected at most {version.longest} s after the start, got {length}")
    if proposal.ends_at <= now + version.notice:
        raise OutsideBasis(f"ends_at: expected an end after the notice of {version.notice} s, got {proposal.ends_at}")


def _check_grounds(proposal: Proposal, version: BasisVersion) -> None:
    unchecked = sorted(set(version.exclusions) - {exclusion.value for exclusion in proposal.exclusions_checked})
    if unchecked:
        raise OutsideBasis(f"exclusions_checked: expected each exclusion of the basis, {unchecked} not looked at")
    if proposal.case_state in OVER:
        raise OutsideBasis(f"case: expected a case that is open or upheld, got {proposal.case_state.value}")


def _log(session: Session, entry: Entry, actor: Actor, what: str, now: int, **details: object) -> None:
    events.record(
        session,
        network_id=entry.network_id,
        at=now,
        actor=actor,
        what=what,
        subject=("entry", entry.id),
        **logged(entry, entry.version, entry.state),
        **details,
    )


def logged(entry: Entry | Proposal | AnyRow, version: BasisVersion, state: State) -> dict[str, Any]:
    """What the log says of an entry, whatever the step."""
    return {
        "state": state.value,
        "basis": version.basis_id,
        "version": version.number,
        "effect": entry.effect.value,
        "scopes": scopes_of(entry),
        "starts_at": entry.starts_at,
        "ends_at": entry.ends_at,
    }
