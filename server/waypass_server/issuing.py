"""Issuing passes: from a person's aspects and a wallet's keys to signed passes.

Bound passes, for a wallet. A wallet asks for a nonce, makes a fresh P-256 key for each pass that it wants, and proves
each: ES256 (64 bytes, r then s) by that key over the UTF-8 text

    waypass-holder-proof/1/NETWORK/NONCE/X/Y

with the nonce as it was given and the key's coordinates in base64url without padding. The key stands in the text so
that a proof belongs to one key only. The first rule that fails decides, and then nothing is issued:

1. 1 to `BATCH` keys, each once, and each with 1 to `SCOPES` scopes (`RequestRefused`)
2. each key is a point on P-256 and its proof verifies (`ProofRefused`)
3. the nonce was given to this wallet at most five minutes ago and not used since (`NonceRefused`)
4. the person has an aspect in each scope (`ScopeNotOpen`)
5. the person has no more than `ALIVE` live passes with these (`TooManyPasses`)

Rules 1 and 2 need no database and are checked before the transaction. A nonce that was used is gone.

Paper passes: a person has at most one; the one before becomes status 1 in the same transaction. Where staff replace one
that is alive, the holder is told, and it counts as a withdrawal does (`withdrawals`). A hint is what staff compare with
an identity document; it stands in the pass and is not stored.

Both carry the person's aspects at that moment. `iat` is rounded down to the hour and the life is whole hours, so that
passes of one batch cannot be told from others of that hour. A pass may outlive `Standing.until`, the next second at
which the person's aspects may change by themselves: the scheduler looks at the person again at that second, and takes
the pass away if it has become too permissive. That second is noted here too: where the clock was put back, it may be
one that was looked at already.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from waypass_protocol.bits import VALID
from waypass_protocol.errors import BadSignature, Malformed
from waypass_protocol.keys import HolderKey, base64url
from waypass_protocol.passes import HOUR, Aspect, BoundForm, Pass, Place, sign_pass
from waypass_server.aspects import standing_of
from waypass_server.database import LOCKED
from waypass_server.indexes import Allocator
from waypass_server.many_rows import add_rows
from waypass_server.models.people import Person, Wallet
from waypass_server.models.status import Challenge, PassKind, PassRow
from waypass_server.passes import count_live, live_passes, lock_person, take_away
from waypass_server.refusals import BadInput, Conflict, TooMany
from waypass_server.services import Services
from waypass_server.withdrawals import count_paper

BATCH = 144
"""A day of ten-minute slots."""
SCOPES = 8
ALIVE = 1000
NONCE_LENGTH = 32
NONCE_LIFE = 300
_SIGNATURE = 64
_COLUMNS = ("person_id", "list_id", "idx", "aspects", "kind", "iat", "exp", "status", "created_at")


class RequestRefused(BadInput):
    """The request for passes has another form than the rules ask."""


class ProofRefused(BadInput):
    """A key is none, or its proof does not verify."""

    name = "proof"
    title = "A holder key is not proven"


class NonceRefused(Conflict):
    """The nonce was not given to this wallet, is older than five minutes, or was used before."""

    name = "nonce"
    title = "The nonce cannot be used"


class ScopeNotOpen(BadInput):
    """A scope that the network does not have, or that is by grant and this person has none."""

    name = "scope-not-open"
    title = "The scope is not for this person"


class TooManyPasses(TooMany):
    """The person has as many live passes as anybody may have."""

    name = "too-many-passes"
    title = "Too many live passes"


@dataclass(frozen=True, kw_only=True, slots=True)
class PassRequest:
    """One bound pass that a wallet asks for, its key proven."""

    holder: HolderKey
    scopes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UnprovenKey:
    """A holder key as it came: coordinates (32 bytes each), proof (64 bytes), and the scopes of its pass."""

    x: bytes
    y: bytes
    proof: bytes
    scopes: tuple[int, ...]


def proof_text(network: str, nonce: str, x: bytes, y: bytes) -> bytes:
    """What a holder key signs to be taken into a pass."""
    return f"waypass-holder-proof/1/{network}/{nonce}/{base64url(x)}/{base64url(y)}".encode()


def check_proofs(network: str, nonce: str, keys: Sequence[UnprovenKey]) -> list[PassRequest]:
    """Rules 1 and 2. Raises `RequestRefused` or `ProofRefused`."""
    if not 1 <= len(keys) <= BATCH:
        raise RequestRefused(f"expected 1 to {BATCH} keys, got {len(keys)}")
    if len({(key.x, key.y) for key in keys}) != len(keys):
        raise RequestRefused("expected each key once")
    return [_check_proof(network, nonce, number, key) for number, key in enumerate(keys)]


def make_nonce(session: Session, services: Services, wallet_id: int, now: int) -> str:
    """A nonce for this wallet; one that it was given before and did not use lapses."""
    session.get(Wallet, wallet_id, with_for_update=LOCKED)  # two that ask at once are not both given one that counts
    session.execute(delete(Challenge).where(Challenge.wallet_id == wallet_id))
    nonce = base64url(services.random_bytes(NONCE_LENGTH))
    session.add(Challenge(digest=_digest(nonce), wallet_id=wallet_id, expires_at=now + NONCE_LIFE))
    return nonce


def use_nonce(session: Session, wallet_id: int, nonce: str, now: int) -> None:
    """Rule 3: take the nonce away. Raises `NonceRefused`."""
    given = Challenge.digest == _digest(nonce), Challenge.wallet_id == wallet_id, Challenge.expires_at > now
    result = session.execute(delete(Challenge).where(*given))
    if not isinstance(result, CursorResult) or result.rowcount != 1:
        raise NonceRefused("expected a nonce that this wallet was given in the last five minutes and did not use")


def issue_bound(
    session: Session, services: Services, person_id: int, requests: Sequence[PassRequest], now: int
) -> list[bytes]:
    """The passes (COSE_Sign1) for proven keys, in their order, under rules 4 and 5. Raises as they say."""
    person = lock_person(session, person_id)
    aspects = _aspects_until(session, person, now)
    said = {scopes: _aspects_for(scopes, aspects) for scopes in dict.fromkeys(each.scopes for each in requests)}
    alive = count_live(session, person_id, now)
    if alive + len(requests) > ALIVE:
        raise TooManyPasses(f"expected at most {ALIVE} live passes, got {alive} and {len(requests)} more")
    places = allocator(services, PassKind.BOUND).allocate(session, person.network_id, len(requests), now)
    iat, exp = _times(now, services.settings.pass_life)
    place = Place(uri=places.uri, idx=places.indexes[0])
    any_holder = requests[0].holder
    forms = {
        scopes: BoundForm(Pass(iat=iat, exp=exp, place=place, aspects=shown, holder=any_holder), services.pass_signer)
        for scopes, shown in said.items()
    }
    stored = {scopes: json.dumps(_as_stored(shown)) for scopes, shown in said.items()}
    same = PassKind.BOUND.value, iat, exp, VALID, _hour(now)
    issued, rows = [], []
    for request, idx in zip(requests, places.indexes, strict=True):
        issued.append(forms[request.scopes].sign(idx, request.holder))
        rows.append((person_id, places.list_id, idx, stored[request.scopes], *same))
    add_rows(session, PassRow, _COLUMNS, rows)
    return issued


def issue_paper(
    session: Session,
    services: Services,
    person_id: int,
    scopes: Sequence[int],
    hint: str | None,
    now: int,
    *,
    staff_id: int | None,
) -> bytes:
    """A paper pass (COSE_Sign1), made by a member of staff or by the holder; the one before is taken away. Raises
    `RequestRefused`, `ScopeNotOpen` or `NeedsSecondPerson`.
    """
    _check_scopes(scopes, "a paper pass")
    _check_hint(hint)
    person = lock_person(session, person_id)
    shown = _aspects_for(scopes, _aspects_until(session, person, now))
    older = live_passes(session, person_id, now, kind=PassKind.PAPER)
    if staff_id is not None and any(row.exp > now for row in older):
        count_paper(session, person, staff_id=staff_id, now=now)
    take_away(session, older, now)
    places = allocator(services, PassKind.PAPER).allocate(session, person.network_id, 1, now)
    iat, exp = _times(now, services.settings.paper_life)
    place = Place(uri=places.uri, idx=places.indexes[0])
    pass_ = Pass(iat=iat, exp=exp, place=place, aspects=shown, hint=hint)
    signer = services.pass_signer
    try:
        signed = sign_pass(pass_, signer)
    except Malformed as error:  # the hint is all that others chose
        raise RequestRefused(str(error)) from None
    session.add(
        PassRow(
            person_id=person_id,
            list_id=places.list_id,
            idx=place.idx,
            kind=PassKind.PAPER,
            aspects=_as_stored(shown),
            iat=iat,
            exp=exp,
            status=VALID,
            created_at=_hour(now),
        )
    )
    return signed


def _check_hint(hint: str | None) -> None:
    """Staff compare a hint by eye, so it must look like what it is: nothing invisible, nothing that turns the direction
    of writing. (A reader accepts more: the wire format refuses control characters only.)"""
    unseen = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
    if hint is not None and (not hint.strip() or any(unicodedata.category(each) in unseen for each in hint)):
        raise RequestRefused("hint: expected characters that can be seen, and at least one")


def allocator(services: Services, kind: PassKind) -> Allocator:
    """The allocator of this server's network for passes of a kind."""
    prefix = services.settings.status_uri_prefix
    return Allocator(uri_prefix=prefix, draw=services.indexes, reserve=services.reserve, kind=kind)


