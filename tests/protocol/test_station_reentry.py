"""What a station's readers tell each other: marks under shared keys, forgotten in time, taken back by who told them."""

import json
from dataclasses import replace

import pytest

from waypass_protocol.errors import Malformed
from waypass_protocol.keys import base64url
from waypass_protocol.messages import ReentryMessage
from waypass_protocol.passes import Place
from waypass_protocol.reentry import ReentryMemory
from waypass_protocol.station_reentry import MAX_MARKS, StationKey, StationKeys, StationReentry, read_station_keys

A, B = Place(uri="wp:17", idx=5), Place(uri="wp:17", idx=6)
OLD, NOW, NEXT = (StationKey(epoch=name * 8, key=name.encode() * 16) for name in ("0a", "0b", "0c"))


def memory(*keys: StationKey) -> StationReentry:
    made = StationReentry(reentry=120)
    made.use(keys)
    return made


def told(by: StationReentry, place: Place) -> list[ReentryMessage]:
    return [ReentryMessage(epoch=epoch, mark=mark.hex(), opened=True) for epoch, mark in by.marks(place)]


def pass_on(messages: list[ReentryMessage], to: StationReentry, *, now: int, reader: str = "gate-a") -> None:
    for message in messages:
        to.hear(reader, message, now)


SETS: list[tuple[str, tuple[StationKey, ...], tuple[StationKey, ...], bool]] = [
    ("the same keys", (NOW, OLD), (NOW, OLD), True),
    ("the box has just begun", (NOW,), (NOW,), True),
    ("who hears is one key behind", (NEXT, NOW), (NOW, OLD), True),
    ("who tells is one key behind", (NOW, OLD), (NEXT, NOW), True),
    ("no key in common", (NEXT,), (NOW, OLD), False),
    ("who tells has none", (), (NOW,), False),
    ("who hears has none", (NOW,), (), False),
]


@pytest.mark.parametrize(("name", "tells", "hears", "known"), SETS, ids=[case[0] for case in SETS])
def test_an_opening_is_known_where_a_key_is_shared(
    name: str, tells: tuple[StationKey, ...], hears: tuple[StationKey, ...], known: bool
) -> None:
    here = memory(*hears)
    pass_on(told(memory(*tells), A), here, now=100)
    assert here.opened_within(A, 120, 100) is known
    assert not here.opened_within(B, 120, 100)


def test_it_counts_from_when_it_was_heard_and_is_forgotten() -> None:
    here = memory(NOW)
    pass_on(told(here, A), here, now=100)
    assert [here.opened_within(A, 120, now) for now in (50, 100, 219, 220)] == [True, True, True, False]
    here.forget(219)
    assert len(here) == 1
    here.forget(220)
    assert len(here) == 0


def test_only_who_told_it_takes_it_back() -> None:
    here = memory(NOW, OLD)
    opened = told(here, A)
    pass_on(opened, here, now=100)
    back = [replace(message, opened=False) for message in opened]
    pass_on(back, here, now=101, reader="gate-b")
    assert here.opened_within(A, 120, 101)
    pass_on(back, here, now=101)
    assert not here.opened_within(A, 120, 101)
    pass_on(back, here, now=102)
    assert len(here) == 0


def test_who_tells_the_same_again_and_takes_it_back_takes_nothing_from_another() -> None:
    here = memory(NOW)
    opened = told(here, A)
    pass_on(opened, here, now=100)
    pass_on(opened, here, now=101, reader="stolen")
    pass_on([replace(message, opened=False) for message in opened], here, now=102, reader="stolen")
    assert here.opened_within(A, 120, 102)


def test_many_readers_with_one_mark_fill_no_memory() -> None:
    here = memory(NOW)
    for number in range(1000):
        pass_on(told(here, A), here, now=100 + number, reader=f"gate-{number}")
    assert len(here) == 1
    assert here.opened_within(A, 120, 1200)
    here.forget(1300)
    assert len(here) == 0


