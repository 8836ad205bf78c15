"""Who walks up to the gates of the living demonstration, and what they hold up.

1. everybody is real to the server: registered at the desk, with a wallet, keys of their own and passes for them
2. a code is made at the moment of showing, as a wallet does
3. a pass rests for longer than a gate remembers it before it is shown again (`REST_SECONDS`)
4. passes are fetched anew when half of their life is over, or when a gate said that they were replaced; while the
   server does not answer, people show what they have
5. most are commuters whom a gate lets through; everybody else comes once in each shuffled deck

Whoever asks for the next one (a gate's own thread) waits for nothing: enrolling and fetching happen in a thread of
the crowd's.
"""

import math
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519

from waypass_protocol.keys import MemorySigner
from waypass_protocol.passes import Aspect, parse_pass, read_pass
from waypass_simulator.api import Api, Refused, Unanswered
from waypass_simulator.canvas import Plane
from waypass_simulator.carriers import Carrier, code_modules
from waypass_simulator.demo.gate import HOSPITAL, NETWORK, RIDE, Verdict
from waypass_simulator.demo.props import Office, forged, propose_red, register_basis
from waypass_simulator.health import HealthAuthority, InventedPerson
from waypass_simulator.wallet import Wallet

REST_SECONDS: Final = 130.0
COMMUTERS: Final = 8
PASSES: Final = 6
OLD_SECONDS: Final = 61
PAPER_HINT: Final = "P. Okoro"
ADVERTISEMENT: Final = "HTTPS://EXAMPLE.ORG/COFFEE"

_PAUSE: Final = 1.0
_COMMUTERS_IN_DECK: Final = 13


class Role(StrEnum):
    """What somebody comes with."""

    COMMUTER = "commuter"
    COMMUTER_YELLOW = "commuter-yellow"
    COMMUTER_RED = "commuter-red"
    PAPER = "paper"
    POSITIVE_TEST = "positive-test"
    BANNED = "banned"
    OTHER_SERVICE = "other-service"
    RIGHT_BEHIND = "right-behind"
    PHOTOGRAPH = "photograph"
    COPY = "copy"
    OTHER_NETWORK = "other-network"
    ADVERTISEMENT = "advertisement"
    VISITOR = "visitor"


_ONCE_IN_DECK: Final = (
    Role.PAPER,
    Role.POSITIVE_TEST,
    Role.BANNED,
    Role.OTHER_SERVICE,
    Role.RIGHT_BEHIND,
    Role.PHOTOGRAPH,
    Role.COPY,
    Role.OTHER_NETWORK,
    Role.ADVERTISEMENT,
)
_COMMUTER_WITH: Final = {
    Aspect.GREEN: Role.COMMUTER,
    Aspect.YELLOW: Role.COMMUTER_YELLOW,
    Aspect.RED: Role.COMMUTER_RED,
}


