"""A state folder on a disk that fails at any of its acts: what a reader says, and what it holds after a restart.

What must hold, whichever acts fail, and however often: a reader opens for no pass whose withdrawal is in a version that
it said; after a restart it holds what it said, or nothing, and nothing only because its floors are ahead of its disk.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.device.test_disk_faults import heights, start
from tests.device.test_inbox import Run, feed, messages
from tests.support.issuing import NOW, SCOPE, URI, IssuedList, Issuer, make_issuer

from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import Kind
from waypass_protocol.bits import VALID
from waypass_protocol.policy import Policy
from waypass_protocol.reasons import Outcome, Reason
from waypass_protocol.reentry import NoReentry
from waypass_reader.disk import RecordingDisk

ISSUER = make_issuer()


class FailingDisk(RecordingDisk):
    """A disk that fails at those of its acts that it is told to, one after the other; then it works."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: Iterator[bool] = repeat(False)

    def write(self, path: Path, data: bytes) -> None:
        """Done, or half done."""
        self.broken = next(self.fails, False)
        super().write(path, data)

    def rename(self, path: Path, new: Path) -> None:
        """Done, or not."""
        self._fail()
        super().rename(path, new)

    def remove(self, path: Path) -> None:
        """Done, or not."""
        self._fail()
        super().remove(path)

    def sync_folder(self, folder: Path) -> None:
        """Done, or not."""
        self._fail()
        super().sync_folder(folder)

    def _fail(self) -> None:
        if next(self.fails, False):
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def what_came(issued: IssuedList) -> Iterator[tuple[Kind, bytes]]:
    """Changes, one index after the other, each followed by its head; and newer bases: one of the present, one that is
    late, so that deltas after it are on the disk already, and one on which others follow at once."""
    late = b""
    for number in range(1, 9):
        yield Kind.DELTA, issued.change(number)
        yield Kind.HEAD, ISSUER.head(issued, sequence=number + 1, iat=NOW + number)
        if number == 3:
            late = issued.snapshot()
        if number == 5:
            yield Kind.SNAPSHOT, late
        if number in {2, 7}:
            yield Kind.SNAPSHOT, issued.snapshot()


def said(run: Run) -> int:
    return next((row.version for row in run.inbox.said()), -1)


def withdrawn_and_valid(run: Run, version: int) -> list[int]:
    """The indexes whose withdrawal is in this version, and which the reader holds as valid: n is in version n + 1."""
    held = run.store.view.get(URI)
    return [] if held is None else [idx for idx in range(1, version) if run.status_of(idx) == VALID]


def look_after_a_power_cut(folder: Path, run: Run) -> None:
    """What must hold."""
    with TemporaryDirectory() as place:
        found = shutil.copytree(folder, Path(place) / "found")
        after = start(found, ISSUER)
        floor, version = heights(after.store.floors)[0], after.version()
        if version is None:
            assert floor > said(run), "nothing is held, and no floor is the reason"
        else:
            assert version >= max(said(run), floor)
        assert withdrawn_and_valid(after, said(run)) == []
        if floor == run.version():
            assert withdrawn_and_valid(after, run.version() or 0) == []


@settings(max_examples=15, deadline=None)
@given(
    fails=st.lists(st.booleans(), min_size=1, max_size=120),
    begins=st.integers(0, 20),
    gathered=st.lists(st.booleans(), min_size=19, max_size=19),
)
def test_whichever_acts_of_a_disk_fail_a_reader_holds_what_it_said(
    fails: list[bool], begins: int, gathered: list[bool]
) -> None:
    issued = ISSUER.status_list()
    with TemporaryDirectory() as place:
        folder, disk = Path(place) / "state", FailingDisk()
        run = start(folder, ISSUER, disk=disk)
        feed(run, ISSUER, issued)
        disk.fails = iter([False] * begins + fails)
        for (kind, data), more in zip(what_came(issued), gathered, strict=True):
            run.inbox.take(kind, data, more=more)
            run.clock.advance(1.0)
            run.inbox.retry_disk()
            look_after_a_power_cut(folder, run)
        disk.fails = repeat(False)
        run.inbox.settle()
        run.clock.advance(1.0)
        run.inbox.retry_disk()
        look_after_a_power_cut(folder, run)
        assert (said(run), run.version(), run.inbox.disk_health) == (9, 9, "ok")
        run.inbox.take(Kind.DELTA, issued.change(10))
        assert start(folder, ISSUER).version() == 10
        assert messages(folder) == ["10.delta", "8.snapshot", "9.delta", "newest.head"]


@pytest.fixture
def issued() -> IssuedList:
    return ISSUER.status_list()


@pytest.fixture
def issuer() -> Issuer:
    return ISSUER


@pytest.mark.parametrize("more", [False, True], ids=["one by one", "gathered"])
def test_an_old_base_stays_until_the_new_one_is_on_the_disk(tmp_path: Path, issued: IssuedList, *, more: bool) -> None:
    folder, disk = tmp_path / "state", RecordingDisk()
    run = start(folder, ISSUER, disk=disk)
    feed(run, ISSUER, issued)
    disk.full = True
    run.inbox.take(Kind.DELTA, issued.change(7), more=more)
    run.inbox.take(Kind.SNAPSHOT, issued.snapshot(), more=more)
    run.inbox.settle()
    assert messages(folder) == ["1.snapshot", "newest.head"]
    disk.full = False
    run.clock.advance(1.0)
    run.inbox.retry_disk()
    assert messages(folder) == ["2.snapshot", "newest.head"]
    assert start(folder, ISSUER).version() == 2


