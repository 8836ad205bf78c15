"""My sign-in: password, authenticator app, passkeys, API tokens and sessions of whoever is signed in.

What is shown once (recovery codes, a token) stands on the page that the form leads to and nowhere else.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server.api.access import ServicesHere
from waypass_server.api.forms import IdInPath
from waypass_server.api.tokens import TokenForm
from waypass_server.console import forms, qr, sessions
from waypass_server.console.access import (
    MINE,
    AtBrowser,
    MayChange,
    MayMakeTokens,
    Posted,
    is_fresh,
)
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.pages.sign_in import place_here, signed_out
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.models.network import Staff
from waypass_server.models.sign_in import Authenticator, Passkey
from waypass_server.refusals import BadInput, NotFound
from waypass_server.services import Services
from waypass_server.signin import api_tokens, by_passkey, credentials, recovery, totp
from waypass_server.signin.api_tokens import LONGEST as LONGEST_TOKEN
from waypass_server.signin.places import place_of
from waypass_server.tokens import hash_secret
from waypass_server.ways import Way

router = APIRouter(prefix="/me")

DAY = 86_400
_STRONG = frozenset({Way.PASSWORD, Way.PASSKEY})


@router.get("")
def show_mine(request: Request, me: AtBrowser, here: ServicesHere) -> Response:
    """Everything."""
    return _show(request, me, here, Filled())


@router.post("/done")
def finish_enrolment(_form: Posted, me: AtBrowser, here: ServicesHere) -> Response:
    """What was set up is what one signs in with: the session of the link ends."""
    sessions.sign_out(here, me.secret)
    return signed_out("enrolled")


@router.post("/password")
def change_password(request: Request, form: Posted, me: MayChange, here: ServicesHere) -> Response:
    """Set it; every other session of the person ends."""
    speech = rendering(request).speech(request)
    password = form.whole("password")
    if password != form.whole("again"):
        errors = {"again": speech("This is not the same as above.")}
        return _show(request, me, here, Filled(errors=errors), status=422)
    try:
        hashed = here.passwords.make(password, here.random_bytes)
    except BadInput:
        errors = {"password": speech("At least 12 characters, at most 200.")}
        return _show(request, me, here, Filled(errors=errors), status=422)
    with here.database.changing() as session:
        credentials.set_password(session, me.member.staff_id, hashed, here.now())
        credentials.end_sessions(session, me.member.staff_id, but=hash_secret(me.secret))
        _log(session, me, here, "password.set")
    return go(MINE, done="password-set")


@router.post("/authenticator/new")
def begin_authenticator(_form: Posted, me: MayChange, here: ServicesHere) -> Response:
    """Draw a secret; it counts when its first code has come. Until then the one before it does."""
    secret = totp.new_secret(here.random_bytes)
    with here.database.changing() as session:
        app = _authenticator(session, me)
        app.pending = secret
    return go(f"{MINE}/authenticator")


@router.get("/authenticator")
def show_authenticator(request: Request, me: MayChange, here: ServicesHere) -> Response:
    """The QR code of the secret that waits."""
    return _show_authenticator(request, me, here, Filled())


@router.post("/authenticator")
def confirm_authenticator(request: Request, form: Posted, me: MayChange, here: ServicesHere) -> Response:
    """Its first code: from now on it counts. The recovery codes are shown once."""
    speech, now = rendering(request).speech(request), here.now()
    with here.database.changing() as session:
        app = _authenticator(session, me)
        step = totp.step_of(_pending(app), totp.as_code(form.text("code")) or "", now=now, after=0)
        if step is not None:
            app.secret, app.pending, app.last_step = app.pending, None, step
            codes = recovery.renew(session, me.member.staff_id, here.random_bytes)
            _log(session, me, here, "authenticator.set")
            return show(request, "recovery_codes.html", codes=codes)
    errors = {"code": speech("This is not the code that the app shows now. Is the phone's clock right?")}
    return _show_authenticator(request, me, here, Filled(errors=errors), status=422)


@router.post("/recovery-codes")
def renew_recovery_codes(request: Request, _form: Posted, me: MayChange, here: ServicesHere) -> Response:
    """New ones in place of those before."""
    with here.database.changing() as session:
        if _authenticator(session, me).secret is None:
            raise NotFound("recovery codes: expected an authenticator app first, there is none")
        codes = recovery.renew(session, me.member.staff_id, here.random_bytes)
        _log(session, me, here, "recovery-codes.renewed")
    return show(request, "recovery_codes.html", codes=codes)


@router.post("/passkeys/options")
def ask_for_new_passkey(_form: Posted, me: MayChange, here: ServicesHere) -> Response:
    """What the browser's authenticator is asked, as JSON."""
    place = place_here(here)
    with here.database.reading() as session:
        staff = session.get_one(Staff, me.member.staff_id)
    return Response(by_passkey.begin_new(here, place, staff=staff, owner=me.secret), media_type="application/json")


@router.post("/passkeys")
def register_passkey(form: Posted, me: MayChange, here: ServicesHere) -> Response:
    """Keep what the authenticator has made."""
    place = place_here(here)
    with here.database.reading() as session:
        staff = session.get_one(Staff, me.member.staff_id)

    def act(session: Session, row: Passkey) -> None:
        _log(session, me, here, "passkey.registered", passkey=row.id)

    label = form.text("label")[:100] or "passkey"
    by_passkey.finish_new(here, place, staff=staff, owner=me.secret, text=form.text("credential"), label=label, act=act)
    return go(MINE, done="passkey-registered")