@dataclass(kw_only=True)
class Traveller:
    """Somebody with a wallet. `rested` is from when each of its passes may be shown again (monotonic seconds)."""

    role: Role
    person: str
    wallet: Wallet
    scope: int
    fetch_at: float = 0.0
    rested: list[float] = field(default_factory=list)

    def came_as(self) -> Role:
        """The role; a commuter's goes by the colour of the passes."""
        aspect = parse_pass(self.wallet.passes[0].data).pass_.aspects[self.scope]
        return _COMMUTER_WITH[aspect] if self.role is Role.COMMUTER else self.role

    def take(self, now: float) -> int | None:
        """A pass that has rested, by its number, which now begins to rest again; None when there is none."""
        for number, since in enumerate(self.rested):
            if since <= now:
                self.rested[number] = now + REST_SECONDS
                return number
        return None

    def fetch(self) -> None:
        """Fetch a batch of passes. Raises `Refused` or `Unanswered`."""
        self.wallet.fetch([self.scope], PASSES)
        held = parse_pass(self.wallet.passes[0].data).pass_
        self.fetch_at = (held.iat + held.exp) / 2
        self.rested = [0.0] * len(self.wallet.passes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Approach:
    """Somebody who walks up. `modules` makes the code as it is shown; `traveller` is who fetches when it is void."""

    role: Role
    modules: Callable[[], Plane]
    carrier: Carrier = Carrier.PHONE
    traveller: Traveller | None = None


class Crowd:
    """See the module's docstring. `draw` shuffles; `note` hears what goes wrong."""

    def __init__(
        self,
        *,
        office: Office,
        address: str,
        authority: HealthAuthority,
        draw: random.Random,
        gates: Sequence[str],
        note: Callable[[str], None],
    ) -> None:
        self._note = note
        self._office = office
        self._address = address
        self._authority = authority
        self._draw = draw
        # Whoever is first at a gate is a commuter.
        self._decks: dict[str, list[Role]] = {gate: [Role.COMMUTER] * 2 for gate in gates}
        self._last: dict[str, tuple[Traveller, int]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="crowd", daemon=True)
        self._stranger = MemorySigner(ed25519.Ed25519PrivateKey.generate())
        self.travellers: list[Traveller] = []
        self.papers: list[str] = []

    def start(self) -> None:
        """Begin to enrol people, commuters first."""
        self._thread.start()

    def close(self) -> None:
        """No more calls to the server."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for traveller in self.travellers:
            traveller.wallet.close()

    def next(self, gate: str) -> Approach | None:
        """Who comes next to this gate; None while there is nobody."""
        with self._lock:
            role = self._deal(gate)
            approach = self._approach(role, gate) or self._approach(Role.COMMUTER, gate)
            if approach is None:
                self._decks[gate].append(role)
            return approach

    def heard(self, approach: Approach, verdict: Verdict | None) -> None:
        """What became of it: passes that were replaced are fetched anew."""
        traveller = approach.traveller
        if verdict is None or traveller is None:
            return
        with self._lock:
            if verdict.reason in ("superseded", "expired"):
                traveller.fetch_at = 0.0

    def _deal(self, gate: str) -> Role:
        deck = self._decks[gate]
        if not deck:
            deck += [*[Role.COMMUTER] * _COMMUTERS_IN_DECK, *_ONCE_IN_DECK]
            self._draw.shuffle(deck)
        return deck.pop()

    def _approach(self, role: Role, gate: str) -> Approach | None:
        match role:
            case Role.ADVERTISEMENT:
                return Approach(role=role, modules=lambda: code_modules(ADVERTISEMENT, Carrier.PHONE))
            case Role.OTHER_NETWORK:
                return Approach(role=role, modules=lambda: code_modules(self._foreign(), Carrier.PHONE))
            case Role.PAPER:
                return self._with_paper(role)
            case Role.RIGHT_BEHIND:
                return self._right_behind(role, gate)
            case Role.PHOTOGRAPH | Role.COPY:
                return self._with_copy(role)
            case _:
                return self._with_wallet(role, gate)

    def _with_wallet(self, role: Role, gate: str) -> Approach | None:
        now = time.monotonic()
        for traveller in self._of_role(role):
            if (number := traveller.take(now)) is not None:
                if role is Role.COMMUTER:
                    self._last[gate] = traveller, number
                return Approach(
                    role=traveller.came_as(), modules=_showing(traveller.wallet, number), traveller=traveller
                )
        return None

    def _right_behind(self, role: Role, gate: str) -> Approach | None:
        """The pass that was shown here last, once more."""
        if gate not in self._last:
            return None
        traveller, number = self._last[gate]
        return Approach(role=role, modules=_showing(traveller.wallet, number), traveller=traveller)

    def _with_copy(self, role: Role) -> Approach | None:
        traveller = next(iter(self._of_role(Role.COMMUTER)), None)
        if traveller is None:
            return None
        wallet = traveller.wallet
        if role is Role.COPY:
            return Approach(role=role, modules=lambda: code_modules(wallet.copy(), Carrier.PHONE))
        return Approach(
            role=role, modules=lambda: code_modules(wallet.show(at=wallet.time() - OLD_SECONDS), Carrier.PHONE)
        )

    def _with_paper(self, role: Role) -> Approach | None:
        if not self.papers:
            return None
        text = self.papers[-1]
        return Approach(role=role, modules=lambda: code_modules(text, Carrier.PAPER), carrier=Carrier.PAPER)

    def _of_role(self, role: Role) -> list[Traveller]:
        """Those who have passes, the one who was here longest ago first."""
        ready = [each for each in self.travellers if each.role is role and each.wallet.passes]
        return sorted(ready, key=lambda each: max(each.rested, default=math.inf))

    def _foreign(self) -> str:
        return forged(self._stranger, time.time(), network="harbour")

    def _live(self) -> None:
        """The crowd's own thread: enrol everybody, then renew what runs out."""
        steps: list[Callable[[], None]] = [lambda: self._enrol(Role.COMMUTER) for _ in range(2)]
        steps += [self._print_paper, lambda: self._enrol(Role.POSITIVE_TEST), self._enrol_banned]
        steps += [lambda: self._enrol(Role.OTHER_SERVICE)]
        steps += [lambda: self._enrol(Role.COMMUTER) for _ in range(COMMUTERS - 2)]
        for step in steps:
            self._insist(step)
        while not self._stop.wait(_PAUSE):
            for traveller in list(self.travellers):
                if traveller.fetch_at <= time.time():
                    self._insist(lambda traveller=traveller: self._renew(traveller))  # type: ignore[misc]
            if self.papers and _half_over(self.papers[-1], time.time()):
                self._insist(self._print_paper)

    def _insist(self, step: Callable[[], None]) -> None:
        """Do it, again and again while the server does not answer; what it refuses is left out."""
        while not self._stop.is_set():
            try:
                step()
            except Unanswered:
                self._stop.wait(_PAUSE)
            except Refused as refusal:
                self._note(f"Somebody in the crowd was refused: {refusal.detail}")
                return
            else:
                return

    def _enrol(self, role: Role) -> None:
        """Somebody gets a code at the desk and types it into the wallet, which fetches passes."""
        traveller = self._meet(role)
        traveller.fetch()
        with self._lock:
            self.travellers.append(traveller)

    def _meet(self, role: Role) -> Traveller:
        with self._office.staff("dora") as desk:
            person = self._register(desk, role)
            code = desk.post("/api/v1/desk-codes", {"person": person})["code"]
        wallet = Wallet(address=self._address, network=NETWORK, now=time.time)
        wallet.enrol(code)
        scope = HOSPITAL if role is Role.OTHER_SERVICE else RIDE
        return Traveller(role=role, person=person, wallet=wallet, scope=scope)

    def _register(self, desk: Api, role: Role) -> str:
        """Somebody comes to the desk with a certificate; the reference."""
        person = f"{role}-{os.urandom(4).hex()}"
        invented = InventedPerson(family_name="Demo", given_name="Somebody", born=date(1980, 1, 1))
        now = int(time.time())
        if role is Role.POSITIVE_TEST:
            evidence = self._authority.test(invented, positive=True, now=now)
        else:
            evidence = self._authority.vaccination(invented, now=now)
        desk.post("/api/v1/people", {"reference": person})
        desk.post("/api/v1/evidence", {"person": person, "text": evidence})
        return person

    def _enrol_banned(self) -> None:
        """Two people decide, the notice is delivered, and the wallet fetches a pass that says red."""
        traveller = self._meet(Role.BANNED)
        entry = propose_red(self._office, traveller.person, register_basis(self._office))
        with self._office.staff("anna") as anna:
            anna.post(f"/api/v1/entries/{entry}/approve")
            while not self._stop.wait(_PAUSE / 4):
                if anna.get(f"/api/v1/entries/{entry}")["state"] == "in-effect":
                    break
        traveller.fetch()
        with self._lock:
            self.travellers.append(traveller)

    def _print_paper(self) -> None:
        with self._office.staff("dora") as desk:
            person = self._register(desk, Role.PAPER)
            body = {"person": person, "scopes": [RIDE], "hint": PAPER_HINT}
            self.papers.append(str(desk.post("/api/v1/paper-passes", body)["text"]))

    def _renew(self, traveller: Traveller) -> None:
        try:
            traveller.fetch()
        except Refused:  # the wallet was ended; its holder goes to the desk and stays who they are
            traveller.fetch_at = time.time() + REST_SECONDS
            with self._office.staff("dora") as desk:
                code = desk.post("/api/v1/desk-codes", {"person": traveller.person})["code"]
            traveller.wallet.enrol(code)
            traveller.fetch()


def _showing(wallet: Wallet, number: int) -> Callable[[], Plane]:
    return lambda: code_modules(wallet.show(slot=number), Carrier.PHONE)


def _half_over(paper: str, now: float) -> bool:
    held = read_pass(paper).pass_
    return now >= (held.iat + held.exp) / 2
