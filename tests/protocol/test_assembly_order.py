"""Assembly does not depend on the order of arrival: any permutation of the same messages gives the same lists."""

from collections.abc import Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol.test_assembly import ISSUER, RING, Reader
from tests.support.issuing import NOW, URI

from waypass_protocol.assembly import Kind
from waypass_protocol.floors import Floors, Mark

Message = tuple[Kind, int]
VERSIONS = range(1, 9)
MESSAGES: list[Message] = [
    *((Kind.SNAPSHOT, version) for version in VERSIONS),
    *((Kind.DELTA, version) for version in VERSIONS if version > 1),
    *((Kind.HEAD, version) for version in VERSIONS),
]
SOME = st.lists(st.sampled_from(MESSAGES), max_size=14)
BYTES = {Kind.SNAPSHOT: RING.snapshots, Kind.DELTA: RING.deltas, Kind.HEAD: RING.heads}


def offer(reader: Reader, messages: Sequence[Message]) -> Reader:
    for kind, version in messages:
        reader.take(kind, BYTES[kind][version])
    return reader


def expected_version(messages: Sequence[Message], floor: int = 0) -> int | None:
    """The definition: the newest version that a snapshot and an unbroken run of deltas after it reach."""
    given = set(messages)
    reached = []
    for kind, version in given:
        if kind is Kind.SNAPSHOT:
            end = version
            while (Kind.DELTA, end + 1) in given:
                end += 1
            reached.append(end)
    best = max(reached, default=None)
    return None if best is None or best < floor else best


@settings(max_examples=150, deadline=None)
@given(SOME, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_bits(messages: list[Message], random: Random) -> None:
    shuffled = random.sample(messages, len(messages))
    for order in (messages, shuffled, shuffled[::-1]):
        reader = offer(Reader(), order)
        assert reader.version == expected_version(messages)
        if reader.version is not None:
            assert reader.held.packed == RING.packed[reader.version]


@settings(max_examples=100, deadline=None)
@given(SOME, st.integers(1, 8), st.randoms(use_true_random=False))
def test_any_order_respects_the_floor(messages: list[Message], floor: int, random: Random) -> None:
    floors = Floors(versions={URI: Mark(value=floor, kid=ISSUER.status.kid)})
    shuffled = random.sample(messages, len(messages))
    for order in (messages, shuffled):
        reader = offer(Reader(floors=floors), order)
        assert reader.version == expected_version(messages, floor)


@settings(max_examples=150, deadline=None)
@given(SOME, st.randoms(use_true_random=False))
def test_any_order_gives_the_age_that_the_newest_head_says(messages: list[Message], random: Random) -> None:
    """Where the newest head names the held version, its `iat` is the renewal; elsewhere no later version's head is."""
    newest = max((version for kind, version in messages if kind is Kind.HEAD), default=None)
    shuffled = random.sample(messages, len(messages))
    for order in (messages, shuffled, shuffled[::-1]):
        reader = offer(Reader(), order)
        if reader.version is None:
            continue
        renewed = reader.held.renewed
        if newest == reader.version:
            assert renewed == NOW + newest
        else:
            assert renewed is None or renewed <= NOW + reader.version


@settings(max_examples=60, deadline=None)
@given(SOME)
def test_a_restart_at_any_moment_changes_nothing(messages: list[Message]) -> None:
    reader = offer(Reader(), messages)
    again = reader.restarted(now=0)
    assert dict(again.store.view) == dict(reader.store.view)
    assert again.store.floors == reader.store.floors


@settings(max_examples=60, deadline=None)
@given(SOME, SOME)
def test_hearing_it_all_again_changes_nothing(messages: list[Message], again: list[Message]) -> None:
    reader = offer(Reader(), messages)
    before = dict(reader.store.view)
    offer(reader, [message for message in again if message in messages])
    assert {uri: (held.version, held.packed) for uri, held in reader.store.view.items()} == {
        uri: (held.version, held.packed) for uri, held in before.items()
    }