def _check_proof(network: str, nonce: str, number: int, key: UnprovenKey) -> PassRequest:
    what = f"key {number}"
    _check_scopes(key.scopes, what)
    if len(key.proof) != _SIGNATURE:
        raise ProofRefused(f"{what}: expected a proof of {_SIGNATURE} bytes, got {len(key.proof)}")
    try:
        holder = HolderKey.from_coordinates(key.x, key.y)
        holder.verify(key.proof, proof_text(network, nonce, key.x, key.y))
    except Malformed as error:
        raise ProofRefused(f"{what}: {error}") from None
    except BadSignature:
        raise ProofRefused(f"{what}: the proof does not verify") from None
    return PassRequest(holder=holder, scopes=key.scopes)


def _check_scopes(scopes: Sequence[int], what: str) -> None:
    if not 1 <= len(scopes) <= SCOPES or len(set(scopes)) != len(scopes):
        raise RequestRefused(f"{what}: expected 1 to {SCOPES} scopes, each once, got {len(scopes)}")


def _aspects_until(session: Session, person: Person, now: int) -> Mapping[int, Aspect]:
    """The person's aspects; somebody looks again when they may change."""
    standing = standing_of(session, person.id, now)
    if standing.until is not None and (person.reassess_at is None or person.reassess_at > standing.until):
        person.reassess_at = standing.until
    return standing.aspects


def _aspects_for(scopes: Sequence[int], aspects: Mapping[int, Aspect]) -> dict[int, Aspect]:
    """Rule 4."""
    for scope in scopes:
        if scope not in aspects:
            raise ScopeNotOpen(f"expected scopes among {sorted(aspects)}, got {scope}")
    return {scope: aspects[scope] for scope in scopes}


def _times(now: int, life: int) -> tuple[int, int]:
    return _hour(now), _hour(now) + life - life % HOUR


def _hour(now: int) -> int:
    return now - now % HOUR


def _as_stored(aspects: Mapping[int, Aspect]) -> dict[str, int]:
    return {str(scope): int(aspect) for scope, aspect in aspects.items()}


def _digest(nonce: str) -> bytes:
    return hashlib.sha256(nonce.encode()).digest()
