"""The checks of a chaos run find what they are there to find: each breach, made in a table, under its own name."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.support.issuing import URI

from waypass_protocol.passes import Place
from waypass_protocol.status import Delta
from waypass_simulator.faults.checks import BREACHES, Facts, Judge, Silence
from waypass_simulator.faults.witness import replay

PLACES = {number: Place(uri=URI, idx=100 + number) for number in range(3)}
DELTAS = {
    (URI, version): Delta(uri=URI, version=version, iat=1, changes={1: [100 + version - 2, 200]})
    for version in (2, 3, 4)
}
TRUTH = replay(DELTAS, frozenset({URI}))
FACTS = Facts(
    truth=TRUTH,
    withdrawn=PLACES,
    served={URI: (4, TRUTH.digests[URI, 4])},
    silences=[Silence(start_ns=100 * 10**9, end_ns=200 * 10**9)],
    stale=10.0,
)


def swap(version: int, *, digest: str | None = None, restored: bool = False) -> dict[str, Any]:
    known = TRUTH.digests.get((URI, version), "")
    members = {"list": URI, "version": version, "digest": digest or known, "restored": restored}
    return {"event": "swap", "reader": "r", **members}


def opened(number: int, *, said: int, held: int, at: int = 50) -> dict[str, Any]:
    return {"event": "open", "reader": "r", "pass": number, "said": said, "held": held, "at_ns": at * 10**9}


def said(version: int) -> dict[str, Any]:
    return {"event": "said", "reader": "r", "list": URI, "version": version}


def reboot(disk: str, version: int | None) -> dict[str, Any]:
    return {"event": "reboot", "reader": "r", "disk": disk, "lists": {} if version is None else {URI: version}}


def end(version: int, digest: str | None = None) -> dict[str, Any]:
    held = {URI: [version, digest or TRUTH.digests[URI, version], 1]}
    return {"event": "end", "readers": [{"reader": "r", "lists": held}]}


GOOD = [
    swap(1),
    opened(0, said=0, held=1),
    swap(2),
    opened(1, said=1, held=2),
    swap(2, restored=True),
    opened(2, said=2, held=2, at=105),
    opened(7, said=2, held=2, at=201),
    swap(4),
    end(4),
]


def judged(facts: Facts, events: list[dict[str, Any]]) -> Judge:
    judge = Judge(facts=facts)
    for event in events:
        judge.take(event)
    return judge


def test_a_good_run_breaches_nothing() -> None:
    judge = judged(FACTS, GOOD)
    assert dict(judge.breaches) == {}
    assert judge.seen == {"swap": 4, "open": 4, "end": 1}


@pytest.mark.parametrize(
    ("name", "event", "breach", "message"),
    [
        ("forged content", swap(3, digest="00"), "forged", "r: version 3 of wp:17 with another digest"),
        ("a version that never was", swap(9), "forged", "r: version 9 of wp:17"),
        ("a delta applied twice", swap(3, digest=TRUTH.digests[URI, 2]), "forged", "r: version 3"),
        ("rolled back", swap(1), "older", "r: version 1 of wp:17 after 4"),
        ("fallen back at a reboot", swap(3, restored=True), "older", "r: version 3 of wp:17 after 4"),
        ("swapped twice", swap(4), "twice", "r: version 4 of wp:17 was swapped in before"),
        ("let in though it held it", opened(2, said=3, held=4), "opened", "r: pass 2, withdrawn in 4, while it knew 4"),
        ("let in though it said so", opened(0, said=2, held=1), "opened", "r: pass 0, withdrawn in 2"),
        ("let in after a long silence", opened(7, said=4, held=4, at=111), "too-old", "r: pass 7, long after"),
        ("behind at the end", end(3), "not-current", "r: version 3 of wp:17, the server has 4"),
        ("damaged at the end", end(4, "00"), "not-current", "r: version 4 of wp:17"),
        (
            "nothing at the end",
            {"event": "end", "readers": [{"reader": "r", "lists": {}}]},
            "not-current",
            "r: nothing",
        ),
    ],
)
def test_what_a_reader_does_wrong_is_found(name: str, event: Mapping[str, Any], breach: str, message: str) -> None:
    judge = judged(FACTS, [*GOOD, dict(event)])
    assert breach in judge.breaches
    assert set(judge.breaches) <= set(BREACHES)
    assert any(message in example for example in judge.examples[breach])


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("full, and nothing held", [reboot("full", None), swap(4), end(4)]),
        ("broken, and what was said held", [reboot("broken", 2), swap(2, restored=True), swap(4), end(4)]),
        ("broken, and more than that", [reboot("broken", 4), swap(4, restored=True), end(4)]),
        ("well", [reboot("ok", 4), swap(4, restored=True), end(4)]),
    ],
)
def test_what_a_disk_did_not_take_may_come_again(name: str, events: list[dict[str, Any]]) -> None:
    assert dict(judged(FACTS, [*GOOD, said(2), *events]).breaches) == {}


@pytest.mark.parametrize(
    ("name", "events", "breach", "message"),
    [
        (
            "full, and older than held",
            [reboot("full", 2), swap(2, restored=True)],
            "older",
            "version 2 of wp:17 after 4",
        ),
        (
            "broken, older than said",
            [reboot("broken", 1), swap(1, restored=True)],
            "older",
            "version 1 of wp:17 after 2",
        ),
        ("broken, and nothing held", [reboot("broken", None)], "forgot", "r: it had told of version 2 of wp:17"),
        ("well, and older", [reboot("ok", 2), swap(2, restored=True)], "older", "version 2 of wp:17 after 4"),
        ("well, and swapped again", [reboot("ok", None), swap(4)], "twice", "version 4 of wp:17 was swapped in before"),
        ("said before, swapped again", [reboot("full", None), swap(2)], "twice", "version 2 of wp:17"),
    ],
)
def test_what_a_disk_is_no_excuse_for_is_found(
    name: str, events: list[dict[str, Any]], breach: str, message: str
) -> None:
    judge = judged(FACTS, [*GOOD, said(2), *events])
    assert any(message in example for example in judge.examples[breach])


@pytest.mark.parametrize(
    ("name", "facts", "breach", "message"),
    [
        ("a change that is in no version", replace(FACTS, withdrawn={9: Place(uri=URI, idx=5)}), "lost", "pass 9"),
        ("a server that is behind", replace(FACTS, served={URI: (3, TRUTH.digests[URI, 3])}), "lost", "version 3"),
        ("a server with other bits", replace(FACTS, served={URI: (4, "00")}), "lost", "version 4"),
        ("a change in two versions", replace(FACTS, withdrawn={9: Place(uri=URI, idx=200)}), "twice", "pass 9"),
        ("two contents", replace(FACTS, truth=replace(TRUTH, signed_twice=[(URI, 3)])), "twice", "two contents"),
        (
            "a version that was not heard",
            replace(FACTS, truth=replay({k: v for k, v in DELTAS.items() if k[1] != 3}, frozenset({URI}))),
            "unknown",
            "version 3 of wp:17 was not heard",
        ),
    ],
)
def test_what_the_server_does_wrong_is_found(name: str, facts: Facts, breach: str, message: str) -> None:
    judge = judged(facts, [])
    assert any(message in example for example in judge.examples[breach])
