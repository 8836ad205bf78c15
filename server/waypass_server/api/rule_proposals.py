"""Entries that rules propose: a queue for those who propose entries. Nothing comes of it but what they do."""

from typing import Annotated

from fastapi import APIRouter, Depends

from waypass_server import entries, rule_proposals
from waypass_server.api.access import Proposer, ServicesHere, StaffMember, staff_with
from waypass_server.api.bases import proposer_of
from waypass_server.api.entries import NewEntry, proposal_of
from waypass_server.api.forms import AfterId, EntryForStaff, IdInPath, Output
from waypass_server.api.once import OnceHere
from waypass_server.models.lists_of_people import Effect, Entry
from waypass_server.models.rules import ProposalState, RuleProposal
from waypass_server.problems import RESPONSES
from waypass_server.roles import Role

router = APIRouter(prefix="/api/v1/rule-proposals", tags=["rules"], responses=RESPONSES)

PAGE = 200

Decider = Annotated[StaffMember, Depends(staff_with(Role.PROPOSER, Role.REVIEWER))]


class RuleProposalOut(Output):
    """An entry that a rule proposes for a person."""

    id: int
    state: ProposalState
    person: str
    rule_set: int
    rule_set_version: int
    rule: str
    basis: int
    effect: Effect
    scopes: list[int]
    made_at: int
    entry: int | None

    @staticmethod
    def of(proposal: RuleProposal) -> "RuleProposalOut":
        """From a row."""
        proposed = rule_proposals.proposed_entry(proposal)
        return RuleProposalOut(
            id=proposal.id,
            state=proposal.state,
            person=proposal.person.reference,
            rule_set=proposal.version.rule_set_id,
            rule_set_version=proposal.version.number,
            rule=proposal.rule,
            basis=proposal.basis_id,
            effect=proposed.effect,
            scopes=list(proposed.scopes),
            made_at=proposal.made_at,
            entry=proposal.entry_id,
        )


@router.get("", summary="What rules propose and nobody has decided, oldest first")
def read_rule_proposals(member: Proposer, here: ServicesHere, after: AfterId = 0) -> list[RuleProposalOut]:
    """A page of at most 200, of one's own authority; `after` is the last id of the page before."""
    with here.database.reading() as session:
        found = rule_proposals.open_proposals(session, proposer_of(member), after=after, limit=PAGE)
        return [RuleProposalOut.of(each) for each in found]


@router.post("/{proposal_id}/propose", status_code=201, summary="Propose the entry that a rule proposes")
def take_up(
    proposal_id: IdInPath, body: NewEntry, member: Proposer, here: ServicesHere, once: OnceHere
) -> EntryForStaff:
    """Under all rules of an entry: whoever calls is its proposer, and another person has to approve it."""
    now = here.now()
    with here.change() as session:
        proposal = rule_proposals.find_proposal(session, proposer_of(member), proposal_id)

        def make() -> Entry:
            rule_proposals.check_entry(
                proposal, person=body.person, basis_id=body.basis, effect=body.effect, scopes=body.scopes
            )
            entry = entries.propose(session, proposal_of(body, now), proposer=proposer_of(member), now=now)
            rule_proposals.taken_up(session, proposal, entry_id=entry.id, actor=member.actor(), now=now)
            return entry

        return EntryForStaff.of(once.do(session, member, now, Entry, make))


@router.post("/{proposal_id}/turn-down", summary="Turn down what a rule proposes")
def turn_down(proposal_id: IdInPath, member: Decider, here: ServicesHere) -> RuleProposalOut:
    """The same rule proposes it for this person no more; again changes nothing."""
    with here.change() as session:
        proposal = rule_proposals.find_proposal(session, proposer_of(member), proposal_id)
        return RuleProposalOut.of(rule_proposals.turn_down(session, proposal, actor=member.actor(), now=here.now()))
