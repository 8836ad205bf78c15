"""Notices leave some at a time, and whoever calls knows whether to go on at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.server.bulk.files import batch_of
from tests.support.office import Office

from waypass_server.bulk import carrying
from waypass_server.delivery import AT_ONCE, deliver
from waypass_server.forgetting import KEPT
from waypass_server.life import State
from waypass_server.models.lists_of_people import Entry
from waypass_server.models.records import Notice, NoticeKind
from waypass_server.notices import NoticeSender, OutgoingNotice

pytestmark = pytest.mark.both_stores


def approved(office: Office, folder: Path, people: int) -> None:
    """So many notices wait."""
    batch = batch_of(office, folder, people)
    office.do("approver", "POST", f"/batches/{batch}/approve")
    carrying.carry_on(office.services, turns=1)


def counts(office: Office) -> tuple[int, int]:
    """Notices that were delivered, and entries that are announced."""
    with office.services.database.reading() as session:
        delivered = session.scalar(select(func.count()).where(Notice.delivered_at.is_not(None)))
        announced = session.scalar(select(func.count()).where(Entry.state == State.NOTIFIED))
    return delivered or 0, announced or 0


@dataclass(slots=True)
class SlowRelay:
    """A sender on whose way something happens, once."""

    to: NoticeSender
    meanwhile: Callable[[], object]

    def send(self, notice: OutgoingNotice) -> str:
        receipt = self.to.send(notice)
        self.meanwhile()
        self.meanwhile = int
        return receipt


def kinds(office: Office) -> list[str]:
    return [notice.kind for _, notice in sorted(office.outbox.sent.items())]


def test_who_is_told_of_an_entry_that_has_ended_meanwhile_is_told_of_its_end(office: Office) -> None:
    """It was handed over already: a relay for mail takes its time."""
    person = office.person()
    entry = office.entry(person, office.basis())
    office.do("approver", "POST", f"/entries/{entry}/approve")
    undo = partial(office.do, "approver", "POST", f"/entries/{entry}/undo")
    deliver(replace(office.services, notices=SlowRelay(office.outbox, undo)))
    office.later()
    assert kinds(office) == ["entry", "entry-ended"]
    assert office.entry_state(entry) == ("ended", "withdrawn")
    told = office.do(person, "GET", "/me/notices")
    assert [(notice["kind"], notice["content"].get("end")) for notice in told] == [
        ("entry", None),
        ("entry-ended", "withdrawn"),
    ]
    assert [each["end"] for each in office.do(person, "GET", "/me")["entries"]] == ["withdrawn"]
    answer = office.call(person, "POST", f"/me/entries/{entry}/objection", text="No.")
    assert (answer.status_code, "announced or in effect, this one is ended" in answer.text) == (409, True)
    steps = [event["what"] for event in office.do("ops", "GET", "/events") if event["subject"] == "entry"]
    assert steps == ["entry.proposed", "entry.approved", "entry.undo", "entry.notified"]
    office.later(KEPT)
    assert kinds(office) == ["entry", "entry-ended"], "once"


def test_a_batch_that_was_undone_before_it_is_announced_is_announced_to_nobody(office: Office, tmp_path: Path) -> None:
    approved(office, tmp_path, 3)
    office.do("approver", "POST", "/batches/1/undo")
    carrying.carry_on(office.services, turns=2)
    office.later()
    assert office.outbox.sent == {}


def test_an_unsent_notice_of_an_entry_that_ended_is_forgotten(office: Office, tmp_path: Path) -> None:
    """An hour after that, as it might have been on its way; others stay."""
    approved(office, tmp_path, 2)
    office.outbox.refuse = True
    office.do("proposer", "POST", "/entries/1/withdraw")
    office.later(KEPT - 1)
    assert notices(office) == [1, 2]
    office.later(1)
    assert notices(office) == [2]


def notices(office: Office) -> list[int | None]:
    """The entries that the database has notices of."""
    with office.services.database.reading() as session:
        return list(session.scalars(select(Notice.entry_id).order_by(Notice.entry_id)))


def test_all_that_waits_is_sent_and_recorded(office: Office, tmp_path: Path) -> None:
    approved(office, tmp_path, 3)
    assert deliver(office.services) is False, "there is no more"
    assert counts(office) == (3, 3)
    assert deliver(office.services) is False
    assert len(office.outbox.sent) == 3


def test_when_nothing_can_be_sent_nobody_is_told_to_go_on_at_once(office: Office, tmp_path: Path) -> None:
    approved(office, tmp_path, 2)
    office.outbox.refuse = True
    assert deliver(office.services, turns=3) is False
    assert counts(office) == (0, 0)
    office.outbox.refuse = False
    deliver(office.services)
    assert counts(office) == (2, 2)


def test_of_many_a_page_is_sent_each_turn(office: Office, tmp_path: Path) -> None:
    approved(office, tmp_path, 1)
    with office.services.change() as session:
        session.add_all(
            Notice(person_id=1, kind=NoticeKind.ENTRY_ENDED, content={}, created_at=0) for _ in range(AT_ONCE)
        )
    assert deliver(office.services) is True
    assert counts(office) == (AT_ONCE, 1)
    assert deliver(office.services) is False
    assert counts(office) == (AT_ONCE + 1, 1)
