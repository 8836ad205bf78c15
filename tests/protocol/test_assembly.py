"""Assembly, rule by rule: what a message changes in a reader, what it leaves, and what is reported."""

from dataclasses import replace

import pytest
from tests.support.issuing import HOUR, NETWORK, NOW, URI, IssuedList, Issuer, make_issuer, signer

from waypass_protocol import bits
from waypass_protocol.assembly import OLDEST_BASE, HeldList, Kind, MemoryKeeper, Receipt, Report, StatusStore
from waypass_protocol.cose import Header
from waypass_protocol.floors import Floors, Mark
from waypass_protocol.keys import TrustSet, sign_envelope
from waypass_protocol.status import (
    MAX_HEAD,
    MAX_SNAPSHOT,
    Delta,
    Head,
    sign_head,
)

ISSUER = make_issuer()
KID = ISSUER.status.kid
SNAPSHOT, DELTA, HEAD = Kind.SNAPSHOT, Kind.DELTA, Kind.HEAD


class Reader:
    """A store and its keeper, with the few questions that these tests ask."""

    def __init__(self, *, floors: Floors | None = None, trust: TrustSet = ISSUER.trust) -> None:
        self.keeper = MemoryKeeper()
        self.store = StatusStore(trust=trust, keeper=self.keeper, floors=floors)

    def take(self, kind: Kind, *messages: bytes, now: int = NOW) -> Receipt:
        """Receive messages; the last one's receipt."""
        for message in messages:
            receipt = self.store.receive(kind, message, now=now)
        return receipt

    @property
    def held(self) -> HeldList:
        return self.store.view[URI]

    @property
    def version(self) -> int | None:
        held = self.store.view.get(URI)
        return None if held is None else held.version

    def age(self, now: int = NOW) -> int | None:
        return self.held.age(now)

    def restarted(self, *, now: int = NOW, trust: TrustSet = ISSUER.trust) -> "Reader":
        """Another run, from the floors and messages that this one kept."""
        other = Reader(floors=self.keeper.floors, trust=trust)
        order = (SNAPSHOT, DELTA, HEAD)
        for (_, kind, _), data in sorted(self.keeper.messages.items(), key=lambda each: order.index(each[0][1])):
            other.store.restore(kind, data, now=now)
        return other


class Ring:
    """A list and all that was said of it: `snapshots[v]`, `deltas[v]` and `heads[v]` (sequence v) for each version."""

    def __init__(self, versions: int, *, issuer: Issuer = ISSUER) -> None:
        issued = issuer.status_list()
        self.snapshots, self.deltas, self.heads, self.packed = {}, {}, {}, {}
        for version in range(1, versions + 1):
            if version > 1:
                self.deltas[version] = issued.change(version)
            self.snapshots[version] = issued.snapshot()
            self.heads[version] = issuer.head(issued, sequence=version, iat=NOW + version)
            self.packed[version] = issued.packed


RING = Ring(12)


def other_list(version: int, *, idx: int = 999) -> IssuedList:
    """A list at this version with bits that RING never had."""
    issued = ISSUER.status_list()
    issued.change(idx)
    issued.version = version
    return issued


def test_a_snapshot_is_swapped_in() -> None:
    reader = Reader()
    receipt = reader.take(SNAPSHOT, RING.snapshots[5])
    assert receipt == Receipt(kept=True, uri=URI, swapped=(URI,))
    assert (reader.version, reader.held.packed) == (5, RING.packed[5])
    assert reader.age() is None


def test_deltas_wait_for_their_base() -> None:
    reader = Reader()
    assert reader.take(DELTA, RING.deltas[7], RING.deltas[6]) == Receipt(kept=True, uri=URI)
    assert reader.version is None
    assert reader.take(SNAPSHOT, RING.snapshots[5]).swapped == (URI,)
    assert reader.held.packed == RING.packed[7]


def test_the_run_stops_at_a_gap() -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    reader.take(DELTA, RING.deltas[6], RING.deltas[8])
    assert reader.version == 6
    assert reader.store.needs_snapshot(URI)
    assert reader.take(DELTA, RING.deltas[7]).swapped == (URI,)
    assert reader.version == 8
    assert not reader.store.needs_snapshot(URI)


