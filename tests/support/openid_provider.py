"""A small OpenID provider on this machine: discovery, keys, a sign-in that asks nobody anything, and the token endpoint
with client secret and PKCE, over real HTTP. Its tokens are signed here with cryptography alone, not by the library that
reads them in the server.

A test says who is signed in there (`person`), and what is wrong with the next token (`spoil`, `signed_by`, `kid`).
"""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

CLIENT_ID = "waypass ops"
SECRET = "secret/with:signs"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def public_jwk(kid: str, key: Key) -> dict[str, str]:
    """The half that is published."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "kid": kid, "use": "sig", "n": _number(numbers.n), "e": _number(numbers.e)}
    point = key.public_key().public_numbers()
    x, y = (base64url(value.to_bytes(32, "big")) for value in (point.x, point.y))
    return {"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": x, "y": y}


def signed(key: Key, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A compact JWS; the header says what it likes about the algorithm."""
    body = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(body.encode(), padding.PKCS1v15(), SHA256())
    else:
        r, s = decode_dss_signature(key.sign(body.encode(), ec.ECDSA(SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{body}.{base64url(signature)}"


def make_keys() -> dict[str, Key]:
    """One of each kind, by kid."""
    return {"rsa-1": rsa.generate_private_key(65537, 2048), "ec-1": ec.generate_private_key(ec.SECP256R1())}


@dataclass(kw_only=True)
class OpenIdProvider:
    """The provider's state, which tests change. `now` gives the time that tokens are made at."""

    now: Callable[[], float]
    keys: dict[str, Key] = field(default_factory=make_keys)
    published: set[str] = field(default_factory=lambda: {"rsa-1", "ec-1"})
    person: dict[str, Any] = field(default_factory=lambda: {"preferred_username": "proposer"})
    kid: str = "rsa-1"
    signed_by: str | None = None
    spoil: Callable[[dict[str, Any], dict[str, Any]], None] | None = None
    address: str = ""
    asked: list[str] = field(default_factory=list)
    gate: threading.Event | None = None
    """The token endpoint answers when it is set."""
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        }

    def published_keys(self) -> dict[str, Any]:
        return {"keys": [public_jwk(kid, self.keys[kid]) for kid in sorted(self.published)]}

    def authorise(self, query: dict[str, str]) -> str:
        """Where the browser goes back to."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.address}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, form: dict[str, str], login: str) -> tuple[int, dict[str, Any]]:
        """The token endpoint's answer. `login` is what stands behind `Basic`."""
        name, _, secret = base64.b64decode(login).decode().partition(":")
        if (unquote(name), unquote(secret)) != (CLIENT_ID, SECRET):
            return 401, {"error": "invalid_client"}
        begun = self._codes.pop(form["code"], None)  # once
        challenge = base64url(hashlib.sha256(form["code_verifier"].encode()).digest())
        if begun is None or begun["code_challenge"] != challenge or begun["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(nonce=begun["nonce"])}

    def id_token(self, *, nonce: str) -> str:
        """A token for the person, spoilt as the test says."""
        now = int(self.now())
        key = self.keys[self.signed_by or self.kid]
        header = {"alg": "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256", "kid": self.kid, "typ": "JWT"}
        claims = {
            "iss": self.address,
            "sub": "248289761001",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            **self.person,
        }
        if self.spoil is not None:
            self.spoil(header, claims)
        return signed(key, header, claims)


@contextmanager
def open_provider(now: Callable[[], float], **changes: Any) -> Iterator[OpenIdProvider]:
    """Serve a provider on a free port of this machine."""
    provider = OpenIdProvider(now=now, **changes)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Nothing: tests look at answers."""

        def do_GET(self) -> None:
            path = urlsplit(self.path)
            provider.asked.append(path.path)
            if path.path == "/authorize":
                query = {name: values[0] for name, values in parse_qs(path.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorise(query))
                self.end_headers()
            elif path.path == "/.well-known/openid-configuration":
                self._json(200, provider.discovery())
            elif path.path == "/keys":
                self._json(200, provider.published_keys())
            else:
                self._json(404, {})

        def do_POST(self) -> None:
            provider.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            if provider.gate is not None:
                provider.gate.wait(30.0)
            self._json(*provider.exchange(form, self.headers["Authorization"].removeprefix("Basic ")))

        def _json(self, status: int, document: object) -> None:
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="openid provider", daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
