"""One lane: frames or scans in, decisions out, for as long as the reader runs.

1. A frame is taken, decoded and, if a text in it is not answered yet, decided: `Desk.judge` has the rule for several.
2. On `open` the turnstile opens, and the lane looks at no frame until it has closed (`lane_machine` says when).
   Everything else shows its aspect and lights *please wait*; the lane goes on looking.
3. A text is answered once while it stays in view. It is decided again after 2 s without it, or when the lists or the
   trust in the clock changed; one that has opened is not, as long as it stays in view. What came of nothing is no
   answer: a barrier that failed, or an opening that was taken back since nobody walked through.
4. 2 s after the last Waypass text was in view the lane is idle again; a poster with another code does not hold it.
5. A camera that can't be opened or is lost makes the lane out of order: it says so, and tries again every second.
   A single frame that can't be read is passed over. A turnstile that fails makes it out of order too, and so does
   any error that nobody foresaw: one lane's trouble is its own, and the other lanes go on.
6. A source of files ends; then so does the lane.
7. Staff may open it at any time, from another thread: `Passage` has the rules. For rule 2 that is an opening like any.
8. What a scanner read is like a frame with one text in it. A scanner that can be opened works: it says nothing before
   somebody shows a code, and nobody does at a gate that is out of order. So while it is silent the lane is looked at,
   and tries again, every second.
9. A code that is seen and not read makes an idle lane say what its holder can do: `Prompter` says when, and how long.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from waypass_protocol.messages import LaneState
from waypass_protocol.reasons import Outcome, OverrideReason
from waypass_protocol.reentry import Memo
from waypass_reader.clock import Clock
from waypass_reader.counts import Counts
from waypass_reader.deciding import Desk, Footing, is_waypass
from waypass_reader.display import Display
from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.frames import Frame, Scan, Source
from waypass_reader.hints import Prompter
from waypass_reader.lane_machine import Timing
from waypass_reader.link import Outlet
from waypass_reader.log import Log, ReportLimiter
from waypass_reader.passage import Passage, PassageParts
from waypass_reader.scanners.texts import TextSource
from waypass_reader.seeing.eye import Eye, Look
from waypass_reader.seeing.outfit import Outfit
from waypass_reader.supervision import HANGS_NS
from waypass_reader.turnstile import Turnstile

FRAME_SECONDS = 0.1
AWAY_NS = 2 * 10**9
RETRY_SECONDS = 1.0
RETRY_NS = 10**9
WORKS = "ok"


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneParts:
    """What a lane is made of. `open_source` is called again after a camera was lost; `outfit` is its eye's."""

    open_source: Callable[[], Source]
    turnstile: Turnstile
    display: Display
    desk: Desk
    counts: Counts
    outlet: Outlet
    clock: Clock
    log: Log
    outfit: Outfit = field(default_factory=Outfit)


@dataclass(kw_only=True, slots=True)
class _Answered:
    """A text in view that was decided: when it was last seen, on what footing, and whether it opened, with its memo."""

    seen_ns: int
    footing: Footing
    opened: bool
    memo: Memo | None


