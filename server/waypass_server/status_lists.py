"""Status lists for those who fetch them over HTTP: Status List Tokens in CWT form, of the version that is current now.

1. A token is of the newest version in the database, also while no broker is there: who fetches is never behind a gate
2. it is signed when the first one asks for that version, and kept; it is signed anew at half its life, when another
   key signs, and when the clock was ahead
3. its `ttl`, for which it may be kept by others, is `TTL` seconds
4. without a key that may sign there is no token (`NoSigner`)
5. a list of another network, or one without a first version yet, is not found (None); one that has ended is gone
   (`Gone`)

Any thread may ask.
"""

import threading
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_protocol.keys import Signer
from waypass_protocol.status import Snapshot, sign_snapshot
from waypass_server.models.network import Network
from waypass_server.models.status import ListVersion, StatusList
from waypass_server.refusals import Gone
from waypass_server.services import Services
from waypass_server.status_storage import rebuild

MEDIA_TYPE = "application/statuslist+cwt"
LIFE = 24 * 3600
TTL = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A signed Status List Token. `etag` names these very bytes; `iat` in UNIX seconds."""

    data: bytes
    version: int
    iat: int
    kid: bytes
    etag: str

    def current(self, version: int, kid: bytes, now: int) -> bool:
        """Whether it still serves for this version (rule 2)."""
        return self.version == version and self.kid == kid and self.iat <= now < self.iat + LIFE // 2


class StatusListTokens:
    """The tokens of one server's lists, under the module's rules."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._kept: dict[str, Token] = {}

    def current(self, name: str) -> Token | None:
        """The token of a list, by its name. Raises `Gone`, `DamagedStatus` or `NoSigner`."""
        now, signer = self._services.now(), self._services.status_signer
        query = (
            select(StatusList, ListVersion)
            .join(ListVersion, ListVersion.list_id == StatusList.id)
            .join(Network, Network.id == StatusList.network_id)
            .where(StatusList.name == name, Network.name == self._services.settings.network)
        )
        with self._services.database.reading() as session:
            found = session.execute(query).one_or_none()
            if found is None:
                self._kept.pop(name, None)
                self._check_ended(session, name)
                return None
            row, current = found
            kept = self._kept.get(name)
            if kept is not None and kept.current(current.version, signer.kid, now):
                return kept
            # Read in the same transaction as the version, so that both are of one moment.
            packed, _ = rebuild(session, row, current)
        with self._lock:
            kept = self._kept.get(name)
            newer = kept is not None and kept.version > current.version
            if kept is None or not (newer or kept.current(current.version, signer.kid, now)):
                kept = self._kept[name] = _sign(row.uri, current.version, packed, now, signer)
            return kept

    def _check_ended(self, session: Session, name: str) -> None:
        """Rule 5. Raises `Gone`."""
        mine = StatusList.network_id == Network.id, Network.name == self._services.settings.network
        query = select(StatusList.ended_at).where(StatusList.name == name, *mine)
        if session.scalar(query) is not None:
            raise Gone("status list: expected a list with passes that can be valid, got one that has ended")


def _sign(uri: str, version: int, packed: bytes, now: int, signer: Signer) -> Token:
    snapshot = Snapshot(uri=uri, version=version, iat=now, exp=now + LIFE, ttl=TTL, packed=packed)
    etag = f'"{version}-{now}-{signer.kid.hex()}"'
    return Token(data=sign_snapshot(snapshot, signer), version=version, iat=now, kid=signer.kid, etag=etag)
