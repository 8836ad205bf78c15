"""The end of a lane: its barrier, its screens and the word of what it is doing, changed by one thread at a time.

What follows from what is `lane_machine`'s; this drives it. Decisions come from the lane's own thread, and from any
thread come staff's openings, what the sensor sees, the crowd's key, the emergency release, and the time.

1. A decision that opens opens. One that does not shows its aspect and lights *please wait*; but while the lane is open
   it changes nothing that can be seen: whoever it was opened for is walking through.
2. Staff open it whatever it is doing: idle, waiting, open (then for its whole time anew) or out of order, with its
   camera gone and its thread held up by a driver. Only a turnstile that fails and a lane that has ended are not opened.
3. It closes when whoever it was opened for has passed its sensor, and `open_seconds` after it was last opened if
   nobody did or there is no sensor: to idle, or to out of order if it is.
4. A lane that is out of order says so once, with no lamp lit, and is tried again by its own thread (`mend`). Whatever a
   barrier raises, foreseen or not, is a barrier that failed; and what nobody foresaw elsewhere leaves no lane half way.
5. The emergency release is reported and changes nothing but the screens: what it lets go is hardware.
6. A hint is for whoever stands before an idle lane: it changes its screen, and no barrier, lamp, counter or message.

7. A barrier that turns out to have stayed shut ends what it was opened for at once, as if nobody had come.

What is done takes effect in this order: turnstile, display, counters, network. Nothing of it waits for disk or network.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from waypass_protocol.messages import LaneState, LiveMessage, PassageEnd
from waypass_protocol.reasons import Decision, Outcome, OverrideReason
from waypass_protocol.reentry import Memo
from waypass_reader.clock import Clock
from waypass_reader.counts import Counts
from waypass_reader.display import Display, Showing
from waypass_reader.errors import ReaderError
from waypass_reader.hints import Hint
from waypass_reader.lane_machine import Do, Ended, Event, Fault, LaneNow, Phase, Timing, step
from waypass_reader.link import Outlet
from waypass_reader.log import Log
from waypass_reader.turnstile import StayedShut, Turnstile, TurnstileError
from waypass_reader.words import FreeWay

WELL = "ok"


class NotOpened(ReaderError):
    """Staff asked for a lane to be opened, and it was not; the message says why."""


class Memory(Protocol):
    """Who remembers which pass opened a lane; neither call waits. A memo is what came with the decision."""

    def opened(self, memo: Memo) -> None:
        """The lane is open."""

    def take_back(self, memo: Memo) -> None:
        """Nobody walked through."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PassageParts:
    """What a lane's end is made of. Without a memory nothing is told or taken back."""

    turnstile: Turnstile
    display: Display
    counts: Counts
    outlet: Outlet
    clock: Clock
    log: Log
    memory: Memory | None = None


