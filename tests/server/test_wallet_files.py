"""How the server hands out the wallet's files: headers, caching, compression, and what it says without a build."""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.house.sources import ROOT
from tests.support.office import Office, open_office

from waypass_server.api.wallet_files import BUILT, PAGE, BuiltFile, built_files, read_built

LIMIT = 60 << 10
SCRIPT = "wallet.0123456789ab.js"
FILES = {
    PAGE: b"<!doctype html><title>w</title>",
    SCRIPT: b"let a;" * 200,
    "sw.js": b"let b;",
    "wallet.webmanifest": b"{}",
    "icon.0123456789ab.svg": b"<svg/>",
    "wallet.0123456789ab.css": b"a{}",
    "notes.txt": b"not the wallet's",
}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A server with a wallet of a few bytes."""
    folder = tmp_path / "wallet"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    yield from _office(tmp_path, read_built(folder))


@pytest.fixture
def office_without(tmp_path: Path) -> Iterator[Office]:
    """A server whose wallet was not built."""
    yield from _office(tmp_path, read_built(tmp_path / "absent"))


def _office(folder: Path, files: Mapping[str, BuiltFile]) -> Iterator[Office]:
    opened = open_office(folder)
    opened.app.dependency_overrides[built_files] = lambda: files
    yield opened
    opened.close()


def test_the_policy_lets_nothing_in_but_this_origin_and_nothing_inline(office: Office) -> None:
    headers = office.send("GET", "/wallet/").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert [policy.pop(name) for name in ("base-uri", "form-action", "frame-ancestors")] == ["'none'"] * 3
    assert policy == {f"{kind}-src": "'self'" for kind in ("script", "style", "connect", "img", "manifest", "worker")}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/wallet", "/wallet/", "/wallet/sw.js", "/wallet/absent.js"])
def test_every_answer_has_the_strict_headers(office: Office, path: str) -> None:
    headers = office.send("GET", path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "kind", "caching"),
    [
        ("", "text/html; charset=utf-8", "no-cache"),
        ("sw.js", "text/javascript; charset=utf-8", "no-cache"),
        ("wallet.webmanifest", "application/manifest+json", "no-cache"),
        (SCRIPT, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("wallet.0123456789ab.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable"),
        ("icon.0123456789ab.svg", "image/svg+xml", "public, max-age=31536000, immutable"),
    ],
)
def test_types_and_caching(office: Office, path: str, kind: str, caching: str) -> None:
    answer = office.send("GET", f"/wallet/{path}")
    assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (200, kind, caching)
    assert answer.content == FILES[path or PAGE]


def test_who_has_a_file_already_is_told_so(office: Office) -> None:
    etag = office.send("GET", "/wallet/sw.js").headers["etag"]
    again = office.send("GET", "/wallet/sw.js", headers={"If-None-Match": f'"other", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert office.send("GET", "/wallet/", headers={"If-None-Match": etag}).status_code == 200


def test_files_are_compressed_for_those_who_take_it(office: Office) -> None:
    plain = office.send("GET", f"/wallet/{SCRIPT}", headers={"Accept-Encoding": "identity"})
    packed = office.send("GET", f"/wallet/{SCRIPT}", headers={"Accept-Encoding": "br, gzip"})
    assert plain.headers.get("content-encoding") is None
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
    assert packed.content == plain.content
    assert packed.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "name", ["notes.txt", "absent.js", "..", "%2e%2e%2fapp.py", "..%2fwallet%2fsw.js", ".gitignore"]
)
def test_only_files_of_the_build_are_served(office: Office, name: str) -> None:
    assert office.send("GET", f"/wallet/{name}").status_code == 404


def test_the_address_without_a_slash_leads_to_the_wallet(office: Office) -> None:
    answer = office.send("GET", "/wallet")
    assert (answer.status_code, answer.headers["location"]) == (308, "/wallet/")


def test_without_a_build_the_page_says_how_to_make_one(office_without: Office) -> None:
    answer = office_without.send("GET", "/wallet/")
    assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
    assert "scripts/build-wallet" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert office_without.send("GET", "/wallet/sw.js").status_code == 404


def test_the_command_that_the_page_names_is_there() -> None:
    assert (ROOT / "scripts" / "build-wallet").is_file()


def test_the_built_script_is_under_60_kilobytes_compressed() -> None:
    scripts = list(BUILT.glob("*.js"))
    if not scripts:
        pytest.skip("the wallet has not been built; scripts/build-wallet makes it")
    sizes = {path.name: len(gzip.compress(path.read_bytes(), mtime=0)) for path in scripts}
    assert sum(sizes.values()) <= LIMIT, sizes


def test_the_built_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    if not (BUILT / PAGE).is_file():
        pytest.skip("the wallet has not been built; scripts/build-wallet makes it")
    page = (BUILT / PAGE).read_text(encoding="utf-8")
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?:", page) == []
    linked = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(linked) == 4
    assert [name for name in linked if not (BUILT / name).is_file()] == []


def test_the_wallets_lock_file_has_hashes_and_no_addresses() -> None:
    lock = json.loads((ROOT / "server" / "wallet" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) > 5
    assert [name for name, package in packages.items() if "resolved" in package or "integrity" not in package] == []


def test_the_wallet_names_exact_versions() -> None:
    package = json.loads((ROOT / "server" / "wallet" / "package.json").read_text(encoding="utf-8"))
    versions = {**package["dependencies"], **package["devDependencies"]}
    assert [name for name, version in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
