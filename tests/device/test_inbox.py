"""The status inbox and its files: what survives a restart, a power cut, a damaged or a full disk."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.issuing import HOUR, NOW, URI, IssuedList, Issuer, make_issuer

from waypass_protocol import bits
from waypass_protocol.assembly import Kind, StatusStore
from waypass_protocol.floors import Floors, Mark
from waypass_reader.clock import ManualClock
from waypass_reader.errors import ConfigurationError
from waypass_reader.inbox import StatusInbox
from waypass_reader.log import RecordingLog
from waypass_reader.store_files import DiskKeeper


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run of a reader's inbox over a state folder."""

    inbox: StatusInbox
    keeper: DiskKeeper
    clock: ManualClock
    log: RecordingLog

    @property
    def store(self) -> StatusStore:
        return self.inbox.store

    def version(self, uri: str = URI) -> int | None:
        held = self.store.view.get(uri)
        return held.version if held else None

    def status_of(self, idx: int, uri: str = URI) -> int:
        return bits.status_at(self.store.view[uri].packed, idx)


def start(folder: Path, issuer: Issuer, *, now: int = NOW) -> Run:
    """Start a reader on this state folder, without network."""
    log, clock = RecordingLog(), ManualClock(now)
    keeper = DiskKeeper(folder, log=log)
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def feed(run: Run, issuer: Issuer, issued: IssuedList, *withdrawn: int) -> None:
    """A snapshot, a delta for each of these indexes, and a head."""
    run.inbox.take(Kind.SNAPSHOT, issued.snapshot())
    for idx in withdrawn:
        run.inbox.take(Kind.DELTA, issued.change(idx))
    run.inbox.take(Kind.HEAD, issuer.head(issued, sequence=issued.version))


def messages(folder: Path) -> list[str]:
    return sorted(path.name.partition("-")[2] or path.name for path in (folder / "messages").iterdir())


