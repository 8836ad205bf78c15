"""SIGKILL at random moments to server, broker and reader, under traffic, twenty times.

What must hold, and is checked against the published lists and the gates themselves:

- no committed change is lost: whatever the server answered for is in the list that it serves and in what readers hold
- no gate opens for a withdrawn pass once that gate has said that it holds the list with the withdrawal

Traffic goes on while programs die: passes are issued, facts take them away, codes are shown at both gates. A request
that died with the server has no answer; its pass is then left out, since either outcome would be right. So is the
person: a fact that may or may not have been recorded makes it unknown what their next pass says.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from waypass_protocol.bits import status_at
from waypass_protocol.keys import TrustSet, read_trust_set
from waypass_protocol.passes import Place, parse_pass
from waypass_protocol.status import Snapshot, read_snapshot
from waypass_simulator.api import Api, Unanswered
from waypass_simulator.carriers import Carrier, code_modules
from waypass_simulator.demo.deployment import Deployment
from waypass_simulator.demo.watch import StateWatch
from waypass_simulator.wallet import Wallet

KILLS = 20
PEOPLE = 6
HOSPITAL = 2
WAIT = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdrawn:
    """A pass whose withdrawal the server has answered for."""

    wallet: Wallet
    slot: int
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody about whom all is known: every request so far was answered."""

    reference: str
    wallet: Wallet


@dataclass(kw_only=True)
class Traffic:
    """People who get passes and lose them again, as fast as the server answers."""

    deployment: Deployment
    rng: random.Random
    people: list[Person | None] = field(default_factory=list)
    wallets: list[Wallet] = field(default_factory=list)
    enrolled: int = 0
    withdrawn: list[Withdrawn] = field(default_factory=list)
    unanswered: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wallet in self.wallets:
            wallet.close()

    def enrol(self) -> None:
        while len(self.people) < PEOPLE:
            self.people.append(self._newcomer())

    def once(self) -> None:
        """One person gets two passes and loses them; nothing is counted that the server did not answer for."""
        number = self.rng.randrange(PEOPLE)
        try:
            person = self.people[number] or self._newcomer()
            self.people[number] = person
            self._give_and_take(person)
        except Unanswered:
            self.unanswered += 1
            self.people[number] = None

    def _newcomer(self) -> Person:
        self.enrolled += 1
        reference = f"person-{self.enrolled}"
        wallet = Wallet(address=self.deployment.address, network="metro", now=time.time)
        self.wallets.append(wallet)
        with self._desk() as desk:
            desk.post("/api/v1/people", {"reference": reference})
            wallet.enrol(desk.post("/api/v1/desk-codes", {"person": reference})["code"])
        return Person(reference=reference, wallet=wallet)

    def _give_and_take(self, person: Person) -> None:
        with self._desk() as desk:
            person.wallet.fetch([HOSPITAL], 2)
            fact = desk.post("/api/v1/facts", _exposure(person.reference))
            for slot, held in enumerate(person.wallet.passes):
                place = parse_pass(held.data).pass_.place
                self.withdrawn.append(Withdrawn(wallet=_copy(person.wallet, slot), slot=0, place=place))
            desk.post(f"/api/v1/facts/{fact['id']}/withdraw")

    def _desk(self) -> Api:
        return Api(self.deployment.address, token=self.deployment.tokens["dora"], timeout=5)


def _copy(wallet: Wallet, slot: int) -> Wallet:
    """The telephone as it was, for showing its withdrawn code later."""
    copy = Wallet(address="http://127.0.0.1:1", network="metro", now=time.time)
    copy.passes = [wallet.passes[slot]]
    return copy


def _exposure(person: str) -> dict[str, object]:
    return {
        "person": person,
        "kind": "exposure",
        "source": "health office",
        "reason": "You sat beside somebody who was ill.",
        "yellow": True,
        "valid_until": int(time.time()) + 3600,
    }


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(folder=tmp_path) as running:
        running.start()
        yield running


@pytest.mark.timeout(600)
def test_nothing_committed_is_lost_and_nothing_withdrawn_opens(deployment: Deployment) -> None:
    rng = random.Random(20261122)
    trust = read_trust_set((deployment.folder / "gate-a" / "keys.jwks").read_bytes())
    with (
        StateWatch(topics=deployment.topics, port=deployment.broker_port) as watch,
        Traffic(deployment=deployment, rng=rng) as traffic,
    ):
        traffic.enrol()
        killed = {"server": 0, "broker": 0, "gate-a": 0, "gate-b": 0}
        for round_ in range(KILLS):
            victim = rng.choice(list(killed)) if round_ >= len(killed) else list(killed)[round_]
            traffic.once()
            _kill_amid(deployment, traffic, victim, rng)
            killed[victim] += 1
            traffic.once()
            if round_ % 4 == 3:
                _nothing_withdrawn_opens(deployment, watch, trust, traffic, rng)
        listed = _nothing_withdrawn_opens(deployment, watch, trust, traffic, rng)
    assert sum(killed.values()) == KILLS
    assert all(killed.values()), killed
    assert len(traffic.withdrawn) >= KILLS, "too little traffic to prove anything"
    lost = [each.place.idx for each in traffic.withdrawn if status_at(listed.packed, each.place.idx) != 1]
    assert not lost, f"{len(lost)} of {len(traffic.withdrawn)} committed withdrawals are not in the list"


def _kill_amid(deployment: Deployment, traffic: Traffic, victim: str, rng: random.Random) -> None:
    """Kill a program at a random moment while requests run, and start it again."""
    import threading

    request = threading.Thread(target=traffic.once)
    request.start()
    time.sleep(rng.uniform(0, 0.15))  # the random moment itself; nothing is waited for
    match victim:
        case "server":
            deployment.kill_server()
            request.join()
            deployment.start_server()
        case "broker":
            deployment.kill_broker()
            request.join()
            deployment.start_broker()
        case gate:
            deployment.gates[gate].kill()
            request.join()
            deployment.gates[gate].start()


def _nothing_withdrawn_opens(
    deployment: Deployment, watch: StateWatch, trust: TrustSet, traffic: Traffic, rng: random.Random
) -> Snapshot:
    """Once a gate says that it holds the served list, withdrawn codes shown to it must not open."""
    listed = _served_list(deployment, trust)
    recent = traffic.withdrawn[-6:]
    for name, gate in deployment.gates.items():
        held = watch.wait_version(name, listed.uri, listed.version, timeout=WAIT)
        assert held is not None, f"{name} never held version {listed.version}"
        for each in rng.sample(recent, k=min(2, len(recent))):
            verdict = gate.show([_picture(each.wallet.show())], paced=False)
            assert verdict is not None, "the gate did not answer for a clean picture"
            assert (verdict.outcome, verdict.reason) == ("assist", "superseded")
    return listed


def _served_list(deployment: Deployment, trust: TrustSet) -> Snapshot:
    """The status list that the server serves, once it holds every change that was answered for."""
    with Api(deployment.address) as door:
        token = door.get_bytes("/status-lists/1", accept="application/statuslist+cwt")
    return read_snapshot(token, trust, int(time.time()))


def _picture(text: str) -> NDArray[np.uint8]:
    """A clean picture of a code; the gates' eyes are tried elsewhere."""
    modules = code_modules(text, Carrier.PHONE)
    scaled = cv2.resize((modules * 255).astype(np.uint8), None, fx=6, fy=6, interpolation=cv2.INTER_NEAREST)
    return np.asarray(scaled, dtype=np.uint8)
