"""Writing a version of a rule set in a form: each rule with its reason, what it gives, where, and its logic.

What is wrong is said at its field, in typed JSON by its line, before anything is proposed. A rule whose fields are all
empty is left out: that is how one is taken away. More rules than `MOST_RULES` are written through the API.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import rule_sets
from waypass_server.api.access import ServicesHere
from waypass_server.api.bases import proposer_of
from waypass_server.api.forms import IdInPath
from waypass_server.api.rule_sets import NewRuleSet, RuleSetForm
from waypass_server.console import forms, rule_fields
from waypass_server.console.access import BasisProposer, Form, Posted
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.once import make_key, once
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.rule_fields import MOST_RULES
from waypass_server.console.sessions import SignedIn
from waypass_server.console.words import Speech
from waypass_server.models.lists_of_people import Basis, BasisVersion, Effect, VersionState, Weight
from waypass_server.models.network import Authority, Scope
from waypass_server.models.rules import RuleSet, RuleSetVersion
from waypass_server.refusals import Problem
from waypass_server.rule_text import from_json
from waypass_server.services import Services

router = APIRouter(prefix="/rules")


@dataclass(frozen=True, kw_only=True, slots=True)
class Slots:
    """A form with places for so many rules. `rule_set_id` is None for a new rule set."""

    filled: Filled
    count: int
    rule_set_id: int | None = None


@router.get("/new")
def show_new(request: Request, me: BasisProposer, here: ServicesHere) -> Response:
    """An empty form with one rule."""
    return _show(request, me, here, Slots(filled=Filled(), count=1))


@router.post("/new")
def propose(request: Request, form: Posted, me: BasisProposer, here: ServicesHere) -> Response:
    """A new rule set."""
    return _propose(request, form, me, here, None)


@router.get("/{rule_set_id}/change")
def show_change(rule_set_id: IdInPath, request: Request, me: BasisProposer, here: ServicesHere) -> Response:
    """The form with what the newest version says."""
    with here.database.reading() as session:
        rule_set = _rule_set(session, me, rule_set_id)
        text = from_json(rule_set.versions[-1].text)
    slots = Slots(filled=rule_fields.filled_with(text), count=len(text.rules), rule_set_id=rule_set_id)
    return _show(request, me, here, slots)


@router.post("/{rule_set_id}/change")
def propose_change(
    rule_set_id: IdInPath, request: Request, form: Posted, me: BasisProposer, here: ServicesHere
) -> Response:
    """A new version of it."""
    with here.database.reading() as session:
        _rule_set(session, me, rule_set_id)
    return _propose(request, form, me, here, rule_set_id)


def _propose(request: Request, form: Form, me: SignedIn, here: Services, rule_set_id: int | None) -> Response:
    speech = rendering(request).speech(request)
    count = min(max(forms.record_id(form.text("rules")), 1), MOST_RULES)
    if form.text("do") == "more":
        filled = rule_fields.filled_as_sent(form, count, {})
        more = Slots(filled=filled, count=min(count + 1, MOST_RULES), rule_set_id=rule_set_id)
        return _show(request, me, here, more, focus=f"rule{count}_id")
    try:
        body = rule_fields.read(form, count, RuleSetForm if rule_set_id else NewRuleSet, speech)

        def act(session: Session) -> str:
            try:
                version = _proposed(session, body, me, here, rule_set_id)
            except Problem as problem:
                raise forms.at_field(problem, _field_words(speech)) from None
            return f"/ops/rules/{version.rule_set_id}/{version.number}"

        return go(once(here, staff_id=me.member.staff_id, key=form.text("key"), act=act), done="rules-proposed")
    except FormRefused as refused:
        filled = rule_fields.filled_as_sent(form, count, refused.errors)
        return _show(request, me, here, Slots(filled=filled, count=count, rule_set_id=rule_set_id), status=422)


def _proposed(
    session: Session, body: RuleSetForm, me: SignedIn, here: Services, rule_set_id: int | None
) -> RuleSetVersion:
    proposer, now = proposer_of(me.member), here.now()
    if isinstance(body, NewRuleSet):
        return rule_sets.register(
            session, proposer=proposer, authority=body.authority, title=body.title, text=body.text(), now=now
        )
    rule_set = rule_sets.find_rule_set(session, me.member.network_id, rule_set_id or 0, lock=True)
    return rule_sets.propose_version(session, rule_set=rule_set, proposer=proposer, text=body.text(), now=now)


def _rule_set(session: Session, me: SignedIn, rule_set_id: int) -> RuleSet:
    """One that this person may propose a change of. Raises as a proposal would."""
    rule_set = rule_sets.find_rule_set(session, me.member.network_id, rule_set_id)
    rule_sets.check_authority(rule_set, proposer_of(me.member))
    return rule_set


def _field_words(speech: Speech) -> Mapping[str, str]:
    """What to say where the domain refuses a field."""
    outside = speech("What a rule proposes is outside of its basis: look at its authority, effect and services.")
    return {
        "authority": speech("Choose one of these."),
        "title": speech("Another rule set has this title; a change is a new version of that one."),
        "rules": outside,
        "basis": outside,
        "form": speech(
            "Each question and each choice once; choices for a choice and nothing else; a least below the most."
        ),
    }


def _show(
    request: Request, me: SignedIn, here: Services, slots: Slots, *, status: int = 200, focus: str = ""
) -> Response:
    with here.database.reading() as session:
        rule_set = None if slots.rule_set_id is None else _rule_set(session, me, slots.rule_set_id)
        scopes = select(Scope).where(Scope.network_id == me.member.network_id).order_by(Scope.number)
        return show(
            request,
            "rule_form.html",
            status=status,
            filled=slots.filled,
            count=slots.count,
            most=MOST_RULES,
            rule_set=rule_set,
            authorities=_authorities(session, me),
            scopes=list(session.scalars(scopes)),
            weights=list(Weight),
            effects=list(Effect),
            bases=_bases(session, me, rule_set),
            focus=focus,
            key=make_key(here.random_bytes),
        )


def _authorities(session: Session, me: SignedIn) -> list[Authority]:
    query = select(Authority).where(Authority.network_id == me.member.network_id).order_by(Authority.name)
    if me.member.authority_id is not None:
        query = query.where(Authority.id == me.member.authority_id)
    return list(session.scalars(query))


def _bases(session: Session, me: SignedIn, rule_set: RuleSet | None) -> list[BasisVersion]:
    """Those in force that a rule may propose an entry on."""
    query = select(BasisVersion).join(Basis, Basis.id == BasisVersion.basis_id)
    query = query.where(Basis.network_id == me.member.network_id, BasisVersion.state == VersionState.IN_FORCE)
    authority_id = me.member.authority_id if rule_set is None else rule_set.authority_id
    if authority_id is not None:
        query = query.where(Basis.authority_id == authority_id)
    return list(session.scalars(query.order_by(Basis.id)))
