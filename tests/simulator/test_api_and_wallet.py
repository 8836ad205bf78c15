"""The simulator's HTTP client and wallet, against a small real server."""

import secrets
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.issuing import SCOPE, signer
from tests.support.small_server import Answer, Asked, serving

from waypass_protocol import bits
from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import HeldList
from waypass_protocol.keys import HolderKey, TrustSet, Use, base64url
from waypass_protocol.passes import HOUR, Aspect, Pass, Place, sign_pass
from waypass_protocol.policy import Policy
from waypass_protocol.reasons import Decision
from waypass_protocol.reentry import NoReentry
from waypass_simulator.api import Api, Refused, Unanswered
from waypass_simulator.processes import free_port
from waypass_simulator.wallet import Wallet

NOW = 1_800_000_000
SLOW = 90
URI = "wp:1"


# --- the client


def test_an_answer_is_decoded_and_the_token_is_sent() -> None:
    def who(asked: Asked) -> Answer:
        return Answer.of({"token": asked.token, "body": asked.body})

    with serving({"GET /who": who, "POST /who": who}) as address, Api(address, token="t-1") as api:
        assert api.get("/who") == {"token": "Bearer t-1", "body": None}
        assert api.post("/who", {"a": 1}) == {"token": "Bearer t-1", "body": {"a": 1}}


def test_an_empty_answer_is_none_and_bytes_stay_bytes() -> None:
    doors = {"POST /empty": lambda _: Answer(status=204), "GET /list": lambda _: Answer(body=b"\x00\x01", kind="x/y")}
    with serving(doors) as address, Api(address) as api:
        assert api.post("/empty") is None
        assert api.get_bytes("/list") == b"\x00\x01"


@pytest.mark.parametrize(
    ("name", "answer", "detail"),
    [
        ("a problem", Answer.of({"title": "Conflict", "detail": "expected another person"}, status=409), "another"),
        ("a problem without detail", Answer.of({"title": "Conflict"}, status=409), '"title"'),
        ("plain text", Answer(status=409, body=b"no", kind="text/plain"), "no"),
        ("a JSON list", Answer.of(["no"], status=409), "no"),
    ],
)
def test_a_refusal_has_the_servers_words(name: str, answer: Answer, detail: str) -> None:
    with (
        serving({"POST /door": lambda _: answer}) as address,
        Api(address) as api,
        pytest.raises(Refused, match="^409: .*" + detail) as refusal,
    ):
        api.post("/door")
    assert refusal.value.status == 409, name


def test_a_server_that_is_not_there_is_no_refusal() -> None:
    with Api(f"http://127.0.0.1:{free_port()}") as api, pytest.raises(Unanswered, match=r"GET /me: expected an answer"):
        api.get("/me")


# --- the wallet


class SmallIssuer:
    """Enrols with one code and signs a pass for each key that was proven for its nonce; what it is shown is kept."""

    def __init__(self) -> None:
        self.signer = signer(1)
        self.nonce = ""
        self.proven: list[HolderKey] = []

    def doors(self) -> dict[str, Any]:
        return {
            "POST /api/v1/enrol": self._enrol,
            "POST /api/v1/me/challenge": self._challenge,
            "POST /api/v1/me/passes": self._passes,
            "GET /api/v1/me": lambda asked: Answer.of({"token": asked.token}),
        }

    def _enrol(self, asked: Asked) -> Answer:
        if asked.body != {"code": "1234"}:
            return Answer.of({"detail": "code: expected one that is in force"}, status=403)
        return Answer.of({"token": "w-1"})

    def _challenge(self, _: Asked) -> Answer:
        self.nonce = secrets.token_hex(8)
        return Answer.of({"nonce": self.nonce})

    def _passes(self, asked: Asked) -> Answer:
        assert asked.body["nonce"] == self.nonce
        passes = []
        for row in asked.body["keys"]:
            key = HolderKey.from_coordinates(_bytes(row["x"]), _bytes(row["y"]))
            message = f"waypass-holder-proof/1/metro/{self.nonce}/{row['x']}/{row['y']}"
            key.verify(_bytes(row["proof"]), message.encode())
            self.proven.append(key)
            passes.append(base64url(self._pass(len(self.proven), key, asked.body["scopes"])))
        return Answer.of({"passes": passes, "server_time": NOW})

    def _pass(self, idx: int, key: HolderKey, scopes: list[int]) -> bytes:
        aspects = dict.fromkeys(scopes, Aspect.GREEN)
        pass_ = Pass(iat=NOW - HOUR, exp=NOW + HOUR, place=Place(uri=URI, idx=idx), aspects=aspects, holder=key)
        return sign_pass(pass_, self.signer)

    def decide(self, text: str) -> Decision:
        """What a gate says of a text at `NOW`."""
        key = self.signer.trusted(uses=frozenset({Use.PASS}), nbf=0, exp=2 * NOW)
        gate = Gate(trust=TrustSet(network="metro", keys={self.signer.kid: key}), scope=SCOPE, policy=Policy())
        held = HeldList(uri=URI, version=1, packed=bytes(bits.LIST_BYTES), digest=bytes(32), renewed=NOW)
        return decide(text, now=NOW, clock_trusted=True, gate=gate, lists={URI: held}, reentry=NoReentry())


