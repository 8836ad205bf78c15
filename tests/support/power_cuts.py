"""What a disk may hold after the power was cut, for each moment of a recorded run.

The model is the strictest that POSIX allows:

1. a file that is being written may hold what it held, nothing, a part, the right length of nothing but zeros, or a
   part and after it what it held, until its `fsync` came back
2. a new name, a changed one and one that was removed may each be on the medium or not, in any combination, until
   the folder was synced; also the name of a new file that was itself synced
3. what was synced is there
"""

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from waypass_reader.disk import Act, Step


@dataclass(kw_only=True, eq=False, slots=True)
class _File:
    """A file, whatever its name: what it may hold, one thing once it was synced."""

    contents: list[bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Change:
    """A name that was given to a file, or taken away."""

    path: Path
    file: _File | None


@dataclass(kw_only=True, slots=True)
class _Medium:
    """Names as they certainly are, as programs see them, and what lies between."""

    certain: dict[Path, _File] = field(default_factory=dict)
    seen: dict[Path, _File] = field(default_factory=dict)
    pending: list[tuple[_Change, ...]] = field(default_factory=list)

    def change(self, *changes: _Change) -> None:
        """These names change together."""
        self.pending.append(changes)
        _apply(self.seen, changes)

    def sync_folder(self, folder: Path) -> None:
        for changes in [each for each in self.pending if each[0].path.parent == folder]:
            _apply(self.certain, changes)
            self.pending.remove(changes)

    def worlds(self) -> Iterator[dict[Path, bytes]]:
        """All that may be found when the power is back."""
        for taken in itertools.product([False, True], repeat=len(self.pending)):
            names = dict(self.certain)
            for happened, changes in zip(taken, self.pending, strict=True):
                if happened:
                    _apply(names, changes)
            yield from _with_contents(names)


def _apply(names: dict[Path, _File], changes: tuple[_Change, ...]) -> None:
    for change in changes:
        if change.file is None:
            names.pop(change.path, None)
        else:
            names[change.path] = change.file


def _with_contents(names: dict[Path, _File]) -> Iterator[dict[Path, bytes]]:
    for contents in itertools.product(*(file.contents for file in names.values())):
        yield dict(zip(names, contents, strict=True))


def moments(steps: list[Step]) -> Iterator[tuple[int, dict[Path, bytes]]]:
    """Each moment at which the power may go, as the number of acts that had come back, and what may be found then."""
    medium = _Medium()
    yield from ((0, world) for world in medium.worlds())
    for done, step in enumerate(steps):
        if step.act is Act.WRITE:
            file = medium.seen.get(step.path)
            before = file.contents if file else []
            if file is None:
                file = _File(contents=[])
                medium.change(_Change(path=step.path, file=file))
            half = step.data[: len(step.data) // 2]
            mixed = [half + old[len(half) :] for old in before]
            file.contents = [*before, b"", half, bytes(len(step.data)), *mixed, step.data]
            yield from ((done, world) for world in medium.worlds())
            file.contents = [step.data]
        elif step.act is Act.RENAME:
            assert step.new is not None
            moved = medium.seen[step.path]
            medium.change(_Change(path=step.path, file=None), _Change(path=step.new, file=moved))
        elif step.act is Act.REMOVE:
            medium.change(_Change(path=step.path, file=None))
        else:
            medium.sync_folder(step.path)
        yield from ((done + 1, world) for world in medium.worlds())


def lay_out(world: dict[Path, bytes], *, recorded: Path, folder: Path) -> None:
    """Write what was found into another folder, in the place of the recorded one."""
    for path, data in copy.copy(world).items():
        there = folder / path.relative_to(recorded)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(data)
