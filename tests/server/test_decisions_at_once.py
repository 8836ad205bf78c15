"""Two people on one decision at the same moment, sliding limits at the same moment, on both databases: what one person
after the other would have been told.
"""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update
from tests.support.at_once import together
from tests.support.office import DAY, NOTICE, NOW, RIDE, Office, basis_form

from waypass_server import bases, delivery, entries, facts, objections, people, withdrawals
from waypass_server.bases import Proposer
from waypass_server.console import sessions
from waypass_server.facts import Report
from waypass_server.life import Action, Actor, Kind, State, WrongState
from waypass_server.models.lists_of_people import BasisVersion, Entry, Objection, ObjectionState, VersionState
from waypass_server.models.people import DeskCode, FailedEnrolment, Person, Wallet
from waypass_server.models.records import EmergencyWithdrawal, Notice, NoticeKind, WithdrawalState
from waypass_server.people import ATTEMPTS_PER_SOURCE, find_person
from waypass_server.refusals import Conflict, TooMany
from waypass_server.roles import Role
from waypass_server.signin.attempts import FREE_OF_SOURCE, Wait

pytestmark = pytest.mark.both_stores


def staff(number: int) -> Actor:
    """Somebody with every role; another number, another person."""
    return Actor(kind=Kind.STAFF, staff_id=number, roles=frozenset(Role))


APPROVER, APPROVER_2, REVIEWER = staff(5), staff(11), staff(6)


def approve(office: Office, entry: int, actor: Actor) -> None:
    assert actor.staff_id is not None
    approver = Proposer(actor=actor, staff_id=actor.staff_id, network_id=1, authority_id=None)
    with office.services.change() as session:
        entries.approve(session, entries.find_entry(session, 1, entry), approver=approver, now=NOW)


def withdraw(office: Office, entry: int) -> None:
    with office.services.change() as session:
        entries.end(session, entries.find_entry(session, 1, entry), Action.WITHDRAW, actor=APPROVER, now=NOW)


def state_of(office: Office, entry: int) -> State:
    with office.services.database.reading() as session:
        return session.get_one(Entry, entry).state


def test_two_people_approve_one_entry(office: Office) -> None:
    entry = office.entry(office.person(), office.basis())
    outcome = together(
        lambda: approve(office, entry, APPROVER),
        lambda: approve(office, entry, APPROVER_2),
        linger=office.services.database,
    )
    assert [type(error) for error in outcome.refused] == [WrongState]
    with office.services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Notice)) == 1, "told once"


def test_two_people_approve_one_basis(office: Office) -> None:
    made = office.do("proposer", "POST", "/bases", **basis_form())

    def work(actor: Actor) -> None:
        with office.services.change() as session:
            version = bases.find_version(session, 1, made["id"], 1)
            bases.approve_version(session, version=version, actor=actor, now=NOW)

    outcome = together(lambda: work(APPROVER), lambda: work(APPROVER_2), linger=office.services.database)
    assert [type(error) for error in outcome.refused] == [Conflict]


def test_two_versions_of_a_basis_are_proposed(office: Office) -> None:
    basis = office.basis()
    text = bases.BasisText(
        title="t",
        citation="c",
        health=True,
        effects=(),
        scopes=(RIDE,),
        longest=DAY,
        notice=NOTICE,
        objection_deadline=DAY,
        exclusions=(),
    )

    def work() -> None:
        with office.services.change() as session:
            proposer = Proposer(actor=staff(3), staff_id=3, network_id=1, authority_id=None)
            found = bases.find_basis(session, 1, basis)
            bases.propose_version(session, basis=found, proposer=proposer, text=text, minimum_notice=1, now=NOW)

    assert together(work, work, linger=office.services.database).refused == []
    with office.services.database.reading() as session:
        found = session.execute(select(BasisVersion.number, BasisVersion.state).order_by(BasisVersion.number)).all()
    proposed = VersionState.PROPOSED
    assert [tuple(row) for row in found] == [(1, VersionState.IN_FORCE), (2, proposed), (3, proposed)]


