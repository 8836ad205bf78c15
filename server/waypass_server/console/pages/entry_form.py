"""Proposing an entry: a form beside the limits of its basis, with an end that is within them.

`show_form` and `read_entry` serve what rules propose too (`rule_proposals`): then the person, the effect and the reach
are given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import bases, entries
from waypass_server.api.access import ServicesHere
from waypass_server.api.bases import proposer_of
from waypass_server.api.entries import NewEntry, proposal_of
from waypass_server.api.forms import AfterId
from waypass_server.console import forms
from waypass_server.console.access import Form, Posted, Proposer
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.once import make_key, once
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.console.words import Speech
from waypass_server.models.lists_of_people import Basis, BasisVersion, Effect, VersionState
from waypass_server.models.network import Scope
from waypass_server.refusals import Problem
from waypass_server.rule_text import EntryToPropose
from waypass_server.services import Services

router = APIRouter(prefix="/entries")

USUAL = 30 * 86_400
"""What the end is filled in with, where the basis allows as much. Seconds."""
TEXTS = ("person", "effect", "reason", "case_reference", "case_state", "starts", "ends", "starts_unit", "ends_unit")
LISTS = ("scopes", "exclusions_checked")


@dataclass(frozen=True, kw_only=True, slots=True)
class FromRule:
    """What a rule proposes: then the person, the effect and the reach are not for the form to say."""

    proposal_id: int
    person: str
    entry: EntryToPropose


@router.get("/new")
def show_new(request: Request, me: Proposer, here: ServicesHere, basis: AfterId = 0) -> Response:
    """Choose a basis, then fill in the form beside its limits."""
    if not basis:
        with here.database.reading() as session:
            return show(request, "entry_basis.html", versions=bases_for(session, me))
    with here.database.reading() as session:
        version = version_for(session, me, basis)
        return show_form(request, here, session, version, beginning(version))


@router.post("/new")
def propose(request: Request, form: Posted, me: Proposer, here: ServicesHere) -> Response:
    """Propose; whatever is wrong is said at its field."""
    speech = rendering(request).speech(request)
    basis_id = forms.record_id(form.text("basis"))
    with here.database.reading() as session:
        words = field_words(version_for(session, me, basis_id), speech)
    try:
        body = read_entry(form, basis_id, here.now(), speech)

        def act(session: Session) -> str:
            proposal = proposal_of(body, here.now())
            try:
                entry = entries.propose(session, proposal, proposer=proposer_of(me.member), now=here.now())
            except Problem as problem:
                raise forms.at_field(problem, words) from None
            return f"/ops/entries/{entry.id}"

        return go(once(here, staff_id=me.member.staff_id, key=form.text("key"), act=act), done="proposed")
    except FormRefused as refused:
        filled = Filled.of(form, texts=TEXTS, lists=LISTS, errors=refused.errors)
        with here.database.reading() as session:
            version = version_for(session, me, basis_id)
            return show_form(request, here, session, version, filled, status=422)


def show_form(
    request: Request,
    here: Services,
    session: Session,
    version: BasisVersion,
    filled: Filled,
    *,
    from_rule: FromRule | None = None,
    status: int = 200,
) -> Response:
    """The form; of what a rule proposes, only that is offered."""
    given = from_rule.entry if from_rule else None
    offered: Sequence[int] = given.scopes if given else version.scopes
    query = select(Scope).where(Scope.network_id == version.basis.network_id, Scope.number.in_(offered))
    return show(
        request,
        "entry_new.html",
        status=status,
        version=version,
        from_rule=from_rule,
        effects=[given.effect] if given else [Effect(effect) for effect in version.effects],
        offered=list(session.scalars(query.order_by(Scope.number))),
        scopes={scope.number: scope.name for scope in _scopes_of(session, version)},
        filled=filled,
        earliest=here.now() + version.notice,
        latest=here.now() + version.longest,
        key=make_key(here.random_bytes),
    )


def beginning(version: BasisVersion) -> Filled:
    """An empty form, its end within the basis: a month, or as long as the basis allows."""
    fits = version.notice < USUAL <= version.longest
    number, unit = forms.as_period(USUAL if fits else version.longest)
    return Filled(values={"starts_unit": "days", "ends": number, "ends_unit": unit})


def version_for(session: Session, me: SignedIn, basis_id: int) -> BasisVersion:
    """The version in force of a basis that one may propose on. Raises as a proposal would."""
    basis = bases.find_basis(session, me.member.network_id, basis_id)
    version = bases.version_in_force(basis)
    bases.check_authority(basis, proposer_of(me.member))
    return version


def read_entry(form: Form, basis_id: int, now: int, speech: Speech) -> NewEntry:
    """The API's body. Raises `FormRefused` with everything that is wrong."""
    errors: dict[str, str] = {}
    periods = {"starts": 0, "ends": 1}
    for name in periods:
        if name == "starts" and not form.text(name):
            continue
        try:
            periods[name] = forms.period(form, name, speech)
        except FormRefused as refused:
            errors |= refused.errors
    values = {
        "person": form.text("person"),
        "basis": basis_id,
        "effect": form.text("effect") or None,
        "scopes": forms.numbers(form.texts("scopes")),
        "reason": form.text("reason"),
        "case": {"reference": form.text("case_reference"), "state": form.text("case_state") or "open"},
        "starts_at": now + periods["starts"] if periods["starts"] else None,
        "ends_at": now + periods["ends"],
        "exclusions_checked": frozenset(form.texts("exclusions_checked")),
    }
    try:
        body = forms.read(NewEntry, values, speech)
    except FormRefused as refused:
        raise FormRefused({**refused.errors, **errors}) from None
    if errors:
        raise FormRefused(errors)
    return body


def field_words(version: BasisVersion, speech: Speech) -> Mapping[str, str]:
    """What to say where the domain refuses a field: what the basis allows."""
    longest, notice = speech.duration(version.longest), speech.duration(version.notice)
    return {
        "person": speech("Nobody here has this reference. Check every character; the desk registers people."),
        "effect": speech("The basis does not allow this effect."),
        "scopes": speech("The basis does not allow this in one of these services."),
        "ends_at": speech("At most %(longest)s after it begins, and later than the notice of %(notice)s.")
        % {"longest": longest, "notice": notice},
        "exclusions_checked": speech("Look at each of these, and tick it."),
        "case": speech("The case must be open or upheld."),
    }


def _scopes_of(session: Session, version: BasisVersion) -> Sequence[Scope]:
    return session.scalars(select(Scope).where(Scope.network_id == version.basis.network_id)).all()


def bases_for(session: Session, me: SignedIn) -> list[BasisVersion]:
    """The bases in force that one may propose on."""
    query = select(BasisVersion).join(Basis, Basis.id == BasisVersion.basis_id)
    query = query.where(Basis.network_id == me.member.network_id, BasisVersion.state == VersionState.IN_FORCE)
    if me.member.authority_id is not None:
        query = query.where(Basis.authority_id == me.member.authority_id)
    return list(session.scalars(query.order_by(Basis.id)))