class _Noting:
    """The desk, as a lane's end knows it: what is taken back, in whatever thread, is noted for the lane's own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._taken_back: deque[Memo] = deque()

    def opened(self, memo: Memo) -> None:
        """The lane is open."""
        self._desk.opened(memo)

    def take_back(self, memo: Memo) -> None:
        """Nobody walked through."""
        self._desk.take_back(memo)
        self._taken_back.append(memo)

    def pop(self) -> Memo | None:
        """One that was taken back since."""
        return self._taken_back.popleft() if self._taken_back else None


class Lane:
    """One lane of a reader; `run` is called in a thread of its own."""

    def __init__(self, name: str, parts: LaneParts, *, timing: Timing) -> None:
        self.name = name
        self.camera = WORKS
        self._parts = parts
        self._memory = _Noting(parts.desk)
        self._passage = Passage(
            name,
            PassageParts(
                turnstile=parts.turnstile,
                display=parts.display,
                counts=parts.counts,
                outlet=parts.outlet,
                clock=parts.clock,
                log=parts.log,
                memory=self._memory,
            ),
            timing=timing,
        )
        self._stopping = threading.Event()
        self._answered: dict[str, _Answered] = {}
        self._seen_ns = 0
        self._tried_ns = 0
        self._step_ns: int | None = None  # when its thread, while it runs, last came by
        self._unreadable = ReportLimiter()
        self._eye = Eye(name=name, outfit=parts.outfit)
        self._prompter = Prompter()

    # What others ask of a lane takes no lock: the link asks while it holds its own.

    @property
    def state(self) -> LaneState:
        """What the lane is doing."""
        return self._passage.state

    @property
    def trouble(self) -> str:
        """ "ok", or what staff should know of it."""
        return self._passage.trouble

    @property
    def in_order(self) -> bool:
        """Whether it works; also while staff let somebody through a lane that does not."""
        return self._passage.in_order

    def hangs(self, now_ns: int) -> bool:
        """Whether its thread made no step for too long."""
        step_ns = self._step_ns
        return step_ns is not None and now_ns - step_ns >= HANGS_NS

    def override(self, reason: OverrideReason) -> None:
        """Open for one person, because staff say so. Called from any thread. Raises `NotOpened`."""
        self._passage.override(reason)

    def sensed(self, active: bool) -> None:
        """Its passage sensor went on or off. Called from any thread, as are the next two."""
        self._passage.sensed(active)

    def crowd(self, turned: bool) -> None:
        """The crowd's key was turned, or turned back."""
        self._passage.crowd(turned)

    def release(self, pressed: bool) -> None:
        """The emergency release was pressed, or is over: reported, and nothing else."""
        self._passage.release(pressed)

    def stop(self) -> None:
        """End `run` soon. Called from any thread."""
        self._stopping.set()
        self._passage.wake()

    def run(self) -> None:
        """Work until `stop`, or until the source has ended."""
        try:
            self._passage.begin()
            while not self._stopping.is_set():
                self._step()
                try:
                    with self._parts.open_source() as source:
                        self._watch(source)
                    break
                except SourceError as error:
                    self.camera = str(error)
                    self._fail(str(error))
                except Exception as error:  # noqa: BLE001 - rule 5: a lane's trouble is its own
                    self._fail(f"unforeseen {type(error).__name__}")
        finally:
            self._step_ns = None
            self._eye.close()
            self._passage.close()

    def _step(self) -> None:
        self._step_ns = self._parts.clock.monotonic_ns()

    def _watch(self, source: Source) -> None:
        """Look at frames until the source has ended. Raises `SourceLost`."""
        if isinstance(source, TextSource):  # rule 8
            self.camera = WORKS
            self._try_again()
        while not (self._stopping.is_set() or source.ended):
            self._step()
            try:
                frame = source.next_frame(FRAME_SECONDS)
            except SourceLost:
                raise
            except SourceError as error:
                if self._unreadable.note("unreadable", now_ns=self._parts.clock.monotonic_ns()):
                    self._parts.log.warning("a frame can't be read", lane=self.name, cause=str(error))
                continue
            if frame is not None:
                self.camera = WORKS
                self._look_if_in_order(frame)
            elif isinstance(source, TextSource) and self._parts.clock.monotonic_ns() - self._tried_ns >= RETRY_NS:
                self._try_again()
            self._let_pass()
            self._rest_if_nobody_is_there()

    def _try_again(self) -> None:
        """Rule 8."""
        self._tried_ns = self._parts.clock.monotonic_ns()
        self._passage.check()
        self._passage.mend()

    def _look_if_in_order(self, frame: Frame | Scan) -> None:
        """A frame came, so a lane that was out of order tries to be idle."""
        self._passage.check()
        if not self._passage.mend():
            self._stopping.wait(RETRY_SECONDS)
        elif self.state is not LaneState.OPEN:
            self._look(frame)

    def _look(self, frame: Frame | Scan) -> None:
        """Rules 1 and 3."""
        started_ns = self._parts.clock.monotonic_ns()
        texts = self._texts_of(frame)
        decoded_ns = self._parts.clock.monotonic_ns()
        if not texts:
            return
        footing = self._parts.desk.footing()
        waiting = self._see(texts, footing, decoded_ns)
        if not waiting:
            return
        self._passage.see()
        judgement = self._parts.desk.judge(waiting)
        decided_ns = self._seen_ns = self._parts.clock.monotonic_ns()
        opened = judgement.decision.outcome is Outcome.OPEN
        answered = self._passage.decide(
            judgement.decision,
            frame_to_decision_ms=(decided_ns - frame.at_ns) / 1e6,
            decode_ms=(decoded_ns - started_ns) / 1e6,
            decide_ms=(decided_ns - decoded_ns) / 1e6,
            frame_at_ns=frame.at_ns,
            memo=judgement.memo,
        )
        if answered:
            # Whoever stands behind the one that opened has no answer yet.
            for text in [judgement.text] if opened else waiting:
                memo = judgement.memo
                self._answered[text] = _Answered(seen_ns=decided_ns, footing=footing, opened=opened, memo=memo)
        if not self.in_order:
            self._stopping.wait(RETRY_SECONDS)

    def _texts_of(self, frame: Frame | Scan) -> Sequence[str]:
        """Rule 8: a scanner has read the code already."""
        if isinstance(frame, Scan):
            return [frame.text]
        look = self._eye.look(frame.pixels, at_ns=frame.at_ns)
        self._prompt(look)
        return look.texts

    def _prompt(self, look: Look) -> None:
        """Rule 9. A poster whose code is read all the time takes no hint from whoever stands beside it."""
        if any(is_waypass(text) for text in look.texts):
            self._prompter.forget()
            self._passage.hint(None)
        else:
            self._passage.hint(self._prompter.note(look.hint, now_ns=self._parts.clock.monotonic_ns()))

    def _see(self, texts: Sequence[str], footing: Footing, now_ns: int) -> list[str]:
        """Note what is in view, forget what has been away; the texts that wait for an answer."""
        self._forget_who_left(now_ns)
        ours = [text for text in texts if is_waypass(text)]
        if ours:
            self._seen_ns = now_ns
        for text in texts:
            if text in self._answered:
                self._answered[text].seen_ns = now_ns
        return [text for text in ours or texts if not self._is_answered(text, footing)]

    def _forget_who_left(self, now_ns: int) -> None:
        """Texts are remembered while they are in view, and no longer than rule 3 needs."""
        while (memo := self._memory.pop()) is not None:
            self._answered = {text: each for text, each in self._answered.items() if each.memo is not memo}
        if self._answered:
            self._answered = {text: each for text, each in self._answered.items() if now_ns - each.seen_ns < AWAY_NS}

    def _is_answered(self, text: str, footing: Footing) -> bool:
        known = self._answered.get(text)
        return known is not None and (known.opened or known.footing.same_as(footing))

    def _let_pass(self) -> None:
        """No frame is looked at while somebody walks through; what stood in view then still stands there after."""
        was_open = False
        while self._passage.wait_closed(self._stopping, seconds=RETRY_SECONDS) and not self._stopping.is_set():
            was_open = True
            self._step()
        if was_open:
            now_ns = self._parts.clock.monotonic_ns()
            for answered in self._answered.values():
                answered.seen_ns = now_ns

    def _rest_if_nobody_is_there(self) -> None:
        """Rule 4."""
        now_ns = self._parts.clock.monotonic_ns()
        self._forget_who_left(now_ns)
        if self.state is LaneState.WAIT and now_ns - self._seen_ns >= AWAY_NS:
            self._passage.rest()

    def _fail(self, why: str) -> None:
        """Rule 5: out of order, and a pause before the next try."""
        self._passage.fail(why)
        self._stopping.wait(RETRY_SECONDS)
