"""Topics: built and read back in one place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypass_protocol.assembly import Kind
from waypass_protocol.errors import Malformed
from waypass_protocol.topics import READER_LEAVES, ReaderTopic, StatusTopic, Topics

METRO = Topics("metro")


def test_they_stand_as_in_the_wire_format() -> None:
    assert METRO.head == "waypass/1/metro/head"
    assert METRO.snapshot("17") == "waypass/1/metro/status/17/snapshot"
    assert METRO.compact("17") == "waypass/1/metro/status/17/compact"
    assert METRO.delta("17", 130) == "waypass/1/metro/status/17/delta/2"
    assert METRO.reader("gate-3", "presence") == "waypass/1/metro/reader/gate-3/presence"
    assert METRO.reader("+", "state") == "waypass/1/metro/reader/+/state"
    assert (METRO.all_snapshots, METRO.all_compact, METRO.all_deltas) == (
        "waypass/1/metro/status/+/snapshot",
        "waypass/1/metro/status/+/compact",
        "waypass/1/metro/status/+/delta/+",
    )


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


@given(NAMES, NAMES, st.integers(0, 2**64 - 1), st.sampled_from(READER_LEAVES))
def test_they_read_back(network: str, name: str, version: int, leaf: str) -> None:
    topics = Topics(network)
    assert topics.read_status(topics.head) == StatusTopic(kind=Kind.HEAD)
    assert topics.read_status(topics.snapshot(name)) == StatusTopic(kind=Kind.SNAPSHOT, list_name=name)
    assert topics.read_status(topics.compact(name)) == StatusTopic(kind=Kind.SNAPSHOT, list_name=name)
    assert topics.read_status(topics.delta(name, version)) == StatusTopic(kind=Kind.DELTA, list_name=name)
    assert topics.read_reader(topics.reader(name, leaf)) == ReaderTopic(reader=name, leaf=leaf)


@given(NAMES, NAMES)
def test_what_readers_tell_each_other_has_a_topic_of_its_own(network: str, name: str) -> None:
    topics = Topics(network)
    assert topics.reentry(name) == f"waypass/1/{network}/reader/{name}/reentry"
    assert topics.read_reentry(topics.reentry(name)) == name
    assert topics.reentry("+") == f"waypass/1/{network}/reader/+/reentry"
    assert topics.read_reentry(topics.reader(name, "live")) is None
    with pytest.raises(Malformed, match="expected a reader's topic"):
        topics.read_reader(topics.reentry(name))


def test_refuses_a_mark_of_what_is_no_reader() -> None:
    with pytest.raises(Malformed, match="reader: expected 1 to 64 letters"):
        METRO.read_reentry("waypass/1/metro/reader/a/b/reentry")
    with pytest.raises(Malformed, match="reader: expected 1 to 64 letters"):
        METRO.reentry("a/b")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "head",
        "waypass/1/metro",
        "waypass/1/metro/head/",
        "waypass/1/metro/head\n",
        "waypass/1/other/head",
        "waypass/2/metro/head",
        "waypass/1/metro/status/17",
        "waypass/1/metro/status/17/delta",
        "waypass/1/metro/status/17/delta/",
        "waypass/1/metro/status/17/delta/64",
        "waypass/1/metro/status/17/delta/01",
        "waypass/1/metro/status/17/delta/-1",
        "waypass/1/metro/status/17/delta/١",
        "waypass/1/metro/status/17/delta/1/2",
        "waypass/1/metro/status/17/snapshot/1",
        "waypass/1/metro/status//snapshot",
        "waypass/1/metro/status/../snapshot",
        "waypass/1/metro/status/+/snapshot",
        "waypass/1/metro/status/17/snapshot\n",
        "waypass/1/metro/trust/1",
        "waypass/1/metro/command",
        "waypass/1/metro/reader/gate-3/state",
    ],
)
def test_refuses_what_is_no_status_topic(topic: str) -> None:
    with pytest.raises(Malformed, match="topic: expected a status topic of waypass/1/metro"):
        METRO.read_status(topic)


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ("", "expected a reader's topic"),
        ("waypass/1/metro/head", "expected a reader's topic"),
        ("waypass/1/other/reader/gate-3/state", "expected a reader's topic"),
        ("waypass/1/metro/reader/gate-3", "expected a reader's topic"),
        ("waypass/1/metro/reader/gate-3/door", "expected a reader's topic"),
        ("waypass/1/metro/reader/gate-3/state/x", "expected a reader's topic"),
        ("waypass/1/metro/reader//state", "reader: expected 1 to 64 letters"),
        ("waypass/1/metro/reader/+/state", "reader: expected 1 to 64 letters"),
    ],
)
def test_refuses_what_is_no_readers_topic(topic: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        METRO.read_reader(topic)


@pytest.mark.parametrize("name", ["", "a/b", "#", "+", "a\0"])
def test_refuses_to_build_a_topic_from_what_is_no_level(name: str) -> None:
    with pytest.raises(Malformed, match="network: expected 1 to 64"):
        Topics(name)
    with pytest.raises(Malformed, match="list: expected 1 to 64"):
        METRO.snapshot(name)
    with pytest.raises(Malformed, match="list: expected 1 to 64"):
        METRO.delta(name, 1)


def test_refuses_an_unknown_leaf() -> None:
    with pytest.raises(Malformed, match="expected a leaf among presence, state, live, counts, got 'door'"):
        METRO.reader("gate-3", "door")