def test_deltas_wait_for_a_base_that_can_not_be_written(tmp_path: Path, issued: IssuedList) -> None:
    """Else they would gather beside the old base on a disk that has room for them alone, without end."""
    folder = tmp_path / "state"
    run = start(folder, ISSUER)
    feed(run, ISSUER, issued, 7)
    run.inbox.take(Kind.DELTA, issued.change(8))
    prefix = next((folder / "messages").glob("*.snapshot")).name.partition("-")[0]
    (folder / "messages" / f"{prefix}-3.snapshot.new").mkdir()
    run.inbox.take(Kind.SNAPSHOT, issued.snapshot())
    for idx in range(20, 30):
        run.inbox.take(Kind.DELTA, issued.change(idx))
    assert messages(folder) == ["1.snapshot", "2.delta", "3.delta", "3.snapshot.new", "newest.head"]
    assert (said(run), run.version(), run.keeper.waiting) == (3, 13, 11)
    (folder / "messages" / f"{prefix}-3.snapshot.new").rmdir()
    run.clock.advance(1.0)
    run.inbox.retry_disk()
    assert (said(run), start(folder, ISSUER).version()) == (13, 13)
    assert len(messages(folder)) == 12


@pytest.mark.parametrize("trouble", ["full", "broken"])
def test_nobody_goes_through_whose_withdrawal_was_said(
    tmp_path: Path, issuer: Issuer, issued: IssuedList, trouble: str
) -> None:
    folder, disk = tmp_path / "state", RecordingDisk()
    run = start(folder, issuer, disk=disk)
    feed(run, issuer, issued)
    setattr(disk, trouble, True)
    run.inbox.take(Kind.DELTA, issued.change(42))
    run.inbox.take(Kind.HEAD, issuer.head(issued, sequence=2, iat=NOW + 20))
    run.clock.advance(30)
    (held,), (told,) = run.inbox.rows(), run.inbox.said()
    assert (held.version, held.age, held.since) == (2, 10, NOW)
    assert (told.version, told.age, told.since) == (1, 30, NOW), "as the disk has it, and as old as that is"
    assert told.digest != held.digest
    after = start(folder, issuer, now=NOW + 30)
    outcome, reason = decided(after, issuer, idx=42)
    # Its floor is on the full disk, and nothing on the broken one: there it never said that it knew.
    if trouble == "full":
        assert (outcome, reason) == (Outcome.ASSIST, Reason.STATUS_UNKNOWN)
    else:
        assert (after.version(), outcome) == (1, Outcome.OPEN)
    setattr(disk, trouble, False)
    run.inbox.retry_disk()
    assert run.inbox.said() == run.inbox.rows()
    assert decided(start(folder, issuer, now=NOW + 30), issuer, idx=42) == (Outcome.ASSIST, Reason.SUPERSEDED)


def decided(run: Run, issuer: Issuer, *, idx: int) -> tuple[Outcome, Reason]:
    decision = decide(
        issuer.paper(idx=idx),
        now=int(run.clock.now()),
        clock_trusted=True,
        gate=Gate(trust=issuer.trust, scope=SCOPE, policy=Policy(identity_check_paper=False)),
        lists=run.store.view,
        reentry=NoReentry(),
    )
    return decision.outcome, decision.reason


def test_what_waits_to_be_gathered_is_not_said_and_what_is_dropped_neither(
    tmp_path: Path, issuer: Issuer, issued: IssuedList
) -> None:
    run, other = start(tmp_path / "state", issuer), issuer.status_list("wp:18")
    run.inbox.take(Kind.SNAPSHOT, issued.snapshot(), more=True)
    assert (len(run.inbox.rows()), run.inbox.said()) == (1, ())
    run.inbox.settle()
    assert run.inbox.said() == run.inbox.rows()
    run.inbox.take(Kind.HEAD, issuer.head(issued))
    run.inbox.take(Kind.SNAPSHOT, other.snapshot())
    run.clock.advance(86_401)
    run.inbox.take(Kind.HEAD, issuer.head(other, sequence=9, iat=NOW + 86_401))
    assert [row.uri for row in run.inbox.said()] == ["wp:18"]
    assert run.inbox.said() == run.inbox.rows()


def test_floors_are_written_in_place_and_need_no_room(tmp_path: Path, issuer: Issuer, issued: IssuedList) -> None:
    folder = tmp_path / "state"
    run = start(folder, issuer)
    feed(run, issuer, issued)
    before = {path.name: (path.stat().st_size, path.stat().st_ino) for path in folder.glob("floors.*")}
    assert {size for size, _ in before.values()} == {4096}
    for idx in range(8):
        run.inbox.take(Kind.DELTA, issued.change(idx))
    assert {path.name: (path.stat().st_size, path.stat().st_ino) for path in folder.glob("floors.*")} == before
    assert start(folder, issuer).store.floors == run.store.floors
