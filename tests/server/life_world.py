"""Where lives of entries happen (`life_machine`): a server as it was furnished, the model beside it, how a request is
sent and time passes in both, and what holds after each step.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import text
from tests.server.life_checks import check_log_tree, check_safety, new_changes, pass_rows
from tests.support import life_model
from tests.support.life_model import Model
from tests.support.life_records import Version
from tests.support.office import (
    CHECKED,
    COURT,
    DAY,
    DEADLINE,
    HEALTH,
    HOSPITAL,
    NOTICE,
    NOW,
    PRIORITY,
    RIDE,
    Office,
    basis_form,
    make_services,
    open_office,
)

from waypass_server.indexes import Allocator, ListRules
from waypass_server.interruption import Interruption, ProcessEnded
from waypass_server.notices import MemoryOutbox
from waypass_server.scheduler import tick
from waypass_server.services import SetClock

START = NOW + DAY
END = NOW + 390 * DAY
"""Until then the office's keys can sign."""
PEOPLE = ("p-1", "p-2")
HEALTH_BASIS, COURT_BASIS, GRANT_BASIS = 1, 2, 3
A_DAY_ON_HEALTH = 1
"""How many the health basis may worsen a day, so that the second is held."""
ASPECTS = {None: None, "green": 0, "yellow": 1, "red": 2}


@dataclass(frozen=True, kw_only=True)
class Furnished:
    """A database with everything that a life begins with, and what was drawn for it."""

    file: bytes
    tokens: dict[str, str]
    wallets: dict[str, str]
    drawn: Any
    sent: dict[int, Any]


def versions() -> dict[int, list[Version]]:
    """The bases that a life begins with, as the model has them."""
    same: dict[str, Any] = {"longest": 30 * DAY, "notice": NOTICE, "deadline": DEADLINE, "approver": "approver"}
    health = {"authority": HEALTH, "proposer": "proposer", "health": True, **same}
    return {
        HEALTH_BASIS: [Version(effects=("red", "yellow"), scopes=(RIDE, HOSPITAL, CHECKED), **health)],
        COURT_BASIS: [
            Version(
                authority=COURT,
                proposer="proposer-2",
                health=False,
                effects=("red",),
                scopes=(RIDE,),
                **{**same, "longest": 200 * DAY},
            )
        ],
        GRANT_BASIS: [Version(effects=("grant",), scopes=(PRIORITY,), **health)],
    }


