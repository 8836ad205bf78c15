"""Checkpoints of the public log: when one is signed, and which is the newest.

1. one is due when the log has grown and the newest is as old as the setting `checkpoint_after` says, and in any case
   when it is `AT_LEAST_EVERY` old; the first one at once
2. it is signed under the lock of the tree, over the frontier that is stored; a log that is shorter than a checkpoint
   that was signed is damaged (`DamagedLog`), and nothing is signed of it
3. a key that serves the log signs it. Without one nothing is signed, and the log of the server says so; changes are
   logged all the same, and are in the first checkpoint that is signed again
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_protocol.checkpoint import Checkpoint, origin_of, read_checkpoint, sign_checkpoint
from waypass_protocol.keys import Signer, Use
from waypass_server.errors import ServerError
from waypass_server.models.network import Network
from waypass_server.models.public_log import LogCheckpoint, LogTree
from waypass_server.publiclog.store import lock_tree
from waypass_server.services import Services

AT_LEAST_EVERY = 3600


class DamagedLog(ServerError):
    """What is stored of the log is not what was signed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedCheckpoint:
    """A stored checkpoint; `note` is what is published."""

    size: int
    at: int
    note: str

    def read(self) -> Checkpoint:
        """What it says."""
        return read_checkpoint(self.note.encode())[0]


def sign_if_due(services: Services) -> SignedCheckpoint | None:
    """Sign and store a checkpoint when one is due (rule 1). Raises `NoSigner` or `DamagedLog`."""
    now, network = services.now(), services.settings.network
    with services.database.reading() as session:
        network_id = session.scalar(select(Network.id).where(Network.name == network))
        if network_id is None or not _due(session, network_id, now, services.settings.checkpoint_after):
            return None
    signer = services.keys.signer(Use.LOG, now)
    with services.change() as session:
        return _sign(session, network_id, network, signer, now)


def newest(session: Session, network_id: int) -> SignedCheckpoint | None:
    """The newest checkpoint."""
    query = select(LogCheckpoint).where(LogCheckpoint.network_id == network_id).order_by(LogCheckpoint.size.desc())
    row = session.scalars(query.limit(1)).one_or_none()
    return None if row is None else SignedCheckpoint(size=row.size, at=row.at, note=row.note)


def newest_of(session: Session, network: str) -> SignedCheckpoint | None:
    """The newest checkpoint of a network, by its name."""
    network_id = session.scalar(select(Network.id).where(Network.name == network))
    return None if network_id is None else newest(session, network_id)


def of_size(session: Session, network_id: int, size: int) -> SignedCheckpoint | None:
    """The checkpoint that was signed of this size, if one was."""
    row = session.get(LogCheckpoint, (network_id, size))
    return None if row is None else SignedCheckpoint(size=row.size, at=row.at, note=row.note)


def _due(session: Session, network_id: int, now: int, after_change: float) -> bool:
    last = newest(session, network_id)
    if last is None:
        return True
    size = session.scalar(select(LogTree.size).where(LogTree.network_id == network_id)) or 0
    # A clock that was put back must not keep the log quiet until it has caught up.
    age = abs(now - last.at)
    return age >= AT_LEAST_EVERY or (size != last.size and age >= after_change)


def _sign(session: Session, network_id: int, network: str, signer: Signer, now: int) -> SignedCheckpoint:
    frontier = lock_tree(session, network_id)
    last = newest(session, network_id)
    if last is not None and frontier.size < last.size:
        raise DamagedLog(f"log: expected at least the {last.size} leaves of the last checkpoint, found {frontier.size}")
    if last is not None and frontier.size == last.size and frontier.root() != last.read().root:
        raise DamagedLog(f"log: expected the root that was signed for {last.size} leaves, found another")
    checkpoint = Checkpoint(origin=origin_of(network), size=frontier.size, root=frontier.root())
    signed = SignedCheckpoint(size=frontier.size, at=now, note=sign_checkpoint(checkpoint, signer))
    session.merge(LogCheckpoint(network_id=network_id, size=signed.size, at=signed.at, note=signed.note))
    return signed
