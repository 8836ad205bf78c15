"""The audit trail: who did what to which record, the newest first, and where each change is in the public log.

Days are those of UTC, like everything that programs compare. What stands in the address (kind, authority, days, page)
names no person.
"""

from datetime import UTC, date, datetime, time
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import audit
from waypass_server.api.access import ServicesHere
from waypass_server.audit import Filter, Line
from waypass_server.console import forms
from waypass_server.console.access import LogReader
from waypass_server.console.event_words import EVENTS, KINDS, RECORDS, SUBJECTS
from waypass_server.console.forms import Filled
from waypass_server.console.people import names_of_staff
from waypass_server.console.rendering import rendering, show
from waypass_server.console.words import Speech
from waypass_server.models.network import Authority
from waypass_server.publiclog import checkpoints
from waypass_server.roles import Role

router = APIRouter(prefix="/log")

PAGE = 50
DAY = 86_400
_ENTRY_READERS = frozenset({Role.PROPOSER, Role.APPROVER, Role.REVIEWER, Role.OPS})

Text = Annotated[str, Query(max_length=40)]


@router.get("")
def show_log(
    request: Request,
    me: LogReader,
    here: ServicesHere,
    kind: Text = "",
    authority: Text = "",
    since: Text = "",
    until: Text = "",
    before: Annotated[int, Query(ge=0, lt=1 << 53)] = 0,
) -> Response:
    """A page of it. A day that is none is said at its field, and the others count all the same."""
    speech = rendering(request).speech(request)
    values = {"kind": kind, "authority": authority, "since": since, "until": until}
    days, errors = _days(values, speech)
    network_id = me.member.network_id
    wanted = Filter(
        subjects=SUBJECTS.get(kind, ()),
        authority_id=forms.record_id(authority) or None,
        since=_midnight(days["since"]),
        until=_midnight(days["until"], days_later=1),
        before=before,
    )
    with here.database.reading() as session:
        lines = audit.read(session, network_id, wanted, most=PAGE + 1)
        newest = checkpoints.newest(session, network_id)
        return show(
            request,
            "log.html",
            status=422 if errors else 200,
            lines=lines[:PAGE],
            proved=newest.size if newest else 0,
            words={line.event.id: _word(line, speech) for line in lines},
            records={value: speech(words) for value, words in RECORDS.items()},
            places={line.event.id: _place(line, me.member.roles) for line in lines},
            staff=names_of_staff(session, network_id),
            filled=Filled(values=values, errors=errors),
            filtered=any(values.values()) or before > 0,
            kinds={value: speech(words) for value, words in KINDS.items()},
            authorities=_authorities(session, network_id),
            older=_address(values, lines[PAGE - 1].event.id) if len(lines) > PAGE else None,
        )


def _word(line: Line, speech: Speech) -> str | None:
    """What the event is called, or None for one that has no words here."""
    words = EVENTS.get(line.event.what)
    return None if words is None else speech(words)


def _place(line: Line, roles: frozenset[Role]) -> str | None:
    """The page of the record that the event is about, where there is one that this person may open."""
    event = line.event
    match event.subject:
        case "entry" if roles & _ENTRY_READERS:
            return f"/ops/entries/{event.subject_id}"
        case "objection" if Role.REVIEWER in roles:
            return f"/ops/objections/{event.subject_id}"
        case "withdrawal" if Role.OPS in roles:
            return f"/ops/withdrawals/{event.subject_id}"
        case "basis" if isinstance(event.details.get("version"), int):
            return f"/ops/bases/{event.subject_id}/{event.details['version']}"
        case "rule-set" if isinstance(event.details.get("version"), int):
            return f"/ops/rules/{event.subject_id}/{event.details['version']}"
        case "limit" | "alarm":
            return "/ops/limits"
        case _:
            return None


def _days(values: dict[str, str], speech: Speech) -> tuple[dict[str, date | None], dict[str, str]]:
    found: dict[str, date | None] = {}
    errors: dict[str, str] = {}
    for name in ("since", "until"):
        try:
            found[name] = date.fromisoformat(values[name]) if values[name] else None
        except ValueError:
            found[name], errors[name] = None, speech("Write a day such as 2027-01-15.")
    return found, errors


def _midnight(day: date | None, *, days_later: int = 0) -> int | None:
    if day is None:
        return None
    return int(datetime.combine(day, time.min, tzinfo=UTC).timestamp()) + days_later * DAY


def _authorities(session: Session, network_id: int) -> list[Authority]:
    query = select(Authority).where(Authority.network_id == network_id).order_by(Authority.name)
    return list(session.scalars(query))


def _address(values: dict[str, str], before: int) -> str:
    return "/ops/log?" + urlencode({name: value for name, value in values.items() if value} | {"before": before})
