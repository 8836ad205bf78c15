"""The forms of rule sets: what may be answered now, and answers by wallet or at a desk."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field, StrictBool, StrictInt, StrictStr

from waypass_server import surveys
from waypass_server.api.access import Desk, HolderHere, ServicesHere
from waypass_server.api.facts import FactOut
from waypass_server.api.forms import IdInPath, Input, Output, PersonInput
from waypass_server.models.people import Person
from waypass_server.people import find_person, serving_network
from waypass_server.problems import RESPONSES

router = APIRouter(prefix="/api/v1", tags=["surveys"], responses=RESPONSES)

Name = Annotated[str, Field(max_length=40)]
Answer = (
    StrictBool | Annotated[StrictInt, Field(ge=-1_000_000, le=1_000_000)] | Annotated[StrictStr, Field(max_length=40)]
)
Answers = Annotated[dict[Name, Answer], Field(max_length=50, description="One to each question, by its id.")]


class AnswersForm(Input):
    """The holder's answers."""

    answers: Answers


class AnswersOfPerson(PersonInput):
    """A person's answers, given at a desk."""

    answers: Answers


class SurveyOut(Output):
    """A form that may be answered now. `rule_set` names it in the address of the answers."""

    rule_set: int
    rule_set_version: int
    title: str
    authority: str
    contact: str
    words: dict[str, str]
    questions: list[dict[str, Any]]
    valid_for: int


@router.get("/surveys", summary="The forms that may be answered now")
def read_surveys(here: ServicesHere) -> list[SurveyOut]:
    """Needs no token."""
    with here.database.reading() as session:
        found = surveys.forms_in_force(session, serving_network(session, here).id)
        return [
            SurveyOut(
                rule_set=version.rule_set_id,
                rule_set_version=version.number,
                title=version.rule_set.title,
                authority=version.rule_set.authority.name,
                contact=version.rule_set.authority.contact,
                **version.text["form"],
            )
            for version, _ in found
        ]


@router.post("/me/surveys/{rule_set_id}", status_code=201, summary="Answer a form")
def answer_survey(rule_set_id: IdInPath, body: AnswersForm, holder: HolderHere, here: ServicesHere) -> FactOut:
    """The answers are a fact until the form's time is over or newer ones take their place."""
    with here.change() as session:
        person = session.get_one(Person, holder.person_id)
        fact = surveys.answer(
            session,
            person=person,
            rule_set_id=rule_set_id,
            answers=body.answers,
            actor=holder.actor(),
            now=here.now(),
        )
        return FactOut.of(fact)


@router.post("/surveys/{rule_set_id}/answers", status_code=201, summary="Record a person's answers at a desk")
def record_answers(rule_set_id: IdInPath, body: AnswersOfPerson, member: Desk, here: ServicesHere) -> FactOut:
    """For people without a wallet. The holder is told."""
    with here.change() as session:
        person = find_person(session, member.network_id, body.person)
        fact = surveys.answer(
            session,
            person=person,
            rule_set_id=rule_set_id,
            answers=body.answers,
            actor=member.actor(),
            now=here.now(),
        )
        return FactOut.of(fact)
