"""Entries: propose, approve, undo, withdraw, lift. The rules are those of `entries` and `life`, and nobody else's.

Before somebody approves, the page says what will happen: to whom, in which services, from when, and how many of the
person's live passes would become invalid, by the functions that will do it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import bases, entries, life
from waypass_server.api.access import ServicesHere
from waypass_server.api.bases import proposer_of
from waypass_server.api.entries import NewEntry, proposal_of
from waypass_server.api.forms import IdInPath
from waypass_server.aspects import standing_of
from waypass_server.console import forms
from waypass_server.console.access import Approver, EntryReader, EntrySide, Form, Posted, Proposer, Reviewer
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.once import make_key, once
from waypass_server.console.people import names_of_scopes, names_of_staff
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.console.words import Speech
from waypass_server.life import Action, LifeError, State
from waypass_server.models.lists_of_people import Basis, BasisVersion, Effect, Entry, VersionState
from waypass_server.passes import live_passes, too_permissive
from waypass_server.refusals import Problem
from waypass_server.services import Services

router = APIRouter(prefix="/entries")

PAGE = 100
_TEXTS = ("person", "effect", "reason", "case_reference", "case_state", "starts", "ends", "starts_unit", "ends_unit")
_LISTS = ("scopes", "exclusions_checked")
ACTIONS = (Action.APPROVE, Action.UNDO, Action.WITHDRAW, Action.LIFT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Consequences:
    """What an entry would do to passes: how many of the person's live ones it would make invalid."""

    live: int
    invalid: int


@router.get("")
def list_entries(
    request: Request,
    me: EntryReader,
    here: ServicesHere,
    state: State = State.PROPOSED,
    before: Annotated[int, Query(ge=0, lt=1 << 53)] = 0,
) -> Response:
    """Entries in one state, the newest first; there is no search by anything else."""
    query = select(Entry).where(Entry.network_id == me.member.network_id, Entry.state == state)
    if before:
        query = query.where(Entry.id < before)
    with here.database.reading() as session:
        found = list(session.scalars(query.order_by(Entry.id.desc()).limit(PAGE)))
        scopes = names_of_scopes(session, me.member.network_id)
        return show(request, "entries.html", entries=found, state=state, scopes=scopes, more=len(found) == PAGE)


@router.get("/new")
def show_new(request: Request, me: Proposer, here: ServicesHere, basis: int | None = None) -> Response:
    """Choose a basis, then fill in the form beside its limits."""
    if basis is None:
        with here.database.reading() as session:
            return show(request, "entry_basis.html", versions=_bases_for(session, me))
    return _show_form(request, me, here, basis, Filled(values={"starts_unit": "days", "ends_unit": "days"}))


@router.post("/new")
def propose(request: Request, form: Posted, me: Proposer, here: ServicesHere) -> Response:
    """Propose; whatever is wrong is said at its field."""
    speech = rendering(request).speech(request)
    basis_id = forms.record_id(form.text("basis"))
    with here.database.reading() as session:
        words = _field_words(_version(session, me, basis_id), speech)
    try:
        body = _read_entry(form, basis_id, here.now(), speech)

        def act(session: Session) -> str:
            proposal = proposal_of(body, here.now())
            try:
                entry = entries.propose(session, proposal, proposer=proposer_of(me.member), now=here.now())
            except Problem as problem:
                raise forms.at_field(problem, words) from None
            return f"/ops/entries/{entry.id}"

        return go(once(here, staff_id=me.member.staff_id, key=form.text("key"), act=act), done="proposed")
    except FormRefused as refused:
        filled = Filled.of(form, texts=_TEXTS, lists=_LISTS, errors=refused.errors)
        return _show_form(request, me, here, basis_id, filled, status=422)


@router.get("/{entry_id}")
def show_entry(entry_id: IdInPath, request: Request, me: EntryReader, here: ServicesHere) -> Response:
    """One entry, what it does, and what can be done with it."""
    now = here.now()
    with here.database.reading() as session:
        entry = entries.find_entry(session, me.member.network_id, entry_id, lock=False)
        refusals = {action: life.refusal(action, entry.life(), me.member.actor(), now) for action in ACTIONS}
        return show(
            request,
            "entry.html",
            entry=entry,
            version=entry.version,
            authority=entry.version.basis.authority,
            scopes=names_of_scopes(session, me.member.network_id),
            staff=names_of_staff(session, me.member.network_id),
            consequences=_consequences(session, entry, now) if entry.state is not State.ENDED else None,
            earliest=max(entry.starts_at, now + entry.version.notice),
            may={action.value: refusal is None for action, refusal in refusals.items()},
            why_not=_why_not(entry, me, refusals[Action.APPROVE]),
            undo_until=life.undo_until(entry.life()),
        )


