"""Signing in by an OpenID provider that the operator has named (OpenID Connect, the code flow).

1. the browser is sent to the provider with a state, a nonce and a PKCE challenge (S256), all drawn for this once; their
   other halves wait here for this browser (`ceremonies`)
2. what comes back has the state, and the provider's own name where it gives one (RFC 9207)
3. the code is changed into an ID token at the provider's token endpoint, with the verifier and the client's secret
4. the token is signed by a key that the provider publishes, by an asymmetric algorithm; a key that is not known is
   looked for anew, at most every `KEYS_AGAIN` seconds
5. it is of this issuer, for this client, with this nonce, and it holds now, give or take `LEEWAY` seconds
6. one claim names the member of staff, exactly as the network file does. An `email` counts only when the provider has
   verified it. Nothing else of the token is used: roles are the network file's to say
7. at most `AT_ONCE` requests wait for the provider; more are refused. A slow provider must not keep the server from
   everything else

What the provider answers with is outside bytes: whatever is wrong with it is `BadAnswer`; that it cannot be asked,
`ProviderAway`. Neither repeats what came.
"""

import hmac
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from waypass_protocol.keys import base64url
from waypass_server.addresses import is_safe
from waypass_server.database import RandomBytes
from waypass_server.refusals import Problem, Unauthenticated

