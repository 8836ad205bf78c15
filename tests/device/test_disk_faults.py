"""The state folder when things go wrong: power cut at every write, full disk, every kind of file damaged.

What a restart may never do is fall behind: the floors after it are at or above those that counted before.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.device.test_inbox import Run, feed, messages
from tests.support.issuing import NOW, URI, IssuedList, Issuer, make_issuer
from tests.support.power_cuts import lay_out, moments
from tests.support.small_disk import fill, small_disk

from waypass_protocol.assembly import Kind, StatusStore
from waypass_protocol.floors import Floors
from waypass_reader.clock import ManualClock
from waypass_reader.disk import Act, Disk, RecordingDisk, SystemDisk
from waypass_reader.inbox import StatusInbox
from waypass_reader.log import RecordingLog
from waypass_reader.store_files import DiskKeeper


def start(folder: Path, issuer: Issuer, *, disk: Disk | None = None, now: int = NOW) -> Run:
    """Start a reader's inbox on this state folder and disk."""
    log, clock = RecordingLog(), ManualClock(now)
    keeper = DiskKeeper(folder, log=log, disk=disk)
    store = StatusStore(trust=issuer.trust, keeper=keeper, floors=keeper.floors)
    inbox = StatusInbox(store=store, keeper=keeper, clock=clock, log=log)
    inbox.restore()
    return Run(inbox=inbox, keeper=keeper, clock=clock, log=log)


@pytest.fixture
def issuer() -> Issuer:
    return make_issuer()


@pytest.fixture
def issued(issuer: Issuer) -> IssuedList:
    return issuer.status_list()


def heights(floors: Floors) -> tuple[int, int, int, int]:
    """The numbers of the one list and of the heads; none is -1."""
    marks = (floors.versions.get(URI), floors.renewals.get(URI), floors.sequence, floors.newest_head)
    first, second, third, fourth = (-1 if mark is None else mark.value for mark in marks)
    return first, second, third, fourth


def a_day(run: Run, issuer: Issuer, issued: IssuedList, *, more: bool = False) -> Iterator[None]:
    """All that a reader receives: a first snapshot, changes, heads, a newer snapshot that makes old files needless."""
    for kind, data in (
        (Kind.SNAPSHOT, issued.snapshot()),
        (Kind.HEAD, issuer.head(issued, sequence=1, iat=NOW)),
        (Kind.DELTA, issued.change(7)),
        (Kind.HEAD, issuer.head(issued, sequence=2, iat=NOW + 1)),
        (Kind.DELTA, issued.change(8)),
        (Kind.SNAPSHOT, issued.snapshot()),
        (Kind.HEAD, issuer.head(issued, sequence=3, iat=NOW + 2)),
        (Kind.DELTA, issued.change(9)),
    ):
        run.inbox.take(kind, data, more=more)
        yield


@pytest.mark.parametrize("more", [False, True], ids=["one by one", "gathered"])
def test_whenever_the_power_is_cut_no_floor_goes_back_and_what_was_held_is_held(
    tmp_path: Path, issuer: Issuer, issued: IssuedList, *, more: bool
) -> None:
    """What is gathered counts from `settle` on: that is when the reader says that it holds it."""
    recorded, disk = tmp_path / "recorded", RecordingDisk()
    run = start(recorded, issuer, disk=disk)
    # What lanes decided by, from how many acts on.
    counted: list[tuple[int, tuple[int, int, int, int], int]] = [(0, (-1, -1, -1, -1), -1)]
    for number, _ in enumerate(a_day(run, issuer, issued, more=more)):
        if more and number % 2:
            continue
        run.inbox.settle()
        counted.append((len(disk.steps), heights(run.store.floors), run.version() or -1))
    run.inbox.settle()
    last = issued.snapshot(), issuer.head(issued, sequence=4, iat=NOW + 3)
    # What may be found at several moments has to be good enough for the last of them.
    worlds = {frozenset(world.items()): done for done, world in moments(disk.steps)}
    for found, done in worlds.items():
        world = dict(found)
        folder = tmp_path / "found"
        lay_out(world, recorded=recorded, folder=folder)
        after = start(folder, issuer)
        _, floors, version = max(each for each in counted if each[0] <= done)
        what = f"after {done} acts, found {sorted(path.name for path in world)}"
        assert all(now >= then for now, then in zip(heights(after.store.floors), floors, strict=True)), what
        assert (after.version() or -1) >= version, what
        assert after.version() is None or after.version() == heights(after.store.floors)[0], what
        # And the reader goes on from there.
        after.inbox.take(Kind.SNAPSHOT, last[0])
        after.inbox.take(Kind.HEAD, last[1])
        assert (after.version(), after.inbox.disk_health) == (issued.version, "ok"), what
        assert start(folder, issuer).version() == issued.version, what
        shutil.rmtree(folder)
    assert {step.act for step in disk.steps} == set(Act)
    assert len(worlds) > len(disk.steps) > 30


