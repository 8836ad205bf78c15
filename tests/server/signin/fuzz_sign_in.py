"""Fuzz targets for what browsers and OpenID providers bring: only `BadPasskey` and `BadAnswer` may come out.

The first byte says at which layer the rest enters. Behind a signature the bytes are signed by the right key, as a
stolen or faulty one would sign them.
"""

import hashlib
import json

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.errors import InvalidKeyIdError
from tests.support.office import NOW
from tests.support.openid_provider import CLIENT_ID, base64url, public_jwk
from tests.support.soft_passkey import SoftPasskey
from webauthn.helpers import base64url_to_bytes

from waypass_server.signin import passkeys
from waypass_server.signin.oidc import BadAnswer, Client, name_of, read_token
from waypass_server.signin.passkeys import BadPasskey, Place

ISSUER = "https://login.example.org"
CLIENT = Client(issuer=ISSUER, client_id=CLIENT_ID, secret="s", claim="preferred_username", back="https://a.test/")
EC_KEY = ec.derive_private_key(0x5EED, ec.SECP256R1())
KEYS = {"keys": [public_jwk("ec-1", EC_KEY)]}
PLACE = Place(origin="https://ops.example.org", domain="example.org", network="metro")
CHALLENGE = b"c" * 32


def _token(header: bytes, claims: bytes) -> str:
    body = f"{base64url(header)}.{base64url(claims)}"
    r, s = decode_dss_signature(EC_KEY.sign(body.encode(), ec.ECDSA(SHA256())))
    return f"{body}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


_HEADER = b'{"alg": "ES256", "kid": "ec-1", "typ": "JWT"}'
_CLAIMS = json.dumps(
    {
        "iss": ISSUER,
        "sub": "1",
        "aud": [CLIENT_ID],
        "azp": CLIENT_ID,
        "exp": NOW + 300,
        "iat": NOW,
        "nbf": NOW,
        "auth_time": NOW,
        "amr": ["mfa"],
        "nonce": "n",
        "preferred_username": "Ada",
    }
).encode()
_GOOD = _token(_HEADER, _CLAIMS)


def fuzz_id_token(data: bytes) -> bool:
    """An ID token as text, its header, its claims, or the provider's keys."""
    layer, rest = data[0] % 4 if data else 0, data[1:]
    token, keys = _GOOD, KEYS
    if layer == 0:
        token = rest.decode("utf-8", "surrogateescape")
    elif layer == 1:
        token = _token(rest, _CLAIMS)
    elif layer == 2:
        token = _token(_HEADER, rest)
    else:
        try:
            found = json.loads(rest)
        except ValueError:
            return False  # `oidc` reads the provider's JSON by itself
        keys = {"keys": found}
    try:
        name = name_of(read_token(token, keys), CLIENT, nonce="n", now=NOW)
    except (BadAnswer, InvalidKeyIdError):  # the second makes the caller look for newer keys
        return False
    assert isinstance(name, str)
    return True


def id_token_seeds() -> list[bytes]:
    """One good input for each layer."""
    parts = [_GOOD.encode(), _HEADER, _CLAIMS, json.dumps(KEYS["keys"]).encode()]
    return [bytes([layer]) + part for layer, part in enumerate(parts)]


_KEY = SoftPasskey(origin=PLACE.origin, domain=PLACE.domain, key=EC_KEY)
_NEW = _KEY.create(passkeys.ask_for_new(PLACE, handle=b"h" * 32, name="Ada", challenge=CHALLENGE, known=[]))
_ONE = _KEY.get(passkeys.ask_for_one(PLACE, challenge=CHALLENGE))
_STORED = passkeys.read_new(_NEW, PLACE, challenge=CHALLENGE)


def _part(text: str, name: str) -> bytes:
    return base64url_to_bytes(json.loads(text)["response"][name])


def _with(text: str, **parts: bytes) -> str:
    answer = json.loads(text)
    answer["response"].update({name: base64url(part) for name, part in parts.items()})
    return json.dumps(answer)


def _signed(authenticator: bytes, client: bytes) -> str:
    signature = EC_KEY.sign(authenticator + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
    return _with(_ONE, authenticatorData=authenticator, clientDataJSON=client, signature=signature)


_ATTESTATION, _DATA = _part(_NEW, "attestationObject"), _part(_ONE, "authenticatorData")
_AUTHENTICATOR = cbor2.loads(_ATTESTATION)["authData"]
_CLIENT_NEW, _CLIENT_ONE = _part(_NEW, "clientDataJSON"), _part(_ONE, "clientDataJSON")


def fuzz_passkey(data: bytes) -> bool:
    """A browser's answer as text, or one of the pieces in it."""
    layer, rest = data[0] % 7 if data else 0, data[1:]
    try:
        if layer == 0:
            passkeys.read_new(rest.decode("utf-8", "surrogateescape"), PLACE, challenge=CHALLENGE)
        elif layer == 1:
            text = rest.decode("utf-8", "surrogateescape")
            passkeys.credential_of(text)
            _read_one(text)
        elif layer == 2:
            passkeys.read_new(_with(_NEW, attestationObject=rest), PLACE, challenge=CHALLENGE)
        elif layer == 3:
            attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": rest})
            passkeys.read_new(_with(_NEW, attestationObject=attestation), PLACE, challenge=CHALLENGE)
        elif layer == 4:
            passkeys.read_new(_with(_NEW, clientDataJSON=rest), PLACE, challenge=CHALLENGE)
        elif layer == 5:
            _read_one(_signed(rest, _CLIENT_ONE))
        else:
            _read_one(_signed(_DATA, rest))
    except BadPasskey:
        return False
    return True


def _read_one(text: str) -> None:
    passkeys.read_one(text, PLACE, challenge=CHALLENGE, public_key=_STORED.public_key, sign_count=0)


def passkey_seeds() -> list[bytes]:
    """One good input for each layer."""
    parts = [_NEW.encode(), _ONE.encode(), _ATTESTATION, _AUTHENTICATOR, _CLIENT_NEW, _DATA, _CLIENT_ONE]
    return [bytes([layer]) + part for layer, part in enumerate(parts)]
