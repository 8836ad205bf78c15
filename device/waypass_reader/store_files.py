"""The status messages and floors that a reader keeps on disk, so that it decides after a restart without network.

A folder holds, all of it public and signed:

- `messages/HASH-VERSION.snapshot` and `.delta`, HASH being 16 hex digits of the SHA-256 of the list's URI, and
  `newest.head`
- `floors.0` and `floors.1`: the floors in two generations, each with its number and a checksum
- `set-aside/`: what was found damaged, for somebody to look at; the 32 newest

The rules:

1. A message is written to a temporary name, synced, renamed, and its folder synced, before the floors that follow. A
   list's deltas come after its snapshot: until a new base is on the disk, what the old one rebuilds stays as it is.
2. Floors overwrite the older of the two generations, so that a power cut or a damaged file never loses both. The newest
   generation whose checksum holds is read. A floors file is filled up to whole blocks and written in place, which needs
   no room on most file systems: a disk that is full takes floors when it takes nothing else.
   While messages are gathered (what a broker retains comes all at once), up to 64 of them and one set of floors wait
   for each other. That saves a gate that was away an hour most of a minute: a disk takes some milliseconds to sync.
3. Nothing here raises into the store. What can't be written is reported as health, kept waiting and tried again; the
   swap in memory goes on.
4. What the store does not need to rebuild a list is removed, once all that it does need of that list is on the disk.
   What can't be written leaves no half of itself.
5. At start deltas are restored first, in the order of their versions, then snapshots, then the head. A file that is
   damaged is reported and set aside, and so is a folder with a file's name. One whose key is not trusted now stays
   where it is: it may be the clock that is wrong, and then a later start can use it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from waypass_protocol.assembly import Kind, Report, StatusStore
from waypass_protocol.errors import Malformed
from waypass_protocol.floors import Floors, read_floors
from waypass_protocol.status import MAX_SNAPSHOT
from waypass_reader.disk import Disk, SystemDisk, put_aside
from waypass_reader.errors import ConfigurationError
from waypass_reader.log import Log

_MESSAGES, _FLOORS = "messages", "floors"
_HEAD = "newest.head"
_NAME = re.compile(r"([0-9a-f]{16})-([0-9]{1,20})\.(snapshot|delta)")
_GENERATIONS = 2
_MAX_FLOORS = 16 * 1024 * 1024
_MOST_ASIDE = 32
_MOST_GATHERED = 64
_BLOCK = 4096


class DiskKeeper:
    """A `Keeper` over a folder; see the module's docstring. One thread writes; `health` is read from any."""

    def __init__(self, folder: Path, *, log: Log, disk: Disk | None = None) -> None:
        """Make the folder. Raises `ConfigurationError` when it can't be made."""
        self._disk = disk or SystemDisk()
        self._folder = folder
        self._messages = folder / "messages"
        self._log = log
        self._restoring = False
        self._gathering = False
        self._waiting: dict[str, bytes] = {}
        self._untidy: dict[str, set[str]] = {}
        self._kept: dict[str, set[str]] = {}
        self._floors_waiting: Floors | None = None
        self._trouble: dict[str, str] = {}
        try:
            self._messages.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"state {folder}: can't be made ({error.strerror})") from error
        self._generation, self._floors = self._read_floors()

    @property
    def floors(self) -> Floors:
        """The floors as they were kept last; empty when there are none."""
        return self._floors

    @property
    def health(self) -> str:
        """ "ok", or what is wrong: of messages, then of floors."""
        return "; ".join(self._trouble[part] for part in (_MESSAGES, _FLOORS) if part in self._trouble) or "ok"

    def keep_message(self, uri: str, kind: Kind, version: int, data: bytes) -> None:
        """Keep a message (rule 1). Never raises an `OSError`."""
        if self._restoring:
            return
        prefix = _hash(uri)
        name = _HEAD if kind is Kind.HEAD else f"{prefix}-{version}.{kind.value}"
        self._waiting[name] = data
        if prefix in self._untidy:
            self._untidy[prefix].add(name)
        self._write_unless_gathering()

    def keep_floors(self, floors: Floors) -> None:
        """Keep the floors (rule 2). Never raises an `OSError`."""
        if floors == self._floors and self._floors_waiting is None:
            return
        self._floors_waiting = floors
        self._write_unless_gathering()

    def gather(self, *, more: bool) -> None:
        """Whether what comes now may wait for more of its kind."""
        self._gathering = more

    def _write_unless_gathering(self) -> None:
        if not self._gathering or len(self._waiting) >= _MOST_GATHERED:
            self.write_waiting()

    def write_waiting(self) -> None:
        """Write what could not be written before, messages first. Called again from time to time while it fails."""
        if self._write_messages():
            self._note(_MESSAGES, "")
        self._tidy_lists()
        # Without its messages a floor makes the list unknown after a restart; without the floor a withdrawn pass could
        # open again then. So the floor is written all the same.
        try:
            if self._floors_waiting is not None:
                self._write_floors(self._floors_waiting)
                self._floors_waiting = None
        except OSError as error:
            self._note(_FLOORS, f"the floors can't be written ({error.strerror})")
        else:
            self._note(_FLOORS, "")

    @property
    def behind(self) -> bool:
        """Whether something still waits to be written."""
        return bool(self._waiting) or self._floors_waiting is not None

    @property
    def gathered(self) -> bool:
        """Whether something waits only for more of its kind."""
        return self._gathering and self.behind

    @property
    def waiting(self) -> int:
        """How many messages wait to be written: at most what the store needs, and the head."""
        return len(self._waiting)

    def lacking(self, uris: Iterable[str]) -> frozenset[str]:
        """Those of these lists that the disk can't rebuild as they are held: something of them waits to be written."""
        waiting = {name.partition("-")[0] for name in self._waiting}
        return frozenset(uri for uri in uris if _hash(uri) in waiting)

    def forget_unneeded(self, store: StatusStore, uri: str) -> None:
        """Rule 4 for one list."""
        base, deltas = store.kept_versions(uri)
        prefix = _hash(uri)
        needed = {f"{prefix}-{version}.delta" for version in deltas}
        if base is not None:
            needed.add(f"{prefix}-{base}.snapshot")
        # What was never written may wait for a full disk, but no longer than it is needed.
        for name in [name for name in self._waiting if name.startswith(f"{prefix}-") and name not in needed]:
            del self._waiting[name]
        self._untidy[prefix] = needed
        self._tidy_lists()

    def _tidy_lists(self) -> None:
        """Rule 4. What replaces a file may not be on the disk yet; then the file is all there is."""
        for prefix in [each for each, needed in self._untidy.items() if needed.isdisjoint(self._waiting)]:
            self._tidy(prefix, self._untidy.pop(prefix))

    def _tidy(self, prefix: str, needed: set[str]) -> None:
        kept = self._kept.get(prefix, set())
        for name in sorted(kept - needed):
            if not self._remove(self._messages / name):
                return
            kept.discard(name)

    def _remove(self, path: Path) -> bool:
        """Whether a file that nothing needs is gone; why it is not is health."""
        try:
            self._disk.remove(path)
        except OSError as error:
            self._note(_MESSAGES, f"an old message can't be removed ({error.strerror})")
            return False
        return True

    def restore(self, store: StatusStore, *, now: int) -> None:
        """Rule 5: hand the store what an earlier run kept."""
        self._restoring = True
        try:
            for path, kind in self._files_in_order():
                self._restore_file(store, path, kind, now)
        finally:
            self._restoring = False
        for uri in store.known_lists():
            self.forget_unneeded(store, uri)

    def _restore_file(self, store: StatusStore, path: Path, kind: Kind, now: int) -> None:
        try:
            with path.open("rb") as file:
                data = file.read(MAX_SNAPSHOT + 1)
        except OSError as error:
            self._log.warning("a kept message can't be read", file=path.name, cause=error.strerror)
            return
        receipt = store.restore(kind, data, now=now)
        if Report.UNKNOWN_KEY in receipt.reports:
            self._log.warning("a kept message is of no use now", file=path.name, why=receipt.detail)
        elif (receipt.reports and not receipt.kept) or not data:
            self._set_aside(path, receipt.detail or "empty")
        elif match := _NAME.fullmatch(path.name):
            self._kept.setdefault(match[1], set()).add(path.name)

    def _files_in_order(self) -> Iterator[tuple[Path, Kind]]:
        found: list[tuple[int, int, str, Path, Kind]] = []
        for path in self._list_messages():
            if match := _NAME.fullmatch(path.name):
                kind = Kind(match[3])
                found.append((0 if kind is Kind.DELTA else 1, int(match[2]), path.name, path, kind))
            elif path.name == _HEAD:
                found.append((2, 0, path.name, path, Kind.HEAD))
            else:  # a temporary file of a run that was cut off
                self._remove(path)
        for _, _, _, path, kind in sorted(found, key=lambda each: each[:3]):
            yield path, kind

    def _list_messages(self) -> list[Path]:
        try:
            paths = list(self._messages.iterdir())
        except OSError as error:
            self._note(_MESSAGES, f"the kept messages can't be listed ({error.strerror})")
            return []
        for path in paths:
            if not path.is_file():  # it would stand in the way of a message of its name
                self._set_aside(path, "not a file")
        return [path for path in paths if path.is_file()]

    def _set_aside(self, path: Path, why: str) -> None:
        self._log.warning("a damaged file was set aside", file=path.name, why=why)
        try:
            put_aside(path, self._folder / "set-aside", most=_MOST_ASIDE)
        except OSError as error:
            self._note(_MESSAGES, f"a damaged file can't be set aside ({error.strerror})")

    def _write_messages(self) -> bool:
        """Whether all that waited are on the disk. One that fails holds up no other, but a snapshot its list's deltas
        (rule 1)."""
        written = []
        failed: set[str] = set()
        for name in sorted(self._waiting, key=_is_delta):
            prefix = name.partition("-")[0]
            if _is_delta(name) and prefix in failed:
                continue
            try:
                self._write_message(name, self._waiting[name])
                written.append(name)
            except OSError as error:
                self._note(_MESSAGES, f"a status message can't be written ({error.strerror})")
                failed.add(prefix)
        try:
            if written:
                self._disk.sync_folder(self._messages)
        except OSError as error:
            self._note(_MESSAGES, f"a status message can't be written ({error.strerror})")
            return False
        for name in written:
            del self._waiting[name]
        return not failed

    def _write_message(self, name: str, data: bytes) -> None:
        """Rule 1 for one message, but for the sync of its folder. Raises `OSError`."""
        temporary = self._messages / f"{name}.new"
        try:
            self._disk.write(temporary, data)
            self._disk.rename(temporary, self._messages / name)
        except OSError:
            with suppress(OSError):  # what is wrong is told already, and the next start removes it
                self._disk.remove(temporary)
            raise
        if match := _NAME.fullmatch(name):
            self._kept.setdefault(match[1], set()).add(name)

    def _write_floors(self, floors: Floors) -> None:
        generation = self._generation + 1
        path = self._floors_path(generation)
        new = not path.exists()
        self._disk.write(path, _sealed(generation, floors))
        if new:
            self._disk.sync_folder(self._folder)
        self._generation, self._floors = generation, floors

    def _floors_path(self, generation: int) -> Path:
        return self._folder / f"floors.{generation % _GENERATIONS}"

    def _read_floors(self) -> tuple[int, Floors]:
        """Rule 2: the newest generation that is whole, or generation 0 without floors."""
        best = (0, Floors())
        for number in range(_GENERATIONS):
            path = self._floors_path(number)
            if (
                path.exists() or path.is_symlink()
            ) and not path.is_file():  # it would stand in the way of every second generation
                self._set_aside(path, "not a file")
            try:
                with path.open("rb") as file:
                    found = _parse_floors(file.read(_MAX_FLOORS))
            except FileNotFoundError:
                continue
            except (OSError, Malformed) as error:
                self._log.warning(
                    "a floors file is damaged; the other generation counts", file=path.name, why=str(error)
                )
                self._note(_FLOORS, "a floors file was damaged")
                continue
            if found[0] > best[0]:
                best = found
        return best

    def _note(self, part: str, trouble: str) -> None:
        """Remember how a part stands, "" for well; say it once when all of it changes."""
        before = self.health
        self._trouble.pop(part, None)
        if trouble:
            self._trouble[part] = trouble
        if self.health == before:
            return
        if self._trouble:
            self._log.warning("the state folder has trouble", what=self.health)
        else:
            self._log.info("the state folder works again")


def _is_delta(name: str) -> bool:
    return name.endswith(f".{Kind.DELTA.value}")


def _sealed(generation: int, floors: Floors) -> bytes:
    """A floors file: its generation and the checksum of its body, and the body, with blanks up to whole blocks."""
    body = floors.to_json().encode()
    before = f"{generation} ".encode()
    body += b" " * (-(len(before) + 64 + 1 + len(body)) % _BLOCK)
    return before + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _parse_floors(data: bytes) -> tuple[int, Floors]:
    """The generation and the floors of one file. Raises `Malformed`."""
    first, _, body = data.partition(b"\n")
    match = re.fullmatch(rb"([1-9][0-9]{0,18}) ([0-9a-f]{64})", first)
    if match is None:
        raise Malformed("floors file: expected a generation and a checksum in its first line")
    if hashlib.sha256(body).hexdigest().encode() != match[2]:
        raise Malformed("floors file: the checksum does not hold")
    return int(match[1]), read_floors(body)


def _hash(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()[:16]
