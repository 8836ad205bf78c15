"""What no sequence of steps may break, looked up in the database itself: without the server's rules and without the
model's.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session
from tests.support.office import Office

from waypass_protocol.logrecords import commit
from waypass_server.models.records import Event
from waypass_server.publiclog.store import UNLOGGED, record_of


class Watching(Protocol):
    """Who looks at the log from time to time; `seen` is the last event that was looked at."""

    office: Office
    seen: int


def new_changes(watching: Watching) -> list[str]:
    """What was recorded since the last look. Each has its leaf, which commits to just that, and there is no other."""
    with watching.office.services.database.reading() as session:
        events = session.query(Event).where(Event.id > watching.seen).order_by(Event.id).all()
        for event in events:
            _check_leaf(session, event)
        logged, openings, leaves, size = session.execute(
            text(
                "SELECT (SELECT count(*) FROM events WHERE what NOT IN ('passes.issued', 'console.signed-in')),"
                " (SELECT count(DISTINCT event_id) FROM log_openings), (SELECT count(*) FROM log_leaves),"
                " (SELECT size FROM log_trees)"
            )
        ).one()
        assert logged == openings == leaves == size
    watching.seen = max([watching.seen, *(event.id for event in events)])
    return [event.what for event in events]


def _check_leaf(session: Session, event: Event) -> None:
    query = text(
        "SELECT o.salt, o.record, l.leaf FROM log_openings AS o JOIN log_leaves AS l"
        " ON l.network_id = o.network_id AND l.idx = o.idx WHERE o.event_id = :event"
    )
    rows = session.execute(query, {"event": event.id}).all()
    assert len(rows) == (event.what not in UNLOGGED), event.what
    for salt, record, leaf in rows:
        assert record == record_of(event).to_bytes()
        assert leaf == commit(salt, record)


def check_log_tree(office: Office) -> None:
    """Every checkpoint that was signed is of the leaves as they are: nothing of them was lost or changed since."""
    with office.services.database.reading() as session:
        leaves = session.execute(text("SELECT leaf FROM log_leaves ORDER BY idx")).scalars().all()
        for size, note in session.execute(text("SELECT size, note FROM log_checkpoints")):
            assert base64.b64decode(note.split("\n")[2]) == root_of(leaves[:size]), size


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash, as RFC 9162 defines it in section 2.1.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root_of(leaves[:half]) + root_of(leaves[half:])).digest()


def pass_rows(office: Office) -> dict[int, int]:
    """Passes by id, with their status. What was taken away is on its way to the gates."""
    with office.services.database.reading() as session:
        rows = session.execute(text("SELECT id, status, list_id, idx FROM passes")).all()
        going = {tuple(row) for row in session.execute(text("SELECT list_id, idx FROM status_changes"))}
    assert {(list_id, idx) for _, status, list_id, idx in rows if status} <= going
    return {number: status for number, status, _, _ in rows}


_TWO_PARTS = """
SELECT 'entry', id FROM entries
    WHERE approved_by = proposed_by OR confirmed_by IN (proposed_by, approved_by)
UNION ALL SELECT 'basis', id FROM basis_versions WHERE approved_by = proposed_by
UNION ALL SELECT 'rules', id FROM rule_set_versions WHERE approved_by = proposed_by
UNION ALL SELECT 'withdrawal', id FROM emergency_withdrawals WHERE confirmed_by = asked_by
UNION ALL SELECT 'objection', o.id FROM objections AS o JOIN entries AS e ON e.id = o.entry_id
    WHERE o.decided_by IN (e.proposed_by, e.approved_by, e.confirmed_by)
UNION ALL SELECT 'lifted', v.id FROM events AS v JOIN entries AS e ON e.id = v.subject_id
    WHERE v.what = 'entry.lift' AND v.staff_id IN (e.proposed_by, e.approved_by, e.confirmed_by)
UNION ALL SELECT 'approved', v.id FROM events AS v JOIN entries AS e ON e.id = v.subject_id
    WHERE v.what IN ('entry.approved', 'entry.held', 'entry.confirmed') AND v.staff_id = e.proposed_by
"""
_RED = """
SELECT e.id, e.proposed_by, e.approved_by, e.confirmed_by, e.reason, e.starts_at, e.ends_at, e.scopes, v.scopes,
    v.longest, v.notice, v.health, v.proposed_by, v.approved_by, n.delivered_at, n.id,
    EXISTS (SELECT 1 FROM events WHERE what = 'entry.held' AND subject = 'entry' AND subject_id = e.id)
FROM entries AS e JOIN basis_versions AS v ON v.id = e.basis_version_id
LEFT JOIN notices AS n ON n.entry_id = e.id AND n.kind = 'entry' AND n.delivered_at IS NOT NULL
WHERE e.id = :entry AND e.effect = 'red'
"""


def check_safety(office: Office) -> dict[str, Any]:
    """Nobody has two parts in one decision; and whoever sees red sees it for an entry that two people made, of which
    they were told in time, on a basis of two people, with a reason and an end. Never by a fact or a rule.

    What each person sees.
    """
    with office.services.database.reading() as session:
        assert session.execute(text(_TWO_PARTS)).all() == []
        recorded = session.execute(text("SELECT id FROM notices WHERE delivered_at IS NOT NULL")).scalars().all()
        assert set(recorded) <= office.outbox.sent.keys()
    now = office.services.now()
    seen = {person: office.do(person, "GET", "/me") for person in office.wallets}
    for me in seen.values():
        for scope in me["scopes"]:
            if scope["aspect"] == "red":
                causes = [cause for cause in scope["why"] if cause["aspect"] == "red"]
                assert {cause["kind"] for cause in causes} == {"entry"}, scope
                for cause in causes:
                    _check_red(office, cause["id"], scope["number"], now)
    return seen


def _check_red(office: Office, entry: int, scope: int, now: int) -> None:
    with office.services.database.reading() as session:
        row = session.execute(text(_RED), {"entry": entry}).one()
        essential = session.execute(
            text("SELECT essential FROM scopes WHERE number = :scope"), {"scope": scope}
        ).scalar_one()
    (_, proposer, approver, confirmer, reason, starts, ends, scopes, allowed, longest, notice, health, *basis) = row
    basis_proposer, basis_approver, delivered, notice_id, was_held = basis
    assert approver is not None
    assert approver != proposer
    assert not was_held or (confirmer is not None and confirmer not in (proposer, approver))
    assert basis_approver is not None
    assert basis_approver != basis_proposer
    assert delivered is not None
    assert delivered + notice <= now < ends <= starts + longest
    assert notice_id in office.outbox.sent
    assert office.outbox.sent[notice_id].content["reason"] == reason.strip() != ""
    assert str(scope) in scopes.strip("[]").split(", ")
    assert set(scopes.strip("[]").split(", ")) <= set(allowed.strip("[]").split(", "))
    assert health or not essential
