"""A whole server in a test: real database, real application, clock that stands where it is put.

`Office` has one person for each role (and a second where rules ask for another person), so that a test reads as what
somebody does. Time passes only by `later`, which also runs the scheduler once, as the real one does every second.
"""

import asyncio
import random
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import update
from starlette.datastructures import State
from starlette.routing import Mount
from tests.support.databases import database_url, is_on_postgresql, quick_engine

from waypass_protocol.keys import Use
from waypass_server import network_file
from waypass_server.app import build_app, create_app, furnish_app
from waypass_server.database import Database
from waypass_server.evidence import SignerSet
from waypass_server.keyring import IssuerKeys, Keyring, make_key
from waypass_server.models import Base
from waypass_server.models.network import Staff
from waypass_server.network_file import NetworkDefinition
from waypass_server.notices import MemoryOutbox
from waypass_server.publiclog import known_keys
from waypass_server.scheduler import tick
from waypass_server.services import Services, SetClock
from waypass_server.settings import Settings
from waypass_server.signin.passwords import Passwords

NOW = 1_800_000_000
HOUR = 3600
DAY = 24 * HOUR
NOTICE = 2 * HOUR
DEADLINE = 10 * DAY

RIDE, HOSPITAL, PRIORITY, CHECKED = 1, 2, 3, 4
KEYRING = Keyring(
    "metro",
    [
        make_key(network="metro", uses=frozenset({use}), nbf=NOW - DAY, exp=NOW + 400 * DAY, private=letter * 32)
        for use, letter in ((Use.PASS, b"p"), (Use.STATUS, b"s"), (Use.LOG, b"l"))
    ],
)
HEALTH, COURT = "Health office", "Court office"

STAFF: dict[str, tuple[tuple[str, ...], str | None]] = {
    "admin": (("admin",), None),
    "admin-2": (("admin",), None),
    "proposer": (("proposer",), HEALTH),
    "proposer-2": (("proposer",), COURT),
    "approver": (("approver",), None),
    "reviewer": (("reviewer",), None),
    "health-reviewer": (("reviewer",), HEALTH),
    "ops": (("ops",), None),
    "ops-2": (("ops",), None),
    "desk": (("desk",), None),
    "everything": (("admin", "proposer", "approver", "reviewer", "ops", "desk"), None),
    "approver-2": (("approver",), None),
    "neighbour": (("approver",), None),
    "health-approver": (("approver",), HEALTH),
}

DESKS = {"proposer": "Casework", "neighbour": "Casework", "approver": "Approvals", "health-approver": "Approvals"}
"""Two of them share one, and two another; everybody else has one of their own."""

NETWORK = NetworkDefinition.model_validate(
    {
        "name": "metro",
        "scopes": [
            {"number": RIDE, "name": "ride"},
            {"number": HOSPITAL, "name": "hospital", "essential": True},
            {"number": PRIORITY, "name": "priority lane", "by_grant": True},
            {"number": CHECKED, "name": "arena", "needs_evidence": True},
        ],
        "authorities": [{"name": HEALTH, "contact": "health@example.org"}, {"name": COURT, "contact": "tel 555-0100"}],
        "staff": [
            {"name": name, "desk": DESKS.get(name, name), "roles": roles, "authority": authority}
            for name, (roles, authority) in STAFF.items()
        ],
    }
)


