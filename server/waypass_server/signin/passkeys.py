"""Passkeys (WebAuthn): what a browser is asked, and what its answer has to be.

1. an authenticator always checks its person (PIN, finger, face): a passkey is two factors by itself, and no password
   comes with it. It can be found without a name (a discoverable credential)
2. an answer has the challenge that this browser was given a moment ago, once; the origin and the domain of the
   settings; and a signature of a key that somebody who works here has registered
3. where an authenticator counts, its count has to have grown: a copy that lags behind is refused
4. no attestation is asked for: which make of authenticator somebody uses is theirs to choose

What comes from a browser is JSON of at most `MOST` characters. Whatever is wrong with it is `BadPasskey`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from waypass_server.refusals import Unauthenticated
from waypass_server.tokens import hash_secret

MOST = 20_000
CHALLENGE = 32
_LIBRARYS = (WebAuthnException, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
"""What the library raises for bytes that it did not expect."""


class BadPasskey(Unauthenticated):
    """What a browser brought is no answer to what it was asked."""

    name = "bad-passkey"
    title = "The passkey does not sign anybody in"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where passkeys are for: the origin of the pages, and the domain (RP id) that they are bound to."""

    origin: str
    domain: str
    network: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NewPasskey:
    """A key that an authenticator made. `credential_id` is base64url, `public_key` a COSE key."""

    credential_id: str
    public_key: bytes
    sign_count: int


def handle_of(network_id: int, staff_id: int) -> bytes:
    """What an authenticator knows its person by: opaque, and the same each time."""
    return hash_secret(f"waypass staff {network_id} {staff_id}").encode()


def ask_for_new(place: Place, *, handle: bytes, name: str, challenge: bytes, known: list[str]) -> str:
    """The options of a registration, as JSON. `known`: credentials that the person has already."""
    options = webauthn.generate_registration_options(
        rp_id=place.domain,
        rp_name=f"Waypass {place.network}",
        user_id=handle,
        user_name=name,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(each)) for each in known],
    )
    return webauthn.options_to_json(options)


def ask_for_one(place: Place, *, challenge: bytes) -> str:
    """The options of a sign-in, as JSON: any passkey of this place."""
    options = webauthn.generate_authentication_options(
        rp_id=place.domain, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
    )
    return webauthn.options_to_json(options)


def read_new(text: str, place: Place, *, challenge: bytes) -> NewPasskey:
    """The answer to `ask_for_new`. Raises `BadPasskey`."""
    answer = read_answer(text)
    try:
        verified = webauthn.verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=place.domain,
            expected_origin=place.origin,
            require_user_verification=True,
        )
    except _LIBRARYS as error:
        raise BadPasskey(f"passkey: expected a registration as it was asked for, got {_briefly(error)}") from None
    return NewPasskey(
        credential_id=bytes_to_base64url(verified.credential_id),
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
    )


def credential_of(text: str) -> str:
    """Which passkey an answer says it is of. Raises `BadPasskey`."""
    found = read_answer(text).get("id")
    if not isinstance(found, str) or not found.isascii():
        raise BadPasskey("passkey: expected the id of a credential, got none")
    return found


def read_one(text: str, place: Place, *, challenge: bytes, public_key: bytes, sign_count: int) -> int:
    """The answer to `ask_for_one`, of the passkey with this key; its new count. Raises `BadPasskey`."""
    answer = read_answer(text)
    try:
        verified = webauthn.verify_authentication_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=place.domain,
            expected_origin=place.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except _LIBRARYS as error:
        raise BadPasskey(f"passkey: expected an answer to what was asked, got {_briefly(error)}") from None
    return verified.new_sign_count


def read_answer(text: str) -> Mapping[str, Any]:
    """A browser's answer as a JSON object, nothing of it checked. Raises `BadPasskey`."""
    try:
        found = json.loads(text) if len(text) <= MOST else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadPasskey(f"passkey: expected a JSON object of at most {MOST} characters, got something else")
    return found


def _briefly(error: Exception) -> str:
    """The kind alone: the library's words may repeat what came."""
    return f"one that is refused ({type(error).__name__})"
