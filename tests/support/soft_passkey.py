"""An authenticator in software: answers what a server asks of `navigator.credentials`, as a browser's JSON.

It makes discoverable keys on P-256 and says that it has checked its person, unless a test says otherwise.
"""

import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from tests.support.openid_provider import base64url

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass(kw_only=True)
class SoftPasskey:
    """One authenticator with one key at a time. `counts` is False for those that always say 0."""

    origin: str
    domain: str
    verifies: bool = True
    counts: bool = True
    count: int = 0
    credential_id: bytes = b"soft credential 1"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    handle: str = ""

    def create(self, options: str) -> str:
        """The answer to a registration's options."""
        asked = json.loads(options)
        self.handle = asked["user"]["id"]
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + self._cose_key()
        data = self._data(PRESENT | ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", asked["challenge"])
        return self._answer({"clientDataJSON": base64url(client), "attestationObject": base64url(attestation)})

    def get(self, options: str) -> str:
        """The answer to a sign-in's options."""
        self.count += 1
        data, client = self._data(PRESENT), self._client("webauthn.get", json.loads(options)["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": base64url(client),
                "authenticatorData": base64url(data),
                "signature": base64url(signature),
                "userHandle": self.handle,
            }
        )

    def _data(self, flags: int) -> bytes:
        flags |= VERIFIED if self.verifies else 0
        count = self.count if self.counts else 0
        return hashlib.sha256(self.domain.encode()).digest() + struct.pack(">BI", flags, count)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _cose_key(self) -> bytes:
        point = self.key.public_key().public_numbers()
        x, y = (value.to_bytes(32, "big") for value in (point.x, point.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def _answer(self, response: dict[str, Any]) -> str:
        name = base64url(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