def test_what_is_at_or_below_the_held_version_is_ignored_without_report() -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    reader.take(DELTA, RING.deltas[6])
    for kind, message in (
        (SNAPSHOT, RING.snapshots[3]),
        (SNAPSHOT, RING.snapshots[5]),
        (DELTA, RING.deltas[3]),
        (DELTA, RING.deltas[5]),
        (DELTA, RING.deltas[6]),
    ):
        before = reader.store.view
        receipt = reader.take(kind, message)
        assert (receipt.kept, receipt.swapped, receipt.reports) == (False, (), ())
        assert reader.store.view is before


def test_a_newer_snapshot_becomes_the_base_and_changes_no_bit() -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    reader.take(DELTA, *[RING.deltas[version] for version in (6, 7, 8)])
    assert reader.take(SNAPSHOT, RING.snapshots[7]) == Receipt(kept=True, uri=URI)
    assert reader.version == 8
    assert reader.store.kept_versions(URI) == (7, frozenset({8}))


@pytest.mark.parametrize("kind", [SNAPSHOT, DELTA])
def test_the_held_version_with_other_bits_is_reported(kind: Kind) -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    issued = other_list(4)
    message = issued.change(998) if kind is DELTA else replace_version(issued, 5).snapshot()
    receipt = reader.take(kind, message)
    assert receipt.reports == (Report.CONFLICT,)
    assert receipt.swapped == ()
    assert reader.held.packed == RING.packed[5]
    assert "999" not in receipt.detail


def replace_version(issued: IssuedList, version: int) -> IssuedList:
    issued.version = version
    return issued


def test_another_delta_for_a_version_that_waits_is_reported_and_the_first_stays() -> None:
    reader = Reader()
    reader.take(DELTA, RING.deltas[6])
    assert reader.take(DELTA, other_list(5).change(998)).reports == (Report.CONFLICT,)
    reader.take(SNAPSHOT, RING.snapshots[5])
    assert reader.held.packed == RING.packed[6]


def test_another_delta_below_the_held_version_is_ignored_without_report() -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    reader.take(DELTA, RING.deltas[6], RING.deltas[7])
    assert reader.take(DELTA, other_list(5).change(998)).reports == ()


def test_the_64_newest_deltas_are_kept() -> None:
    long = Ring(70)
    reader = Reader()
    reader.take(DELTA, *long.deltas.values())
    assert reader.store.kept_versions(URI) == (None, frozenset(range(7, 71)))
    assert not reader.take(DELTA, long.deltas[6]).kept
    reader.take(SNAPSHOT, long.snapshots[6])
    assert reader.held.packed == long.packed[70]
    assert reader.store.needs_snapshot(URI)  # its base is more than 32 versions old
    reader.take(SNAPSHOT, long.snapshots[70 - OLDEST_BASE])
    assert not reader.store.needs_snapshot(URI)


# Refusals


def test_empty_payloads_are_ignored() -> None:
    reader = Reader()
    assert all(reader.take(kind, b"") == Receipt() for kind in Kind)


REFUSED: list[tuple[str, Kind, bytes, Report, str]] = [
    ("no message", HEAD, b"hello", Report.MALFORMED, "head: CBOR"),
    ("a snapshot as head", HEAD, RING.snapshots[5], Report.MALFORMED, "expected media type"),
    ("a head as delta", DELTA, RING.heads[5], Report.MALFORMED, "expected media type"),
    ("too large a head", HEAD, bytes(MAX_HEAD + 1), Report.TOO_LARGE, "expected at most 65536 bytes"),
    ("too large a snapshot", SNAPSHOT, bytes(MAX_SNAPSHOT + 1), Report.TOO_LARGE, "expected at most 524288 bytes"),
    ("a byte changed", SNAPSHOT, RING.snapshots[5][:-1] + b"\0", Report.BAD_SIGNATURE, "does not verify"),
    ("another's key", SNAPSHOT, make_issuer(number=7).status_list().snapshot(), Report.UNKNOWN_KEY, "not in the trust"),
    (
        "an expired snapshot",
        SNAPSHOT,
        ISSUER.status_list().snapshot(iat=NOW - 9, life=9),
        Report.EXPIRED,
        "expired 0 s",
    ),
    ("a snapshot ahead", SNAPSHOT, ISSUER.status_list().snapshot(iat=NOW + 61), Report.FROM_THE_FUTURE, "61 s ahead"),
    ("a delta ahead", DELTA, ISSUER.status_list().change(1, iat=NOW + 61), Report.FROM_THE_FUTURE, "61 s ahead"),
    ("a head ahead", HEAD, ISSUER.head(iat=NOW + 61), Report.FROM_THE_FUTURE, "61 s ahead"),
]