def test_what_was_retained_is_kept_together_and_before_anything_is_said_of_it(
    tmp_path: Path, issuer: Issuer, issued: IssuedList
) -> None:
    folder, disk = tmp_path / "state", RecordingDisk()
    run = start(folder, issuer, disk=disk)
    run.inbox.take(Kind.SNAPSHOT, issued.snapshot(), more=True)
    for idx in range(40):
        run.inbox.take(Kind.DELTA, issued.change(idx), more=True)
    assert (run.version(), disk.steps) == (41, [])
    run.inbox.settle()
    assert [step.act for step in disk.steps].count(Act.SYNC_FOLDER) == 2  # of messages, and of floors
    assert start(folder, issuer).version() == 41
    run.inbox.take(Kind.SNAPSHOT, issued.snapshot(), more=True)
    for idx in range(40, 103):
        assert start(folder, issuer).version() == 41
        run.inbox.take(Kind.DELTA, issued.change(idx), more=True)
    assert start(folder, issuer).version() == run.version() == 104, "so many are gathered at most"
    run.inbox.take(Kind.DELTA, issued.change(103))
    assert start(folder, issuer).version() == run.version() == 105, "what comes alone waits for nothing"
    run.inbox.settle()
    assert start(folder, issuer).store.floors == run.store.floors


def test_the_cuts_would_find_a_floor_that_is_written_before_its_message(
    tmp_path: Path, issuer: Issuer, issued: IssuedList
) -> None:
    """The test above can fail: without a single sync of a folder, a synced message is lost."""
    recorded, disk = tmp_path / "recorded", RecordingDisk()
    run = start(recorded, issuer, disk=disk)
    for _ in a_day(run, issuer, issued):
        pass
    careless = [step for step in disk.steps if step.act is not Act.SYNC_FOLDER]
    folder = tmp_path / "found"
    found = []
    for done, world in moments(careless[:6]):
        lay_out(world, recorded=recorded, folder=folder)
        found.append((done, start(folder, issuer).version()))
        shutil.rmtree(folder, ignore_errors=True)
    assert (6, None) in found


