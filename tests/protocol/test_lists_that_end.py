"""Lists that heads no longer name: how long a store holds them, and that they never come back older."""

from tests.support.issuing import NOW, IssuedList, make_issuer

from waypass_protocol.assembly import FLOOR_KEPT, UNNAMED, Kind, MemoryKeeper, Receipt, Report, StatusStore
from waypass_protocol.floors import Mark
from waypass_protocol.status import MAX_HEAD

ISSUER = make_issuer()
ENDS, STAYS = "wp:1", "wp:2"


class Gate:
    """A store that hears of two lists, and their heads one after the other."""

    def __init__(self) -> None:
        self.keeper = MemoryKeeper()
        self.store = StatusStore(trust=ISSUER.trust, keeper=self.keeper)
        self.ends, self.stays = ISSUER.status_list(ENDS), ISSUER.status_list(STAYS)
        self.sequence = 0

    def snapshot(self, issued: IssuedList, *, now: int = NOW) -> Receipt:
        """One list arrives."""
        return self.store.receive(Kind.SNAPSHOT, issued.snapshot(iat=now), now=now)

    def head(self, *lists: IssuedList, at: int) -> Receipt:
        """The next head arrives when it is made."""
        self.sequence += 1
        return self.store.receive(Kind.HEAD, ISSUER.head(*lists, sequence=self.sequence, iat=at), now=at)


def with_both() -> Gate:
    """Both lists are held and named at NOW."""
    gate = Gate()
    gate.ends.change(7)
    for issued in (gate.ends, gate.stays):
        gate.snapshot(issued)
    gate.head(gate.ends, gate.stays, at=NOW)
    return gate


def test_a_list_that_is_not_named_is_let_go_after_a_day_of_heads() -> None:
    gate = with_both()
    assert gate.head(gate.stays, at=NOW + UNNAMED).dropped == ()
    assert gate.store.view.keys() == {ENDS, STAYS}
    receipt = gate.head(gate.stays, at=NOW + UNNAMED + 1)
    assert (receipt.kept, receipt.dropped) == (True, (ENDS,))
    assert gate.store.view.keys() == {STAYS}
    assert gate.store.known_lists() == {STAYS}
    assert gate.store.kept_versions(ENDS) == (None, frozenset())


def test_a_list_that_is_named_again_stays() -> None:
    gate = with_both()
    gate.head(gate.stays, at=NOW + UNNAMED)
    gate.head(gate.ends, gate.stays, at=NOW + UNNAMED + 30)
    assert gate.head(gate.stays, at=NOW + 2 * UNNAMED).dropped == ()


def test_a_list_that_no_head_ever_named_is_let_go_a_day_after_the_first() -> None:
    gate = Gate()
    gate.snapshot(gate.stays)
    gate.snapshot(gate.ends)
    gate.head(gate.stays, at=NOW + 10)
    assert gate.head(gate.stays, at=NOW + 10 + UNNAMED).dropped == ()
    assert gate.head(gate.stays, at=NOW + 11 + UNNAMED).dropped == (ENDS,)


def test_deltas_of_a_list_that_is_not_held_do_not_stay_for_ever() -> None:
    gate = with_both()
    gate.store.receive(Kind.DELTA, ISSUER.status_list("wp:3").change(5), now=NOW)
    assert gate.store.known_lists() == {ENDS, STAYS, "wp:3"}
    gate.head(gate.ends, gate.stays, at=NOW + 1)
    assert gate.head(gate.ends, gate.stays, at=NOW + 2 + UNNAMED).dropped == ("wp:3",)


def test_the_floor_of_a_list_that_was_let_go_keeps_it_from_coming_back_older() -> None:
    gate = with_both()
    later = NOW + UNNAMED + 1
    gate.head(gate.stays, at=later)
    assert gate.keeper.floors.versions[ENDS] == Mark(value=2, kid=ISSUER.status.kid)
    assert gate.snapshot(ISSUER.status_list(ENDS), now=later).reports == (Report.BELOW_FLOOR,)
    assert ENDS not in gate.store.view
    assert gate.snapshot(gate.ends, now=later).swapped == (ENDS,)
    assert gate.store.view[ENDS].renewed == NOW, "it is as old as it was"


def test_a_floor_goes_when_no_pass_of_the_list_can_be_valid() -> None:
    gate = with_both()
    gate.head(gate.stays, at=NOW + FLOOR_KEPT)
    assert ENDS in gate.keeper.floors.versions
    gate.head(gate.stays, at=NOW + FLOOR_KEPT + 1)
    assert gate.keeper.floors.versions.keys() == gate.keeper.floors.renewals.keys() == {STAYS}


def test_a_head_of_many_lists_is_far_below_its_limit() -> None:
    """As many as 10^8 passes need, under long URIs and with versions of a year of changes."""
    lists = [ISSUER.status_list(f"https://status.metro.example/api/v1/status-lists/{number}") for number in range(97)]
    for issued in lists:
        issued.version = 5 * 365 * 86_400
    assert len(ISSUER.head(*lists)) < MAX_HEAD // 4
