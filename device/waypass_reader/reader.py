"""A reader put together: trust, lists, lanes, link and pages, from its configuration.

`run` restores what an earlier run kept, starts the link, the pages and a thread for each lane, and returns when it is
told to stop or when every lane's source has ended. Where pages are configured, each lane is shown on its own too,
whatever other display it has. An error that a lane does not know how to answer is a fault of the program: it
ends the reader, all barriers closed, so that whoever supervises it starts it anew.
"""

import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from importlib.metadata import version
from typing import Any, TextIO

from waypass_protocol.admission import Gate
from waypass_protocol.assembly import StatusStore
from waypass_protocol.keys import TrustSet
from waypass_protocol.messages import LaneState, ReentryMessage, StateMessage
from waypass_protocol.reentry import ReentryMemory
from waypass_protocol.topics import Topics
from waypass_reader.board import Board, BoardDisplay
from waypass_reader.clock import Clock
from waypass_reader.condition import judge_condition
from waypass_reader.config import LaneTable, MetricsTable, PagesTable, ReaderTable, SpeechTable, StationBoxTable
from waypass_reader.counts import Counts
from waypass_reader.deciding import Desk
from waypass_reader.display import (
    Display,
    EmergencyFirst,
    LinesDisplay,
    NoDisplay,
    SeveralDisplays,
    TerminalDisplay,
    Writer,
)
from waypass_reader.errors import MissingLibrary, ReaderError
from waypass_reader.frames import SourceOpener, open_source
from waypass_reader.inbox import StatusInbox
from waypass_reader.inputs import Contact, SharedInputs, close_all, connect_lane
from waypass_reader.lane import WORKS, Lane, LaneParts
from waypass_reader.link import NoLink, StatusLink
from waypass_reader.log import Log
from waypass_reader.metrics import Sources, check_host, metrics_route
from waypass_reader.pages.overrides import Overrides
from waypass_reader.pages.screens import Screens
from waypass_reader.pages.staff import StaffBulletin, staff_routes
from waypass_reader.seeing.outfit import JoiningFaults, Outfit
from waypass_reader.seeing.wechat import ReadFrame, open_wechat, opencv_detector
from waypass_reader.sharing import HttpKeySource, Sharing
from waypass_reader.simulated_turnstile import SimulatedTurnstile
from waypass_reader.sounder import GpioSounder, SoundingDisplay
from waypass_reader.speech import ProgramSpeaker, RecordedVoice, SpokenDisplay, find_program
from waypass_reader.store_files import DiskKeeper
from waypass_reader.supervision import Notifier, Supervision, status_line
from waypass_reader.turnstile import GpioTurnstile, Pins, make_pin_factory
from waypass_reader.web import KeyGuard, Routes, WebServer, read_key

LOOK_SECONDS = 0.5
REENTRY_KEY_BYTES = 32


