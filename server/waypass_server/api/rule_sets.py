"""Rule sets: proposed by one person, counted in a shadow run, put in force by another."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from sqlalchemy import select

from waypass_server import rule_sets, shadow
from waypass_server.api.access import ServicesHere, StaffMember, staff_with
from waypass_server.api.bases import proposer_of
from waypass_server.api.forms import IdInPath, Input, Instant, Line, Output, Period, RecordId, ScopeNumber, Words
from waypass_server.api.once import OnceHere
from waypass_server.models.lists_of_people import Effect, Weight
from waypass_server.models.rules import RuleSet, RuleSetState, RuleSetVersion
from waypass_server.people import serving_network
from waypass_server.problems import RESPONSES
from waypass_server.roles import Role
from waypass_server.rule_text import AnswerKind, Choice, EntryToPropose, Question, Rule, RuleText, SurveyForm
from waypass_server.rule_text import Words as BothWords

router = APIRouter(prefix="/api/v1/rule-sets", tags=["rules"], responses=RESPONSES)

RuleProposer = Annotated[StaffMember, Depends(staff_with(Role.ADMIN, Role.PROPOSER))]
RuleApprover = Annotated[StaffMember, Depends(staff_with(Role.ADMIN, Role.APPROVER))]
Runner = Annotated[StaffMember, Depends(staff_with(Role.ADMIN, Role.PROPOSER, Role.APPROVER))]
Reading = Annotated[StaffMember, Depends(staff_with(Role.ADMIN, Role.PROPOSER, Role.APPROVER, Role.REVIEWER, Role.OPS))]
Ender = Reading

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$", examples=["cough"])]
Scopes = Annotated[tuple[ScopeNumber, ...], Field(min_length=1, max_length=100)]


class WordsForm(Input):
    """A text in both languages."""

    en: Line
    zh: Line

    def words(self) -> BothWords:
        """As the domain has it."""
        return BothWords(en=self.en, zh=self.zh)


class ChoiceForm(Input):
    """One answer of several; `value` is what rules see."""

    value: Id
    words: WordsForm


class QuestionForm(Input):
    """A question of a closed type. `choices` for a choice; `least` and `most`, both inclusive, for a number."""

    id: Id
    kind: AnswerKind
    words: WordsForm
    choices: Annotated[tuple[ChoiceForm, ...], Field(max_length=50)] = ()
    least: Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)] = 0
    most: Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)] = 0

    def question(self) -> Question:
        """As the domain has it."""
        return Question(
            id=self.id,
            kind=self.kind,
            words=self.words.words(),
            choices=tuple(Choice(value=each.value, words=each.words.words()) for each in self.choices),
            least=self.least,
            most=self.most,
        )


class SurveyFormForm(Input):
    """What is asked, and for how many seconds the answers are a fact."""

    words: WordsForm
    questions: Annotated[tuple[QuestionForm, ...], Field(min_length=1, max_length=50)]
    valid_for: Annotated[Period, Field(ge=60, le=366 * 86_400)]

    def form(self) -> SurveyForm:
        """As the domain has it."""
        questions = tuple(each.question() for each in self.questions)
        return SurveyForm(words=self.words.words(), questions=questions, valid_for=self.valid_for)


class ProposesForm(Input):
    """The entry that a rule proposes. A rule never makes one."""

    basis: RecordId
    effect: Effect
    scopes: Scopes


class RuleForm(Input):
    """One rule; where `logic` counts as true, it gives what `gives` says."""

    id: Id
    reason: Annotated[Words, Field(description="In plain words, for the person concerned.")]
    gives: Annotated[Weight, Field(description="`yellow`, `admits` (evidence), or `none` for one that only proposes.")]
    scopes: Scopes
    logic: Annotated[Any, Field(description="CertLogic over the person's facts.")]
    proposes: ProposesForm | None = None

    def rule(self) -> Rule:
        """As the domain has it."""
        given = self.proposes
        proposes = (
            None if given is None else EntryToPropose(basis_id=given.basis, effect=given.effect, scopes=given.scopes)
        )
        return Rule(
            id=self.id, reason=self.reason, gives=self.gives, scopes=self.scopes, logic=self.logic, proposes=proposes
        )


class RuleSetForm(Input):
    """What a version says; see the module `rule_sets` for its rules."""

    citation: Line
    rules: Annotated[tuple[RuleForm, ...], Field(min_length=1, max_length=50)]
    form: SurveyFormForm | None = None

    def text(self) -> RuleText:
        """As the domain has it."""
        form = None if self.form is None else self.form.form()
        return RuleText(citation=self.citation, rules=tuple(each.rule() for each in self.rules), form=form)


class NewRuleSet(RuleSetForm):
    """A new rule set of an authority, by the authority's name."""

    authority: Line
    title: Line


class Approval(Input):
    """The shadow run that the approver has seen, by its time."""

    shadow_at: Instant