@pytest.fixture
def issuer() -> SmallIssuer:
    return SmallIssuer()


@pytest.fixture
def wallet(issuer: SmallIssuer) -> Iterator[Wallet]:
    """On a telephone whose clock is `SLOW` seconds behind."""
    numbers = iter(range(1, 100))
    with serving(issuer.doors()) as address:
        wallet = Wallet(
            address=address,
            network="metro",
            now=lambda: NOW - SLOW,
            new_key=lambda: ec.derive_private_key(next(numbers), ec.SECP256R1()),
        )
        yield wallet
        wallet.close()


def test_a_code_is_traded_for_a_token(wallet: Wallet) -> None:
    wallet.enrol("1234")
    assert wallet.standing() == {"token": "Bearer w-1"}


def test_a_wrong_code_gets_nothing(wallet: Wallet) -> None:
    with pytest.raises(Refused, match="403: code: expected one that is in force"):
        wallet.enrol("9999")
    with pytest.raises(RuntimeError, match="has not been enrolled"):
        wallet.standing()


def test_a_fetched_pass_is_shown_by_the_servers_clock_and_opens(wallet: Wallet, issuer: SmallIssuer) -> None:
    wallet.enrol("1234")
    wallet.fetch([SCOPE], 2)
    assert wallet.time() == NOW
    assert issuer.decide(wallet.show()).reason == "green"


def test_each_pass_has_a_key_of_its_own(wallet: Wallet, issuer: SmallIssuer) -> None:
    wallet.enrol("1234")
    wallet.fetch([SCOPE], 3)
    assert len({key.coordinates() for key in issuer.proven}) == 3
    assert [held.holder.key.coordinates() for held in wallet.passes] == [key.coordinates() for key in issuer.proven]


def test_the_last_pass_of_a_batch_serves_on(wallet: Wallet) -> None:
    wallet.enrol("1234")
    wallet.fetch([SCOPE], 2)
    assert wallet.copy(slot=1) != wallet.copy(slot=0)
    assert wallet.show(slot=7)[:60] == wallet.show(slot=1)[:60]


@pytest.mark.parametrize(("name", "reason"), [("old", "stale-presentation"), ("bare", "unbound-copy")])
def test_what_a_thief_can_show_does_not_open(wallet: Wallet, issuer: SmallIssuer, name: str, reason: str) -> None:
    wallet.enrol("1234")
    wallet.fetch([SCOPE], 1)
    text = wallet.show(at=NOW - 61) if name == "old" else wallet.copy()
    assert issuer.decide(text).reason == reason


def test_a_batch_that_is_refused_leaves_the_old_one(wallet: Wallet, issuer: SmallIssuer) -> None:
    wallet.enrol("1234")
    wallet.fetch([SCOPE], 1)
    before = wallet.passes
    refused = {
        **issuer.doors(),
        "POST /api/v1/me/passes": lambda _: Answer.of({"detail": "keys: too many"}, status=422),
    }
    with serving(refused) as address:
        other = Wallet(address=address, network="metro", now=lambda: NOW)
        other.enrol("1234")
        other.passes = list(before)
        with pytest.raises(Refused, match="422: keys: too many"):
            other.fetch([SCOPE], 1)
        assert other.passes == before
        other.close()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
