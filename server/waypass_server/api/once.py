"""Requests that make something, carried out once however often they are sent.

Whoever cannot know whether a request has arrived sends it again. Most requests may be: what has come about already is
left as it is (`life`, and the docstring of each). Those of staff that make a record anew each time may carry a key of
the caller's, the header `Idempotency-Key`:

1. the first time, what is asked for is done, and the record that came of it is kept with the key in the same
   transaction
2. sent again by the same person, with the same key: nothing is done, and the answer is that record as it is now
3. the same key with another address or body is refused (`KeyUsed`)
4. of two at the same moment one is carried out; the database refuses the other, which finds the record when it tries
   again
5. keys are forgotten after a day (`forgetting`)

Only hashes of key and request are kept. Requests whose answer is a secret (desk codes, wallets, passes) take no key: a
new one takes the place of the one before.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Header, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server.api.access import StaffMember
from waypass_server.models.base import Base
from waypass_server.models.requests import DoneRequest
from waypass_server.refusals import BadInput
from waypass_server.tokens import hash_secret

_Record = TypeVar("_Record", bound=Base)

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Of the caller's own making, a new one for each request: the same request sent again with it is"
        " not carried out twice.",
    ),
]


class KeyUsed(BadInput):
    """The key came with another request before."""

    name = "key-used"
    title = "The key belongs to another request"


@dataclass(frozen=True, kw_only=True, slots=True)
class Once:
    """A request that may be one that was carried out. Without a key it is a new one."""

    key: str | None
    request_hash: str

    def do(
        self,
        session: Session,
        member: StaffMember,
        now: int,
        kind: type[_Record],
        make: Callable[[], _Record],
    ) -> _Record:
        """The record that came of this request before, or the one that `make` makes. Raises `KeyUsed`, and what `make`
        raises.
        """
        known = self.find(session, member, kind)
        if known is not None:
            return known
        record: Any = make()
        if self.key is None:
            return cast(_Record, record)
        session.flush()
        session.add(
            DoneRequest(
                staff_id=member.staff_id,
                key_hash=hash_secret(self.key),
                request_hash=self.request_hash,
                record_id=record.id,
                at=now,
            )
        )
        return cast(_Record, record)

    def find(self, session: Session, member: StaffMember, kind: type[_Record]) -> _Record | None:
        """The record that came of this request before, for what takes long to do in vain. Raises `KeyUsed`."""
        if self.key is None:
            return None
        mine = DoneRequest.staff_id == member.staff_id, DoneRequest.key_hash == hash_secret(self.key)
        known = session.scalars(select(DoneRequest).where(*mine)).one_or_none()
        if known is None:
            return None
        if known.request_hash != self.request_hash:
            raise KeyUsed("Idempotency-Key: expected a new one for another request, got one that was used")
        return session.get_one(kind, known.record_id)


async def _once(request: Request, key: Key = None) -> Once:
    asked = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body())
    return Once(key=key, request_hash=asked.hexdigest())


OnceHere = Annotated[Once, Depends(_once)]
"""A parameter of an endpoint that makes a record."""
