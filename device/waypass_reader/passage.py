"""The end of a lane: its barrier, its screens and the word of what it is doing, changed by one thread at a time.

Two open it: the lane's own thread, by a decision, and staff by hand, from any thread.

1. A decision that opens opens. One that does not shows its aspect and lights *please wait*; but while the lane is open
   it changes nothing that can be seen: whoever it was opened for is walking through.
2. Staff open it whatever it is doing: idle, waiting, open (then for its whole time anew) or out of order, with its
   camera gone and its thread held up by a driver. Only a turnstile that fails and a lane that has ended are not opened.
3. It closes `open_seconds` after it was last opened, by a timer: to idle, or to out of order if it is.
4. A lane that is out of order says so once, and is tried again by its own thread (`mend`).

What is done takes effect in this order: turnstile, display, counters, network. Nothing of it waits for disk or network.
"""

import threading

from waypass_protocol.messages import LaneState, LiveMessage
from waypass_protocol.reasons import Decision, Outcome, OverrideReason
from waypass_reader.clock import Clock
from waypass_reader.counts import Counts
from waypass_reader.display import Display, Showing
from waypass_reader.errors import ReaderError
from waypass_reader.link import Outlet
from waypass_reader.log import Log
from waypass_reader.turnstile import Turnstile, TurnstileError


class NotOpened(ReaderError):
    """Staff asked for a lane to be opened, and it was not; the message says why."""


class Passage:
    """One lane's end. `state` and `in_order` may be read from any thread at any time; they take no lock."""

    def __init__(
        self,
        lane: str,
        *,
        turnstile: Turnstile,
        display: Display,
        counts: Counts,
        outlet: Outlet,
        clock: Clock,
        log: Log,
        open_seconds: float,
    ) -> None:
        self.lane = lane
        self.state = LaneState.IDLE
        self.in_order = True
        self._turnstile = turnstile
        self._display = display
        self._counts = counts
        self._outlet = outlet
        self._clock = clock
        self._log = log
        self._open_seconds = open_seconds
        self._changed = threading.Condition()
        self._opening = 0
        self._closer: threading.Timer | None = None
        self._ended = False

    def begin(self) -> None:
        """The lane's thread runs: its screen invites."""
        with self._changed:
            if self.state is LaneState.IDLE:
                self._display.idle(self.lane)

    def decide(self, decision: Decision, *, frame_to_decision_ms: float, decode_ms: float) -> None:
        """Rule 1. A turnstile that fails makes the lane out of order; nothing is shown or counted then."""
        opens = decision.outcome is Outcome.OPEN
        with self._changed:
            now = self._clock.now()
            passing = self.state is LaneState.OPEN and not opens
            if not passing:
                try:
                    if opens:
                        self._turnstile.open()
                    else:
                        self._turnstile.wait()
                except TurnstileError as error:
                    self._fail(str(error))
                    return
                self._display.show(
                    Showing(
                        lane=self.lane,
                        outcome=decision.outcome,
                        reason=decision.reason,
                        aspect=decision.aspect,
                        frame_to_decision_ms=frame_to_decision_ms,
                        decode_ms=decode_ms,
                        at=now,
                    )
                )
            self._counts.note(decision.outcome, decision.reason, milliseconds=frame_to_decision_ms, now=now)
            if not passing:
                self._say(LaneState.OPEN if opens else LaneState.WAIT, decision)
            if opens:
                self._close_later()

    def override(self, reason: OverrideReason) -> None:
        """Rule 2. Raises `NotOpened`."""
        with self._changed:
            if self._ended:
                raise NotOpened("the lane has ended")
            try:
                self._turnstile.open()
            except TurnstileError as error:
                self._fail(str(error))
                raise NotOpened(str(error)) from error
            self._display.let_through(self.lane)
            self._counts.note_override(reason, now=self._clock.now())
            self._say(LaneState.OPEN)
            self._close_later()
        self._log.info("staff opened the lane", lane=self.lane, reason=reason.value)

    def rest(self) -> None:
        """Nobody is there any more."""
        with self._changed:
            if self.state is LaneState.WAIT:
                self._settle()

    def fail(self, why: str) -> None:
        """The lane can't work."""
        with self._changed:
            self._fail(why)

    def mend(self) -> bool:
        """Whether the lane works, after trying what can be tried."""
        with self._changed:
            if self.in_order:
                return True
            is_open = self.state is LaneState.OPEN
            try:
                if not is_open:
                    self._turnstile.idle()
            except TurnstileError:
                return False  # it was said already
            self.in_order = True
            if not is_open:
                self._settle_shown()
            return True

    def wait_closed(self, stopping: threading.Event) -> bool:
        """If it is open: until it has closed, or the lane is stopping. Whether it was open."""
        with self._changed:
            if self.state is not LaneState.OPEN:
                return False
            self._changed.wait_for(lambda: self.state is not LaneState.OPEN or stopping.is_set())
            return True

    def wake(self) -> None:
        """Whoever waits looks again whether the lane is stopping."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """The lane has ended: barrier closed, pins given back."""
        with self._changed:
            self._ended = True
            if self._closer is not None:
                self._closer.cancel()
            if self.state is LaneState.OPEN:
                self._settle()
            self._turnstile.close()
            self._display.close()

    def _close_later(self) -> None:
        """Rule 3: the timer of an earlier opening has nothing to close any more."""
        if self._closer is not None:
            self._closer.cancel()
        self._opening += 1
        self._closer = threading.Timer(self._open_seconds, self._end, [self._opening])
        self._closer.daemon = True
        self._closer.start()

    def _end(self, opening: int) -> None:
        with self._changed:
            if opening != self._opening or self._ended:
                return
            try:
                self._settle()
            except Exception as error:  # noqa: BLE001 - nobody stands above a timer; the lane's thread must not wait on
                self.state = LaneState.OUT_OF_ORDER
                self._note_failure(f"unforeseen {type(error).__name__}")
                self._changed.notify_all()

    def _settle(self) -> None:
        """Nobody is let through or waits: idle, or out of order."""
        try:
            self._turnstile.idle()
        except TurnstileError as error:
            self._note_failure(str(error))
        self._settle_shown()

    def _settle_shown(self) -> None:
        if self.in_order:
            self._display.idle(self.lane)
            self._say(LaneState.IDLE)
        else:
            self._display.out_of_order(self.lane)
            self._say(LaneState.OUT_OF_ORDER)
        self._changed.notify_all()

    def _fail(self, why: str) -> None:
        """Rule 4. An open lane says so when it has closed: somebody is walking through."""
        self._note_failure(why)
        if self.state not in {LaneState.OPEN, LaneState.OUT_OF_ORDER}:
            self._settle_shown()

    def _note_failure(self, why: str) -> None:
        if self.in_order:
            self.in_order = False
            self._log.warning("the lane is out of order", lane=self.lane, cause=why)

    def _say(self, state: LaneState, decision: Decision | None = None) -> None:
        self.state = state
        self._outlet.say_live(
            LiveMessage(
                lane=self.lane,
                state=state,
                outcome=None if decision is None else decision.outcome,
                reason=None if decision is None else decision.reason,
                aspect=None if decision is None else decision.aspect,
            )
        )
