"""Rule sets: those in force and those that wait; a version beside the one before, with what its shadow run counted; and
the second person's approval, which names the run that they saw.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import rule_sets, shadow
from waypass_server.api.access import ServicesHere
from waypass_server.api.bases import proposer_of
from waypass_server.api.forms import IdInPath
from waypass_server.console import forms
from waypass_server.console.access import AnySignedIn, BasisApprover, EverybodyButDesk, Posted, RuleRunner
from waypass_server.console.people import names_of_scopes, names_of_staff
from waypass_server.console.rendering import go, show
from waypass_server.console.sessions import SignedIn
from waypass_server.console.typed_json import reads
from waypass_server.models.lists_of_people import Weight
from waypass_server.models.rules import RuleSet, RuleSetState, RuleSetVersion
from waypass_server.refusals import Problem, SamePerson
from waypass_server.roles import Role
from waypass_server.rule_text import Rule, RuleText, from_json
from waypass_server.services import Services

router = APIRouter(prefix="/rules")


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleShown:
    """A rule beside what it was: `change` is "new", "changed", "same" or "gone", or "" with nothing to compare."""

    rule: Rule
    logic: str
    reads: tuple[str, ...]
    change: str
    was: Rule | None = None
    logic_was: str = ""


@router.get("")
def list_rule_sets(request: Request, me: AnySignedIn, here: ServicesHere) -> Response:
    """What turns facts into colours."""
    alive = (RuleSetState.PROPOSED, RuleSetState.IN_FORCE)
    query = select(RuleSetVersion).join(RuleSet, RuleSet.id == RuleSetVersion.rule_set_id)
    query = query.where(RuleSet.network_id == me.member.network_id, RuleSetVersion.state.in_(alive))
    with here.database.reading() as session:
        found = list(session.scalars(query.order_by(RuleSet.id, RuleSetVersion.number)))
        return show(
            request,
            "rule_sets.html",
            waiting=[one for one in found if one.state is RuleSetState.PROPOSED],
            in_force=[one for one in found if one.state is RuleSetState.IN_FORCE],
        )


@router.get("/{rule_set_id}/{number}")
def show_version(
    rule_set_id: IdInPath, number: IdInPath, request: Request, me: AnySignedIn, here: ServicesHere
) -> Response:
    """One version, beside the one that it would replace, and its numbers."""
    with here.database.reading() as session:
        version = rule_sets.find_version(session, me.member.network_id, rule_set_id, number)
        before = _before(version)
        text = from_json(version.text)
        return show(
            request,
            "rule_set.html",
            version=version,
            text=text,
            before=before,
            rules=_compare(text, None if before is None else from_json(before.text)),
            form_changed=before is not None and from_json(before.text).form != text.form,
            shadow=version.shadow,
            too_old=version.shadow_at is None or here.now() - version.shadow_at > rule_sets.SHADOW_LIFE,
            scopes=names_of_scopes(session, me.member.network_id),
            staff=names_of_staff(session, me.member.network_id),
            why_not=_why_not(session, version, me, here),
            may=_may(version, me),
        )


@router.post("/{rule_set_id}/{number}/shadow")
def run_shadow(rule_set_id: IdInPath, number: IdInPath, _form: Posted, me: RuleRunner, here: ServicesHere) -> Response:
    """Count how many people would change colour."""
    now = here.now()
    with here.database.reading() as session:
        version = rule_sets.find_version(session, me.member.network_id, rule_set_id, number)
        rule_sets.check_waits(version, "shadow")
        counted = shadow.run(session, version, now)
    with here.change() as session:
        version = rule_sets.find_version(session, me.member.network_id, rule_set_id, number, lock=True)
        rule_sets.keep_shadow(session, version, counted, actor=me.member.actor(), now=here.now())
    return go(f"/ops/rules/{rule_set_id}/{number}", done="shadow-run")


@router.post("/{rule_set_id}/{number}/approve")
def approve(rule_set_id: IdInPath, number: IdInPath, form: Posted, me: BasisApprover, here: ServicesHere) -> Response:
    """By another person than the one who proposed it, who saw these numbers."""
    with here.change() as session:
        version = rule_sets.find_version(session, me.member.network_id, rule_set_id, number, lock=True)
        seen = forms.record_id(form.text("shadow_at"))
        elsewhere = here.settings.approval_elsewhere
        rule_sets.approve_version(
            session, version, shadow_at=seen, actor=me.member.actor(), elsewhere=elsewhere, now=here.now()
        )
    return go(f"/ops/rules/{rule_set_id}/{number}", done="rules-approved")


@router.post("/{rule_set_id}/{number}/end")
def end(rule_set_id: IdInPath, number: IdInPath, _form: Posted, me: EverybodyButDesk, here: ServicesHere) -> Response:
    """One person is enough."""
    with here.change() as session:
        version = rule_sets.find_version(session, me.member.network_id, rule_set_id, number, lock=True)
        rule_sets.end_version(session, version, actor=me.member.actor(), now=here.now())
    return go(f"/ops/rules/{rule_set_id}/{number}", done="rules-ended")


def proposed_versions(session: Session, network_id: int, *, most: int) -> list[RuleSetVersion]:
    """Those that wait for a second person: for the queue."""
    query = select(RuleSetVersion).join(RuleSet, RuleSet.id == RuleSetVersion.rule_set_id)
    query = query.where(RuleSet.network_id == network_id, RuleSetVersion.state == RuleSetState.PROPOSED)
    return list(session.scalars(query.order_by(RuleSetVersion.id).limit(most)))


def _before(version: RuleSetVersion) -> RuleSetVersion | None:
    if version.state is not RuleSetState.PROPOSED:
        return None
    return next((one for one in version.rule_set.versions if one.state is RuleSetState.IN_FORCE), None)


def _compare(text: RuleText, before: RuleText | None) -> list[RuleShown]:
    """The rules in their order, then those that are gone."""
    known: Mapping[str, Rule] = {} if before is None else {rule.id: rule for rule in before.rules}
    shown = [_shown(rule, known.get(rule.id), compare=before is not None) for rule in text.rules]
    gone = [rule for name, rule in known.items() if name not in {each.id for each in text.rules}]
    return shown + [RuleShown(rule=rule, logic=_pretty(rule), reads=reads(rule.logic), change="gone") for rule in gone]


def _shown(rule: Rule, was: Rule | None, *, compare: bool) -> RuleShown:
    if not compare:
        return RuleShown(rule=rule, logic=_pretty(rule), reads=reads(rule.logic), change="")
    if was is None:
        return RuleShown(rule=rule, logic=_pretty(rule), reads=reads(rule.logic), change="new")
    if json.dumps(was.logic) == json.dumps(rule.logic) and was == rule:
        return RuleShown(rule=rule, logic=_pretty(rule), reads=reads(rule.logic), change="same")
    return RuleShown(
        rule=rule, logic=_pretty(rule), reads=reads(rule.logic), change="changed", was=was, logic_was=_pretty(was)
    )


def _pretty(rule: Rule) -> str:
    return json.dumps(rule.logic, ensure_ascii=False, indent=2)


def _why_not(session: Session, version: RuleSetVersion, me: SignedIn, here: Services) -> str | None:
    """Why whoever is signed in cannot approve it: a word for the template."""
    elsewhere = here.settings.approval_elsewhere
    try:
        rule_sets.check_approver(session, version, me.member.actor(), elsewhere=elsewhere)
    except SamePerson:
        return "own"
    except Problem:
        return "desk"
    return None if me.member.roles & {Role.ADMIN, Role.APPROVER} else "role"


def _may(version: RuleSetVersion, me: SignedIn) -> Mapping[str, bool]:
    """What there are buttons for."""
    alive = version.state in (RuleSetState.PROPOSED, RuleSetState.IN_FORCE)
    in_force = version.state is RuleSetState.IN_FORCE
    gives_evidence = in_force and any(rule.gives is Weight.ADMITS for rule in from_json(version.text).rules)
    everybody_but_desk = {Role.ADMIN, Role.PROPOSER, Role.APPROVER, Role.REVIEWER, Role.OPS}
    return {
        "run": not in_force and bool(me.member.roles & {Role.ADMIN, Role.PROPOSER, Role.APPROVER}),
        "change": _may_change(version, me),
        "end": alive and not gives_evidence and bool(me.member.roles & everybody_but_desk),
    }


def _may_change(version: RuleSetVersion, me: SignedIn) -> bool:
    """Whether this person may propose a version after this one, which is the newest."""
    if not me.member.roles & {Role.ADMIN, Role.PROPOSER}:
        return False
    try:
        rule_sets.check_authority(version.rule_set, proposer_of(me.member))
    except Problem:
        return False
    return version.number == max(one.number for one in version.rule_set.versions)
