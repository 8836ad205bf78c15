"""The system that the chaos run torments: a real server's database, keys and settings, its process, and real passes.

- `prepare` makes a database with a network of some status lists and batches of bound passes, issued by the server's
  own code, the same number in each list; nobody but the publisher ever gives a list a version
- `withdraw` commits changes as the server does, in one transaction. It is made in this process on the
  server's database, so that a killed server loses nobody's answer: the publisher finds it in the outbox
- `ChaosServer` is `waypass-server serve`, which can be killed and started again
"""

import random
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from waypass_protocol.bits import VALID
from waypass_protocol.keys import HolderSigner, Use
from waypass_protocol.passes import Place, parse_pass
from waypass_server import migrations
from waypass_server.database import Database
from waypass_server.evidence import SignerSet
from waypass_server.issuing import PassRequest, allocator, issue_bound
from waypass_server.keyring import Keyring, make_key, write_key
from waypass_server.models.network import Network, Scope
from waypass_server.models.people import Person
from waypass_server.models.status import ListVersion, PassKind, PassRow, StatusChange, StatusList
from waypass_server.notices import MemoryOutbox
from waypass_server.passes import take_away
from waypass_server.services import Services, SystemClock
from waypass_server.settings import Settings, load_settings
from waypass_simulator.processes import Program, Stream, free_port

NETWORK, SCOPE = "chaos", 1
AT_ONCE = 30
START_SECONDS = 240.0
YEAR = 365 * 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuedPass:
    """A real bound pass with its holder's private key, the place that it stands at, and its row in the database."""

    data: bytes
    private: int
    place: Place
    row: int


def make_services(folder: Path, broker_port: int, *, head_every: float) -> Services:
    """A server's folder: keys, settings, an empty database; and its services in this process."""
    now = int(time.time())
    keys = []
    for use in (Use.PASS, Use.STATUS):
        private = secrets.token_bytes(32)
        key = make_key(network=NETWORK, uses=frozenset({use}), nbf=now - 3600, exp=now + YEAR, private=private)
        write_key(folder / "keys", key, private)
        keys.append(key)
    keyring = Keyring(NETWORK, keys)
    (folder / "keys.jwks").write_text(keyring.trust_set().to_json(), encoding="utf-8")
    configuration = folder / "server.toml"
    configuration.write_text(
        f'network = "{NETWORK}"\nport = {free_port()}\nbroker = "mqtt://127.0.0.1:{broker_port}"\n'
        f"head_every = {head_every}\n",
        encoding="utf-8",
    )
    settings: Settings = load_settings(configuration, {})
    database = Database(settings.database_url)
    migrations.upgrade(database.engine)
    return Services(
        settings=settings,
        database=database,
        clock=SystemClock(),
        random_bytes=secrets.token_bytes,
        indexes=random.SystemRandom(),
        keys=keyring,
        evidence_signers=SignerSet.of([]),
        notices=MemoryOutbox(),
    )


def prepare(services: Services, *, passes: int, lists: int) -> list[IssuedPass]:
    """People with so many bound passes together, in so many lists, in random order."""
    now = services.now()
    with services.database.changing() as session:
        network = Network(name=NETWORK, created_at=now)
        session.add(network)
        session.flush()
        scope = Scope(network_id=network.id, number=SCOPE, name="ride")
        scope.essential = scope.by_grant = scope.needs_evidence = False
        session.add(scope)
        opened = [allocator(services, PassKind.BOUND).open_list(session, network.id, now).id for _ in range(lists)]
        network_id = network.id
    issued: list[IssuedPass] = []
    while len(issued) < passes:
        number = len(issued) // AT_ONCE
        with services.database.changing() as session:
            # The allocator takes the list that is open.
            session.execute(update(StatusList).values(closed=StatusList.id != opened[number % lists]))
            person = Person(network_id=network_id, reference=f"p-{number}", created_at=now, reassess_at=None)
            session.add(person)
            session.flush()
            issued += _issue(session, services, person.id, min(AT_ONCE, passes - len(issued)))
    if len({each.place.uri for each in issued}) != lists:
        raise AssertionError(f"expected passes in {lists} lists")
    random.shuffle(issued)
    return issued


def _issue(session: Session, services: Services, person: int, count: int) -> list[IssuedPass]:
    """A batch, as a wallet gets it."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(count)]
    requests = [PassRequest(holder=HolderSigner(key).key, scopes=(SCOPE,)) for key in keys]
    batch = issue_bound(session, services, person, requests, services.now())
    session.flush()
    rows = {row.idx: row.id for row in session.scalars(select(PassRow).where(PassRow.person_id == person))}
    issued = []
    for key, data in zip(keys, batch, strict=True):
        place = parse_pass(data).pass_.place
        private = key.private_numbers().private_value
        issued.append(IssuedPass(data=data, private=private, place=place, row=rows[place.idx]))
    return issued


def withdraw(services: Services, chosen: Sequence[IssuedPass]) -> None:
    """These passes, in one transaction."""
    with services.change() as session:
        query = select(PassRow).where(PassRow.id.in_([each.row for each in chosen]), PassRow.status == VALID)
        count = take_away(session, session.scalars(query).all(), services.now())
    if count != len(chosen):
        raise AssertionError(f"expected {len(chosen)} live passes to withdraw, got {count}")


def served(services: Services) -> dict[str, tuple[int, str]]:
    """Version and digest of each list, as the server's database has them."""
    query = select(StatusList.uri, ListVersion.version, ListVersion.digest).join(
        ListVersion, ListVersion.list_id == StatusList.id
    )
    with services.database.reading() as session:
        return {uri: (version, digest.hex()) for uri, version, digest in session.execute(query)}


def waiting(services: Services) -> int:
    """How many committed changes are in no version yet."""
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(StatusChange)) or 0


class ChaosServer:
    """`waypass-server serve` on a folder. Nothing runs before `start`."""

    def __init__(self, folder: Path) -> None:
        self._configuration = folder / "server.toml"
        self._program: Program | None = None
        self.starts = 0

    def start(self) -> None:
        """Returns when it listens. Raises `ProgramError`."""
        command = Path(sys.executable).with_name("waypass-server")
        self._program = Program([command, "serve", "--config", self._configuration], keep=200)
        with self._program.closed_on_error():
            self._program.wait_for_line("listening", timeout=START_SECONDS)
        self.starts += 1

    def kill(self) -> None:
        """SIGKILL."""
        if self._program is not None:
            self._program.kill()
            self._program.close()
            self._program = None

    def pause(self) -> None:
        """SIGSTOP."""
        if self._program is not None:
            self._program.pause()

    def resume(self) -> None:
        """SIGCONT."""
        if self._program is not None:
            self._program.resume()

    def words(self) -> str:
        """What it said last."""
        return "" if self._program is None else self._program.text(Stream.STDERR)