def test_a_key_that_the_box_no_longer_names_marks_nothing_and_is_asked_until_all_is_forgotten() -> None:
    here = memory(NOW)
    pass_on(told(here, A), here, now=100)
    here.use((NEXT,))
    assert [epoch for epoch, _ in here.marks(B)] == [NEXT.epoch]
    assert here.opened_within(A, 120, 150)
    assert here.knows(NOW.epoch)
    here.forget(220)
    assert not here.knows(NOW.epoch)


def test_the_same_key_named_again_keeps_what_was_heard() -> None:
    here = memory(NOW)
    pass_on(told(here, A), here, now=100)
    here.use((NEXT, NOW))
    assert here.opened_within(A, 120, 100)


def test_without_keys_nothing_is_marked() -> None:
    here = memory(NOW)
    here.use(())
    assert here.marks(A) == ()


def test_somebody_who_sends_marks_without_end_fills_no_memory() -> None:
    here = memory(NOW)
    for number in range(MAX_MARKS + 10):
        here.hear("gate-x", ReentryMessage(epoch=NOW.epoch, mark=f"{number:064x}", opened=True), 100)
        here.hear("gate-x", ReentryMessage(epoch=OLD.epoch, mark=f"{number:064x}", opened=True), 100)
    assert len(here) == MAX_MARKS


def test_a_reader_of_its_own_takes_back_only_that_opening() -> None:
    own = ReentryMemory(reentry=120, new_key=lambda: bytes(32), now=0)
    first = own.remember(A, 0)
    second = own.remember(A, 200)
    own.take_back(first)
    assert own.opened_within(A, 120, 200)
    own.take_back(second)
    assert not own.opened_within(A, 120, 200)


def answer(**members: object) -> bytes:
    rows = [{"epoch": key.epoch, "key": base64url(key.key)} for key in (NOW, OLD)]
    return json.dumps({"keys": rows, "next_in": 17, **members}).encode()


def test_the_boxs_answer_is_read() -> None:
    assert read_station_keys(answer()) == StationKeys(keys=(NOW, OLD), next_in=17)


def row(**members: object) -> list[object]:
    return [{"epoch": NOW.epoch, "key": base64url(NOW.key), **members}]


BAD: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "expected one JSON object"),
    ("too large", b" " * 5000, "expected at most 4096 bytes, got 5000"),
    ("a list", b"[]", "expected one JSON object"),
    ("more", answer(more=1), "expected 1 to 2 keys and next_in, and nothing else"),
    ("no key", answer(keys=[]), "expected 1 to 2 keys"),
    ("three keys", answer(keys=row() * 3), "expected 1 to 2 keys"),
    ("one key twice", answer(keys=row() * 2), "expected each epoch once"),
    ("no time", answer(next_in=None), "expected 1 to 2 keys and next_in"),
    ("a time that is a truth", answer(next_in=True), "expected next_in of 0 to 600 seconds"),
    ("a time below 0", answer(next_in=-1), "expected next_in of 0 to 600 seconds"),
    ("a time too late", answer(next_in=601), "expected next_in of 0 to 600 seconds"),
    ("a row that is none", answer(keys=[5]), "expected rows of epoch"),
    ("an epoch that is none", answer(keys=row(epoch="north")), "expected rows of epoch"),
    ("a key that is a number", answer(keys=row(key=5)), "expected rows of epoch"),
    ("a short key", answer(keys=row(key="AAAA")), "expected a key of 32 bytes in base64url"),
    ("a key that is not base64url", answer(keys=row(key="?" * 43)), "expected a key of 32 bytes in base64url"),
]


@pytest.mark.parametrize(("name", "data", "message"), BAD, ids=[case[0] for case in BAD])
def test_refuses_and_repeats_nothing(name: str, data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^station keys: {message}") as caught:
        read_station_keys(data)
    assert base64url(NOW.key) not in str(caught.value)