def test_an_entry_is_withdrawn_while_its_notice_is_delivered(office: Office) -> None:
    """Whichever is first: it has ended afterwards, and who was told of it is told of that."""
    for number in range(3):
        entry = office.entry(office.person(f"p-{number}"), office.basis())
        approve(office, entry, APPROVER)
        outcome = together(
            lambda entry=entry: withdraw(office, entry),  # type: ignore[misc]
            lambda: delivery.deliver(office.services),
            linger=office.services.database,
        )
        assert outcome.refused == []
        assert state_of(office, entry) is State.ENDED
        with office.services.database.reading() as session:
            told = session.execute(select(Notice.kind, Notice.delivered_at).where(Notice.entry_id == entry)).all()
        kinds = {kind for kind, at in told if at is not None or kind is NoticeKind.ENTRY_ENDED}
        assert kinds in (set(), {NoticeKind.ENTRY, NoticeKind.ENTRY_ENDED})


def suspended(office: Office) -> tuple[int, int]:
    """An entry that an objection suspends, and that objection."""
    person = office.person()
    entry = office.entry(person, office.basis())
    approve(office, entry, APPROVER)
    office.later()
    made = office.do(person, "POST", f"/me/entries/{entry}/objection", text="It was not me.")
    return entry, made["id"]


def decide(office: Office, objection: int, actor: Actor, *, lift: bool) -> None:
    with office.services.change() as session:
        found = objections.find_objection(session, 1, objection)
        objections.decide(session, found, lift=lift, answer="Because.", actor=actor, authority_id=None, now=NOW)


def test_an_objection_is_decided_while_its_entry_is_withdrawn(office: Office) -> None:
    entry, objection = suspended(office)
    outcome = together(
        lambda: withdraw(office, entry),
        lambda: decide(office, objection, REVIEWER, lift=False),
        linger=office.services.database,
    )
    assert {type(error) for error in outcome.refused} <= {Conflict}
    assert state_of(office, entry) is State.ENDED


def test_two_reviewers_decide_one_objection(office: Office) -> None:
    _, objection = suspended(office)
    outcome = together(
        lambda: decide(office, objection, REVIEWER, lift=False),
        lambda: decide(office, objection, staff(11), lift=True),
        linger=office.services.database,
    )
    assert [type(error) for error in outcome.refused] == [Conflict]


def test_a_person_objects_twice(office: Office) -> None:
    person = office.person()
    entry = office.entry(person, office.basis())
    approve(office, entry, APPROVER)
    office.later()

    def work() -> None:
        with office.services.change() as session:
            objections.object_to(session, person_id=1, entry_id=entry, text="No.", now=NOW)

    outcome = together(work, work, linger=office.services.database)
    assert [type(error) for error in outcome.refused] == [Conflict]
    with office.services.database.reading() as session:
        assert session.scalars(select(Objection.state)).all() == [ObjectionState.OPEN]


def report(office: Office, *, until: int) -> Callable[[], None]:
    def work() -> None:
        given = Report(
            kind="survey",
            source="desk",
            reason="r",
            yellow=True,
            scopes=(RIDE,),
            valid_from=NOW,
            valid_until=until,
        )
        with office.services.change() as session:
            person = find_person(session, 1, "p-1")
            facts.report(session, person=person, given=given, actor=staff(10), now=NOW)

    return work


def test_the_next_look_at_a_person_is_the_first_of_all_that_came_at_once(office: Office) -> None:
    office.person()
    ends = [NOW + hours * 3600 for hours in (1, 5, 9)]
    assert together(*(report(office, until=end) for end in ends), linger=office.services.database).refused == []
    with office.services.database.reading() as session:
        assert session.scalar(select(Person.reassess_at)) == ends[0]


def ask(office: Office, reference: str) -> Callable[[], None]:
    def work() -> None:
        with office.services.change() as session:
            person = find_person(session, 1, reference)
            withdrawals.ask(session, person=person, reason="lost", staff_id=8, actor=staff(8), now=NOW)

    return work


def states(office: Office) -> list[str]:
    with office.services.database.reading() as session:
        return sorted(state.value for state in session.scalars(select(EmergencyWithdrawal.state)))


def test_withdrawals_of_one_holder_at_once_keep_the_limit(office: Office) -> None:
    office.person()
    assert together(*[ask(office, "p-1")] * 5, linger=office.services.database).refused == []
    assert states(office) == ["done"] * withdrawals.A_HOLDER_A_MONTH + ["waiting"] * 2