class RuleSetOut(Output):
    """One version of a rule set: what it says, and for those who decide, what its shadow run counted."""

    id: int
    number: int
    state: RuleSetState
    title: str
    authority: str
    contact: str
    citation: str
    rules: list[dict[str, Any]]
    form: dict[str, Any] | None
    approved_at: int | None
    shadow_at: int | None = None
    shadow: dict[str, Any] | None = None

    @staticmethod
    def of(version: RuleSetVersion, *, decides: bool = True) -> "RuleSetOut":
        """From a row."""
        rule_set = version.rule_set
        return RuleSetOut(
            id=rule_set.id,
            number=version.number,
            state=version.state,
            title=rule_set.title,
            authority=rule_set.authority.name,
            contact=rule_set.authority.contact,
            approved_at=version.approved_at,
            shadow_at=version.shadow_at if decides else None,
            shadow=version.shadow if decides else None,
            **version.text,
        )


@router.get("", summary="The rule sets in force: every rule that turns facts into colours")
def read_rule_sets(here: ServicesHere) -> list[RuleSetOut]:
    """Needs no token."""
    with here.database.reading() as session:
        network = serving_network(session, here)
        query = select(RuleSetVersion).join(RuleSet, RuleSet.id == RuleSetVersion.rule_set_id)
        query = query.where(RuleSet.network_id == network.id, RuleSetVersion.state == RuleSetState.IN_FORCE)
        return [RuleSetOut.of(version, decides=False) for version in session.scalars(query.order_by(RuleSet.id))]


@router.post("", status_code=201, summary="Propose a new rule set")
def propose_rule_set(body: NewRuleSet, member: RuleProposer, here: ServicesHere, once: OnceHere) -> RuleSetOut:
    """It counts once another person has approved it, with the numbers of a shadow run before their eyes."""
    now = here.now()
    with here.change() as session:

        def make() -> RuleSetVersion:
            return rule_sets.register(
                session,
                proposer=proposer_of(member),
                authority=body.authority,
                title=body.title,
                text=body.text(),
                now=now,
            )

        return RuleSetOut.of(once.do(session, member, now, RuleSetVersion, make))


@router.post("/{rule_set_id}/versions", status_code=201, summary="Propose a change to a rule set")
def propose_rule_set_version(
    rule_set_id: IdInPath, body: RuleSetForm, member: RuleProposer, here: ServicesHere, once: OnceHere
) -> RuleSetOut:
    """The version in force stays so until another person has approved the new one."""
    now = here.now()
    with here.change() as session:
        rule_set = rule_sets.find_rule_set(session, member.network_id, rule_set_id, lock=True)

        def make() -> RuleSetVersion:
            return rule_sets.propose_version(
                session, rule_set=rule_set, proposer=proposer_of(member), text=body.text(), now=now
            )

        return RuleSetOut.of(once.do(session, member, now, RuleSetVersion, make))


@router.get("/{rule_set_id}/versions/{number}", summary="One version, with what its shadow run counted")
def read_rule_set_version(rule_set_id: IdInPath, number: IdInPath, member: Reading, here: ServicesHere) -> RuleSetOut:
    """Numbers only: whom it concerns is not kept."""
    with here.database.reading() as session:
        return RuleSetOut.of(rule_sets.find_version(session, member.network_id, rule_set_id, number))


@router.post("/{rule_set_id}/versions/{number}/shadow", summary="Count how many people would change colour")
def run_shadow(
    rule_set_id: IdInPath, number: IdInPath, member: Runner, here: ServicesHere, once: OnceHere
) -> RuleSetOut:
    """Looks at everybody and changes nothing. The numbers serve for an approval for 24 h."""
    now = here.now()
    with here.database.reading() as session:
        done = once.find(session, member, RuleSetVersion)
        if done is not None:
            return RuleSetOut.of(done)
        version = rule_sets.find_version(session, member.network_id, rule_set_id, number)
        rule_sets.check_waits(version, "shadow")
        counted = shadow.run(session, version, now)
    with here.change() as session:
        version = rule_sets.find_version(session, member.network_id, rule_set_id, number, lock=True)

        def keep() -> RuleSetVersion:
            rule_sets.keep_shadow(session, version, counted, actor=member.actor(), now=here.now())
            return version

        return RuleSetOut.of(once.do(session, member, now, RuleSetVersion, keep))


@router.post("/{rule_set_id}/versions/{number}/approve", summary="Put a proposed version in force")
def approve_rule_set_version(
    rule_set_id: IdInPath, number: IdInPath, body: Approval, member: RuleApprover, here: ServicesHere
) -> RuleSetOut:
    """By another person than the one who proposed it, at another desk, who names the shadow run that they have seen."""
    elsewhere = here.settings.approval_elsewhere
    with here.change() as session:
        version = rule_sets.find_version(session, member.network_id, rule_set_id, number, lock=True)
        rule_sets.approve_version(
            session, version, shadow_at=body.shadow_at, actor=member.actor(), elsewhere=elsewhere, now=here.now()
        )
        return RuleSetOut.of(version)


@router.post("/{rule_set_id}/versions/{number}/end", summary="End a version, or take back a proposed one")
def end_rule_set_version(rule_set_id: IdInPath, number: IdInPath, member: Ender, here: ServicesHere) -> RuleSetOut:
    """One person is enough; again changes nothing. A version that gives evidence is replaced instead (409)."""
    with here.change() as session:
        version = rule_sets.find_version(session, member.network_id, rule_set_id, number, lock=True)
        return RuleSetOut.of(rule_sets.end_version(session, version, actor=member.actor(), now=here.now()))
