"""A process that ends in the middle: where it can be told to, and that nothing is half done after it."""

import pytest
from sqlalchemy import select
from tests.support.office import NOTICE, Office

from waypass_server.interruption import Interruption, ProcessEnded
from waypass_server.models.people import Person
from waypass_server.models.records import Event

pytestmark = pytest.mark.both_stores


def written(office: Office) -> tuple[int, int]:
    """How many people there are, and how many events."""
    with office.services.database.reading() as session:
        return len(session.scalars(select(Person.id)).all()), len(session.scalars(select(Event.id)).all())


def points(office: Office) -> int:
    """How many points a person's registration has."""
    for count in range(100):
        Interruption(office.services).after(count)
        try:
            office.do("desk", "POST", "/people", reference=f"p-{count}")
        except ProcessEnded:
            office.restart()
        else:
            office.restart()  # what was armed for nothing goes with its process
            return count
    raise AssertionError("expected fewer points")


def test_a_change_is_there_as_a_whole_or_not_at_all(office: Office) -> None:
    """At every point of it. The last is after the commit, when only the answer is lost."""
    _, events = written(office)
    last = points(office) - 1
    assert last >= 4, "a person, an event, a leaf, a commit"
    assert written(office) == (2, events + 2), "the one of the last point, and the one that was let live"


@pytest.mark.parametrize("committed", [False, True])
def test_it_is_said_whether_the_change_is_there(office: Office, committed: bool) -> None:
    last = points(office) - 1
    before, _ = written(office)
    Interruption(office.services).after(last if committed else last - 1)
    with pytest.raises(ProcessEnded) as ended:
        office.do("desk", "POST", "/people", reference="p-new")
    assert ended.value.committed is committed
    office.restart()
    assert written(office)[0] - before == committed


def test_one_that_is_let_live_again(office: Office) -> None:
    interruption = Interruption(office.services)
    interruption.after(0)
    interruption.never()
    office.person()


def test_a_notice_that_was_sent_and_not_recorded_is_sent_again_and_counts_once(office: Office) -> None:
    person, basis = office.person(), office.basis()
    entry = office.entry(person, basis)
    office.do("approver", "POST", f"/entries/{entry}/approve")
    Interruption(office.services).after(0)
    with pytest.raises(ProcessEnded):
        office.later()
    assert len(office.outbox.sent) == 1
    office.restart()
    assert office.entry_state(entry) == ("approved", None), "nobody knows that it was delivered"
    office.later()
    office.later(NOTICE)
    assert len(office.outbox.sent) == 1
    assert office.entry_state(entry) == ("in-effect", None)