@router.post("/passkeys/{passkey_id}/remove")
def remove_passkey(passkey_id: IdInPath, _form: Posted, me: MayChange, here: ServicesHere) -> Response:
    """It opens nothing any more; sessions that it began end."""
    with here.database.changing() as session:
        row = session.get(Passkey, passkey_id)
        if row is None or row.staff_id != me.member.staff_id:
            raise NotFound("passkey: expected the number of one's own, got another")
        session.delete(row)
        credentials.end_sessions(session, me.member.staff_id, but=hash_secret(me.secret))
        _log(session, me, here, "passkey.removed", passkey=passkey_id)
    return go(MINE, done="passkey-removed")


@router.post("/tokens")
def make_token(request: Request, form: Posted, me: MayMakeTokens, here: ServicesHere) -> Response:
    """A token for a program, shown once."""
    speech, now = rendering(request).speech(request), here.now()
    try:
        days = forms.whole_number(form.text("days"), "days", speech)
        if not 1 <= days <= LONGEST_TOKEN // DAY:
            raise FormRefused({"days": speech("From 1 to 366 days.")})
        values: dict[str, Any] = {
            "label": form.text("label"),
            "roles": form.texts("roles"),
            "writes": form.text("kind") == "writes",
            "ends_at": now + days * DAY,
        }
        body = forms.read(TokenForm, values, speech)
        with here.database.changing() as session:
            staff = session.get_one(Staff, me.member.staff_id)
            if not all(staff.has(role) for role in body.roles):
                raise FormRefused({"roles": speech("Choose among your own.")})
            row, token = api_tokens.make(
                session,
                staff=staff,
                label=body.label,
                roles=frozenset(body.roles),
                writes=body.writes,
                ends_at=body.ends_at,
                random_bytes=here.random_bytes,
                now=now,
            )
    except FormRefused as refused:
        filled = Filled.of(form, texts=("label", "days", "kind"), lists=("roles",), errors=refused.errors)
        return _show(request, me, here, filled, status=422)
    return show(request, "token_made.html", row=row, token=token)


@router.post("/tokens/{token_id}/revoke")
def revoke_token(token_id: IdInPath, _form: Posted, me: AtBrowser, here: ServicesHere) -> Response:
    """At once. Whoever is signed in may: to take away needs no new sign-in."""
    with here.database.changing() as session:
        staff = session.get_one(Staff, me.member.staff_id)
        api_tokens.revoke(session, staff=staff, token_id=token_id, actor=me.member.actor(), now=here.now())
    return go(MINE, done="token-revoked")


@router.post("/sessions/end")
def end_sessions(_form: Posted, me: AtBrowser, here: ServicesHere) -> Response:
    """All of the person's sessions, this one too."""
    with here.database.changing() as session:
        credentials.end_sessions(session, me.member.staff_id)
        _log(session, me, here, "sessions.ended")
    return signed_out("sessions-ended")


def _authenticator(session: Session, me: SignedIn) -> Authenticator:
    """The person's row, locked; a new one where there is none."""
    query = select(Authenticator).where(Authenticator.staff_id == me.member.staff_id)
    row = session.scalars(query.with_for_update(key_share=True)).one_or_none()
    if row is None:
        row = Authenticator(staff_id=me.member.staff_id, secret=None, pending=None, last_step=0)
        session.add(row)
        session.flush()
    return row


def _pending(app: Authenticator | None) -> str:
    if app is None or app.pending is None:
        raise NotFound("authenticator: expected one that waits for its first code, there is none")
    return app.pending


def _log(session: Session, me: SignedIn, here: Services, what: str, **details: object) -> None:
    staff = session.get_one(Staff, me.member.staff_id)
    credentials.log(session, staff, what, actor=me.member.actor(), now=here.now(), way=me.way.value, **details)


def _show_authenticator(
    request: Request, me: SignedIn, here: Services, filled: Filled, *, status: int = 200
) -> Response:
    with here.database.reading() as session:
        secret = _pending(session.get(Authenticator, me.member.staff_id))
    drawn = qr.draw(totp.address(secret, name=me.name, network=here.settings.network))
    groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return show(request, "authenticator.html", status=status, filled=filled, drawn=drawn, secret=groups)


def _show(request: Request, me: SignedIn, here: Services, filled: Filled, *, status: int = 200) -> Response:
    now, staff_id = here.now(), me.member.staff_id
    with here.database.reading() as session:
        passkeys = session.scalars(select(Passkey).where(Passkey.staff_id == staff_id).order_by(Passkey.id)).all()
        return show(
            request,
            "me.html",
            status=status,
            filled=filled,
            held=credentials.held(session, staff_id),
            passkeys=passkeys,
            tokens=api_tokens.of_staff(session, staff_id, now),
            sessions=sessions.alive(session, staff_id, now),
            this_session=hash_secret(me.secret),
            may_change=me.enrolling or is_fresh(me, here, _STRONG),
            may_make_tokens=is_fresh(me, here, _STRONG | {Way.OIDC}),
            has_passkeys=place_of(here.settings) is not None,
        )