DISCOVERY = "/.well-known/openid-configuration"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY = 60
AT_ONCE = 8
KEYS_AGAIN = 60
METADATA_LIFE = 3600
PATIENCE = 10.0
"""Seconds that the provider has for an answer."""
_LIBRARYS = (JoseError, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What the libraries raise for keys, tokens and claims that they did not expect."""


class BadAnswer(Unauthenticated):
    """What the provider, or the browser in its name, brought is not an answer to what was asked."""

    name = "bad-answer"
    title = "The provider's answer does not sign anybody in"


class ProviderAway(Problem):
    """The provider cannot be asked now."""

    status = 503
    name = "provider-away"
    title = "The provider cannot be asked now"


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """How this server is known at the provider. `back` is where the provider sends browsers back to."""

    issuer: str
    client_id: str
    secret: str = field(repr=False)
    claim: str
    back: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """Where to send the browser, and what to keep for when it comes back."""

    address: str
    held: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What the provider has published, and when it was fetched."""

    at: int
    metadata: Mapping[str, Any]
    keys: Mapping[str, Any]


class Provider:
    """One OpenID provider. Knows what the provider publishes, for an hour; everything else is an argument."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._known: _Known | None = None
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def begin(self, *, random_bytes: RandomBytes, now: int) -> Begun:
        """Rule 1. Raises `ProviderAway` and `BadAnswer`."""
        held = {name: base64url(random_bytes(32)) for name in ("state", "nonce", "verifier")}
        with self._talking():
            endpoint = self._find(now).metadata["authorization_endpoint"]
        address = prepare_grant_uri(
            endpoint,
            client_id=self.client.client_id,
            response_type="code",
            redirect_uri=self.client.back,
            scope="openid profile email",
            state=held["state"],
            nonce=held["nonce"],
            code_challenge=create_s256_code_challenge(held["verifier"]),
            code_challenge_method="S256",
        )
        return Begun(address=str(address), held=held)

    def finish(self, held: Mapping[str, str], answer: Mapping[str, str], *, now: int) -> str:
        """The name of the member of staff. `answer` is the query that the browser came back with. Raises
        `ProviderAway` and `BadAnswer`.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), held["state"].encode()):  # rule 2
            raise BadAnswer("oidc: expected the state that this browser was sent away with, got another")
        if answer.get("iss", self.client.issuer) != self.client.issuer:
            raise BadAnswer("oidc: expected an answer of the provider in the settings, got another's")
        if not answer.get("code"):
            raise BadAnswer("oidc: expected a code, got none: the provider did not sign anybody in")
        with self._talking():
            token = self._exchange(answer["code"], held["verifier"], now)  # rule 3
            return self.name_in(token, nonce=held["nonce"], now=now)

    def name_in(self, token: str, *, nonce: str, now: int) -> str:
        """Rules 4 to 6: whom an ID token names. Raises `ProviderAway` and `BadAnswer`."""
        known = self._find(now)
        try:
            decoded = read_token(token, known.keys)
        except InvalidKeyIdError:
            decoded = self._read_with_newer_keys(token, known, now)
        return name_of(decoded, self.client, nonce=nonce, now=now)

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Rule 7. Raises `ProviderAway`."""
        if not self._room.acquire(blocking=False):
            raise ProviderAway(f"oidc: {AT_ONCE} wait for the provider already")
        try:
            yield
        finally:
            self._room.release()

    def _read_with_newer_keys(self, token: str, known: _Known, now: int) -> jwt.Token:
        if now - known.at >= KEYS_AGAIN:
            known = self._find(now, newer_than=known.at)
        try:
            return read_token(token, known.keys)
        except InvalidKeyIdError:
            raise BadAnswer("oidc: expected an ID token signed by a key that the provider publishes") from None

    def _find(self, now: int, newer_than: int | None = None) -> _Known:
        """What the provider publishes. One at a time: many who wait for the same need one answer."""
        with self._lock:
            known = self._known
            if known is None or now - known.at >= METADATA_LIFE or known.at == newer_than:
                known = self._known = self._fetch(now)
            return known

    def _fetch(self, now: int) -> _Known:
        metadata = _json(_ask("GET", self.client.issuer.rstrip("/") + DISCOVERY))
        if metadata.get("issuer") != self.client.issuer:
            raise BadAnswer("oidc: expected the provider to call itself as the settings do")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not is_safe(metadata.get(name)):
                raise BadAnswer(f"oidc: expected an https address as the provider's {name}")
        return _Known(at=now, metadata=metadata, keys=_json(_ask("GET", metadata["jwks_uri"])))

    def _exchange(self, code: str, verifier: str, now: int) -> str:
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.back,
            "code_verifier": verifier,
        }
        # Both are form-encoded before they are put together (RFC 6749, section 2.3.1).
        login = quote(self.client.client_id, safe=""), quote(self.client.secret, safe="")
        token = _json(_ask("POST", self._find(now).metadata["token_endpoint"], data=body, auth=login)).get("id_token")
        if not isinstance(token, str):
            raise BadAnswer("oidc: expected an ID token from the provider, got none")
        return token


def read_token(token: str, keys: Mapping[str, Any]) -> jwt.Token:
    """Rule 4, with these keys (a JWK set). Raises `BadAnswer`, and `InvalidKeyIdError` for a key that is not there."""
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        return jwt.decode(token, key=KeySet.import_key_set({"keys": keys["keys"]}), registry=registry)
    except InvalidKeyIdError:
        raise
    except _LIBRARYS as error:
        raise BadAnswer(f"oidc: expected a signed ID token, got one that is refused ({type(error).__name__})") from None


def name_of(token: jwt.Token, client: Client, *, nonce: str, now: int) -> str:
    """Rules 5 and 6. Raises `BadAnswer`."""
    wanted: Any = {
        "iss": {"essential": True, "value": client.issuer},
        "aud": {"essential": True, "value": client.client_id},
        "nonce": {"essential": True, "value": nonce},
    }
    claims = CodeIDToken(token.claims, token.header, wanted, {"nonce": nonce, "client_id": client.client_id})
    try:
        claims.validate(now=now, leeway=LEEWAY)
    except _LIBRARYS as error:
        said = error.description if isinstance(error, JoseError) else type(error).__name__
        raise BadAnswer(f"oidc: expected an ID token for this sign-in, got another ({said})") from None
    if client.claim == "email" and token.claims.get("email_verified") is not True:
        raise BadAnswer("oidc: expected an email that the provider has verified")
    name = token.claims.get(client.claim)
    if not isinstance(name, str) or not name:
        raise BadAnswer(f"oidc: expected the claim {client.claim} in the ID token, got none")
    return name


def _ask(method: str, address: str, **arguments: Any) -> httpx.Response:
    """One request; redirects are not followed. Raises `ProviderAway`."""
    try:
        with httpx.Client(timeout=PATIENCE, follow_redirects=False) as client:
            answer = client.request(method, address, headers={"Accept": "application/json"}, **arguments)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderAway(f"oidc: the provider cannot be asked: {type(error).__name__}") from None
    if answer.status_code >= 500:
        raise ProviderAway(f"oidc: the provider cannot answer now: status {answer.status_code}")
    if not answer.is_success:
        raise BadAnswer(f"oidc: expected the provider to agree, it answered with status {answer.status_code}")
    return answer


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadAnswer("oidc: expected a JSON object from the provider, got something else")
    return found