@pytest.mark.parametrize(("name", "kind", "data", "report", "detail"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_refused_message_changes_nothing(name: str, kind: Kind, data: bytes, report: Report, detail: str) -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[4])
    reader.take(HEAD, RING.heads[4])
    before = reader.store.view
    receipt = reader.take(kind, data)
    assert (receipt.kept, receipt.swapped, receipt.reports) == (False, (), (report,))
    assert detail in receipt.detail
    assert reader.store.view is before


def test_a_head_of_another_network_changes_nothing() -> None:
    reader = Reader()
    foreign = sign_head(Head(network="other", iat=NOW + 50, sequence=9, rows=()), ISSUER.status)
    receipt = reader.take(HEAD, foreign)
    assert receipt.reports == (Report.WRONG_PLACE,)
    assert "expected network metro, got 'other'" in receipt.detail
    assert (reader.store.head, reader.store.floors) == (None, Floors())


def test_a_message_of_another_list_than_its_topic_is_refused() -> None:
    reader = Reader()
    for kind, message in ((SNAPSHOT, RING.snapshots[5]), (DELTA, RING.deltas[6])):
        receipt = reader.store.receive(kind, message, now=NOW, list_topic="18")
        assert receipt.reports == (Report.WRONG_PLACE,)
        assert "expected list 18, got 17" in receipt.detail
        assert reader.store.receive(kind, message, now=NOW, list_topic="17").kept


def test_a_list_whose_uri_names_no_topic_is_refused_there() -> None:
    message = ISSUER.status_list("wp:").snapshot()
    assert Reader().store.receive(SNAPSHOT, message, now=NOW, list_topic="17").reports == (Report.MALFORMED,)


def test_the_last_second_of_each_limit_counts() -> None:
    reader = Reader()
    assert reader.take(SNAPSHOT, ISSUER.status_list().snapshot(iat=NOW - 9, life=10)).kept
    issued = ISSUER.status_list()
    assert reader.take(DELTA, issued.change(1, iat=NOW + 60)).kept
    assert reader.take(SNAPSHOT, issued.snapshot(iat=NOW + 60)).kept
    assert reader.take(HEAD, ISSUER.head(issued, iat=NOW + 60)).kept
    assert reader.age() == -60


def test_a_log_gets_a_little_of_what_nobody_signed() -> None:
    payload = b"\xa1\x79\xff\xff" + b"a" * 0xFFFF + b"\x00"
    receipt = Reader().take(SNAPSHOT, sign_envelope(payload, Header.SNAPSHOT, signer(99)))
    assert receipt.reports == (Report.MALFORMED,)
    assert len(receipt.detail) <= 300


# Heads and ages


def test_a_list_has_no_age_until_a_head_names_it() -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    assert reader.age() is None
    assert reader.take(HEAD, RING.heads[5], now=NOW) == Receipt(kept=True)
    assert reader.age(NOW + 5) == 0
    assert reader.age(NOW + 905) == 900


def test_a_head_that_came_first_renews_the_list_when_it_comes() -> None:
    reader = Reader()
    reader.take(HEAD, RING.heads[6])
    assert reader.store.known_lists() == {URI}
    assert reader.store.needs_snapshot(URI)
    reader.take(SNAPSHOT, RING.snapshots[5])
    assert reader.age() is None
    assert reader.store.needs_snapshot(URI)
    reader.take(DELTA, RING.deltas[6])
    assert reader.age(NOW + 6) == 0
    assert not reader.store.needs_snapshot(URI)


def test_only_a_lists_own_row_renews_it() -> None:
    """A reader that missed a change cannot call itself current, however many heads it hears."""
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    reader.take(HEAD, RING.heads[5])
    before = reader.held
    for head in (
        RING.heads[6],
        ISSUER.head(ISSUER.status_list("wp:18"), sequence=7, iat=NOW + 50),
        ISSUER.head(sequence=8, iat=NOW + 55),
    ):
        assert reader.take(HEAD, head) == Receipt(kept=True)
        assert reader.held == before
    assert reader.age(NOW + 55) == 50


def test_a_row_with_an_older_version_does_not_renew() -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[6])
    reader.take(HEAD, RING.heads[5])
    assert reader.age() is None


