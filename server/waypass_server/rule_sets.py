"""Rule sets: how a version is proposed, looked at in a shadow run, put in force by a second person, and ended.

A version is accepted only if all of this holds; the first rule that fails decides:

1. the authority exists; staff of an authority propose for theirs only (`NotFound`, `Forbidden`)
2. every scope is one of the network's (`UnknownScope`)
3. each rule's id stands once, and its logic is CertLogic within the limits; a rule gives or proposes something
   (`BadInput`); it waits for no date that a shadow run does not see (`rule_dates`, `BadInput`)
4. what a rule proposes is an entry on a basis of the same authority that is in force, within its effects and scopes
   (`BadInput`, `NotFound`, `Conflict`)
5. a form asks each question once, a choice has choices and a number has bounds (`BadInput`)

It is put in force only by another person than the one who proposed it, at another desk (`desks`), with the numbers of a
shadow run of the last 24 h before their eyes (`Conflict`). The limits count whom that run counted, and by the same
measure those whose facts have changed since; the network is locked meanwhile, as it is for whatever staff do to facts
(`facts.counted`). Then everybody is looked at again at the scheduler's next ticks. One person can end it, as far as
that sets people free: a version that gives evidence is replaced by another one instead.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import bases, desks, events, worsening
from waypass_server.bases import Proposer
from waypass_server.certlogic import CertLogicError, Expression
from waypass_server.life import Actor
from waypass_server.models.lists_of_people import Weight
from waypass_server.models.network import Authority
from waypass_server.models.rules import RuleSet, RuleSetState, RuleSetVersion
from waypass_server.people import known_scopes
from waypass_server.reassess import look_at_everybody
from waypass_server.refusals import BadInput, Conflict, Forbidden, NotFound
from waypass_server.rule_dates import HiddenDate, check_dates
from waypass_server.rule_text import AnswerKind, EntryToPropose, Question, Rule, RuleText, from_json, to_json
from waypass_server.shadow import Shadow, check_ground, not_counted

SHADOW_LIFE = 24 * 3600


def register(
    session: Session, *, proposer: Proposer, authority: str, title: str, text: RuleText, now: int
) -> RuleSetVersion:
    """A new rule set with its first version, not in force yet. Raises what the module's rules name."""
    query = select(Authority).where(Authority.network_id == proposer.network_id, Authority.name == authority)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFound(f"authority: expected one of the network's authorities, got {authority!r}")
    taken = select(RuleSet.id).where(RuleSet.network_id == proposer.network_id, RuleSet.title == title)
    if session.scalars(taken).first() is not None:
        raise Conflict("title: expected one that no other rule set has; a change is a new version of that one")
    rule_set = RuleSet(network_id=proposer.network_id, authority=found, title=title, created_at=now)
    session.add(rule_set)
    session.flush()
    return propose_version(session, rule_set=rule_set, proposer=proposer, text=text, now=now)


def propose_version(
    session: Session, *, rule_set: RuleSet, proposer: Proposer, text: RuleText, now: int
) -> RuleSetVersion:
    """A new version, not in force yet. Raises what the module's rules name."""
    check_authority(rule_set, proposer)  # rule 1
    _check_rules(session, rule_set, text, now)
    if text.form is not None:
        _check_questions(text.form.questions)
    version = RuleSetVersion(
        rule_set=rule_set,
        number=len(rule_set.versions) + 1,
        text=to_json(text),
        state=RuleSetState.PROPOSED,
        proposed_by=proposer.staff_id,
        proposed_at=now,
    )
    session.add(version)
    session.flush()
    _log(session, version, proposer.actor, "rule-set.proposed", now)
    return version


def keep_shadow(session: Session, version: RuleSetVersion, shadow: Shadow, *, actor: Actor, now: int) -> None:
    """Keep what a shadow run counted. Raises `Conflict`."""
    check_waits(version, "shadow")
    version.shadow, version.shadow_at = shadow.as_json(), shadow.at
    _log(session, version, actor, "rule-set.shadow", now, people=shadow.people, worse=shadow.worse)


def approve_version(
    session: Session, version: RuleSetVersion, *, shadow_at: int, actor: Actor, elsewhere: bool = False, now: int
) -> RuleSetVersion:
    """Put a version in force in place of the one before. `shadow_at` is the time of the shadow run that the approver
    has seen. With `elsewhere` not by somebody of the rule set's authority. Raises `SamePerson`, `Forbidden` or
    `Conflict`; `worsening.PastLimit` when it counted too many.
    """
    check_approver(session, version, actor, elsewhere=elsewhere)
    if version.state is RuleSetState.IN_FORCE and version.approved_by == actor.staff_id:
        return version
    check_waits(version, "approve")
    if version.shadow_at is None or now - version.shadow_at > SHADOW_LIFE:
        raise Conflict("approve: expected a shadow run of the last 24 h; run it, look at it, then approve")
    if version.shadow_at != shadow_at:
        raise Conflict("approve: expected the time of the newest shadow run; it was run again, look at it anew")
    # Before anything is looked at: what staff do to facts, and to rules and scopes, is done before or after.
    worsening.lock_network(session, version.rule_set.network_id)
    check_ground(session, version)
    shadow = version.shadow or {}
    worse = int(shadow["worse"]) + int(shadow["later"]) + not_counted(session, version, now)
    if worse:
        worsening.count_rules(session, version.rule_set, worse, now)
    for other in version.rule_set.versions:
        if other.state is RuleSetState.IN_FORCE:
            other.state, other.ended_at = RuleSetState.REPLACED, now
    version.state = RuleSetState.IN_FORCE
    version.approved_by, version.approved_at = actor.staff_id, now
    _log(session, version, actor, "rule-set.approved", now)
    look_at_everybody(session, version.rule_set.network_id, now)
    return version