@cache
def furnished() -> Furnished:
    """Made once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        office = open_office(folder)
        office.clock.advance(START - NOW)
        for person in PEOPLE:
            office.person(person)
        office.basis(exclusions=[])
        court = basis_form(
            authority=COURT, health=False, effects=["red"], scopes=[RIDE], exclusions=[], longest=200 * DAY
        )
        office.do("proposer-2", "POST", "/bases", **court)
        office.do("approver", "POST", "/bases/2/versions/1/approve")
        office.basis(effects=["grant"], scopes=[PRIORITY], exclusions=[])
        limit = {"level": "basis", "of": HEALTH_BASIS, "window": "day", "value": A_DAY_ON_HEALTH}
        office.do("admin", "POST", "/limits/changes", **limit)
        office.do("admin-2", "POST", "/limits/changes/1/agree")
        services = office.services
        with services.change() as session:
            allocator = Allocator(uri_prefix="wp:", draw=services.indexes, rules=ListRules(decoys=24))
            allocator.open_list(session, 1, services.now())
        tick(services)
        drawn = services.indexes.getstate()
        office.close()
        return Furnished(
            file=(folder / "waypass.db").read_bytes(),
            tokens=office.tokens,
            wallets=office.wallets,
            drawn=drawn,
            sent=dict(office.outbox.sent),
        )


@dataclass(kw_only=True)
class Sent:
    """A request as it was sent; `follow` is what the model makes of it, and whether it accepts it. `at`: when it was
    sent for the first time.
    """

    who: str
    path: str
    body: dict[str, Any]
    key: str
    at: int
    follow: Callable[[], bool]
    done: bool = False


class World(RuleBasedStateMachine):
    """A server and the model beside it. What happens to them is for `life_machine`."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="life"))
        self.office = self._open()
        self.model = Model(
            now=START,
            latest=START,
            people=PEOPLE,
            bases=versions(),
            limits={("basis", HEALTH_BASIS, DAY): A_DAY_ON_HEALTH},
        )
        self.interruption = Interruption(self.office.services)
        self.last: Sent | None = None
        self.requests = 0
        self.seen = 0
        new_changes(self)

    def _open(self) -> Office:
        ready = furnished()
        (self.folder / "waypass.db").write_bytes(ready.file)
        clock, outbox = SetClock(START), MemoryOutbox()
        outbox.sent.update(ready.sent)
        services = make_services(self.folder, clock=clock, outbox=outbox)
        services.indexes.setstate(ready.drawn)
        return Office(
            services=services,
            tokens=dict(ready.tokens),
            wallets=dict(ready.wallets),
            clock=clock,
            outbox=outbox,
            folder=self.folder,
        )

    def teardown(self) -> None:
        try:
            check_log_tree(self.office)
        finally:
            self.office.close()
            shutil.rmtree(self.folder)

    # How a step is taken.

    def ask(self, who: str, path: str, follow: Callable[[], bool], **body: Any) -> None:
        """A new request, with a key of its own."""
        self.requests += 1
        self.last = Sent(who=who, path=path, body=body, key=f"k-{self.requests}", at=self.model.now, follow=follow)
        self._send(self.last)

    def _send(self, request: Sent) -> None:
        headers = {**self.office.headers(request.who), "Idempotency-Key": request.key}
        try:
            answer = self.office.send("POST", f"/api/v1{request.path}", headers=headers, json=request.body)
        except ProcessEnded as ended:
            if ended.committed:
                request.done = request.follow()
                assert request.done, f"{request.path} by {request.who} was committed, and should have been refused"
            self._begin_anew()
            return
        self._expect(request, answer)

    def _expect(self, request: Sent, answer: httpx.Response) -> None:
        assert answer.status_code < 500, answer.text
        request.done = request.follow()
        what = f"{request.path} by {request.who}: {answer.status_code} {answer.text}"
        assert answer.is_success is request.done, what

    def _begin_anew(self) -> None:
        """The process has ended, and the next one looks at once what is due."""
        self.office.restart()
        self.interruption = Interruption(self.office.services)
        self.tick()

    def tick(self) -> None:
        """The scheduler looks."""
        try:
            tick(self.office.services)
        except ProcessEnded:
            self._begin_anew()
            return
        self.model.now = self.office.services.now()
        self.model.pass_time()

    def newest(self, table: str) -> int:
        """The id that the database gave last, 0 for none."""
        with self.office.services.database.reading() as session:
            return int(session.execute(text(f"SELECT max(id) FROM {table}")).scalar_one() or 0)

    # What always holds.

    @invariant()
    def log_has_each_change_once(self) -> None:
        changes = [what for what in new_changes(self) if what != "rule-proposal.made"]
        assert sorted(changes) == sorted(self.model.log)
        self.model.log.clear()

    @invariant()
    def entries_are_where_the_model_has_them(self) -> None:
        query = text(
            'SELECT e.id, e.state, e."end", e.case_state, e.notified_at, e.takes_effect_at, a.name, c.name'
            " FROM entries AS e LEFT JOIN staff AS a ON a.id = e.approved_by"
            " LEFT JOIN staff AS c ON c.id = e.confirmed_by"
        )
        with self.office.services.database.reading() as session:
            found = {row[0]: tuple(row[1:]) for row in session.execute(query)}
            objections = {row[0]: row[1] for row in session.execute(text("SELECT id, state FROM objections"))}
        assert found == {
            number: (one.state, one.end, one.case, one.told_at, one.due_at, one.approver, one.confirmer)
            for number, one in self.model.entries.items()
        }
        assert objections == {number: one.state for number, one in self.model.objections.items()}

    @invariant()
    def who_was_told_of_an_entry_is_told_of_its_end_and_nobody_else_is(self) -> None:
        query = text("SELECT entry_id FROM notices WHERE kind = 'entry-ended' ORDER BY entry_id")
        with self.office.services.database.reading() as session:
            ended = list(session.scalars(query))
        sent = {one.content["entry"] for one in self.office.outbox.sent.values() if one.kind == "entry"}
        assert (sent, ended) == self.model.told()

    @invariant()
    def nobody_is_red_without_all_that_it_takes_and_people_see_the_colours_that_they_have(self) -> None:
        for person, me in check_safety(self.office).items():
            seen = {scope["number"]: ASPECTS[scope["aspect"]] for scope in me["scopes"]}
            assert seen == {scope: self.model.aspect(person, scope) for scope in life_model.SCOPES}, person

    @invariant()
    def passes_agree_with_who_may_go(self) -> None:
        found = pass_rows(self.office)
        behind = self.model.now < self.model.latest
        assert found.keys() == self.model.passes.keys()
        for number, status in found.items():
            one = self.model.passes[number]
            if behind and status != one.status:
                # The server looked, or will when it is later again.
                assert self.model.says_too_much(one), number
                one.status = status
            assert status == one.status, number