def test_a_list_keeps_its_age_over_a_swap() -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    reader.take(HEAD, RING.heads[5])
    reader.take(DELTA, RING.deltas[6])
    assert (reader.version, reader.age(NOW + 5)) == (6, 0)


def test_heads_below_the_highest_sequence_are_ignored() -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    reader.take(HEAD, RING.heads[6])
    receipt = reader.take(HEAD, RING.heads[5])
    assert (receipt.kept, receipt.reports) == (False, ())
    assert "sequence 5 is below the highest accepted, 6" in receipt.detail
    assert reader.age() is None


def test_a_head_of_the_same_sequence_is_taken_and_never_makes_a_list_older() -> None:
    reader = Reader()
    issued = ISSUER.status_list()
    reader.take(SNAPSHOT, issued.snapshot())
    for iat in (NOW, NOW + 30, NOW + 10):
        assert reader.take(HEAD, ISSUER.head(issued, sequence=4, iat=iat), now=NOW).kept
    assert reader.held.renewed == NOW + 30


def damaged() -> Reader:
    """A reader that holds version 5 with other bits than the newest head names."""
    reader = Reader()
    reader.take(SNAPSHOT, replace_version(other_list(4), 5).snapshot())
    reader.take(HEAD, RING.heads[5])
    return reader


def test_another_digest_makes_the_age_unknown_and_fetches_again() -> None:
    reader = Reader()
    wrong = replace_version(other_list(4), 5)
    reader.take(SNAPSHOT, wrong.snapshot())
    reader.take(HEAD, ISSUER.head(wrong, sequence=4, iat=NOW))
    assert reader.age() == 0
    receipt = reader.take(HEAD, RING.heads[5])
    assert receipt.reports == (Report.DIGEST_MISMATCH,)
    assert "fetched again" in receipt.detail
    assert reader.age() is None
    assert reader.store.needs_snapshot(URI)
    assert reader.store.floors.renewals == {}


def test_a_mismatch_is_mended_by_what_the_head_names() -> None:
    reader = damaged()
    receipt = reader.take(SNAPSHOT, RING.snapshots[5])
    assert receipt.swapped == (URI,)
    assert reader.held.packed == RING.packed[5]
    assert reader.age(NOW + 5) == 0
    assert not reader.store.needs_snapshot(URI)


def test_a_mismatch_is_mended_by_a_base_and_its_deltas() -> None:
    """Version 3 with a wrong bit, and two right deltas; then the right version 3."""
    reader = Reader()
    reader.take(SNAPSHOT, replace_version(other_list(3), 3).snapshot())
    reader.take(DELTA, RING.deltas[4], RING.deltas[5])
    assert reader.take(HEAD, RING.heads[5]).reports == (Report.DIGEST_MISMATCH,)
    assert reader.take(SNAPSHOT, RING.snapshots[3]).swapped == (URI,)
    assert reader.held.packed == RING.packed[5]
    assert reader.age(NOW + 5) == 0


def test_a_mismatch_is_not_mended_by_anything_else() -> None:
    reader = damaged()
    before = reader.held
    receipt = reader.take(SNAPSHOT, replace_version(other_list(4, idx=777), 5).snapshot())
    assert (receipt.swapped, receipt.reports) == ((), (Report.CONFLICT,))
    assert reader.held == before
    assert reader.store.needs_snapshot(URI)


def test_a_mismatch_ends_with_a_newer_snapshot() -> None:
    reader = damaged()
    reader.take(SNAPSHOT, RING.snapshots[6])
    assert (reader.version, reader.age()) == (6, None)
    assert not reader.store.needs_snapshot(URI)
    reader.take(HEAD, RING.heads[6])
    assert reader.age(NOW + 6) == 0


def test_a_delta_on_damaged_bits_does_not_hide_the_damage() -> None:
    reader = damaged()
    reader.take(DELTA, RING.deltas[6])
    assert reader.age() is None
    assert reader.take(HEAD, RING.heads[6]).reports == (Report.DIGEST_MISMATCH,)
    assert reader.store.needs_snapshot(URI)
    assert reader.take(SNAPSHOT, RING.snapshots[6]).swapped == (URI,)
    assert reader.age(NOW + 6) == 0


# The clock


