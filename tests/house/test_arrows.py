"""Who may import whom: reader -> protocol, server -> protocol, simulator -> protocol; and the protocol stays pure."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from tests.house.purity import impurities
from tests.house.sources import PACKAGES, ROOT, Source, imports, root_of, sources

MAY_IMPORT = {
    "waypass_protocol": {"waypass_protocol"},
    "waypass_reader": {"waypass_reader", "waypass_protocol"},
    "waypass_server": {"waypass_server", "waypass_protocol"},
    "waypass_simulator": {"waypass_simulator", "waypass_protocol"},
}
EXTRA_OF = {"waypass_reader": "reader", "waypass_server": "server", "waypass_simulator": "simulator"}
# Used where it is there: it comes with a Raspberry Pi's system, not from a package index.
FROM_THE_SYSTEM = {"picamera2", "libcamera"}
# What a library hands out as part of its own interface.
COMES_WITH = {"joserfc": "authlib", "starlette": "fastapi"}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_the_protocol_and_nobody_else(package: str) -> None:
    forbidden = {*PACKAGES, "tests", "benchmarks"} - MAY_IMPORT[package]
    found = [
        f"{source.name} imports {module}"
        for source in sources(package)
        for module in imports(source.tree)
        if root_of(module) in forbidden
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_modules(package: str) -> None:
    assert len(sources(package)) > 1


@pytest.mark.parametrize("package", EXTRA_OF)
def test_packages_use_the_libraries_of_their_own_extra(package: str) -> None:
    """So that a reader needs no web framework, and a server no camera."""
    allowed = _distributions(EXTRA_OF[package])
    of_module = packages_distributions()
    found = set()
    for source in sources(package):
        for module in imports(source.tree):
            root = root_of(module)
            if root in sys.stdlib_module_names or root in PACKAGES or root in FROM_THE_SYSTEM:
                continue
            distributions = {COMES_WITH.get(root, ""), *map(_normal, of_module.get(root, [root]))}
            if not distributions & allowed:
                found.add(f"{source.name} imports {root}")
    assert sorted(found) == []


def _distributions(extra: str) -> set[str]:
    """The distributions that the project needs for one extra, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"][extra]]
    return {_normal(re.split(r"[^A-Za-z0-9._-]", requirement)[0]) for requirement in requirements}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("source", sources("waypass_protocol"), ids=lambda source: source.path.name)
def test_the_protocol_is_pure(source: Source) -> None:
    assert list(impurities(source.tree)) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import socket", "imports socket"),
        ("from os import path", "imports os"),
        ("import paho.mqtt.client", "imports paho"),
        ("def f():\n    import time", "imports time"),
        ("from datetime import datetime", "imports datetime"),
        ("from waypass_server import models", "imports waypass_server"),
        ("import_module('random')", "imports random"),
        ("open('a')", "calls open"),
        ("def f(d):\n    return d.now()", "calls now"),
        ("def f():\n    global a\n    a = 1", "global a"),
        ("_SEEN = {}", "keeps state in _SEEN"),
        ("_SEEN: list[int] = []", "keeps state in _SEEN"),
        ("_SEEN = set()", "keeps state in _SEEN"),
        ("_SEEN = defaultdict(list)", "keeps state in _SEEN"),
        ("_OF = {1: 2}\ndef f():\n    _OF[3] = 4", "writes into _OF"),
        ("_OF = [1]\ndef f():\n    _OF.append(2)", "writes into _OF"),
        ("@lru_cache\ndef f(): ...", "caches with lru_cache"),
        ("@functools.cache\ndef f(): ...", "caches with cache"),
    ],
)
def test_the_check_finds_what_is_impure(code: str, found: str) -> None:
    assert found in list(impurities(ast.parse(code)))


def test_the_check_leaves_what_is_pure() -> None:
    code = (
        "import json\nfrom cryptography import x\n_OF = {1: 2}\ndef f(a):\n    b = {}\n    b[1] = _OF[re.compile(a)]\n"
    )
    assert list(impurities(ast.parse(code))) == []
