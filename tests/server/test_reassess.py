"""Looking at everybody again: in which order people are locked for it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session
from tests.support.databases import put_on_postgresql
from tests.support.office import NOW, open_office
from tests.support.postgresql import Cluster, needs_postgresql

from waypass_server.models.people import Person
from waypass_server.passes import lock_person
from waypass_server.reassess import look_at_everybody

WAITS = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@needs_postgresql
def test_everybody_is_locked_by_rising_ids(postgresql: Cluster, tmp_path: Path) -> None:
    """The first person lies last in the table. Who has locked them and goes on to the next waits for nobody."""
    put_on_postgresql(tmp_path, postgresql)
    with closing(open_office(tmp_path)) as office, ThreadPoolExecutor(1) as pool:
        database = office.services.database
        for number in range(3):
            office.person(f"p-{number}")
        with database.changing() as session:
            session.execute(update(Person).where(Person.id == 1).values(reassess_at=NOW))
            session.execute(text("SET LOCAL enable_indexscan = off"))
            lying = session.scalars(select(Person.id)).all()
        assert lying == [2, 3, 1]

        def look() -> None:
            with database.changing() as session:
                look_at_everybody(session, 1, NOW + 5)

        with database.changing() as holding:
            lock_person(holding, 1)
            looking = pool.submit(look)
            _until_somebody_waits(holding)
            holding.execute(text("SET LOCAL lock_timeout = '20s'"))
            lock_person(holding, 2)
        looking.result(60)
        with database.reading() as session:
            assert session.scalars(select(Person.reassess_at)).all() == [NOW + 5] * 3


def _until_somebody_waits(session: Session) -> None:
    for _ in range(1000):
        if session.execute(WAITS).scalar_one():
            return
        threading.Event().wait(0.02)
    raise AssertionError("expected somebody who waits for a lock, nobody does")
