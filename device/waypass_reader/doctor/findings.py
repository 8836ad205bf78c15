"""What was found about one thing: well or not, in words, and what to do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from waypass_reader.libraries import LIBRARIES, Missing


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at. What is not well has something to be done about it."""

    part: str
    well: bool
    says: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.well == bool(self.remedy):
            raise ValueError(f"finding {self.part}: expected a remedy for what is not well alone")

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)

    def as_text(self) -> str:
        """For people."""
        line = f"{'ok  ' if self.well else 'MEND'}  {self.part}: {self.says}"
        return line if self.well else f"{line}\n      -> {self.remedy}"


def library_findings(missing: Sequence[Missing]) -> list[Finding]:
    """The decoder's libraries, also the one that can be done without."""
    causes = {one.library.module: one.cause for one in missing}
    return [
        Finding(part=f"library {library.module}", well=True, says="can be loaded")
        if library.module not in causes
        else Finding(
            part=f"library {library.module}",
            well=False,
            says=f"can't be loaded ({causes[library.module]})" + ("" if library.needed else "; fewer codes are read"),
            remedy=library.remedy,
        )
        for library in LIBRARIES
    ]
