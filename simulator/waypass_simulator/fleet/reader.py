"""One full reader of the fleet, without its connection: lists, floors and decisions as a gate has them.

It has a status store of its own and verifies every signature and digest itself; nothing is shared between readers but
the trust set. What a gate has besides (camera, turnstile, display) is not here. `gate` is how it would decide.
"""

import time
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import Keeper, Kind, Receipt, Report, StatusStore
from waypass_protocol.errors import Malformed
from waypass_protocol.floors import Floors
from waypass_protocol.holdings import Holdings
from waypass_protocol.keys import HolderSigner, TrustSet
from waypass_protocol.messages import LaneState, StateMessage
from waypass_protocol.names import list_name
from waypass_protocol.passes import pass_text
from waypass_protocol.presentation import present
from waypass_protocol.reasons import Decision, Outcome
from waypass_protocol.reentry import NoReentry
from waypass_simulator.fleet.events import Events
from waypass_simulator.fleet.kept import DiskState, Kept, ReaderDisk

SOFTWARE = "waypass-fleet"
_OF_TIME = frozenset({Report.FROM_THE_FUTURE, Report.EXPIRED, Report.UNKNOWN_KEY})
_NO_REENTRY = NoReentry()


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownPass:
    """A pass that people show at the fleet's gates, and the list that it stands in. A bound one comes with its holder's
    private key, and is shown in a new presentation each time."""

    number: int
    data: bytes
    uri: str
    private: int | None = None

    def text(self, *, network: str, now: int) -> str:
        """What its code says now."""
        if self.private is None:
            return pass_text(self.data)
        # Made when it is needed: few of a fleet's thousands of passes are ever shown at one gate.
        holder = HolderSigner(ec.derive_private_key(self.private, ec.SECP256R1()))
        return present(self.data, t=now, network=network, holder=holder)


class FleetReader:
    """See the module's docstring. One thread at a time."""

    def __init__(
        self,
        *,
        name: str,
        station: str,
        trust: TrustSet,
        events: Events,
        gate: Gate | None = None,
        kept: ReaderDisk | None = None,
    ) -> None:
        """Without `gate` it decides nothing; without `kept` its disk is in memory."""
        self.name = name
        self._station = station
        self._trust = trust
        self._events = events
        self._gate = gate
        self._holdings = Holdings()
        self.said: dict[str, int] = {}
        """The highest version of each list that it ever told anybody."""
        self.reports: dict[str, int] = {}
        self.refused_for_time = False
        self.clock_error = 0.0
        self.kept: ReaderDisk = Kept() if kept is None else kept
        self.store = self.make_store(trust=trust, keeper=self.kept, floors=Floors())

    def make_store(self, *, trust: TrustSet, keeper: Keeper, floors: Floors) -> StatusStore:
        """A store as it is after a start, with what the disk kept of floors."""
        return StatusStore(trust=trust, keeper=keeper, floors=floors)

    def now(self) -> float:
        """What this reader's clock shows."""
        return time.time() + self.clock_error

    def take(self, kind: Kind, data: bytes, *, list_topic: str | None) -> Receipt:
        """Take one message as it came."""
        receipt = self.store.receive(kind, data, now=int(self.now()), list_topic=list_topic)
        self._holdings.dropped(receipt.dropped)
        if receipt.swapped:
            self._tell_swaps(receipt.swapped, restored=False)
            self._note_written()
        if receipt.kept and kind is Kind.HEAD:
            self._holdings.renewed(self.store.view)
        for report in receipt.reports:
            self.reports[report.value] = self.reports.get(report.value, 0) + 1
            self.refused_for_time = self.refused_for_time or report in _OF_TIME
        return receipt

    def tidy(self) -> None:
        """Drop from the disk what rebuilds no list any more; now and then is often enough."""
        for uri in self.store.known_lists():
            self.kept.forget_unneeded(self.store, uri)

    def disk_becomes(self, state: DiskState) -> bool:
        """Its disk is like this from now on. Whether it says something else of its lists now."""
        self.kept.become(state)
        return self._note_written()

    def reboot(self, trust: TrustSet | None = None) -> None:
        """Memory is lost; what the disk kept is there. With another trust set, when it was set up anew."""
        self._trust = trust or self._trust
        self.kept.lose_waiting()
        self.store = self.make_store(trust=self._trust, keeper=self.kept, floors=self.kept.floors)
        self.kept.restore(self.store, now=int(self.now()))
        lists = {uri: held.version for uri, held in self.store.view.items()}
        self._events.tell("reboot", reader=self.name, disk=self.kept.state.value, lists=lists)
        self._holdings = Holdings()
        self._tell_swaps(tuple(lists), restored=True)
        self._note_written()

    def lists_wanted(self) -> frozenset[str]:
        """The names of the lists whose snapshots it needs."""
        return frozenset(
            name for uri in self.store.known_lists() if self.store.needs_snapshot(uri) and (name := _name(uri))
        )

    def state(self) -> StateMessage:
        """What it says of itself, and has said from now on."""
        now = self.now()
        return StateMessage(
            at=now,
            software=SOFTWARE,
            clock_trusted=self.store.clock_trusted(int(now), synchronised=True),
            station=self._station,
            lists=self._holdings.said(now=now),
            lanes={"lane-1": LaneState.IDLE},
            health={"disk": self.kept.health},
            reports=dict(self.reports),
        )

    def note_said(self, state: StateMessage) -> None:
        """The broker was told this."""
        for row in state.lists:
            before = self.said.get(row.uri, 0)
            if row.version > before:
                self.said[row.uri] = row.version
                self._events.tell("said", reader=self.name, list=row.uri, version=row.version)

    def show(self, shown: ShownPass) -> Decision:
        """Decide a pass that somebody shows, with the function that gates decide with."""
        said = self.said.get(shown.uri, 0)
        decision = self.decide(shown.text(network=self._trust.network, now=int(time.time())))
        if decision.outcome is Outcome.OPEN:
            held = self.store.view[shown.uri]
            self._events.tell(
                "open",
                reader=self.name,
                **{"pass": shown.number},
                list=shown.uri,
                said=said,
                held=held.version,
                renewed=held.renewed,
                at_ns=time.monotonic_ns(),
            )
        return decision

    def decide(self, text: str) -> Decision:
        """The admission rule, on what this reader holds now."""
        if self._gate is None:
            raise ValueError("a reader without a gate decides nothing")
        now = int(self.now())
        return decide(
            text,
            now=now,
            clock_trusted=self.store.clock_trusted(now, synchronised=True),
            gate=Gate(trust=self._trust, scope=self._gate.scope, policy=self._gate.policy),
            lists=self.store.view,
            reentry=_NO_REENTRY,
        )

    def _note_written(self) -> bool:
        """Whether lists are on the disk now that were not."""
        behind = self._holdings.behind
        return self._holdings.written(self.store.view, behind - self.kept.lacking(behind))

    def _tell_swaps(self, uris: tuple[str, ...], *, restored: bool) -> None:
        at_ns = time.monotonic_ns()
        self._holdings.swapped(uris, now=self.now())
        for uri in uris:
            held = self.store.view[uri]
            self._events.tell(
                "swap",
                reader=self.name,
                list=uri,
                version=held.version,
                digest=held.digest.hex(),
                restored=restored,
                at_ns=at_ns,
            )


def _name(uri: str) -> str | None:
    """A list that no topic can carry has none."""
    try:
        return list_name(uri)
    except Malformed:
        return None
