"""A traveller's wallet in software: enrols, proves fresh holder keys, keeps a batch, shows presentations.

Each bound pass has a P-256 key of its own, made here and never sent. A pass serves for one ten-minute slot; the last
one of a batch may serve on, so that nobody is stranded without network. The clock is corrected by the server's.
"""

from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from waypass_protocol.keys import HolderSigner, base64url
from waypass_protocol.passes import pass_text
from waypass_protocol.presentation import present
from waypass_simulator.api import Api

SLOT_SECONDS = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldPass:
    """One bound pass (its COSE_Sign1) and the key that it names."""

    data: bytes
    holder: HolderSigner


class Wallet:
    """One traveller's wallet. `new_key` makes a P-256 private key, `now` is this telephone's clock (UNIX seconds)."""

    def __init__(
        self,
        *,
        address: str,
        network: str,
        now: Callable[[], float],
        new_key: Callable[[], ec.EllipticCurvePrivateKey] = lambda: ec.generate_private_key(ec.SECP256R1()),
    ) -> None:
        self._address = address
        self._network = network
        self._now = now
        self._new_key = new_key
        self._offset = 0.0
        self._api: Api | None = None
        self.token: str | None = None
        self.passes: list[HeldPass] = []

    @property
    def api(self) -> Api:
        """The server, as this wallet may use it. Only after `enrol`."""
        if self._api is None:
            raise RuntimeError("the wallet has not been enrolled")
        return self._api

    def enrol(self, code: str) -> None:
        """Trade a desk code for this wallet's token. Raises `Refused`."""
        with Api(self._address) as door:
            answer = door.post("/api/v1/enrol", {"code": code})
        self.close()
        self.token = str(answer["token"])
        self._api = Api(self._address, token=self.token)

    def offer_evidence(self, text: str) -> Any:
        """Hand in a health certificate's text. Raises `Refused`."""
        return self.api.post("/api/v1/me/evidence", {"text": text})

    def standing(self) -> Any:
        """What the server says of the holder, and why."""
        return self.api.get("/api/v1/me")

    def fetch(self, scopes: Sequence[int], count: int) -> None:
        """Replace the batch by `count` fresh passes. Raises `Refused`; the old batch then stays."""
        nonce = self.api.post("/api/v1/me/challenge")["nonce"]
        holders = [HolderSigner(self._new_key()) for _ in range(count)]
        keys = [self._proven(holder, nonce) for holder in holders]
        answer = self.api.post("/api/v1/me/passes", {"nonce": nonce, "scopes": list(scopes), "keys": keys})
        self._offset = answer["server_time"] - self._now()
        data = [_from_base64url(each) for each in answer["passes"]]
        self.passes = [HeldPass(data=each, holder=holder) for each, holder in zip(data, holders, strict=True)]

    def time(self) -> float:
        """This wallet's idea of the server's clock (UNIX seconds)."""
        return self._now() + self._offset

    def show(self, *, slot: int = 0, at: float | None = None) -> str:
        """The text of the code that the wallet shows for the pass of a slot, now or at a given time."""
        held = self.passes[min(slot, len(self.passes) - 1)]
        moment = self.time() if at is None else at
        return present(held.data, t=int(moment), network=self._network, holder=held.holder)

    def copy(self, *, slot: int = 0) -> str:
        """The bare pass without a presentation: what somebody has who stole the pass and not the key."""
        return pass_text(self.passes[slot].data)

    def close(self) -> None:
        """Give up the connection."""
        if self._api is not None:
            self._api.close()

    def _proven(self, holder: HolderSigner, nonce: str) -> dict[str, str]:
        x, y = (base64url(coordinate) for coordinate in holder.key.coordinates())
        proof = holder.sign(f"waypass-holder-proof/1/{self._network}/{nonce}/{x}/{y}".encode())
        return {"x": x, "y": y, "proof": base64url(proof)}


def _from_base64url(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
