"""What a fleet holds, for tests."""

from tests.support.issuing import IssuedList
from tests.support.publishing import wait_for

from waypass_simulator.fleet.fleet import Fleet


def holds(fleet: Fleet, *lists: IssuedList) -> bool:
    """Whether every full reader has these lists as they are now, with a known age."""
    return all(
        (held := member.reader.store.view.get(each.uri)) is not None
        and (held.version, held.digest) == (each.version, each.row().digest)
        and held.renewed is not None
        for member in fleet.full
        for each in lists
    )


def wait_until_held(fleet: Fleet, *lists: IssuedList) -> None:
    """Until then."""
    wait_for(lambda: holds(fleet, *lists), "every reader holds the lists as they are")