@pytest.mark.parametrize(
    ("name", "synchronised", "head", "now", "trusted"),
    [
        ("not synchronised, no head", False, None, NOW, False),
        ("synchronised, no head", True, None, NOW, True),
        ("not synchronised, a head", False, NOW, NOW, True),
        ("60 s before the newest head", True, NOW, NOW - 60, True),
        ("61 s before the newest head", True, NOW, NOW - 61, False),
        ("61 s before it, not synchronised", False, NOW, NOW - 61, False),
        ("long after it", False, NOW, NOW + 10**8, True),
    ],
)
def test_when_the_clock_is_trusted(name: str, synchronised: bool, head: int | None, now: int, trusted: bool) -> None:
    reader = Reader()
    if head is not None:
        reader.take(HEAD, ISSUER.head(iat=head))
    assert reader.store.clock_trusted(now, synchronised=synchronised) == trusted


def test_a_head_from_the_future_moves_the_clock_rule_and_nothing_else() -> None:
    reader = Reader()
    issued = ISSUER.status_list()
    reader.take(SNAPSHOT, issued.snapshot())
    reader.take(HEAD, ISSUER.head(issued, sequence=9, iat=NOW + 3600))
    assert not reader.store.clock_trusted(NOW, synchronised=True)
    assert reader.store.clock_trusted(NOW + 3540, synchronised=True)
    assert not reader.store.clock_trusted(NOW + 3540, synchronised=False)
    assert (reader.store.head, reader.age(), reader.store.floors.sequence) == (None, None, None)


def test_an_ignored_head_moves_the_clock_rule_too() -> None:
    reader = Reader()
    reader.take(HEAD, ISSUER.head(sequence=9, iat=NOW))
    reader.take(HEAD, ISSUER.head(sequence=8, iat=NOW + 50))
    assert not reader.store.clock_trusted(NOW - 11, synchronised=True)


def test_the_clock_rule_survives_a_restart() -> None:
    reader = Reader()
    reader.take(HEAD, ISSUER.head(iat=NOW))
    again = reader.restarted(now=0)
    assert not again.store.clock_trusted(NOW - 61, synchronised=True)
    assert again.store.clock_trusted(NOW, synchronised=True)
    assert not again.store.clock_trusted(NOW, synchronised=False)  # a head that was kept is no head received


# Floors and restarts


def busy() -> Reader:
    """A reader at version 7, renewed, from snapshot 5 and two deltas."""
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    reader.take(DELTA, RING.deltas[6], RING.deltas[7])
    reader.take(HEAD, RING.heads[7])
    return reader


def test_floors_say_what_was_swapped_in_and_by_whom() -> None:
    floors = busy().store.floors
    assert floors.versions == {URI: Mark(value=7, kid=KID)}
    assert floors.renewals == {URI: Mark(value=NOW + 7, kid=KID)}
    assert floors.sequence == Mark(value=7, kid=KID)
    assert floors.newest_head == Mark(value=NOW + 7, kid=KID)


def test_floors_are_kept_before_anybody_sees_the_list() -> None:
    class Watching(MemoryKeeper):
        def keep_floors(self, floors: Floors) -> None:
            seen.append((floors.versions[URI].value, store.view[URI].version if store.view else 0))
            super().keep_floors(floors)

    seen: list[tuple[int, int]] = []
    store = StatusStore(trust=ISSUER.trust, keeper=Watching())
    store.receive(SNAPSHOT, RING.snapshots[5], now=NOW)
    store.receive(DELTA, RING.deltas[6], now=NOW)
    assert seen == [(5, 0), (6, 5)]


@pytest.mark.parametrize("now", [NOW, NOW + 10 * HOUR, 0])
def test_a_restart_without_network_holds_the_same_lists_at_the_same_ages(now: int) -> None:
    """Whatever the clock says: `exp` and `iat` were judged when the messages arrived."""
    reader = busy()
    again = reader.restarted(now=now)
    assert again.store.view == reader.store.view
    assert again.store.head == reader.store.head
    assert again.store.floors == reader.store.floors
    assert not again.store.needs_snapshot(URI)


def test_what_is_below_the_floor_is_not_swapped_in() -> None:
    again = Reader(floors=busy().store.floors)
    receipt = again.take(SNAPSHOT, RING.snapshots[5])
    assert (receipt.kept, receipt.swapped, receipt.reports) == (True, (), (Report.BELOW_FLOOR,))
    assert again.version is None
    assert again.take(DELTA, RING.deltas[6]).reports == (Report.BELOW_FLOOR,)
    assert again.take(DELTA, RING.deltas[7]).swapped == (URI,)
    assert again.held.packed == RING.packed[7]