def test_withdrawals_of_many_people_at_once_keep_the_limit(office: Office) -> None:
    """One place is left of the day's, and three ask for it."""
    with office.services.change() as session:
        for number in range(withdrawals.PEOPLE_A_DAY + 3):
            session.add(Person(network_id=1, reference=f"q-{number}", created_at=NOW, reassess_at=None))
        session.flush()
        found = session.scalars(select(Person.id).order_by(Person.id).limit(withdrawals.PEOPLE_A_DAY - 1)).all()
        for person in found:
            row = EmergencyWithdrawal(network_id=1, person_id=person, reason="r", asked_by=8, asked_at=NOW)
            row.state, row.done_at = WithdrawalState.DONE, NOW
            session.add(row)
    works = [ask(office, f"q-{withdrawals.PEOPLE_A_DAY + number}") for number in range(3)]
    assert together(*works, linger=office.services.database).refused == []
    assert states(office).count("waiting") == 2


def test_a_person_is_registered_at_two_desks(office: Office) -> None:
    def work() -> bool:
        with office.services.change() as session:
            return people.register(session, network_id=1, reference="p-9", actor=staff(10), now=NOW)[1]

    outcome = together(work, work, work, linger=office.services.database)
    assert (outcome.refused, sorted(outcome.done, key=bool)) == ([], [False, False, True])


def test_two_codes_for_one_person(office: Office) -> None:
    office.person()

    def work() -> str:
        with office.services.change() as session:
            person = find_person(session, 1, "p-1")
            draw = office.services.random_bytes
            return people.new_desk_code(session, person, actor=staff(10), random_bytes=draw, now=NOW).code

    assert together(work, work, linger=office.services.database).refused == []
    with office.services.database.reading() as session:
        usable = select(func.count()).select_from(DeskCode).where(DeskCode.used_at.is_(None))
        assert session.scalar(usable) == 1


def test_one_code_at_two_wallets(office: Office) -> None:
    office.do("desk", "POST", "/people", reference="p-1")
    code = office.do("desk", "POST", "/desk-codes", person="p-1")["code"]

    def work() -> str:
        return people.enrol(office.services, typed=code, source="here")

    outcome = together(work, work, linger=office.services.database)
    assert [type(error) for error in outcome.refused] == [people.WrongCode]
    with office.services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Wallet)) == 1


def test_guesses_at_once_are_counted_as_one_after_the_other(office: Office) -> None:
    guesses = [lambda: people.enrol(office.services, typed="0000-0000", source="here")] * (ATTEMPTS_PER_SOURCE + 4)
    outcome = together(*guesses, linger=office.services.database)
    assert [type(error) for error in outcome.refused].count(TooMany) == 4
    with office.services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(FailedEnrolment)) == ATTEMPTS_PER_SOURCE


def test_tokens_that_are_tried_at_once_are_counted_as_one_after_the_other(office: Office) -> None:
    def guess() -> None:
        sessions.sign_in(office.services, token="wps_none", source="here", before=None)

    outcome = together(*[guess] * (FREE_OF_SOURCE + 3), linger=office.services.database)
    assert [type(error) for error in outcome.refused].count(Wait) == 3


def test_a_request_while_its_session_signs_out(office: Office) -> None:
    secret = sessions.sign_in(office.services, token=office.tokens["ops"], source="here", before=None)
    office.clock.advance(120)
    outcome = together(
        lambda: sessions.sign_out(office.services, secret),
        lambda: sessions.find(office.services, secret),
        linger=office.services.database,
    )
    assert outcome.refused == []
    assert sessions.find(office.services, secret) is None


def test_the_scheduler_of_two_processes(office: Office) -> None:
    """People are settled in the same order by both, so neither waits for the other for ever."""
    for number in range(4):
        office.person(f"p-{number}")
    with office.services.change() as session:
        session.execute(update(Person).values(reassess_at=NOW))
    assert together(office.later, office.later, office.later, linger=office.services.database).refused == []
    with office.services.database.reading() as session:
        assert session.scalars(select(Person.reassess_at)).all() == [None] * 4
