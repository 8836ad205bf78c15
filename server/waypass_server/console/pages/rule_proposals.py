"""What rules propose: taken up with an entry of one's own, under all rules of entries, or turned down.

A reviewer may look at them and turn them down; to take one up is for those who propose entries on that basis.
"""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from waypass_server import bases, entries, rule_proposals
from waypass_server.api.access import ServicesHere
from waypass_server.api.bases import proposer_of
from waypass_server.api.entries import NewEntry, proposal_of
from waypass_server.api.forms import IdInPath
from waypass_server.console import forms
from waypass_server.console.access import Form, Posted, ProposalReader, Proposer
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.once import once
from waypass_server.console.pages import entry_form
from waypass_server.console.pages.entry_form import FromRule
from waypass_server.console.people import names_of_scopes
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.models.rules import RuleProposal
from waypass_server.refusals import Problem
from waypass_server.roles import Role
from waypass_server.rule_text import Rule, from_json
from waypass_server.services import Services

router = APIRouter(prefix="/proposals")

MOST = 200


@router.get("")
def list_proposals(request: Request, me: ProposalReader, here: ServicesHere) -> Response:
    """Those that nobody has decided, the oldest first."""
    with here.database.reading() as session:
        found = rule_proposals.open_proposals(session, proposer_of(me.member), after=0, limit=MOST)
        return show(
            request,
            "rule_proposals.html",
            found=[(one, rule_proposals.proposed_entry(one)) for one in found],
            scopes=names_of_scopes(session, me.member.network_id),
        )


@router.get("/{proposal_id}")
def show_proposal(proposal_id: IdInPath, request: Request, me: ProposalReader, here: ServicesHere) -> Response:
    """What it is, and the two things that can be done with it."""
    with here.database.reading() as session:
        proposal = _find(session, me, proposal_id)
        return show(
            request,
            "rule_proposal.html",
            proposal=proposal,
            rule=_rule(proposal),
            entry=rule_proposals.proposed_entry(proposal),
            scopes=names_of_scopes(session, me.member.network_id),
            open=_is_open(proposal),
            may_take_up=Role.PROPOSER in me.member.roles,
        )


@router.get("/{proposal_id}/entry")
def show_form(proposal_id: IdInPath, request: Request, me: Proposer, here: ServicesHere) -> Response:
    """The entry as the rule proposes it; reason and case are for the person who takes it up to write."""
    with here.database.reading() as session:
        proposal = _find(session, me, proposal_id)
        rule_proposals.check_open(proposal)
        version = bases.version_in_force(proposal.basis)
        filled = entry_form.beginning(version)
        proposed = rule_proposals.proposed_entry(proposal)
        filled.values = {**filled.values, "reason": _rule(proposal).reason}
        filled.chosen = {"scopes": [str(number) for number in proposed.scopes]}
        return entry_form.show_form(request, here, session, version, filled, from_rule=_from_rule(proposal))


@router.post("/{proposal_id}")
def take_up(proposal_id: IdInPath, request: Request, form: Posted, me: Proposer, here: ServicesHere) -> Response:
    """Propose the entry: whoever does is its proposer, and another person has to approve it."""
    speech = rendering(request).speech(request)
    with here.database.reading() as session:
        proposal = _find(session, me, proposal_id)
        version = bases.version_in_force(proposal.basis)
        words = entry_form.field_words(version, speech)
        given = _with_what_is_given(form, proposal)
    try:
        body = entry_form.read_entry(given, version.basis_id, here.now(), speech)

        def act(session: Session) -> str:
            try:
                return f"/ops/entries/{_take_up(session, proposal_id, body, me, here)}"
            except Problem as problem:
                raise forms.at_field(problem, words) from None

        return go(once(here, staff_id=me.member.staff_id, key=form.text("key"), act=act), done="proposed")
    except FormRefused as refused:
        filled = Filled.of(form, texts=entry_form.TEXTS, lists=entry_form.LISTS, errors=refused.errors)
        with here.database.reading() as session:
            proposal = _find(session, me, proposal_id)
            version = bases.version_in_force(proposal.basis)
            return entry_form.show_form(
                request, here, session, version, filled, from_rule=_from_rule(proposal), status=422
            )


@router.post("/{proposal_id}/turn-down")
def turn_down(proposal_id: IdInPath, _form: Posted, me: ProposalReader, here: ServicesHere) -> Response:
    """Nothing comes of it; turning it down again changes nothing."""
    with here.change() as session:
        proposal = rule_proposals.find_proposal(session, proposer_of(me.member), proposal_id)
        rule_proposals.turn_down(session, proposal, actor=me.member.actor(), now=here.now())
    return go("/ops/proposals", done="turned-down")


def _take_up(session: Session, proposal_id: int, body: NewEntry, me: SignedIn, here: Services) -> int:
    """The entry's number. Raises what a proposal does."""
    proposer, now = proposer_of(me.member), here.now()
    proposal = rule_proposals.find_proposal(session, proposer, proposal_id)
    rule_proposals.check_entry(
        proposal, person=body.person, basis_id=body.basis, effect=body.effect, scopes=body.scopes
    )
    entry = entries.propose(session, proposal_of(body, now), proposer=proposer, now=now)
    rule_proposals.taken_up(session, proposal, entry_id=entry.id, actor=me.member.actor(), now=now)
    return entry.id


def _with_what_is_given(form: Form, proposal: RuleProposal) -> Form:
    """The form with the person and the effect, which are not for it to say."""
    proposed = rule_proposals.proposed_entry(proposal)
    return form.with_texts(person=proposal.person.reference, effect=proposed.effect.value)


def _from_rule(proposal: RuleProposal) -> FromRule:
    entry = rule_proposals.proposed_entry(proposal)
    return FromRule(proposal_id=proposal.id, person=proposal.person.reference, entry=entry)


def _find(session: Session, me: SignedIn, proposal_id: int) -> RuleProposal:
    return rule_proposals.find_proposal(session, proposer_of(me.member), proposal_id, lock=False)


def _rule(proposal: RuleProposal) -> Rule:
    """Its rule, in the version that proposed it."""
    return next(rule for rule in from_json(proposal.version.text).rules if rule.id == proposal.rule)


def _is_open(proposal: RuleProposal) -> bool:
    try:
        rule_proposals.check_open(proposal)
    except Problem:
        return False
    return True
