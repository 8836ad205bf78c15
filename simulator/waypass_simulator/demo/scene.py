"""The stage of the demonstration: people, gates and what a step is; the chapters are in `chapters`.

Codes are shown to the gates as a camera sees them, and nothing goes around the readers' own eyes. Steps that wait for
a message say how long it took; nothing that a step expects is taken from the system under test.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from waypass_simulator.api import Api, Refused
from waypass_simulator.camera import walk_up
from waypass_simulator.carriers import Carrier
from waypass_simulator.demo.deployment import Deployment
from waypass_simulator.demo.gate import Gate, Verdict
from waypass_simulator.demo.report import Story
from waypass_simulator.demo.watch import Held, StateWatch
from waypass_simulator.difficulty import EASY, Difficulty
from waypass_simulator.health import HealthAuthority
from waypass_simulator.wallet import Wallet

HELD_SECONDS = 15.0
ATTEMPTS = 4
FRAMES = 5


@dataclass(kw_only=True)
class Scene:
    """What every chapter works with.

    `propagation` has, by gate, the milliseconds from each push to the gate; `shown` every text that was held up.
    """

    story: Story
    deployment: Deployment
    watch: StateWatch
    rng: np.random.Generator
    authority: HealthAuthority
    wallets: dict[str, Wallet] = field(default_factory=dict)
    propagation: dict[str, list[float]] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)

    def staff(self, name: str) -> Api:
        """A member of staff at their own screen."""
        return self.deployment.staff(name)

    def gate(self, name: str) -> Gate:
        """One of the gates."""
        return self.deployment.gates[name]

    def enrol(self, person: str) -> Wallet:
        """A traveller comes to the desk, gets a code, and types it into the wallet."""
        with self.staff("dora") as desk:
            desk.post("/api/v1/people", {"reference": person})
            code = desk.post("/api/v1/desk-codes", {"person": person})["code"]
        wallet = Wallet(address=self.deployment.address, network="metro", now=time.time)
        wallet.enrol(code)
        self.wallets[person] = wallet
        return wallet

    def show(
        self,
        gate: str,
        make_text: Callable[[], str],
        *,
        difficulty: Difficulty = EASY,
        carrier: Carrier = Carrier.PHONE,
    ) -> Verdict | None:
        """Somebody holds a code before a gate's camera, and again a little otherwise when it could not be read."""
        for _ in range(ATTEMPTS):
            text = make_text()
            self.shown.append(text)
            frames = walk_up(text, self.rng, difficulty=difficulty, carrier=carrier, frames=FRAMES)
            verdict = self.gate(gate).show(frames)
            self.gate(gate).wait_empty()
            if verdict is not None:
                return verdict
        return None

    def expect_at(
        self,
        gate: str,
        did: str,
        make_text: Callable[[], str],
        expected: tuple[str, str, str],
        *,
        difficulty: Difficulty = EASY,
        carrier: Carrier = Carrier.PHONE,
    ) -> None:
        """A step: show a code at a gate and compare outcome, reason and aspect."""
        verdict = self.show(gate, make_text, difficulty=difficulty, carrier=carrier)
        if verdict is None:
            self.story.step(did, expected=_said(expected), seen="the gate could not read the code", ok=False)
            return
        seen = (verdict.outcome, verdict.reason, verdict.aspect)
        self.story.step(
            did,
            expected=_said(expected),
            seen=f"{gate}: {_said(seen)}",
            ok=seen == expected,
            figures={"frame_to_decision_ms": round(verdict.frame_to_decision_ms, 1), "frames": verdict.frames},
        )

    def expect_refused(self, did: str, act: Callable[[], object], words: str) -> None:
        """A step: the server must refuse, and say why."""
        try:
            act()
        except Refused as refusal:
            self.story.step(did, expected=words, seen=refusal.detail, ok=words in refusal.detail)
        else:
            self.story.step(did, expected=words, seen="the server did it", ok=False)

    def push(self, did: str, act: Callable[[], object], *, effect: Callable[[], float] | None = None) -> None:
        """A step: something is committed that takes passes away; every gate must come to hold it.

        Counted from when it is sent to the server. What takes effect later counts from then: `effect` is asked for
        that moment (UNIX seconds) when every gate holds it.
        """
        before = {gate: self.watch.held(gate) for gate in self.deployment.gates}
        sent = time.time()
        act()
        for gate, milliseconds in self.await_change(
            did, before, started=effect or (lambda: sent), since="push"
        ).items():
            self.propagation.setdefault(gate, []).append(milliseconds)

    def await_change(
        self,
        did: str,
        before: Mapping[str, Mapping[str, Held]],
        *,
        started: Callable[[], float],
        since: str,
    ) -> dict[str, float]:
        """A step: each gate must hold a later version than `before`. Returns the milliseconds that each gate took.

        They count from `started` (UNIX seconds), which the figures call `since`.
        """
        held = {gate: self.watch.wait_newer(gate, lists, timeout=HELD_SECONDS) for gate, lists in before.items()}
        start = started()
        took = {gate: _ms(each.since - start) for gate, each in held.items() if each is not None}
        self.story.step(
            did,
            expected="every gate holds it",
            seen=", ".join(f"{gate} holds it" if gate in took else f"{gate} does not" for gate in before),
            ok=len(took) == len(before),
            figures={f"{since}_to_{gate}_ms": value for gate, value in took.items()},
        )
        return took


def _said(answer: tuple[str, str, str]) -> str:
    outcome, reason, aspect = answer
    return f"{outcome} ({reason}), shown {aspect}"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
