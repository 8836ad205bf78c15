"""What the server's parts are given: time, randomness, keys, the database and the way to wake each other.

Nothing in the server reads a clock, draws a random number or opens a database by itself; it asks the `Services` that
`commands.serve` made once, or that a test made of real doubles.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.orm import Session

from waypass_protocol.keys import Signer, Use
from waypass_server.database import Database, RandomBytes
from waypass_server.evidence import SignerSet
from waypass_server.keyring import IssuerKeys
from waypass_server.notices import NoticeSender
from waypass_server.reserve import Reserve
from waypass_server.settings import Settings
from waypass_server.signin.passwords import Passwords

if TYPE_CHECKING:  # loaded where a provider is set
    from waypass_server.signin.oidc import Provider


class Clock(Protocol):
    """Gives the time."""

    def now(self) -> float:
        """UNIX seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """UNIX seconds."""
        return time.time()


class SetClock:
    """A clock that stands where it is put. For tests and dry runs."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        """UNIX seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Put it forward."""
        self._now += seconds


class Nudge:
    """A bell: whoever committed a change rings it, and those who have to act on changes wake at once."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` at each ring, on the ringing thread: it only sets an event and returns."""
        self._listeners.append(listener)

    def __call__(self) -> None:
        """Ring."""
        for listener in self._listeners:
            listener()


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Everything that the server's parts share.

    `indexes` draws the places of passes and must not be predictable outside tests (`random.SystemRandom`). `provider`
    is the OpenID provider that staff may sign in at, if the settings name one.
    """

    settings: Settings
    database: Database
    clock: Clock
    random_bytes: RandomBytes
    indexes: random.Random
    keys: IssuerKeys
    evidence_signers: SignerSet
    notices: NoticeSender
    passwords: Passwords = field(default_factory=Passwords)
    provider: "Provider | None" = None
    nudge: Nudge = field(default_factory=Nudge)
    reserve: Reserve = field(default_factory=Reserve)

    def now(self) -> int:
        """The time in whole UNIX seconds."""
        return int(self.clock.now())

    @property
    def pass_signer(self) -> Signer:
        """The key that signs passes now. Raises `NoSigner`; ask anew for each request."""
        return self.keys.signer(Use.PASS, self.now())

    @property
    def status_signer(self) -> Signer:
        """The key that signs status lists now. Raises `NoSigner`; ask anew for each."""
        return self.keys.signer(Use.STATUS, self.now())

    @contextmanager
    def change(self) -> Iterator[Session]:
        """A session in one transaction; after its commit publisher and scheduler are woken."""
        with self.database.changing() as session:
            yield session
        self.nudge()