Damage = Callable[[Path], object]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def fold(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_bytes(b"x")


def link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def pour_in(path: Path) -> None:
    path.write_bytes(bytes(2 * 1024 * 1024))


@pytest.mark.parametrize("damage", [truncate, empty, flip, fold, link_to_nowhere, pour_in])
@pytest.mark.parametrize(
    "pattern", ["messages/*.snapshot", "messages/*.delta", "messages/*.head", "floors.0", "floors.1"]
)
def test_any_file_in_any_state_keeps_no_reader_from_starting_and_takes_no_floor_back(
    tmp_path: Path, issuer: Issuer, issued: IssuedList, pattern: str, damage: Damage
) -> None:
    folder = tmp_path / "state"
    before = start(folder, issuer)
    feed(before, issuer, issued, 7)
    damage(next(folder.glob(pattern)))
    after = start(folder, issuer)
    assert after.log.events
    newest = max((folder / "floors.0", folder / "floors.1"), key=_generation)
    lost = pattern.startswith("floors") and newest.name != pattern
    # One generation of floors may be lost; a list that is held is at its floor or above all the same.
    least = heights(before.store.floors) if not lost else (2, -1, -1, -1)
    assert all(now >= then for now, then in zip(heights(after.store.floors), least, strict=True))
    assert after.version() in {2, None}
    feed(after, issuer, issued, 8)
    assert after.version() == 3
    assert after.inbox.disk_health == "ok"
    assert start(folder, issuer).store.floors == after.store.floors


def _generation(path: Path) -> int:
    try:
        return int(path.read_bytes().split(b" ")[0])
    except (OSError, ValueError):
        return 0


@pytest.mark.parametrize("name", ["newest.head.new", "floors.0", "floors.1", "messages/newest.head"])
def test_a_folder_in_a_file_s_place_is_set_aside(tmp_path: Path, issuer: Issuer, issued: IssuedList, name: str) -> None:
    folder = tmp_path / "state"
    (folder / name / "deep").mkdir(parents=True)
    (folder / "messages").mkdir(exist_ok=True)
    run = start(folder, issuer)
    feed(run, issuer, issued, 7, 8)
    assert run.inbox.disk_health == "ok"
    assert start(folder, issuer).version() == 3
    aside = [path.name for path in (folder / "set-aside").iterdir()] if (folder / "set-aside").exists() else []
    assert aside == ([] if name == "newest.head.new" else [Path(name).name])


def test_so_many_damaged_things_are_kept_and_no_more(tmp_path: Path, issuer: Issuer) -> None:
    folder = tmp_path / "state"
    for round_ in range(3):
        messages_of(folder).mkdir(parents=True, exist_ok=True)
        for version in range(20):
            (messages_of(folder) / f"{'0' * 16}-{100 * round_ + version + 1}.delta").write_bytes(b"damaged")
        start(folder, issuer)
    kept = sorted(int(path.name.split("-")[1].split(".")[0]) for path in (folder / "set-aside").iterdir())
    assert len(kept) == 32
    assert kept[-20:] == list(range(201, 221))


def messages_of(folder: Path) -> Path:
    return folder / "messages"


def test_a_full_disk_keeps_no_withdrawal_out_of_memory_and_what_waits_is_bounded(
    tmp_path: Path, issuer: Issuer, issued: IssuedList
) -> None:
    disk = RecordingDisk()
    run = start(tmp_path / "state", issuer, disk=disk)
    feed(run, issuer, issued)
    disk.full = True
    for idx in range(100):  # more than a ring, and a snapshot now and then
        run.inbox.take(Kind.DELTA, issued.change(idx))
        if idx % 30 == 29:
            run.inbox.take(Kind.SNAPSHOT, issued.snapshot())
    assert (run.version(), run.status_of(99)) == (101, 1)
    assert run.inbox.disk_health == "a status message can't be written (No space left on device)"
    base, deltas = run.store.kept_versions(URI)
    assert base is not None
    assert run.keeper.waiting <= len(deltas) + 1
    assert messages(tmp_path / "state") == ["1.snapshot", "newest.head"], "the good files, and no halves of others"
    # The power is cut now: the floors, which need no room, hold, and what is older decides nothing.
    after = start(tmp_path / "state", issuer)
    assert (after.store.floors, after.version()) == (run.store.floors, None)
    disk.full = False
    run.clock.advance(1.0)
    run.inbox.retry_disk()
    assert (run.inbox.disk_health, run.keeper.waiting) == ("ok", 0)
    assert start(tmp_path / "state", issuer).version() == 101


def test_a_disk_that_takes_nothing_at_all_keeps_what_it_had(tmp_path: Path, issuer: Issuer, issued: IssuedList) -> None:
    disk = RecordingDisk()
    run = start(tmp_path / "state", issuer, disk=disk)
    feed(run, issuer, issued)
    disk.broken = True
    for idx in range(100):
        run.inbox.take(Kind.DELTA, issued.change(idx))
        if idx % 30 == 29:
            run.inbox.take(Kind.SNAPSHOT, issued.snapshot())
    trouble = [f"{what} can't be written (Input/output error)" for what in ("a status message", "the floors")]
    assert run.inbox.disk_health == "; ".join(trouble)
    said = list(run.log.lines)
    for _ in range(60):
        run.clock.advance(1.0)
        run.inbox.retry_disk()
    assert run.log.lines == said, "trouble that goes on is said once"
    assert start(tmp_path / "state", issuer).version() == 1, "a restart without network still decides"


def test_one_file_that_can_not_be_written_holds_up_no_other(tmp_path: Path, issuer: Issuer, issued: IssuedList) -> None:
    folder = tmp_path / "state"
    run = start(folder, issuer)
    feed(run, issuer, issued)
    (folder / "messages" / "newest.head.new").mkdir()
    run.inbox.take(Kind.HEAD, issuer.head(issued, sequence=9))
    run.inbox.take(Kind.DELTA, issued.change(7))
    assert run.inbox.disk_health == "a status message can't be written (Is a directory)"
    assert "2.delta" in messages(folder)


def test_what_is_written_in_place_is_whole_and_nothing_more(tmp_path: Path) -> None:
    disk, path = SystemDisk(), tmp_path / "file"
    for data in (b"long enough", b"short", b"", b"longer than that"):
        disk.write(path, data)
        assert path.read_bytes() == data


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "tiny", "64k") as folder:
        yield folder


def test_a_disk_that_is_really_full(tiny_disk: Path, issuer: Issuer, issued: IssuedList) -> None:
    folder = tiny_disk / "state"
    run = start(folder, issuer)
    feed(run, issuer, issued, 7)
    filler = tiny_disk / "filler"
    fill(filler)
    run.inbox.take(Kind.DELTA, issued.change(8))
    assert (run.version(), run.status_of(8)) == (3, 1)
    assert "No space left on device" in run.inbox.disk_health
    assert run.log.events == ["the state folder has trouble"]
    after = start(folder, issuer)  # restarted on the full disk
    assert (heights(after.store.floors)[0], after.version()) == (3, None), "it opens for nobody by what is older"
    filler.unlink()
    run.clock.advance(1.0)
    run.inbox.retry_disk()
    assert run.inbox.disk_health == "ok"
    assert start(folder, issuer).version() == 3