class Passage:
    """One lane's end. `state`, `phase`, `in_order` and `trouble` may be read from any thread at any time, without a
    lock."""

    def __init__(self, lane: str, parts: PassageParts, *, timing: Timing) -> None:
        self.lane = lane
        self.state = LaneState.IDLE
        self._turnstile = parts.turnstile
        self._display = parts.display
        self._counts = parts.counts
        self._outlet = parts.outlet
        self._clock = parts.clock
        self._log = parts.log
        self._memory = parts.memory
        self._timing = timing
        self._memos: dict[int, Memo] = {}
        self._now = LaneNow()
        self._cause = self._refusal = ""
        self._said = LiveMessage(lane=lane, state=LaneState.IDLE, outcome=None, reason=None, aspect=None)
        self._changed = threading.Condition()
        self._hint: Hint | None = None
        self._alarm: threading.Timer | None = None
        self._due_ns: int | None = None
        self._ended = False
        self._turnstile.watch(self.check)

    @property
    def phase(self) -> Phase:
        """What it is doing, as `lane_machine` has it."""
        return self._now.phase

    @property
    def in_order(self) -> bool:
        """Whether it works; also while staff let somebody through a lane that does not."""
        return _works(self._now)

    @property
    def trouble(self) -> str:
        """ "ok", or what staff should know of this lane."""
        now = self._now
        if not _works(now):
            return self._cause
        if now.crowd:
            return "held open for a crowd by its key"
        if now.sensor_doubted:
            return "its sensor has seen nobody for some openings"
        return WELL

    def begin(self) -> None:
        """The lane's thread runs: its screen invites."""
        with self._changed:
            if self.state is LaneState.IDLE:
                self._display.idle(self.lane)

    def see(self) -> None:
        """A code is in view that has no answer yet."""
        with self._changed:
            self._step(Event.SAW)

    def decide(
        self,
        decision: Decision,
        *,
        frame_to_decision_ms: float,
        decode_ms: float,
        decide_ms: float = 0.0,
        frame_at_ns: int = 0,
        memo: Memo | None = None,
    ) -> bool:
        """Rule 1, and whether it is so now. A turnstile that fails makes the lane out of order, and one that is out of
        order decides nothing; nothing is shown or counted then, and the memo is taken back."""
        opens = decision.outcome is Outcome.OPEN
        with self._changed:
            now = self._clock.now()
            obeyed = self._step(Event.DECIDED_OPEN if opens else Event.DECIDED_WAIT, memo=memo)
            passing = self._now.phase in {Phase.OPEN, Phase.PASSED} and not opens
            if not (obeyed or passing):
                if memo is not None and self._memory is not None:
                    self._memory.take_back(memo)
                return False
            if not passing:
                self._display.show(
                    Showing(
                        lane=self.lane,
                        outcome=decision.outcome,
                        reason=decision.reason,
                        aspect=decision.aspect,
                        frame_to_decision_ms=frame_to_decision_ms,
                        decode_ms=decode_ms,
                        at=now,
                        decide_ms=decide_ms,
                        frame_at_ns=frame_at_ns,
                    )
                )
            self._counts.note(decision.outcome, decision.reason, milliseconds=frame_to_decision_ms, now=now)
            if not passing:
                self._say(LaneState.OPEN if opens else LaneState.WAIT, decision)
            if memo is not None and self._memory is not None:
                self._memory.opened(memo)
            return True

    def override(self, reason: OverrideReason) -> None:
        """Rule 2. Raises `NotOpened`."""
        with self._changed:
            if self._ended:
                raise NotOpened("the lane has ended")
            if not self._step(Event.STAFF):
                raise NotOpened(self._refusal)
            self._counts.note_override(reason, now=self._clock.now())
            self._show_let_through()
        # Not which lane: a log keeps its lines with their times.
        self._log.info("staff opened a lane", reason=reason.value)

    def hint(self, hint: Hint | None) -> None:
        """Rule 6. None when there is no more to say."""
        with self._changed:
            if self.state is not LaneState.IDLE or not self.in_order or hint is self._hint:
                return
            self._hint = hint
            if hint is None:
                self._display.idle(self.lane)
            else:
                self._display.hint(self.lane, hint)

    def sensed(self, active: bool) -> None:
        """The sensor went on or off."""
        with self._changed:
            if not self._ended:
                self._step(Event.SENSOR_ON if active else Event.SENSOR_OFF)

    def crowd(self, turned: bool) -> None:
        """The crowd's key was turned, or turned back. A barrier that fails is told as out of order."""
        with self._changed:
            if self._ended or turned is self._now.crowd:
                return
            if self._step(Event.KEY_ON if turned else Event.KEY_OFF):
                self._show_crowd()

    def release(self, pressed: bool) -> None:
        """Rule 5."""
        with self._changed:
            self._step(Event.RELEASE_ON if pressed else Event.RELEASE_OFF)
            self._display.release(self.lane, pressed)

    def rest(self) -> None:
        """Nobody is there any more."""
        with self._changed:
            self._step(Event.LEFT)

    def fail(self, why: str) -> None:
        """The lane can't work."""
        with self._changed:
            self._note_cause(why)
            self._step(Event.CAMERA_LOST)

    def mend(self) -> bool:
        """Whether the lane works, after trying what can be tried."""
        with self._changed:
            half_way = self._now.phase in {Phase.OUT_OF_ORDER, Phase.DECIDED}
            if half_way and not self._shut():
                self._step(Event.BARRIER_FAILED)
                return False
            if half_way or not self.in_order:
                crowd = self._step(Event.MENDED)
                if crowd:
                    self._show_crowd()
            return self.in_order

    def check(self) -> None:
        """Ask the turnstile how it is, also while nobody is there. Called from any thread.

        What is known of one that is out of order is known; but while it is open for somebody, whether it opened."""
        with self._changed:
            now = self._now
            known = Fault.BARRIER in now.faults and now.phase is not Phase.OPEN
            if self._ended or known or now.phase is Phase.OUT_OF_ORDER:
                return
            trouble = self._try(self._turnstile.check)
            if trouble is not None:
                self._step(Event.STAYED_SHUT if isinstance(trouble, StayedShut) else Event.BARRIER_FAILED)

    def wait_closed(self, stopping: threading.Event, *, seconds: float) -> bool:
        """If it is open: until it has closed, the lane is stopping or the seconds are over. Whether it was open."""
        with self._changed:
            if self.state is not LaneState.OPEN:
                return False
            self._changed.wait_for(lambda: self.state is not LaneState.OPEN or stopping.is_set(), seconds)
            return True

    def wake(self) -> None:
        """Whoever waits looks again whether the lane is stopping."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """The lane has ended: barrier closed, pins given back."""
        with self._changed:
            self._step(Event.KEY_OFF)
            self._ended = True
            self._set_alarm()
            if self.state is LaneState.OPEN:
                # What nobody has used by now was no one's to judge; without a sensor it counts as any other.
                if not self._timing.sensor:
                    self._step(Event.TIME, at_ns=self._now.closes_ns or 0)
                else:
                    self._shut()
                    self._show_rest()
            self._turnstile.close()
            self._display.close()

    def _step(self, event: Event, *, memo: Memo | None = None, at_ns: int = 0) -> bool:
        """Take an event and do what follows. Whether a barrier that was told something obeyed.

        `at_ns` is a time that has surely come, whatever the clock says.
        """
        try:
            return self._follow(event, memo, at_ns)
        except Exception as error:  # noqa: BLE001 - rule 4: nobody who is told of it could do more
            self._give_up(f"unforeseen {type(error).__name__}")
            return False

    def _follow(self, event: Event, memo: Memo | None, at_ns: int) -> bool:
        obeyed = False
        events = [event]
        while events:
            now_ns = max(self._clock.monotonic_ns(), at_ns)
            taken = step(self._now, events.pop(0), at_ns=now_ns, timing=self._timing)
            self._note_faults(taken.lane)
            self._now = taken.lane
            for effect in taken.effects:
                match effect:
                    case Ended():
                        self._end(effect)
                    case Do.OPEN | Do.WAIT:
                        obeyed = self._drive(effect)
                        events.append(Event.OBEYED if obeyed else Event.BARRIER_FAILED)
                        if obeyed and memo is not None:
                            self._memos[self._now.tickets] = memo
                    case Do.CLOSE:
                        events += [Event.CLOSED] if self._shut() else [Event.BARRIER_FAILED, Event.CLOSED]
                    case Do.SHOW_IDLE | Do.SHOW_OUT_OF_ORDER:
                        self._show_rest()
        self._set_alarm()
        return obeyed

    def _drive(self, what: Do) -> bool:
        trouble = self._try(self._turnstile.open if what is Do.OPEN else self._turnstile.wait)
        if trouble is not None:
            self._refusal = _text_of(trouble)
        return trouble is None

    def _shut(self) -> bool:
        return self._try(self._turnstile.idle) is None

    def _try(self, what: Callable[[], None]) -> Exception | None:
        """Rule 4: what the turnstile raised."""
        try:
            what()
        except Exception as error:  # noqa: BLE001 - a driver raises what it likes
            self._note_cause(_text_of(error))
            return error
        return None

    def _end(self, ended: Ended) -> None:
        """An opening is over, or somebody came without one: counted, and told to staff alone."""
        memo = None if ended.ticket is None else self._memos.pop(ended.ticket, None)
        if ended.take_back and memo is not None and self._memory is not None:
            self._memory.take_back(memo)
        if ended.how is None:
            return
        self._counts.note_passage(ended.how, now=self._clock.now())
        if ended.how is PassageEnd.UNASKED:
            self._outlet.say_live(replace(self._said, passage=ended.how))

    def _note_cause(self, why: str) -> None:
        if not self._now.faults:
            self._cause = why

    def _note_faults(self, then: LaneNow) -> None:
        """Rule 4."""
        if then.faults == {Fault.SENSOR} != self._now.faults:
            self._cause = f"sensor: it has been on for {self._timing.stuck_ns / 1e9:g} s; look for what holds it"
        if then.faults and not self._now.faults:
            self._log.warning("the lane is out of order", lane=self.lane, cause=self._cause)

    def _show_let_through(self) -> None:
        self._display.let_through(self.lane)
        self._say(LaneState.OPEN)

    def _show_crowd(self) -> None:
        self._display.free(self.lane, FreeWay.CROWD)
        self._say(LaneState.OPEN)

    def _show_rest(self) -> None:
        """Nobody is let through or waits: idle, or out of order."""
        if self.in_order:
            self._display.idle(self.lane)
            self._say(LaneState.IDLE)
        else:
            self._display.out_of_order(self.lane)
            self._say(LaneState.OUT_OF_ORDER)
        self._changed.notify_all()

    def _set_alarm(self) -> None:
        """One timer, for when the machine has to be told the time."""
        due_ns = None if self._ended else self._now.due_ns(self._timing)
        if due_ns == self._due_ns and (due_ns is None) is (self._alarm is None):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._due_ns, self._alarm = due_ns, None
        if due_ns is not None:
            seconds = max(0.0, (due_ns - self._clock.monotonic_ns()) / 1e9)
            self._alarm = alarm = threading.Timer(seconds, lambda: self._ring(alarm, due_ns))
            alarm.daemon = True
            alarm.start()

    def _ring(self, alarm: threading.Timer, due_ns: int) -> None:
        with self._changed:
            if alarm is not self._alarm or self._ended:
                return
            self._alarm = None
            self._step(Event.TIME, at_ns=due_ns)

    def _give_up(self, why: str) -> None:
        """Out of order, whatever it was doing. How far that came nobody knows, so nothing is counted or taken back."""
        self._note_cause(why)
        then = replace(
            self._now,
            phase=Phase.OUT_OF_ORDER,
            wish=None,
            owed=(),
            closes_ns=None,
            faults=self._now.faults | {Fault.BARRIER},
        )
        self._note_faults(then)
        self._now = then
        self._memos.clear()
        self.state = LaneState.OUT_OF_ORDER
        for tell in (
            self._turnstile.idle,
            lambda: self._display.out_of_order(self.lane),
            lambda: self._say(LaneState.OUT_OF_ORDER),
            self._set_alarm,
        ):
            with contextlib.suppress(Exception):  # one of them may be what nobody foresaw
                tell()
        self._changed.notify_all()

    def _say(self, state: LaneState, decision: Decision | None = None) -> None:
        self.state = state
        self._hint = None  # another face covers it
        self._said = LiveMessage(
            lane=self.lane,
            state=state,
            outcome=None if decision is None else decision.outcome,
            reason=None if decision is None else decision.reason,
            aspect=None if decision is None else decision.aspect,
        )
        self._outlet.say_live(self._said)


def _works(now: LaneNow) -> bool:
    """Also no fault is none while it still has to be mended."""
    return not now.faults and now.phase is not Phase.OUT_OF_ORDER


def _text_of(error: Exception) -> str:
    return str(error) if isinstance(error, TurnstileError) else f"unforeseen {type(error).__name__}"