@router.post("/{entry_id}/approve")
def approve(entry_id: IdInPath, _form: Posted, me: Approver, here: ServicesHere) -> Response:
    """By another person than the one who proposed it."""
    with here.change() as session:
        entry = entries.find_entry(session, me.member.network_id, entry_id)
        entries.approve(session, entry, actor=me.member.actor(), now=here.now())
    return go(f"/ops/entries/{entry_id}", done="approved")


@router.post("/{entry_id}/undo")
def undo(entry_id: IdInPath, _form: Posted, me: EntryReader, here: ServicesHere) -> Response:
    """One person is enough."""
    return _end(entry_id, Action.UNDO, me, here, "undone")


@router.post("/{entry_id}/withdraw")
def withdraw(entry_id: IdInPath, _form: Posted, me: EntrySide, here: ServicesHere) -> Response:
    """One person is enough, at any time."""
    return _end(entry_id, Action.WITHDRAW, me, here, "withdrawn")


@router.post("/{entry_id}/lift")
def lift(entry_id: IdInPath, _form: Posted, me: Reviewer, here: ServicesHere) -> Response:
    """By a reviewer who neither proposed nor approved it."""
    return _end(entry_id, Action.LIFT, me, here, "lifted")


def _end(entry_id: int, action: Action, me: SignedIn, here: Services, done: str) -> Response:
    with here.change() as session:
        entry = entries.find_entry(session, me.member.network_id, entry_id)
        entries.end(session, entry, action, actor=me.member.actor(), now=here.now())
    return go(f"/ops/entries/{entry_id}", done=done)


def _show_form(
    request: Request, me: SignedIn, here: Services, basis_id: int, filled: Filled, *, status: int = 200
) -> Response:
    with here.database.reading() as session:
        version = _version(session, me, basis_id)
        return show(
            request,
            "entry_new.html",
            status=status,
            version=version,
            basis_id=basis_id,
            effects=[Effect(effect) for effect in version.effects],
            scopes=names_of_scopes(session, me.member.network_id),
            filled=filled,
            key=make_key(here.random_bytes),
        )


def _version(session: Session, me: SignedIn, basis_id: int) -> BasisVersion:
    """The version in force of a basis that one may propose on. Raises as a proposal would."""
    basis = bases.find_basis(session, me.member.network_id, basis_id)
    version = bases.version_in_force(basis)
    bases.check_authority(basis, proposer_of(me.member))
    return version


def _bases_for(session: Session, me: SignedIn) -> list[BasisVersion]:
    query = select(BasisVersion).join(Basis, Basis.id == BasisVersion.basis_id)
    query = query.where(Basis.network_id == me.member.network_id, BasisVersion.state == VersionState.IN_FORCE)
    if me.member.authority_id is not None:
        query = query.where(Basis.authority_id == me.member.authority_id)
    return list(session.scalars(query.order_by(Basis.id)))


def _read_entry(form: Form, basis_id: int, now: int, speech: Speech) -> NewEntry:
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
        "scopes": tuple(int(each) for each in form.texts("scopes") if each.isascii() and each.isdigit()),
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


def _field_words(version: BasisVersion, speech: Speech) -> Mapping[str, str]:
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


def _consequences(session: Session, entry: Entry, now: int) -> Consequences:
    """As things are now, if the entry were in effect."""
    aspects = standing_of(session, entry.person_id, now, as_if=entry).aspects
    return Consequences(
        live=len(live_passes(session, entry.person_id, now)),
        invalid=len(too_permissive(session, entry.person_id, aspects, now)),
    )


def _why_not(entry: Entry, me: SignedIn, refusal: LifeError | None) -> str | None:
    """Why whoever is signed in cannot approve a proposal: a word for the template."""
    if refusal is None or entry.state is not State.PROPOSED:
        return None
    return "own" if entry.proposed_by == me.member.staff_id else "role"