def end_version(session: Session, version: RuleSetVersion, *, actor: Actor, now: int) -> RuleSetVersion:
    """It counts no more, or is no longer proposed; one person is enough. Raises `Conflict`."""
    if version.state is RuleSetState.ENDED:
        return version
    if version.state is RuleSetState.REPLACED:
        raise Conflict("end: expected a version that is proposed or in force, this one is replaced")
    worsening.lock_network(session, version.rule_set.network_id)  # who approves counts by the rules in force
    was_in_force = version.state is RuleSetState.IN_FORCE
    if was_in_force and any(rule.gives is Weight.ADMITS for rule in from_json(version.text).rules):
        raise Conflict(
            "end: expected a version that gives no evidence; propose one without it, which two people decide"
        )
    version.state, version.ended_by, version.ended_at = RuleSetState.ENDED, actor.staff_id, now
    _log(session, version, actor, "rule-set.ended", now)
    if was_in_force:
        look_at_everybody(session, version.rule_set.network_id, now)
    return version


def check_approver(session: Session, version: RuleSetVersion, actor: Actor, *, elsewhere: bool = False) -> None:
    """It takes two, at two desks. Raises `SamePerson` or `Forbidden`."""
    before = [desks.Part(staff_id=version.proposed_by, did="proposed the rules")]
    whose = desks.NotOf(authorities={version.rule_set.authority_id}, called="the rule set's authority")
    desks.check_other(session, "approve", actor.staff_id, before, not_of=whose if elsewhere else None)


def check_authority(rule_set: RuleSet, proposer: Proposer) -> None:
    """Staff of an authority act for theirs only. Raises `Forbidden`."""
    if proposer.authority_id is not None and proposer.authority_id != rule_set.authority_id:
        raise Forbidden("rule set: expected staff of its authority, or of the network, got staff of another one")


def check_waits(version: RuleSetVersion, what: str) -> None:
    """Raises `Conflict` unless it is the newest version and proposed."""
    newest = max(other.number for other in version.rule_set.versions)
    if version.state is not RuleSetState.PROPOSED or version.number != newest:
        raise Conflict(f"{what}: expected the newest proposed version, this one is {version.state.value}")


def find_rule_set(session: Session, network_id: int, rule_set_id: int, *, lock: bool = False) -> RuleSet:
    """Raises `NotFound`."""
    rule_set = session.get(RuleSet, rule_set_id, with_for_update=lock)
    if rule_set is None or rule_set.network_id != network_id:
        raise NotFound(f"rule set: expected one of the network's, got {rule_set_id}")
    return rule_set


def find_version(
    session: Session, network_id: int, rule_set_id: int, number: int, *, lock: bool = False
) -> RuleSetVersion:
    """Its rule set locked until the transaction ends, if asked. Raises `NotFound`."""
    rule_set = find_rule_set(session, network_id, rule_set_id, lock=lock)
    for version in rule_set.versions:
        if version.number == number:
            return version
    raise NotFound(f"rule set {rule_set_id}: expected a version up to {len(rule_set.versions)}, got {number}")


def _check_rules(session: Session, rule_set: RuleSet, text: RuleText, now: int) -> None:
    """Rules 2 to 4."""
    _once("rules", [rule.id for rule in text.rules])
    for rule in text.rules:
        known_scopes(session, rule_set.network_id, list(rule.scopes))
        _check_rule(rule, now)
        if rule.proposes is not None:
            _check_proposal(session, rule_set, rule.id, rule.proposes)


def _check_rule(rule: Rule, now: int) -> None:
    if rule.gives is Weight.NONE and rule.proposes is None:
        raise BadInput(f"rules: expected rule {rule.id} to give or to propose something, it does neither")
    try:
        Expression.of(rule.logic)
        if rule.gives is not Weight.NONE:
            check_dates(rule.logic, now)
    except (CertLogicError, HiddenDate) as error:
        raise BadInput(f"rules: rule {rule.id}: {error}") from None


def _check_proposal(session: Session, rule_set: RuleSet, rule_id: str, proposes: EntryToPropose) -> None:
    basis = bases.find_basis(session, rule_set.network_id, proposes.basis_id)
    if basis.authority_id != rule_set.authority_id:
        raise BadInput(f"rules: expected rule {rule_id} to propose on a basis of its own authority")
    version = bases.version_in_force(basis)
    outside = sorted(set(proposes.scopes) - set(version.scopes))
    if proposes.effect.value not in version.effects or outside or not proposes.scopes:
        raise BadInput(
            f"rules: expected rule {rule_id} to propose within its basis: {version.effects}, {version.scopes}"
        )


def _check_questions(questions: tuple[Question, ...]) -> None:
    """Rule 5."""
    _once("form", [question.id for question in questions])
    for question in questions:
        _once("form", [choice.value for choice in question.choices])
        if (question.kind is AnswerKind.CHOICE) is not bool(question.choices):
            raise BadInput(f"form: expected choices for a choice and for nothing else, question {question.id} differs")
        if question.kind is AnswerKind.NUMBER and question.least >= question.most:
            raise BadInput(f"form: expected a least that is below the most, question {question.id} differs")


def _once(what: str, ids: list[str]) -> None:
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise BadInput(f"{what}: expected each id once, got {twice} twice")


def _log(session: Session, version: RuleSetVersion, actor: Actor, what: str, now: int, **numbers: int) -> None:
    events.record(
        session,
        network_id=version.rule_set.network_id,
        at=now,
        actor=actor,
        what=what,
        subject=("rule-set", version.rule_set_id),
        version=version.number,
        **numbers,
    )