@dataclass(slots=True)
class Office:
    """A server with its staff. `call` is for what may be refused, `do` for what must be done."""

    services: Services
    tokens: dict[str, str]
    clock: SetClock
    outbox: MemoryOutbox
    folder: Path
    wallets: dict[str, str] = field(default_factory=dict)
    loop: asyncio.Runner = field(default_factory=asyncio.Runner)
    own_app: FastAPI | None = None
    _rooms: tuple[State, State] | None = None

    @property
    def app(self) -> FastAPI:
        """An application of its own, for a test that changes it or looks into it. Others share one: to build it takes
        longer than most tests.
        """
        if self.own_app is None:
            self.own_app = create_app(self.services)
        return self.own_app

    def _answering(self) -> FastAPI:
        """Its own application, or the shared one with this office's services behind it."""
        if self.own_app is not None:
            return self.own_app
        app, console = _shared_app()
        if self._rooms is None:
            furnish_app(app, self.services)
            self._rooms = app.state, console.state
        app.state, console.state = self._rooms
        return app

    def close(self) -> None:
        """Give back what it holds."""
        self.loop.close()
        self.services.database.close()

    def restart(self) -> None:
        """The process ends here, and the next one begins on its database. Clock, outbox and what randomness gives next
        are the world's.
        """
        before = self.services
        before.database.close()
        self.services = make_services(
            self.folder, signers=before.evidence_signers, clock=self.clock, outbox=self.outbox, keys=before.keys
        )
        self.services.indexes.setstate(before.indexes.getstate())
        self.own_app, self._rooms = None, None

    def call(self, who: str | None, method: str, path: str, **body: Any) -> httpx.Response:
        """One request as `who`: a member of staff, the reference of a person with a wallet, or nobody."""
        headers = self.headers(who)
        if method == "POST":
            return self.send(method, f"/api/v1{path}", headers=headers, json=body)
        return self.send(method, f"/api/v1{path}", headers=headers)

    def headers(self, who: str | None) -> dict[str, str]:
        """What says who calls."""
        token = self.tokens.get(who) or self.wallets.get(who) if who else None
        return {"Authorization": f"Bearer {token}"} if token else {}

    def send(self, method: str, address: str, **arguments: Any) -> httpx.Response:
        """One request as it is; an error that nobody handles comes back as the application answers it."""
        app = self._answering()

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://server.test") as client:
                return await client.request(method, address, **arguments)

        return self.loop.run(go())

    def do(self, who: str | None, method: str, path: str, **body: Any) -> Any:
        """The same, and it must succeed."""
        answer = self.call(who, method, path, **body)
        assert answer.is_success, answer.text
        return answer.json()

    def later(self, seconds: float = 0) -> None:
        """Let time pass, and what happens by itself happen."""
        self.clock.advance(seconds)
        tick(self.services)

    def put_at(self, desk: str, *names: str) -> None:
        """From now on these members of staff work at this desk."""
        with self.services.change() as session:
            session.execute(update(Staff).where(Staff.name.in_(names)).values(desk=desk))

    def under(self, **settings: Any) -> "Office":
        """The same office under other settings."""
        services = replace(self.services, settings=self.services.settings.model_copy(update=settings))
        return replace(self, services=services, own_app=create_app(services), _rooms=None)

    def person(self, reference: str = "p-1") -> str:
        """A person with a wallet."""
        self.do("desk", "POST", "/people", reference=reference)
        code = self.do("desk", "POST", "/desk-codes", person=reference)["code"]
        self.wallets[reference] = self.do(None, "POST", "/enrol", code=code)["token"]
        return reference

    def basis(self, **changes: Any) -> int:
        """A basis of the health office in force."""
        made = self.do("proposer", "POST", "/bases", **basis_form(**changes))
        self.do("approver", "POST", f"/bases/{made['id']}/versions/1/approve")
        return int(made["id"])

    def entry(self, person: str, basis: int, **changes: Any) -> int:
        """A proposed entry."""
        return int(self.do("proposer", "POST", "/entries", **entry_form(person, basis, **changes))["id"])

    def entry_in_effect(self, person: str, basis: int, **changes: Any) -> int:
        """An entry that went all the way."""
        entry = self.entry(person, basis, **changes)
        self.do("approver", "POST", f"/entries/{entry}/approve")
        self.later()
        self.later(NOTICE)
        assert self.entry_state(entry) == ("in-effect", None)
        return entry

    def entry_state(self, entry: int) -> tuple[str, str | None]:
        """State, and why it ended."""
        answer = self.do("reviewer", "GET", f"/entries/{entry}")
        return answer["state"], answer["end"]

    def aspects(self, person: str) -> dict[int, str | None]:
        """What the person sees: the aspect in each scope."""
        return {scope["number"]: scope["aspect"] for scope in self.do(person, "GET", "/me")["scopes"]}


GREEN: dict[int, str | None] = {RIDE: "green", HOSPITAL: "green", PRIORITY: None, CHECKED: "yellow"}
"""Where somebody stands about whom nothing is known."""


