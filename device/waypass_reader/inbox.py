"""The status inbox: what arrives from the network or from disk, on its way into the lists that decisions read.

Messages are handed in one after the other. Each goes to the status store, which verifies it, keeps it on disk and swaps
the list in memory, in that order; lanes read `StatusStore.view` and never wait for this. Of what the broker retained,
which comes all at once, several are kept on disk together, after the swap; `settle` writes what still waits. `said` is
what a reader tells others that it holds: what is on the disk, also while that takes nothing
(`waypass_protocol.holdings`). What was refused is counted by reason and logged at most once a minute a reason.

A message that was refused for its time (from the future, expired, a key that is not yet or no longer trusted) may be
good when the clock is right: `refused_for_time` says that something was, so that the link asks for everything again.
"""

import threading
from dataclasses import dataclass

from waypass_protocol.assembly import Kind, Receipt, Report, StatusStore
from waypass_protocol.holdings import Holdings
from waypass_protocol.messages import HeldRow
from waypass_reader.clock import Clock
from waypass_reader.log import Log, ReportLimiter
from waypass_reader.store_files import DiskKeeper

RETRY_NS = 10**9
_OF_TIME = frozenset({Report.FROM_THE_FUTURE, Report.EXPIRED, Report.UNKNOWN_KEY})


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What one message changed: `lists` were swapped in, `head` renewed ages."""

    lists: tuple[str, ...] = ()
    head: bool = False

    @property
    def any(self) -> bool:
        """Whether the reader's state is another one now."""
        return self.head or bool(self.lists)


class StatusInbox:
    """The way into one reader's status store; see the module's docstring."""

    def __init__(self, *, store: StatusStore, keeper: DiskKeeper, clock: Clock, log: Log) -> None:
        self.store = store
        self._keeper = keeper
        self._clock = clock
        self._log = log
        self._reports = ReportLimiter()
        self._lock = threading.Lock()
        self._retried_ns = 0
        self._holdings = Holdings()
        self.refused_for_time = False

    def restore(self) -> None:
        """Take what an earlier run of this reader kept."""
        now = self._clock.now()
        self._keeper.restore(self.store, now=int(now))
        self._holdings.swapped(self.store.view, now=now)
        self._holdings.written(self.store.view, self.store.view)

    def take(self, kind: Kind, data: bytes, *, list_topic: str | None = None, more: bool = False) -> Change:
        """Take one message as it came; `list_topic` is the list that its topic names. With `more`, others are about to
        come, and what is kept of it may wait for them.
        """
        with self._lock:
            now = self._clock.now()
            self._keeper.gather(more=more)
            receipt = self.store.receive(kind, data, now=int(now), list_topic=list_topic)
            self._holdings.swapped(receipt.swapped, now=self._clock.now())
            self._holdings.dropped(receipt.dropped)
            for uri in (*receipt.dropped, *((receipt.uri,) if receipt.kept and receipt.uri else ())):
                self._keeper.forget_unneeded(self.store, uri)
            if receipt.kept and kind is Kind.HEAD:
                self._holdings.renewed(self.store.view)
            if not self._keeper.gathered:
                self._note_written()
        for uri in receipt.dropped:
            self._log.info("a list that no head names any more is let go", list=uri)
        self._note(receipt)
        return Change(lists=receipt.swapped, head=receipt.kept and kind is Kind.HEAD)

    def refuse(self, report: Report, detail: str) -> None:
        """Count a message that the store need not see."""
        if self._reports.note(report.value, now_ns=self._clock.monotonic_ns()):
            self._log.warning("a message was refused", reason=report.value, detail=detail)

    def settle(self) -> None:
        """Write what waits for more to come."""
        with self._lock:
            if self._keeper.gathered:
                self._keeper.gather(more=False)
                self._keeper.write_waiting()
                self._note_written()

    def retry_disk(self) -> bool:
        """Write what could not be written before, tried once a second. True when `said` is another one now."""
        now_ns = self._clock.monotonic_ns()
        if self._keeper.behind and now_ns - self._retried_ns >= RETRY_NS:
            self._retried_ns = now_ns
            with self._lock:
                self._keeper.write_waiting()
                return self._note_written()
        return False

    def _note_written(self) -> bool:
        """Whether lists are on the disk now that were not."""
        behind = self._holdings.behind
        return self._holdings.written(self.store.view, behind - self._keeper.lacking(behind))

    def rows(self) -> tuple[HeldRow, ...]:
        """The lists as decisions see them now. Called from any thread."""
        return self._holdings.rows(self.store.view, now=self._clock.now())

    def said(self) -> tuple[HeldRow, ...]:
        """The lists as this reader's disk has them, which is what it tells others. Called from any thread."""
        return self._holdings.said(now=self._clock.now())

    def reports(self) -> dict[str, int]:
        """How many messages were refused since start, by reason."""
        return self._reports.counts()

    @property
    def disk_health(self) -> str:
        """ "ok", or what is wrong with the state folder."""
        return self._keeper.health

    def _note(self, receipt: Receipt) -> None:
        for report in receipt.reports:
            self.refused_for_time = self.refused_for_time or report in _OF_TIME
            if self._reports.note(report.value, now_ns=self._clock.monotonic_ns()):
                self._log.warning("a message was refused", reason=report.value, detail=receipt.detail)