class Reader:
    """One reader; `stdout` is where its displays write. `make_pins` makes the pins that the configuration names."""

    def __init__(
        self,
        table: ReaderTable,
        *,
        trust: TrustSet,
        clock: Clock,
        log: Log,
        stdout: TextIO,
        make_pins: Callable[[Pins], Any] = make_pin_factory,
        notifier: Notifier | None = None,
    ) -> None:
        """Put it together; `notifier` tells who supervises it.

        Raises `ReaderError` for what a person has to mend first."""
        self._table = table
        self._clock = clock
        self._log = log
        self._stopping = threading.Event()
        self._supervision = Supervision(notifier or Notifier(None), log=log)
        self._counts = Counts()
        self._joining_faults = JoiningFaults(clock=clock, log=log)
        self._software = f"waypass-reader {version('waypass')}"
        keeper = DiskKeeper(table.state, log=log)
        store = StatusStore(trust=trust, keeper=keeper, floors=keeper.floors, clock_skew=table.policy.clock_skew)
        self._inbox = StatusInbox(store=store, keeper=keeper, clock=clock, log=log)
        self._sharing = None if table.station_box is None else self._make_sharing(table.station_box)
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
            others=self._sharing,
        )
        self._link = self._make_link()
        self._writer = Writer(stdout)
        kinds = {lane.turnstile.kind for lane in table.lanes} | ({table.inputs.kind} if table.inputs else set())
        factories = {pins: make_pins(pins) for pins in kinds}
        self._board = Board(lane.name for lane in table.lanes)
        self._guard = self._make_guard()
        self._staff = None if self._guard is None else self._make_staff_bulletin()
        self._contacts: list[Contact] = []
        self._simulated: list[SimulatedTurnstile] = []
        self._lanes = [self._make_lane(lane, factories) for lane in table.lanes]
        self._shared = SharedInputs(self._lanes, counts=self._counts, clock=clock, log=log, changed=self._say_soon)
        if table.inputs is not None:
            self._shared.connect(table.inputs.contacts(), factory=factories[table.inputs.kind])
        self._servers = self._make_servers()

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
        if self._sharing is not None:
            self._sharing.start()
        for what, server in self._servers.items():
            server.start()
            self._log.info(what, address=server.address)
        try:
            with ThreadPoolExecutor(max_workers=len(self._lanes), thread_name_prefix="lane") as pool:
                lanes = {pool.submit(lane.run) for lane in self._lanes}
                self._log.info("ready", reader=self._table.reader, lanes=len(lanes), lists=len(self._inbox.store.view))
                self._supervision.ready()
                try:
                    self._look_after(lanes)
                finally:
                    self._supervision.stopping()
                    for lane in self._lanes:
                        lane.stop()
        finally:
            self._shared.close()
            close_all(self._contacts)
            for simulated in self._simulated:
                simulated.close()
            if self._sharing is not None:
                self._sharing.close()
            for server in self._servers.values():
                server.close()
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
            self._tell_supervisor()
            self._desk.forget()
            self._tell_screens()
            finished = self._counts.take_finished(self._clock.now())
            if finished and self._link is not None:
                self._link.say_counts(finished)

    def _tell_supervisor(self) -> None:
        now_ns = self._clock.monotonic_ns()
        hangs = [f"lane {lane.name}" for lane in self._lanes if lane.hangs(now_ns)]
        if self._link is not None and self._link.hangs(now_ns):
            hangs.append("link")
        ages = [row.age for row in self._inbox.rows()]
        known = [age for age in ages if age is not None]
        status = status_line(
            lanes={lane.name: lane.in_order for lane in self._lanes},
            lists=len(ages),
            oldest=max(known) if known and len(known) == len(ages) else None,
            connected=None if self._link is None else self._link.connected,
        )
        self._supervision.look(hangs=hangs, status=status)

    def _tell_screens(self) -> None:
        """What the gate knows about itself, for the corner of each screen and for staff."""
        rows, clock_trusted = self._inbox.rows(), self._desk.clock_trusted()
        for lane in self._lanes:
            condition = judge_condition(
                rows, policy=self._table.policy, clock_trusted=clock_trusted, camera_well=lane.camera == WORKS
            )
            self._board.know(lane.name, condition)
        if self._staff is not None:
            self._staff.say_state(self.state())

    def state(self) -> StateMessage:
        """What the reader says of itself now."""
        health = {"disk": self._inbox.disk_health}
        health |= {f"camera {lane.name}": lane.camera for lane in self._lanes}
        # What a camera says is said already.
        health |= {f"lane {lane.name}": "ok" if lane.trouble == lane.camera else lane.trouble for lane in self._lanes}
        health |= self._shared.health()
        if self._sharing is not None:
            health["re-entry"] = self._sharing.health
        if self._link is not None and self._link.trouble != WORKS:
            health["broker"] = self._link.trouble
        if self._writer.dropped:
            health["display"] = f"{self._writer.dropped} lines were dropped"
        return StateMessage(
            at=self._clock.now(),
            software=self._software,
            clock_trusted=self._desk.clock_trusted(),
            station=self._table.station,
            lists=self._inbox.said(),
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
            hear_reentry=None if self._sharing is None else self._sharing.hear,
            compact=self._table.status_form == "compact",
        )

    def _make_sharing(self, table: StationBoxTable) -> Sharing:
        return Sharing(
            reader=self._table.reader,
            reentry=self._table.policy.reentry,
            source=HttpKeySource(address=table.address, key=read_key(table.key_file)),
            publish=self._say_reentry,
            clock=self._clock,
            log=self._log,
            connected=lambda: self._link is not None and self._link.connected,
            changed=self._say_soon,
        )

    def _say_reentry(self, message: ReentryMessage) -> None:
        if self._link is not None:
            self._link.say_reentry(message)

    def _say_soon(self) -> None:
        if self._link is not None:
            self._link.say_state_soon()

    def _make_lane(self, lane: LaneTable, factories: Mapping[Pins, Any]) -> Lane:
        factory = factories[lane.turnstile.kind]
        if (mechanics := lane.turnstile.mechanics()) is not None:
            self._simulated.append(SimulatedTurnstile(mechanics, factory=factory))
        parts = LaneParts(
            open_source=SourceOpener(partial(open_source, lane.source, clock_ns=self._clock.monotonic_ns)),
            turnstile=GpioTurnstile(lane.turnstile.wiring(), factory=factory),
            display=self._make_display(lane, factory),
            desk=self._desk,
            counts=self._counts,
            outlet=self._staff or self._link or NoLink(),
            clock=self._clock,
            log=self._log,
            outfit=Outfit(open_wechat=self._open_wechat, joining_failed=self._joining_faults.note),
        )
        made = Lane(lane.name, parts, timing=lane.turnstile.timing())
        self._contacts += connect_lane(lane.turnstile.contacts(), made, factory=factory, log=self._log)
        return made

    def _open_wechat(self, lane: str) -> ReadFrame | None:
        """Where it is asked for and cannot be had, the lane sees without it."""
        models = None if self._table.seeing is None else self._table.seeing.wechat_models
        if models is None:
            return None
        try:
            return open_wechat(models, make=opencv_detector())
        except ReaderError as error:
            self._log.warning("the lane sees without the stage wechat", lane=lane, cause=str(error))
            return None

    def _make_servers(self) -> dict[str, WebServer]:
        """The pages and the metrics, as far as they are configured."""
        servers = {}
        if self._table.pages is not None:
            servers["pages"] = self._make_pages(self._table.pages)
        if self._table.metrics is not None:
            servers["metrics"] = self._make_metrics(self._table.metrics)
        return servers

    def _make_metrics(self, table: MetricsTable) -> WebServer:
        check_host(table.host, beyond_loopback=table.beyond_loopback)
        sources = Sources(
            counts=self._counts,
            state=self.state,
            connected=lambda: None if self._link is None else self._link.connected,
            now=self._clock.now,
            joining_faults=self._joining_faults.totals,
        )
        return WebServer(
            host=table.host, port=table.port, routes=Routes([metrics_route(sources)]), log=self._log, what="metrics"
        )

    def _make_guard(self) -> KeyGuard | None:
        if self._table.pages is None or self._table.pages.station_key_file is None:
            return None
        return KeyGuard(read_key(self._table.pages.station_key_file), monotonic_ns=self._clock.monotonic_ns)

    def _make_staff_bulletin(self) -> StaffBulletin:
        return StaffBulletin(
            reader=self._table.reader,
            station=self._table.station,
            clock=self._clock,
            onward=self._link or NoLink(),
        )

    def _make_pages(self, table: PagesTable) -> WebServer:
        screens = Screens(
            self._board,
            reader=self._table.reader,
            station=self._table.station,
            language=self._table.spoken,
            also=self._table.spoken_also,
            staff=self._staff is not None,
        )
        lanes = {lane.name: lane for lane in self._lanes}
        routes = [*screens.routes(), *Overrides(lanes, guard=self._guard).routes()]
        if self._staff is not None and self._guard is not None:
            routes += staff_routes(
                self._staff,
                reader=self._table.reader,
                station=self._table.station,
                language=self._table.spoken,
                lanes=lanes,
                guard=self._guard,
                clock=self._clock,
                log=self._log,
            )
        return WebServer(host=table.host, port=table.port, routes=Routes(routes), log=self._log)

    def _make_display(self, lane: LaneTable, factory: Any) -> Display:
        """The lane's own display, its page, its tone and its words."""
        own = self._make_own_display(lane)
        told: list[Display] = [] if isinstance(own, LinesDisplay) else [own]
        if self._table.pages is not None:
            told.append(BoardDisplay(self._board, lane.name))
        if lane.sounder is not None:
            kind, pin = lane.sounder.sounds_as, lane.sounder.pin
            told.append(SoundingDisplay(GpioSounder(kind, pin, factory=factory, log=self._log, lane=lane.name)))
        if lane.speech is not None:
            told.extend(self._make_speech(lane.name, lane.speech))
        people = EmergencyFirst(SeveralDisplays(*told))
        return SeveralDisplays(own, people) if isinstance(own, LinesDisplay) else people

    def _make_speech(self, lane: str, table: SpeechTable) -> list[Display]:
        """Nothing where the program is missing: a gate that does not speak opens all the same."""
        languages = self._table.spoken_by(table)
        voice = table.voice()
        if isinstance(voice, RecordedVoice):
            voice.check(languages)
        try:
            find_program(voice)
        except MissingLibrary as error:
            self._log.warning("the lane does not speak", lane=lane, cause=str(error))
            return []
        return [SpokenDisplay(ProgramSpeaker(voice, languages, clock=self._clock, log=self._log, lane=lane))]

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
