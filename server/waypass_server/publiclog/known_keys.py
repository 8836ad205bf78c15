"""The issuer keys as the server sees them in their folder: each one that comes or changes is logged, once.

Keys are files that an operator makes and retires; this is how the public register and the log come to know of them. A
key that has gone from the folder stays in the register as it was last seen.
"""

from collections.abc import Sequence

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import events
from waypass_server.keyring import IssuerKey
from waypass_server.life import Actor, Kind
from waypass_server.models.network import Network
from waypass_server.models.public_log import KnownKey
from waypass_server.services import Services

_OPERATOR = Actor(kind=Kind.SYSTEM)


def follow(services: Services) -> int:
    """Log what is new about the keys; how many are. A look that finds nothing takes no writer's lock."""
    keys = services.keys.all()
    with services.database.reading() as session:
        network_id = session.scalar(select(Network.id).where(Network.name == services.settings.network))
        if network_id is None or not _changed(session, network_id, keys):
            return 0
    with services.change() as session:
        # The network's row is the lock: two processes of the server do not both log the same key.
        session.execute(select(Network.id).where(Network.id == network_id).with_for_update(key_share=True))
        changed = _changed(session, network_id, keys)
        for key in changed:
            _note(session, network_id, key, services.now())
        return len(changed)


def _changed(session: Session, network_id: int, keys: Sequence[IssuerKey]) -> list[IssuerKey]:
    rows = session.scalars(select(KnownKey).where(KnownKey.network_id == network_id))
    known = {row.kid: (row.uses, row.nbf, row.exp, row.retired_at, row.trusted) for row in rows}
    return [key for key in keys if known.get(key.kid) != (_uses(key), key.nbf, key.exp, key.retired, key.trusted)]


def _note(session: Session, network_id: int, key: IssuerKey, now: int) -> None:
    query = select(KnownKey).where(KnownKey.network_id == network_id, KnownKey.kid == key.kid)
    row = session.scalars(query).one_or_none()
    what = "key.added" if row is None else "key.changed"
    if row is None:
        public = key.signer.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        row = KnownKey(network_id=network_id, kid=key.kid, public=public, seen_at=now)
        session.add(row)
    row.uses, row.nbf, row.exp, row.retired_at, row.trusted = (_uses(key), key.nbf, key.exp, key.retired, key.trusted)
    session.flush()
    events.record(
        session,
        network_id=network_id,
        at=now,
        actor=_OPERATOR,
        what=what,
        subject=("key", row.id),
        kid=key.kid,
        uses=_uses(key),
        nbf=key.nbf,
        exp=key.exp,
        retired=key.retired,
        trusted=key.trusted,
    )


def _uses(key: IssuerKey) -> str:
    return " ".join(sorted(use.value for use in key.uses))
