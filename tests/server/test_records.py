"""The log and the notices: what is written about each change, and that it stays."""

import json
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.support.office import NOTICE, NOW, Office

from waypass_server.models.records import Event, LogIsAppendOnly
from waypass_server.notices import FileOutbox, NoticeNotSent, OutgoingNotice
from waypass_server.scheduler import Scheduler

pytestmark = pytest.mark.both_stores

NOTE = OutgoingNotice(
    notice_id=7, network="metro", reference="p-1", kind="entry", created_at=NOW, content={"reason": "因为"}
)


def test_a_notice_is_one_whole_file(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "outbox"
    receipt = FileOutbox(folder).send(NOTE)
    assert receipt == "000000000007.json"
    assert [file.name for file in folder.iterdir()] == [receipt]
    assert json.loads((folder / receipt).read_text(encoding="utf-8")) == {
        "notice_id": 7,
        "network": "metro",
        "reference": "p-1",
        "kind": "entry",
        "created_at": NOW,
        "content": {"reason": "因为"},
    }


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    receipt = FileOutbox(tmp_path).send(NOTE)
    assert stat.S_IMODE((tmp_path / receipt).stat().st_mode) == 0o600


def test_sent_twice_it_is_one_file(tmp_path: Path) -> None:
    outbox = FileOutbox(tmp_path / "outbox")
    assert outbox.send(NOTE) == outbox.send(NOTE)
    assert len(list((tmp_path / "outbox").iterdir())) == 1


def test_an_outbox_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(NoticeNotSent, match="outbox cannot be written: File exists"):
        FileOutbox(tmp_path / "outbox").send(NOTE)


def test_every_change_is_in_the_log(office: Office) -> None:
    before = office.do("ops", "GET", "/events")[-1]["id"]
    person = office.person()
    entry = office.entry_in_effect(person, office.basis())
    objection = office.do(person, "POST", f"/me/entries/{entry}/objection", text="No.")["id"]
    office.do("reviewer", "POST", f"/objections/{objection}/decide", lift=True, answer="Yes.")
    events = office.do("ops", "GET", f"/events?after={before}")
    assert [(event["what"], event["actor"]) for event in events] == [
        ("person.registered", "staff"),
        ("desk-code.made", "staff"),
        ("wallet.enrolled", "holder"),
        ("basis.proposed", "staff"),
        ("basis.approved", "staff"),
        ("entry.proposed", "staff"),
        ("entry.approved", "staff"),
        ("entry.notified", "system"),
        ("entry.in-effect", "system"),
        ("objection.made", "holder"),
        ("entry.lift", "staff"),
        ("objection.lifted", "staff"),
    ]
    assert events[5]["staff"] != events[6]["staff"], "two people"
    assert person not in json.dumps(events), "the log has ids, no references"
    assert "No." not in json.dumps(events)


def test_what_was_refused_is_not_in_the_log(office: Office) -> None:
    before = office.do("ops", "GET", "/events")[-1]["id"]
    office.call("proposer", "POST", "/entries", person="p-77")
    office.call(None, "POST", "/enrol", code="0000-0000")
    assert office.do("ops", "GET", f"/events?after={before}") == []


@pytest.mark.parametrize("how", ["changed", "deleted"])
def test_the_log_is_only_ever_added_to(office: Office, how: str) -> None:
    with office.services.database.reading() as session:
        event = session.get_one(Event, 1)
        if how == "changed":
            event.what = "nothing"
        else:
            session.delete(event)
        with pytest.raises(LogIsAppendOnly, match="event 1: the log is only ever added to"):
            session.flush()
    with office.services.database.reading() as session:
        assert session.scalars(select(Event.what).where(Event.id == 1)).one() == "network.added"


def test_the_scheduler_acts_when_nudged(office: Office) -> None:
    """The real thread, woken by the commit of a change; the clock stands still."""
    person, basis = office.person(), office.basis()
    entry = office.entry(person, basis)
    scheduler = Scheduler(office.services)
    office.services.nudge.listen(scheduler.nudge)
    notified = threading.Event()
    office.services.nudge.listen(lambda: notified.set() if office.outbox.sent else None)
    scheduler.start()
    try:
        office.do("approver", "POST", f"/entries/{entry}/approve")
        assert notified.wait(30)
    finally:
        scheduler.stop()
    assert office.entry_state(entry) == ("notified", None)
    office.later(NOTICE)
    assert office.entry_state(entry) == ("in-effect", None)
