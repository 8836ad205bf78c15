"""A reader put together: trust, lists, lanes, link and pages, from its configuration.

`run` restores what an earlier run kept, starts the link, the pages and a thread for each lane, and returns when it is
told to stop or when every lane's source has ended. Where pages are configured, each lane is shown on its own too,
whatever other display it has. An error that a lane does not know how to answer is a fault of the program: it
ends the reader, all barriers closed, so that whoever supervises it starts it anew.
"""

import secrets
import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from importlib.metadata import version
from typing import Any, TextIO

from waypass_protocol.admission import Gate
from waypass_protocol.assembly import StatusStore
from waypass_protocol.keys import TrustSet
from waypass_protocol.messages import LaneState, StateMessage
from waypass_protocol.reentry import ReentryMemory
from waypass_protocol.topics import Topics
from waypass_reader.board import Board, BoardDisplay
from waypass_reader.clock import Clock
from waypass_reader.config import LaneTable, PagesTable, ReaderTable
from waypass_reader.counts import Counts
from waypass_reader.deciding import Desk
from waypass_reader.display import Display, LinesDisplay, NoDisplay, SeveralDisplays, TerminalDisplay, Writer
from waypass_reader.frames import open_source
from waypass_reader.inbox import StatusInbox
from waypass_reader.lane import Lane, LaneParts
from waypass_reader.link import NoLink, StatusLink
from waypass_reader.log import Log
from waypass_reader.pages.overrides import Overrides
from waypass_reader.pages.screens import Screens
from waypass_reader.store_files import DiskKeeper
from waypass_reader.turnstile import GpioTurnstile, Pins, make_pin_factory
from waypass_reader.web import KeyGuard, Routes, WebServer, read_key

LOOK_SECONDS = 0.5
REENTRY_KEY_BYTES = 32


class Reader:
    """One reader; `stdout` is where its displays write."""

    def __init__(self, table: ReaderTable, *, trust: TrustSet, clock: Clock, log: Log, stdout: TextIO) -> None:
        """Put it together. Raises `ReaderError` for what a person has to mend first."""
        self._table = table
        self._clock = clock
        self._log = log
        self._stopping = threading.Event()
        self._counts = Counts()
        self._software = f"waypass-reader {version('waypass')}"
        keeper = DiskKeeper(table.state, log=log)
        store = StatusStore(trust=trust, keeper=keeper, floors=keeper.floors, clock_skew=table.policy.clock_skew)
        self._inbox = StatusInbox(store=store, keeper=keeper, clock=clock, log=log)
        self._desk = Desk(
            gate=Gate(trust=trust, scope=table.scope, policy=table.policy),
            store=store,
            memory=ReentryMemory(
                reentry=table.policy.reentry,
                new_key=partial(secrets.token_bytes, REENTRY_KEY_BYTES),
                now=int(clock.now()),
            ),
            clock=clock,
            log=log,
        )
        self._link = self._make_link()
        self._writer = Writer(stdout)
        factories = {pins: make_pin_factory(pins) for pins in {lane.turnstile.kind for lane in table.lanes}}
        self._board = Board(lane.name for lane in table.lanes)
        self._lanes = [self._make_lane(lane, factories) for lane in table.lanes]
        self._pages = None if table.pages is None else self._make_pages(table.pages)

    def stop(self) -> None:
        """End `run` soon. Called from a signal handler or any thread."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`, or until every source has ended."""
        self._inbox.restore()
        if self._link is None:
            self._log.info("no broker is configured; the gate decides by what it holds")
        else:
            self._link.start()
        if self._pages is not None:
            self._pages.start()
            self._log.info("pages", address=self._pages.address)
        try:
            with ThreadPoolExecutor(max_workers=len(self._lanes), thread_name_prefix="lane") as pool:
                lanes = {pool.submit(lane.run) for lane in self._lanes}
                self._log.info("ready", reader=self._table.reader, lanes=len(lanes), lists=len(self._inbox.store.view))
                try:
                    self._look_after(lanes)
                finally:
                    for lane in self._lanes:
                        lane.stop()
        finally:
            if self._pages is not None:
                self._pages.close()
            if self._link is not None:
                self._link.say_counts(self._counts.take_all())
                self._link.close()
            self._writer.close()
            self._log.info("stopped", reader=self._table.reader)

    def _look_after(self, lanes: "set[Future[None]]") -> None:
        """Wait for the end; send counts as they finish, and forget what is past. Raises what a lane raised."""
        while lanes and not self._stopping.is_set():
            done, lanes = wait(lanes, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for lane in done:
                lane.result()
            self._desk.forget()
            finished = self._counts.take_finished(self._clock.now())
            if finished and self._link is not None:
                self._link.say_counts(finished)

    def state(self) -> StateMessage:
        """What the reader says of itself now."""
        health = {"disk": self._inbox.disk_health}
        health |= {f"camera {lane.name}": lane.camera for lane in self._lanes}
        if self._writer.dropped:
            health["display"] = f"{self._writer.dropped} lines were dropped"
        return StateMessage(
            at=self._clock.now(),
            software=self._software,
            clock_trusted=self._desk.clock_trusted(),
            station=self._table.station,
            lists=self._inbox.rows(),
            lanes={lane.name: _lasting(lane) for lane in self._lanes},
            health=health,
            reports=self._inbox.reports(),
        )

    def _make_link(self) -> StatusLink | None:
        if self._table.broker is None:
            return None
        return StatusLink(
            address=self._table.broker.address(),
            topics=Topics(self._table.network),
            reader=self._table.reader,
            inbox=self._inbox,
            clock=self._clock,
            log=self._log,
            state=self.state,
        )

    def _make_lane(self, lane: LaneTable, factories: Mapping[Pins, Any]) -> Lane:
        parts = LaneParts(
            open_source=partial(open_source, lane.source, clock_ns=self._clock.monotonic_ns),
            turnstile=GpioTurnstile(lane.turnstile.wiring(), factory=factories[lane.turnstile.kind]),
            display=self._make_display(lane),
            desk=self._desk,
            counts=self._counts,
            outlet=self._link or NoLink(),
            clock=self._clock,
            log=self._log,
        )
        return Lane(lane.name, parts, open_seconds=lane.turnstile.open_seconds)

    def _make_pages(self, table: PagesTable) -> WebServer:
        guard = None
        if table.station_key_file is not None:
            guard = KeyGuard(read_key(table.station_key_file), monotonic_ns=self._clock.monotonic_ns)
        screens = Screens(
            self._board, reader=self._table.reader, station=self._table.station, language=self._table.spoken
        )
        overrides = Overrides({lane.name: lane for lane in self._lanes}, guard=guard)
        routes = Routes([*screens.routes(), *overrides.routes()])
        return WebServer(host=table.host, port=table.port, routes=routes, log=self._log)

    def _make_display(self, lane: LaneTable) -> Display:
        display = self._make_own_display(lane)
        if self._table.pages is None:
            return display
        return SeveralDisplays(display, BoardDisplay(self._board, lane.name))

    def _make_own_display(self, lane: LaneTable) -> Display:
        match lane.display:
            case "lines":
                return LinesDisplay(self._writer)
            case "terminal":
                return TerminalDisplay(self._writer, language=self._table.spoken)
            case "none":
                return NoDisplay()


def _lasting(lane: Lane) -> LaneState:
    """What of a lane's state may leave the station: whether it works, and not that somebody is there."""
    return LaneState.IDLE if lane.in_order else LaneState.OUT_OF_ORDER