def basis_form(**changes: Any) -> dict[str, Any]:
    """A good basis, then changes; a value of None takes a field out."""
    form = {
        "authority": HEALTH,
        "title": "Infection protection",
        "citation": "Act 7, section 3",
        "health": True,
        "effects": ["red", "yellow"],
        "scopes": [RIDE, HOSPITAL, CHECKED],
        "longest": 30 * DAY,
        "notice": NOTICE,
        "objection_deadline": DEADLINE,
        "exclusions": ["minors"],
    }
    return {name: value for name, value in {**form, **changes}.items() if value is not None}


def entry_form(person: str, basis: int, /, **changes: Any) -> dict[str, Any]:
    """A good entry, then changes; a value of None takes a field out."""
    form = {
        "person": person,
        "basis": basis,
        "effect": "red",
        "scopes": [RIDE],
        "reason": "A laboratory found an infection that spreads in closed rooms.",
        "case": {"reference": "H-2027-11", "state": "open"},
        "ends_at": NOW + 20 * DAY,
        "exclusions_checked": ["minors"],
    }
    return {name: value for name, value in {**form, **changes}.items() if value is not None}


def make_services(
    folder: Path,
    *,
    signers: SignerSet | None = None,
    clock: SetClock | None = None,
    outbox: MemoryOutbox | None = None,
    keys: IssuerKeys | None = None,
) -> Services:
    """Services on the database of `folder`; randomness has a seed."""
    generator = random.Random(7)
    url = database_url(folder)
    database = Database(url, random_bytes=generator.randbytes, engine=quick_engine(url))
    if not is_on_postgresql(folder) and not (folder / "waypass.db").exists():
        (folder / "waypass.db").write_bytes(_tables())
    return Services(
        settings=Settings(network="metro", minimum_notice=HOUR, origin="https://server.test"),
        database=database,
        clock=clock or SetClock(NOW),
        random_bytes=generator.randbytes,
        indexes=generator,
        keys=keys or KEYRING,
        evidence_signers=signers or SignerSet.of([]),
        notices=outbox or MemoryOutbox(),
        passwords=Passwords(passes=1, memory=64, lanes=1),
    )


@cache
def _shared_app() -> tuple[FastAPI, FastAPI]:
    """The application without services, and the console in it."""
    app = build_app()
    console = next(route.app for route in app.routes if isinstance(route, Mount))
    assert isinstance(console, FastAPI)
    return app, console


@cache
def _tables() -> bytes:
    """A database file with the tables and nothing in them. Quicker than the migrations; that both make the same is held
    by a test of its own.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder) / "waypass.db"
        with closing(Database(f"sqlite:///{file}")) as database:
            Base.metadata.create_all(database.engine)
        return file.read_bytes()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Furnished:
    """A database file with the network above, what was drawn for it, and where that left the randomness."""

    file: bytes
    tokens: dict[str, str]
    drawn: tuple[Any, ...]


@cache
def _furnished() -> _Furnished:
    with TemporaryDirectory() as name:
        folder = Path(name)
        services = make_services(folder)
        tokens = _furnish(services)
        services.database.close()
        drawn = services.indexes.getstate()
        return _Furnished(file=(folder / "waypass.db").read_bytes(), tokens=tokens, drawn=drawn)


def _furnish(services: Services) -> dict[str, str]:
    """Put the network into the database; the tokens of its staff."""
    with services.change() as session:
        changes = network_file.apply(session, NETWORK, random_bytes=services.random_bytes, now=NOW)
    known_keys.follow(services)
    return {change.name: change.token for change in changes if change.token is not None}


def open_office(folder: Path, *, signers: SignerSet | None = None, keys: IssuerKeys | None = None) -> Office:
    """A server with the network above."""
    clock, outbox = SetClock(NOW), MemoryOutbox()
    ready = None
    if keys is None and not is_on_postgresql(folder) and not (folder / "waypass.db").exists():
        ready = _furnished()
        (folder / "waypass.db").write_bytes(ready.file)
    services = make_services(folder, signers=signers, clock=clock, outbox=outbox, keys=keys)
    if ready is None:
        tokens = _furnish(services)
    else:
        tokens = dict(ready.tokens)
        services.indexes.setstate(ready.drawn)
    return Office(services=services, tokens=tokens, clock=clock, outbox=outbox, folder=folder)
