"""Entries that rules propose. A rule makes none: what it proposes waits for somebody who proposes entries.

1. a rule proposes once for each version and person (`keep`); what people decided about it stays decided
2. somebody who proposes entries on that basis takes it up with an entry of their own, under all rules of `entries`:
   they are its proposer, and another person has to approve it; or they turn it down
3. the entry is for that person, on that basis, with the effect and within the scopes that the rule proposed
   (`BadInput`)
4. once taken up or turned down it is done (`Conflict`); turning down twice is no error
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import bases, events
from waypass_server.bases import Proposer
from waypass_server.life import Actor, Kind
from waypass_server.models.lists_of_people import Effect
from waypass_server.models.rules import ProposalState, RuleProposal, RuleSet, RuleSetVersion
from waypass_server.refusals import BadInput, Conflict, NotFound
from waypass_server.rule_text import EntryToPropose, from_json
from waypass_server.rules import RuleResult

_SYSTEM = Actor(kind=Kind.SYSTEM)


def keep(session: Session, person_id: int, results: Sequence[RuleResult], now: int) -> None:
    """Keep what the rules propose for a person, if it is new (rule 1)."""
    for result in results:
        if result.proposes is None:
            continue
        mine = RuleProposal.version_id == result.version_id, RuleProposal.rule == result.rule
        if session.scalars(select(RuleProposal.id).where(*mine, RuleProposal.person_id == person_id)).first():
            continue
        proposal = RuleProposal(
            version_id=result.version_id,
            rule=result.rule,
            person_id=person_id,
            basis_id=result.proposes.basis_id,
            state=ProposalState.OPEN,
            made_at=now,
        )
        session.add(proposal)
        session.flush()
        _log(session, proposal, _SYSTEM, "rule-proposal.made", now)


def open_proposals(session: Session, proposer: Proposer, *, after: int, limit: int) -> Sequence[RuleProposal]:
    """Those that wait for somebody like this, the oldest first."""
    query = (
        select(RuleProposal)
        .join(RuleSetVersion, RuleSetVersion.id == RuleProposal.version_id)
        .join(RuleSet, RuleSet.id == RuleSetVersion.rule_set_id)
        .where(RuleSet.network_id == proposer.network_id, RuleProposal.state == ProposalState.OPEN)
        .where(RuleProposal.id > after)
    )
    if proposer.authority_id is not None:
        query = query.where(RuleSet.authority_id == proposer.authority_id)
    return session.scalars(query.order_by(RuleProposal.id).limit(limit)).all()


def find_proposal(session: Session, proposer: Proposer, proposal_id: int, *, lock: bool = True) -> RuleProposal:
    """Locked until the transaction ends, unless it is only looked at. Raises `NotFound` or `Forbidden`."""
    proposal = session.get(RuleProposal, proposal_id, with_for_update=lock or None)
    if proposal is None or proposal.basis.network_id != proposer.network_id:
        raise NotFound(f"rule proposal: expected one of the network's, got {proposal_id}")
    bases.check_authority(proposal.basis, proposer)
    return proposal


def proposed_entry(proposal: RuleProposal) -> EntryToPropose:
    """What the rule proposes."""
    for rule in from_json(proposal.version.text).rules:
        if rule.id == proposal.rule and rule.proposes is not None:
            return rule.proposes
    raise NotFound(f"rule proposal {proposal.id}: expected its rule in version {proposal.version.number}")


def check_entry(proposal: RuleProposal, *, person: str, basis_id: int, effect: Effect, scopes: Sequence[int]) -> None:
    """Rules 3 and 4, before the entry is proposed. Raises `BadInput` or `Conflict`."""
    check_open(proposal)
    proposed = proposed_entry(proposal)
    if person != proposal.person.reference or basis_id != proposal.basis_id:
        raise BadInput("rule proposal: expected an entry for its person on its basis, got another")
    if effect is not proposed.effect or not set(scopes) <= set(proposed.scopes):
        raise BadInput(
            f"rule proposal: expected {proposed.effect.value} in scopes among {list(proposed.scopes)}, got "
            f"{effect.value} in {list(scopes)}"
        )


def taken_up(session: Session, proposal: RuleProposal, *, entry_id: int, actor: Actor, now: int) -> None:
    """Somebody proposed this entry. Raises `Conflict`."""
    check_open(proposal)
    proposal.state, proposal.entry_id = ProposalState.TAKEN_UP, entry_id
    _decided(session, proposal, actor, now)


def turn_down(session: Session, proposal: RuleProposal, *, actor: Actor, now: int) -> RuleProposal:
    """Nothing comes of it. Raises `Conflict`."""
    if proposal.state is not ProposalState.TURNED_DOWN:
        check_open(proposal)
        proposal.state = ProposalState.TURNED_DOWN
        _decided(session, proposal, actor, now)
    return proposal


def check_open(proposal: RuleProposal) -> None:
    """Rule 4. Raises `Conflict`."""
    if proposal.state is not ProposalState.OPEN:
        raise Conflict(f"rule proposal: expected one that is open, this one is {proposal.state.value}")


def _decided(session: Session, proposal: RuleProposal, actor: Actor, now: int) -> None:
    proposal.decided_by, proposal.decided_at = actor.staff_id, now
    _log(session, proposal, actor, f"rule-proposal.{proposal.state.value}", now)


def _log(session: Session, proposal: RuleProposal, actor: Actor, what: str, now: int) -> None:
    events.record(
        session,
        network_id=proposal.basis.network_id,
        at=now,
        actor=actor,
        what=what,
        subject=("rule-proposal", proposal.id),
        version=proposal.version_id,
    )
