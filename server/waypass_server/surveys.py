"""Answers to the forms of rule sets: from the person by the wallet, or given at a desk. Each set of answers is a fact.

1. the form is that of a rule set in force (`NotFound`)
2. every question has an answer of its kind, and nothing else is answered (`BadInput`)
3. newer answers take the place of older ones of the same person and form; what was answered at a desk is replaced at a
   desk (`Conflict`)
4. the same answers again from the same place within `AGAIN` seconds are the same request, and change nothing

The fact does nothing by itself: it is what rules see. It is in force for as long as the form says. Given at a desk, it
counts against the limits where rules make the person yellow for it (`facts.counted`: `PastLimit`).
"""

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from waypass_server import facts
from waypass_server.life import Actor, Kind
from waypass_server.models.lists_of_people import Fact, Weight
from waypass_server.models.people import Person
from waypass_server.models.records import NoticeKind
from waypass_server.models.rules import RuleSet, RuleSetState, RuleSetVersion
from waypass_server.notifying import tell
from waypass_server.refusals import BadInput, Conflict, NotFound
from waypass_server.rule_text import AnswerKind, Question, SurveyForm, from_json

Answer = bool | int | str

AGAIN = 600


def forms_in_force(session: Session, network_id: int) -> Sequence[tuple[RuleSetVersion, SurveyForm]]:
    """Every form that may be answered now, with the version that it is of."""
    query = (
        select(RuleSetVersion)
        .join(RuleSet, RuleSet.id == RuleSetVersion.rule_set_id)
        .where(RuleSet.network_id == network_id, RuleSetVersion.state == RuleSetState.IN_FORCE)
        .options(joinedload(RuleSetVersion.rule_set))
        .order_by(RuleSet.id)
    )
    found = [(version, from_json(version.text).form) for version in session.scalars(query)]
    return [(version, form) for version, form in found if form is not None]


def answer(
    session: Session, *, person: Person, rule_set_id: int, answers: Mapping[str, Answer], actor: Actor, now: int
) -> Fact:
    """The answers as a fact. Raises what the module's rules name."""
    version, form = _find_form(session, person.network_id, rule_set_id)
    _check(form, answers)
    at_desk = actor.kind is Kind.STAFF
    details = {"rule_set": rule_set_id, "version": version.number, "answers": dict(answers)}
    for fact in _in_force(session, person, rule_set_id, now):
        if fact.details == details and (fact.recorded_by is not None) is at_desk and now - fact.recorded_at < AGAIN:
            return fact  # rule 4
    old = _to_replace(session, person, rule_set_id, actor, now)
    fact = Fact(
        network_id=person.network_id,
        person_id=person.id,
        kind="survey",
        source="answered at the desk" if at_desk else "answered by the holder",
        weight=Weight.NONE,
        scopes=[],
        reason=f"{form.words.en} / {form.words.zh}",
        valid_from=now,
        valid_until=now + form.valid_for,
        details=details,
        recorded_by=actor.staff_id,
        recorded_at=now,
    )
    facts.replace(session, person, old, fact, actor=actor, now=now)
    if at_desk:
        content: dict[str, object] = {"fact": fact.id, "kind": fact.kind, "source": fact.source, "reason": fact.reason}
        tell(session, person_id=person.id, kind=NoticeKind.FACT, now=now, content=content)
    return fact


def _find_form(session: Session, network_id: int, rule_set_id: int) -> tuple[RuleSetVersion, SurveyForm]:
    """Rule 1."""
    for version, form in forms_in_force(session, network_id):
        if version.rule_set_id == rule_set_id:
            return version, form
    raise NotFound(f"survey: expected the form of a rule set in force, got {rule_set_id}")


def _check(form: SurveyForm, answers: Mapping[str, Answer]) -> None:
    """Rule 2."""
    asked = {question.id: question for question in form.questions}
    if answers.keys() != asked.keys():
        raise BadInput(f"answers: expected one to each of {sorted(asked)}, got them to {sorted(answers)}")
    for name, given in answers.items():
        if not _fits(asked[name], given):
            raise BadInput(f"answers: {name}: expected {_expected(asked[name])}, got something else")


def _fits(question: Question, given: Answer) -> bool:
    match question.kind:
        case AnswerKind.YES_NO:
            return isinstance(given, bool)
        case AnswerKind.CHOICE:
            return given in [choice.value for choice in question.choices]
        case AnswerKind.NUMBER:
            whole = isinstance(given, int) and not isinstance(given, bool)
            return whole and question.least <= int(given) <= question.most
        case AnswerKind.DATE:
            return isinstance(given, str) and _is_date(given)


def _expected(question: Question) -> str:
    match question.kind:
        case AnswerKind.YES_NO:
            return "true or false"
        case AnswerKind.CHOICE:
            return f"one of {[choice.value for choice in question.choices]}"
        case AnswerKind.NUMBER:
            return f"a whole number from {question.least} to {question.most}"
        case AnswerKind.DATE:
            return "a date such as 2027-01-15"


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _to_replace(session: Session, person: Person, rule_set_id: int, actor: Actor, now: int) -> list[Fact]:
    """Rule 3."""
    found = _in_force(session, person, rule_set_id, now)
    if actor.kind is not Kind.STAFF and any(fact.recorded_by is not None for fact in found):
        raise Conflict("answers: expected them at a desk, where the ones in force were given")
    return found


def _in_force(session: Session, person: Person, rule_set_id: int, now: int) -> list[Fact]:
    """A person's answers to this form that count now."""
    query = select(Fact).where(Fact.person_id == person.id, Fact.kind == "survey", Fact.withdrawn_at.is_(None))
    found = session.scalars(query.where(Fact.valid_until > now).with_for_update(key_share=True))
    return [fact for fact in found if (fact.details or {}).get("rule_set") == rule_set_id]
