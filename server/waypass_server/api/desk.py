"""The desk and the wallet's first call: people, desk codes, certificates of people without a wallet, enrolment."""

from fastapi import APIRouter, Response

from waypass_server import facts, people
from waypass_server.api.access import Desk, ServicesHere, SourceHere
from waypass_server.api.facts import FactOut
from waypass_server.api.forms import CertificateText, Input, Line, Output, PersonInput, Reference
from waypass_server.problems import RESPONSES

router = APIRouter(prefix="/api/v1", tags=["desk"], responses=RESPONSES)


class NewPerson(Input):
    """A person, as an opaque reference; nothing else about them is kept."""

    reference: Reference


class PersonOut(Output):
    """A person's reference and since when it is known."""

    reference: str
    created_at: int


class CodeOut(Output):
    """A single-use code for a wallet, shown once."""

    code: str
    expires_at: int


class CertificateOfPerson(PersonInput):
    """A person's health certificate."""

    text: CertificateText


class Enrolment(Input):
    """A desk code as it was typed."""

    code: Line


class WalletOut(Output):
    """The wallet's token, shown once."""

    token: str
    network: str


@router.post(
    "/people",
    status_code=201,
    summary="Register a person by an opaque reference",
    responses={200: {"model": PersonOut, "description": "It was known."}},
)
def register_person(body: NewPerson, response: Response, member: Desk, here: ServicesHere) -> PersonOut:
    """Doing it again changes nothing."""
    with here.change() as session:
        person, new = people.register(
            session, network_id=member.network_id, reference=body.reference, actor=member.actor(), now=here.now()
        )
        response.status_code = 201 if new else 200
        return PersonOut(reference=person.reference, created_at=person.created_at)


@router.post("/desk-codes", status_code=201, summary="Make a single-use code with which a person enrols a wallet")
def make_desk_code(body: PersonInput, member: Desk, here: ServicesHere) -> CodeOut:
    """Lives ten minutes; an earlier code of the same person can no longer be used."""
    with here.change() as session:
        person = people.find_person(session, member.network_id, body.person)
        code = people.new_desk_code(
            session, person, actor=member.actor(), random_bytes=here.random_bytes, now=here.now()
        )
        return CodeOut(code=code.code, expires_at=code.expires_at)


@router.post(
    "/evidence",
    status_code=201,
    summary="Hand in a health certificate for a person",
    responses={200: {"model": FactOut, "description": "It was known."}},
)
def hand_in_evidence(body: CertificateOfPerson, response: Response, member: Desk, here: ServicesHere) -> FactOut:
    """For people without a wallet; the rules are those of the wallet's own way."""
    now = here.now()
    evidence = facts.check(body.text, signers=here.evidence_signers, now=now)
    with here.change() as session:
        person = people.find_person(session, member.network_id, body.person)
        fact, new = facts.hand_in(session, person=person, evidence=evidence, actor=member.actor(), now=now)
        response.status_code = 201 if new else 200
        return FactOut.of(fact)


@router.post("/enrol", status_code=201, summary="Use a desk code: the wallet's token")
def enrol(body: Enrolment, source: SourceHere, here: ServicesHere) -> WalletOut:
    """Needs no token. A reference alone fetches nothing, and wrong codes are counted (429)."""
    token = people.enrol(here, typed=body.code, source=source)
    return WalletOut(token=token, network=here.settings.network)