def test_a_restart_without_network_holds_what_was_held(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    before = start(folder, issuer)
    feed(before, issuer, issued, 7, 8)
    after = start(folder, issuer, now=NOW + HOUR)
    held = after.store.view[URI]
    assert (held.version, held.digest, held.renewed) == (3, issued.row().digest, NOW)
    assert (after.status_of(7), after.status_of(9)) == (bits.INVALID, bits.VALID)
    assert held.age(NOW + HOUR) == HOUR
    assert after.store.floors == before.store.floors
    assert after.log.lines == []


def test_a_new_folder_is_made_and_holds_nothing(folder: Path, issuer: Issuer) -> None:
    run = start(folder, issuer)
    assert dict(run.store.view) == {}
    assert run.inbox.disk_health == "ok"
    assert messages(folder) == []


def test_a_message_is_on_disk_before_its_floor(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    """Whatever moment the power is cut at, what the floors name can be rebuilt."""
    run = start(folder, issuer)
    feed(run, issuer, issued)
    floors_before = {path.name: path.read_bytes() for path in folder.glob("floors.*")}
    run.inbox.take(Kind.DELTA, issued.change(7))
    for path in folder.glob("floors.*"):  # the power is cut between message and floors
        path.write_bytes(floors_before[path.name])
    after = start(folder, issuer)
    assert (after.version(), after.status_of(7)) == (2, bits.INVALID)


def test_a_delta_that_is_lost_leaves_the_list_unknown_and_never_older(
    folder: Path, issuer: Issuer, issued: IssuedList
) -> None:
    run = start(folder, issuer)
    feed(run, issuer, issued, 7)
    next((folder / "messages").glob("*-2.delta")).unlink()
    after = start(folder, issuer)
    assert after.version() is None
    assert after.store.needs_snapshot(URI)


def test_what_the_list_does_not_need_is_removed(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    run = start(folder, issuer)
    feed(run, issuer, issued, 7, 8)
    assert messages(folder) == ["1.snapshot", "2.delta", "3.delta", "newest.head"]
    run.inbox.take(Kind.SNAPSHOT, issued.snapshot())
    run.inbox.take(Kind.DELTA, issued.change(9))
    assert messages(folder) == ["3.snapshot", "4.delta", "newest.head"]
    assert start(folder, issuer).version() == 4


def test_what_is_let_go_leaves_the_disk(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    run, other = start(folder, issuer), issuer.status_list("wp:18")
    feed(run, issuer, issued, 7, 8)
    run.inbox.take(Kind.SNAPSHOT, other.snapshot())
    run.clock.advance(86_401)
    run.inbox.take(Kind.HEAD, issuer.head(other, sequence=9, iat=NOW + 86_401))
    assert messages(folder) == ["1.snapshot", "newest.head"]
    assert [row.uri for row in run.inbox.rows()] == ["wp:18"]
    assert start(folder, issuer, now=NOW + 86_401).store.view.keys() == {"wp:18"}


def test_a_delta_is_written_when_it_is_part_of_a_list(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    """A broker says the whole ring before the snapshot; most of it is in the snapshot already."""
    run = start(folder, issuer)
    ring = [issued.change(idx) for idx in range(10)]
    base = issued.snapshot()
    later = [issued.change(idx) for idx in range(10, 12)]
    for delta in (*ring, *later):
        run.inbox.take(Kind.DELTA, delta)
    assert messages(folder) == []
    run.inbox.take(Kind.SNAPSHOT, base)
    assert messages(folder) == ["11.snapshot", "12.delta", "13.delta"]
    assert start(folder, issuer).version() == 13


def test_lists_do_not_share_files(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    other = issuer.status_list("https://status.example/lists/17")
    run = start(folder, issuer)
    feed(run, issuer, issued, 7)
    run.inbox.take(Kind.SNAPSHOT, other.snapshot())
    after = start(folder, issuer)
    assert (after.version(), after.version(other.uri)) == (2, 1)


@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize("damage", [b"", b"9 zz\n{}", os.urandom(64)])
def test_a_damaged_floors_file_never_loses_both(
    folder: Path, issuer: Issuer, issued: IssuedList, damage: bytes, newest: bool
) -> None:
    run = start(folder, issuer)
    feed(run, issuer, issued, 7)
    run.inbox.take(Kind.DELTA, issued.change(8))
    numbered = sorted(folder.glob("floors.*"), key=lambda path: int(path.read_bytes().split(b" ")[0]))
    numbered[-1 if newest else 0].write_bytes(damage)
    after = start(folder, issuer)
    assert after.version() == 3
    assert after.store.floors.versions[URI].value == 3
    assert "a floors file is damaged; the other generation counts" in after.log.events
    after.inbox.take(Kind.DELTA, issued.change(9))
    assert start(folder, issuer).store.floors.versions[URI].value == 4


def test_a_floors_file_with_one_changed_byte_does_not_count(folder: Path) -> None:
    keeper = DiskKeeper(folder, log=RecordingLog())
    for value in (1, 2):
        keeper.keep_floors(Floors(versions={URI: Mark(value=value, kid=bytes(8))}))
    path = max(folder.glob("floors.*"), key=lambda path: path.read_bytes().split(b" ")[0])
    path.write_bytes(path.read_bytes().replace(b'"value": 2', b'"value": 9'))
    assert DiskKeeper(folder, log=RecordingLog()).floors.versions[URI].value == 1


@pytest.mark.parametrize("pattern", ["*.snapshot", "*.delta", "*.head"])
def test_a_damaged_message_is_reported_and_set_aside(
    folder: Path, issuer: Issuer, issued: IssuedList, pattern: str
) -> None:
    run = start(folder, issuer)
    feed(run, issuer, issued, 7)
    path = next((folder / "messages").glob(pattern))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    after = start(folder, issuer)
    assert after.log.events == ["a damaged file was set aside"]
    assert (folder / "set-aside" / path.name).exists()
    assert not path.exists()
    # Without the head the age is still that of the floors; without a part the list is unknown, never older.
    assert after.version() == (2 if pattern == "*.head" else None)
    feed(after, issuer, issued)
    assert after.version() == 2


def test_a_file_of_a_run_that_was_cut_off_is_removed(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    feed(start(folder, issuer), issuer, issued)
    (folder / "messages" / "head.new").write_bytes(b"half")
    assert start(folder, issuer).log.lines == []
    assert messages(folder) == ["1.snapshot", "newest.head"]


def test_a_folder_that_can_not_be_changed_keeps_no_reader_from_starting(folder: Path, issuer: Issuer) -> None:
    """A card that became read-only. Where root may do anything, only the kernel's own files refuse."""
    folder.mkdir()
    (folder / "messages").symlink_to("/proc/sys/kernel/random")
    run = start(folder, issuer)
    assert run.inbox.disk_health.startswith("an old message can't be removed (")
    assert "the state folder has trouble" in run.log.events


@pytest.mark.parametrize("clock", ["too late", "too early"])
def test_a_wrong_clock_at_start_loses_nothing_that_was_kept(
    folder: Path, issuer: Issuer, issued: IssuedList, clock: str
) -> None:
    feed(start(folder, issuer), issuer, issued, 7)
    kept = messages(folder)
    wrong = start(folder, issuer, now=1 if clock == "too early" else 10 * NOW)
    assert messages(folder) == kept
    if clock == "too late":  # every key has ended by then
        assert wrong.version() is None
        assert set(wrong.log.events) == {"a kept message is of no use now"}
    assert start(folder, issuer, now=NOW + HOUR).version() == 2


def test_a_disk_that_can_not_be_written_keeps_no_withdrawal_out_of_memory(
    folder: Path, issuer: Issuer, issued: IssuedList
) -> None:
    run = start(folder, issuer)
    feed(run, issuer, issued)
    (folder / "messages").rename(folder / "gone")  # root may write anywhere, but not into what is not there
    run.inbox.take(Kind.DELTA, issued.change(7))
    assert (run.version(), run.status_of(7)) == (2, bits.INVALID)
    assert run.inbox.disk_health == "a status message can't be written (No such file or directory)"
    assert run.log.events == ["the state folder has trouble"]
    (folder / "gone").rename(folder / "messages")
    run.clock.advance(1.0)
    run.inbox.retry_disk()
    assert run.inbox.disk_health == "ok"
    assert (start(folder, issuer).version(), run.log.events[-1]) == (2, "the state folder works again")


def test_a_state_folder_that_can_not_be_made_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"state .*file/state: can't be made \(Not a directory\)"):
        DiskKeeper(tmp_path / "file" / "state", log=RecordingLog())


def test_a_refusal_is_logged_once_a_minute_and_counted_always(folder: Path, issuer: Issuer) -> None:
    run = start(folder, issuer)
    forged = make_issuer(number=9).status_list().snapshot()
    for _ in range(3):
        run.inbox.take(Kind.SNAPSHOT, forged)
    assert run.log.events == ["a message was refused"]
    assert run.log.lines[0][1]["reason"] == "unknown-key"
    run.clock.advance(60)
    run.inbox.take(Kind.SNAPSHOT, forged)
    assert len(run.log.lines) == 2
    assert run.inbox.reports() == {"unknown-key": 4}


def test_a_message_of_another_list_than_its_topic_is_refused(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    run = start(folder, issuer)
    run.inbox.take(Kind.SNAPSHOT, issued.snapshot(), list_topic="18")
    assert (run.version(), run.inbox.reports()) == (None, {"wrong-place": 1})


def test_rows_tell_version_digest_age_and_since_when(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    run = start(folder, issuer)
    feed(run, issuer, issued)
    run.clock.advance(30)
    run.inbox.take(Kind.DELTA, issued.change(7))
    (row,) = run.inbox.rows()
    assert (row.uri, row.version, row.digest) == (URI, 2, issued.row().digest.hex())
    assert (row.age, row.since) == (30, NOW + 30)


def test_no_file_holds_more_than_what_the_server_signed(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    run = start(folder, issuer)
    snapshot, delta, head = issued.snapshot(), issued.change(7), issuer.head(issued)
    for kind, data in ((Kind.SNAPSHOT, snapshot), (Kind.DELTA, delta), (Kind.HEAD, head)):
        run.inbox.take(kind, data)
    assert {path.read_bytes() for path in (folder / "messages").iterdir()} == {snapshot, delta, head}
    assert sorted(path.name for path in folder.iterdir()) == ["floors.0", "floors.1", "messages"]


def test_messages_refused_for_their_time_are_remembered(folder: Path, issuer: Issuer, issued: IssuedList) -> None:
    run = start(folder, issuer, now=NOW - HOUR)
    run.inbox.take(Kind.DELTA, issued.change(7))
    assert run.inbox.refused_for_time
    assert run.inbox.reports() == {"from-the-future": 1}
