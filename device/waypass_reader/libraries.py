"""The libraries that reading pictures takes, looked for once, at start.

This module imports none of them, so it can be asked on a machine where they are missing:

- OpenCV and zxing-cpp are Python packages of the extra `reader`; without them nothing can be read.
- pyzbar is a Python package that loads the system's `libzbar`, which no Python package brings along. Without it the
  first two decoding stages work and the third is left out (`waypass_reader.decoding`).

A missing one is reported here, at start, and never at the first passenger.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from waypass_reader.errors import MissingLibrary

Importer = Callable[[str], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """One library: the module to import, and what to tell the person who set the reader up.

    `needed` is false for a library that the reader can do without, reading fewer codes."""

    module: str
    remedy: str
    needed: bool


LIBRARIES = (
    Library(module="cv2", remedy="install the Python package opencv-python-headless", needed=True),
    Library(module="zxingcpp", remedy="install the Python package zxing-cpp", needed=True),
    Library(
        module="pyzbar.pyzbar",
        remedy="install the system's zbar library (apt-get install libzbar0) and the Python package pyzbar",
        needed=False,
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A library that could not be imported, and why."""

    library: Library
    cause: str

    def __str__(self) -> str:
        """One line for the person who set the reader up."""
        return f"{self.library.module} can't be loaded ({self.cause}): {self.library.remedy}"


def missing_libraries(importer: Importer = importlib.import_module) -> list[Missing]:
    """The libraries that can't be imported here, in the order of `LIBRARIES`; empty when all is well."""
    missing = []
    for library in LIBRARIES:
        try:
            importer(library.module)
        except (ImportError, OSError) as error:
            # OSError: ctypes found a shared library that the loader then refused.
            missing.append(Missing(library=library, cause=str(error)))
    return missing


def check_libraries(importer: Importer = importlib.import_module) -> None:
    """Raises `MissingLibrary`, with a line for each, when any library is missing, the optional one included."""
    missing = missing_libraries(importer)
    if missing:
        raise MissingLibrary("; ".join(str(one) for one in missing))
