"""Brings the reader's catalogues up to date with the words in its code, and compiles them.

1. a text is what stands in `Words("...")` in `device/waypass_reader`; a catalogue gets those that it lacks, not
   translated, and loses those that are in the code no more
2. each `.po` is compiled to the `.mo` beside it, which is what the reader reads
3. `--check` writes nothing; exit code 1 when a file differs or a text is not translated, each named on standard error

Run it with the project's Python, after a text was added or a translation changed.
"""

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from waypass_reader.words import DOMAIN, LOCALE

PACKAGE = LOCALE.parent


def read_template() -> Catalog:
    """The texts of the code. A folder with a catalogue of its own keeps its words itself."""
    template = Catalog(fuzzy=False)
    found = extract_from_dir(PACKAGE, method_map=[("**.py", "python")], keywords={"Words": None})
    for name, line, text, _, _ in sorted(found, key=lambda each: (each[0], each[1])):
        template.add(text, locations=[(name, line)])
    return template


def catalogues() -> Iterator[tuple[Path, Catalog]]:
    """Each language's file, and its catalogue brought up to date."""
    template = read_template()
    for path in sorted(LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.parents[1].name, domain=DOMAIN)
        catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
        catalogue.obsolete.clear()
        yield path, catalogue


def po_bytes(catalogue: Catalog) -> bytes:
    """The catalogue as a `.po` file: without line numbers, which change with every edit."""
    file = io.BytesIO()
    write_po(file, catalogue, width=100, include_lineno=False, omit_header=False)
    return file.getvalue()


def mo_bytes(catalogue: Catalog) -> bytes:
    """The catalogue as a `.mo` file."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def faults() -> Iterator[str]:
    """What `--check` finds."""
    for path, catalogue in catalogues():
        if path.read_bytes() != po_bytes(catalogue):
            yield f"{path.name} has not the texts of the code; run scripts/reader_words.py"
        compiled = path.with_suffix(".mo")
        if not compiled.exists() or compiled.read_bytes() != mo_bytes(catalogue):
            yield f"{compiled.name} is not what {path.name} compiles to; run scripts/reader_words.py"
        yield from (f"{path.name}: not translated: {each.id}" for each in catalogue if each.id and not each.string)


def main() -> int:
    """Write the files, or compare them."""
    arguments = argparse.ArgumentParser(description="Update and compile the reader's catalogues.")
    arguments.add_argument("--check", action="store_true", help="write nothing; exit code 1 when something is missing")
    if arguments.parse_args().check:
        found = list(faults())
        sys.stderr.writelines(f"{fault}\n" for fault in found)
        return 1 if found else 0
    for path, catalogue in list(catalogues()):
        path.write_bytes(po_bytes(catalogue))
        path.with_suffix(".mo").write_bytes(mo_bytes(catalogue))
    return 0


if __name__ == "__main__":
    sys.exit(main())