def test_an_old_base_that_is_restored_is_no_news() -> None:
    again = Reader(floors=busy().store.floors)
    assert again.store.restore(SNAPSHOT, RING.snapshots[5], now=NOW).reports == ()
    assert again.version is None


def test_heads_below_the_floor_are_ignored_after_a_restart() -> None:
    again = busy().restarted()
    assert not again.take(HEAD, RING.heads[6]).kept
    assert again.take(HEAD, RING.heads[7]).kept


def test_a_lost_mark_is_not_found_again_by_a_restart() -> None:
    """The age of a list in a mismatch stays unknown."""
    reader = busy()
    reader.take(HEAD, ISSUER.head(replace_version(other_list(6), 7), sequence=8, iat=NOW + 8))
    again = reader.restarted()
    assert (again.version, again.age()) == (7, None)
    assert again.store.needs_snapshot(URI)


def test_floors_lapse_with_the_key_that_set_them() -> None:
    """A stolen key pushed the list to the sky; it leaves the trust set, and the real list counts again."""
    thief = make_issuer(number=5)
    both = TrustSet(network=NETWORK, keys={**ISSUER.trust.keys, **thief.trust.keys})
    reader = Reader(trust=both)
    sky = replace_version(thief.status_list(), 2**40)
    reader.take(SNAPSHOT, RING.snapshots[5], sky.snapshot())
    reader.take(HEAD, thief.head(sky, sequence=2**40, iat=NOW + 60))
    assert reader.version == 2**40
    again = reader.restarted()
    assert again.store.floors == Floors(versions={URI: Mark(value=5, kid=KID)})
    assert again.version == 5
    assert again.take(HEAD, RING.heads[5]).kept
    assert again.age(NOW + 5) == 0


def test_an_older_list_does_not_take_over_the_age_of_a_lapsed_one() -> None:
    """Version 7 was set by a key that is gone, renewed by one that stays; an old version 3 is no fresh list."""
    gone = make_issuer(number=5)
    both = TrustSet(network=NETWORK, keys={**ISSUER.trust.keys, **gone.trust.keys})
    reader = Reader(trust=both)
    issued = replace_version(gone.status_list(), 7)
    reader.take(SNAPSHOT, issued.snapshot())
    reader.take(HEAD, ISSUER.head(issued, sequence=7, iat=NOW))
    assert reader.age() == 0
    again = reader.restarted()
    again.take(SNAPSHOT, RING.snapshots[3])
    assert (again.version, again.age()) == (3, None)


def test_the_run_is_signed_by_its_last_message() -> None:
    """A floor remembers who set it: the signer of the delta that led there."""
    other = make_issuer(number=5)
    both = TrustSet(network=NETWORK, keys={**ISSUER.trust.keys, **other.trust.keys})
    reader = Reader(trust=both)
    reader.take(SNAPSHOT, RING.snapshots[5])
    reader.take(DELTA, replace_version(other.status_list(), 5).change(6))
    assert reader.store.floors.versions == {URI: Mark(value=6, kid=other.status.kid)}


def test_a_withdrawal_is_seen_at_once() -> None:
    reader = Reader()
    reader.take(SNAPSHOT, RING.snapshots[5])
    old = reader.held
    assert bits.status_at(old.packed, 6) == bits.VALID
    reader.take(DELTA, RING.deltas[6])
    assert bits.status_at(reader.held.packed, 6) == bits.INVALID
    assert bits.status_at(old.packed, 6) == bits.VALID  # who holds the old view still sees it whole


def test_lists_do_not_touch_each_other() -> None:
    reader = Reader()
    first, second = ISSUER.status_list("wp:1"), ISSUER.status_list("wp:2")
    reader.take(SNAPSHOT, first.snapshot(), second.snapshot())
    held = reader.store.view["wp:1"]
    reader.take(DELTA, second.change(5))
    assert reader.store.view["wp:1"] is held
    reader.take(HEAD, ISSUER.head(first, other_row(second), iat=NOW))
    assert [reader.store.view[uri].age(NOW) for uri in ("wp:1", "wp:2")] == [0, None]


def other_row(issued: IssuedList) -> IssuedList:
    """The same list with a bit that was never published."""
    packed = Delta(uri="", version=1, iat=0, changes={1: [77]}).apply(issued.packed)
    return replace(issued, packed=packed)
