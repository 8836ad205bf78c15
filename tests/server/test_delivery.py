"""Notices leave some at a time, and whoever calls knows whether to go on at once."""

from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.server.bulk.files import batch_of
from tests.support.office import Office

from waypass_server.bulk import carrying
from waypass_server.delivery import AT_ONCE, deliver
from waypass_server.life import State
from waypass_server.models.lists_of_people import Entry
from waypass_server.models.records import Notice, NoticeKind

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
