"""A plain model of the lists, written from `docs/lists.md` and not from the code: what may happen, and what follows.

Each method is one request, or what happens by itself (`pass_time`). It says whether the request is accepted, changes
the model if so, and adds to `log` the name of each change that the public log has to show. Times are UNIX seconds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.support.life_records import DAY, Entry, Objection, Pass, Period, Replaced, Rules, Version, Withdrawal
from tests.support.office import CHECKED, DESKS, HOSPITAL, HOUR, PRIORITY, RIDE, STAFF

GREEN, YELLOW, RED = 0, 1, 2
SCOPES = (RIDE, HOSPITAL, PRIORITY, CHECKED)
ALIVE = ("proposed", "held", "approved", "notified", "suspended", "in-effect")
DECIDED = ALIVE[1:]


def has(who: str, *roles: str) -> bool:
    """Whether a member of staff has one of the roles."""
    return any(role in STAFF[who][0] for role in roles)


def authority_of(who: str) -> str | None:
    """None for staff of the network."""
    return STAFF[who][1]


def at_another_desk(who: str, others: set[str]) -> bool:
    """Two people at one desk are one opinion."""
    return DESKS.get(who, who) not in {DESKS.get(other, other) for other in others}


@dataclass(kw_only=True)
class Model:
    """Everything. `bases` are lists of versions, by the basis's id; other records are by id too."""

    now: int
    people: tuple[str, ...]
    bases: dict[int, list[Version]]
    limits: dict[tuple[str, int | str, int], int]
    entries: dict[int, Entry] = field(default_factory=dict)
    objections: dict[int, Objection] = field(default_factory=dict)
    exemptions: dict[int, Period] = field(default_factory=dict)
    facts: dict[int, Period] = field(default_factory=dict)
    passes: dict[int, Pass] = field(default_factory=dict)
    withdrawals: dict[int, Withdrawal] = field(default_factory=dict)
    replaced: list[Replaced] = field(default_factory=list)
    rules: dict[int, Rules] = field(default_factory=dict)
    taken_up: set[int] = field(default_factory=set)
    counted: list[tuple[int, int, str]] = field(default_factory=list)
    delivering: bool = True
    latest: int = 0
    log: list[str] = field(default_factory=list)

    # What people do.

    def propose(
        self,
        new_id: int,
        who: str,
        person: str,
        basis: int,
        *,
        effect: str,
        scopes: tuple[int, ...],
        starts: int,
        ends: int,
        proposal: int | None = None,
    ) -> bool:
        """`proposal`: of a rule, which somebody makes their own."""
        version = self.in_force(basis)
        if not has(who, "proposer") or not self._acts_for(who, version) or effect not in version.effects:
            return False
        if not set(scopes) <= set(version.scopes) or (effect == "red" and HOSPITAL in scopes and not version.health):
            return False
        if not starts < ends <= starts + version.longest or ends <= self.now + version.notice:
            return False
        if proposal in self.taken_up:
            return False
        self.entries[new_id] = Entry(
            person=person,
            basis=basis,
            version=version,
            effect=effect,
            scopes=scopes,
            starts=starts,
            ends=ends,
            proposer=who,
        )
        if proposal is not None:
            self.taken_up.add(proposal)
            self.log.append("rule-proposal.taken-up")
        return self._done("entry.proposed", about=person)

    def approve(self, who: str, number: int) -> bool:
        entry = self.entries[number]
        if not has(who, "approver"):
            return False
        if entry.approver == who and entry.state != "ended":
            return True
        if entry.state != "proposed" or not self._second(who, entry):
            return False
        passed = self._count(entry) if entry.effect != "grant" else 0
        entry.approver, entry.approved_at = who, self.now
        entry.state = "held" if passed else "approved"
        entry.confirmed_at = None if passed else self.now
        return self._done(*["limit.passed"] * passed, "entry.held" if passed else "entry.approved", about=entry.person)

    def confirm(self, who: str, number: int) -> bool:
        entry = self.entries[number]
        if not has(who, "approver"):
            return False
        if entry.confirmer == who and entry.state != "ended":
            return True
        if entry.state != "held" or not self._second(who, entry):
            return False
        entry.state, entry.confirmer, entry.confirmed_at = "approved", who, self.now
        return self._done("entry.confirmed", about=entry.person)

    def withdraw(self, who: str, number: int) -> bool:
        return has(who, "proposer", "approver") and self._end(number, "withdraw", "withdrawn", ALIVE)

    def undo(self, who: str, number: int) -> bool:
        entry = self.entries[number]
        if not has(who, "proposer", "approver", "reviewer", "ops"):
            return False
        in_time = self.now <= max(entry.approved_at, entry.effective_at) + DAY
        return self._end(number, "undo", "withdrawn", DECIDED if in_time else ())

    def lift(self, who: str, number: int) -> bool:
        entry = self.entries[number]
        if not has(who, "reviewer"):
            return False
        return self._end(number, "lift", "lifted", () if who in entry.parts() else DECIDED)

    def reconfirm(self, who: str, number: int) -> bool:
        entry = self.entries[number]
        if not has(who, "proposer") or not self._acts_for(who, entry.version):
            return False
        if entry.state not in DECIDED or entry.confirmed_at is None or entry.confirmed_at + 90 * DAY <= self.now:
            return False
        entry.confirmed_at = self.now
        return self._done("entry.reconfirmed", about=entry.person)

    def case(self, who: str, number: int, state: str) -> bool:
        entry = self.entries[number]
        ends = state in ("dismissed", "won")
        if not has(who, "proposer", "approver", "reviewer") or not (ends or self._acts_for(who, entry.version)):
            return False
        if entry.case == state:
            return True
        if entry.state == "ended":
            return False
        entry.case = state
        self.log.append("entry.case")
        return not ends or self._end(number, "dismiss", "dismissed", ALIVE)

    def object_to(self, new_id: int, person: str, number: int) -> bool:
        entry = self.entries[number]
        if entry.person != person or entry.told_at is None or entry.open_objection() is not None:
            return False
        if entry.state not in ("notified", "in-effect"):
            return False
        if entry.state == "notified" and entry.due_at is not None and self.now < entry.due_at:
            entry.state = "suspended"
        made = Objection(entry=number, decide_by=self.now + entry.version.deadline)
        self.objections[new_id] = made
        entry.objections.append(made)
        return self._done("objection.made", about=person)

    def decide(self, who: str, number: int, *, lift: bool) -> bool:
        objection = self.objections[number]
        entry = self.entries[objection.entry]
        if not has(who, "reviewer") or authority_of(who) == entry.version.authority:
            return False
        if not at_another_desk(who, entry.parts()):
            return False
        decided = "lifted" if lift else "upheld"
        if (objection.state, objection.decider) == (decided, who):
            return True
        if objection.state != "open" or self.now >= objection.decide_by:
            return False
        objection.state, objection.decider = decided, who
        if lift:
            self._end(objection.entry, "lift", "lifted", DECIDED)
        elif entry.state == "suspended":
            entry.state = "notified"
        return self._done(f"objection.{decided}", about=entry.person)

    def exempt(self, new_id: int, who: str, person: str, *, starts: int, ends: int) -> bool:
        if not has(who, "reviewer") or not starts < ends <= starts + 72 * HOUR or ends <= self.now:
            return False
        self.exemptions[new_id] = Period(person=person, starts=starts, ends=ends, by=who)
        return self._done("exemption.granted", about=person)

    def end_exemption(self, who: str, number: int) -> bool:
        exemption = self.exemptions[number]
        if not has(who, "reviewer"):
            return False
        if exemption.ends > self.now:
            if who != exemption.by and any(self._has_part(who, one) for one in self._against(exemption.person)):
                return False
            exemption.ends = self.now
            self._done("exemption.ended", about=exemption.person)
        return True

    def report(self, new_id: int, who: str, person: str, *, yellow: bool, exposure: bool, ends: int) -> bool:
        if not has(who, "desk", "proposer") or not self.now < ends <= self.now + 14 * DAY:
            return False
        self.facts[new_id] = Period(
            person=person, starts=self.now, ends=ends, yellow=yellow, exposure=exposure, scopes=(RIDE,)
        )
        return self._done("fact.recorded", about=person)

    def withdraw_fact(self, who: str, number: int) -> bool:
        fact = self.facts[number]
        if not has(who, "desk", "proposer", "reviewer"):
            return False
        if not fact.gone:
            fact.gone = True
            self._done("fact.withdrawn", about=fact.person)
        return True

    def ask_withdrawal(self, new_id: int, who: str, person: str) -> bool:
        if not has(who, "ops"):
            return False
        waits = self._often(person)
        self.withdrawals[new_id] = asked = Withdrawal(person=person, asker=who)
        return self._done("withdrawal.waiting") if waits else self._carry_out(asked)

    def confirm_withdrawal(self, who: str, number: int) -> bool:
        asked = self.withdrawals[number]
        if not has(who, "ops"):
            return False
        if asked.done_at is not None:
            return True
        return at_another_desk(who, {asked.asker}) and self._carry_out(asked)

    def propose_version(self, who: str, basis: int, changed: Version) -> bool:
        if not has(who, "admin", "proposer") or not self._acts_for(who, changed):
            return False
        self.bases[basis].append(changed)
        return self._done("basis.proposed")

    def approve_version(self, who: str, basis: int, number: int) -> bool:
        versions = self.bases[basis]
        version = versions[number - 1]
        if not has(who, "admin", "approver") or not at_another_desk(who, {version.proposer}):
            return False
        if version.approver == who and not version.replaced:
            return True
        if version.approver is not None or version is not versions[-1]:
            return False
        for other in versions:
            other.replaced = other.approver is not None
        version.approver = who
        return self._done("basis.approved")

    def propose_rules(self, new_id: int, who: str) -> bool:
        if not has(who, "admin", "proposer") or authority_of(who) not in (None, self.bases[1][0].authority):
            return False
        self.rules[new_id] = Rules(proposer=who)
        return self._done("rule-set.proposed")

    def shadow(self, who: str, number: int) -> bool:
        rules = self.rules[number]
        if not has(who, "admin", "proposer", "approver") or rules.approver is not None or rules.ended:
            return False
        rules.shadow_at, rules.shadow_saw = self.now, self._rules_that_count()
        return self._done("rule-set.shadow")

    def approve_rules(self, who: str, number: int) -> bool:
        rules = self.rules[number]
        if not has(who, "admin", "approver") or not at_another_desk(who, {rules.proposer}):
            return False
        if rules.counts and rules.approver == who:
            return True
        if rules.approver is not None or rules.ended or rules.shadow_at is None or self.now - rules.shadow_at > DAY:
            return False
        if rules.shadow_saw != self._rules_that_count():
            return False
        rules.approver = who
        return self._done("rule-set.approved")

    def _rules_that_count(self) -> set[int]:
        return {number for number, rules in self.rules.items() if rules.counts}

    def end_rules(self, who: str, number: int) -> bool:
        rules = self.rules[number]
        if not has(who, "admin", "proposer", "approver", "reviewer", "ops"):
            return False
        if not rules.ended:
            rules.ended = True
            self._done("rule-set.ended")
        return True

    def issue(self, new_id: int, person: str, scope: int, *, paper: bool, ends: int) -> bool:
        says = self.aspect(person, scope)
        if says is None:
            return False
        if paper:
            older = [one for one in self._live(person) if one.paper]
            if any(one.ends > self.now for one in older):
                if self._often(person):
                    return False
                self.replaced.append(Replaced(person=person, at=self.now))
            for one in older:
                one.status = 1
        self.passes[new_id] = Pass(person=person, says={scope: says}, ends=ends, paper=paper)
        return self._done("paper-pass.issued" if paper else "passes.issued")

    # What happens by itself.

    def pass_time(self) -> None:
        """What is due now: notices leave, entries move, passes that say too much go, old passes are forgotten."""
        for number, entry in self.entries.items():
            if entry.state == "approved" and self.delivering:
                entry.state, entry.told_at = "notified", self.now
                entry.due_at = max(entry.starts, self.now + entry.version.notice)
                self.log.append("entry.notified")
            self._step(number, entry)
        if self.now >= self.latest:
            self.latest = self.now
            for person in self.people:
                self.look(person)
        self.passes = {number: one for number, one in self.passes.items() if one.ends > self.now - HOUR}

    def look(self, person: str) -> None:
        """Take away the passes of a person that say more than they may."""
        for one in self._live(person):
            if self.says_too_much(one):
                one.status = 1

    # What is asked of it.

    def aspect(self, person: str, scope: int) -> int | None:
        """The colour of a person in a scope; None for a scope by grant without one."""
        works = [one for one in self.entries.values() if one.person == person and one.works(self.now)]
        works = [one for one in works if scope in one.scopes]
        if scope == PRIORITY and not any(one.effect == "grant" for one in works):
            return None
        if any(one.holds(self.now) for one in self._of(self.exemptions.values(), person)):
            return GREEN
        facts = [one for one in self._of(self.facts.values(), person) if one.holds(self.now)]
        yellow = any(one.yellow and scope in one.scopes for one in facts) or scope == CHECKED
        if scope == RIDE and any(rules.counts for rules in self.rules.values()):
            yellow = yellow or any(one.exposure for one in facts)
        if any(one.effect == "red" for one in works):
            return RED
        return YELLOW if yellow or any(one.effect == "yellow" for one in works) else GREEN

    def told(self) -> tuple[set[int], list[int]]:
        """Entries that were announced to their holders; and of those, which are known to have ended: no others are."""
        announced = {number for number, one in self.entries.items() if one.told_at is not None}
        return announced, sorted(number for number in announced if self.entries[number].state == "ended")

    def says_too_much(self, one: Pass) -> bool:
        """Whether a pass is more permissive than its holder's colours."""
        for scope, said in one.says.items():
            aspect = self.aspect(one.person, scope)
            if said < (RED if aspect is None else aspect):
                return True
        return False

    def in_force(self, basis: int) -> Version:
        """The version of a basis that counts."""
        return next(one for one in self.bases[basis] if one.approver is not None and not one.replaced)

    def _done(self, *changes: str, about: str | None = None) -> bool:
        self.log += changes
        if about is not None:
            self.look(about)
        return True

    def _against(self, person: str) -> list[Entry]:
        """What an exemption outranks, now or later."""
        mine = (one for one in self.entries.values() if one.person == person and one.state != "ended")
        return [one for one in mine if one.effect != "grant"]

    def _has_part(self, who: str, entry: Entry) -> bool:
        return who in entry.parts() or authority_of(who) == entry.version.authority

    def _of(self, periods: Iterable[Period], person: str) -> Iterator[Period]:
        return (one for one in periods if one.person == person)

    def _live(self, person: str) -> list[Pass]:
        mine = (one for one in self.passes.values() if one.person == person and one.status == 0)
        return [one for one in mine if one.ends > self.now - 300]

    def _acts_for(self, who: str, version: Version) -> bool:
        return authority_of(who) in (None, version.authority)

    def _second(self, who: str, entry: Entry) -> bool:
        """Another person from another desk than those before, on the basis as it is in force."""
        return at_another_desk(who, entry.parts()) and self.in_force(entry.basis) is entry.version

    def _count(self, entry: Entry) -> int:
        """Count one more who is worsened; how many limits that passes."""
        passed = 0
        for (level, whose, seconds), limit in self.limits.items():
            mine = {"basis": entry.basis, "authority": entry.version.authority, "network": 0}[level]
            if whose not in (mine, "any"):
                continue
            place = {"basis": 1, "authority": 2}.get(level)
            counts = [one for one in self.counted if one[0] > self.now - seconds - 600]
            counts = [one for one in counts if place is None or one[place] == mine]
            passed += len(counts) + 1 > limit
        self.counted.append((self.now - self.now % 600, entry.basis, entry.version.authority))
        return passed

    def _end(self, number: int, action: str, why: str, sources: tuple[str, ...]) -> bool:
        entry = self.entries[number]
        if (entry.state, entry.end) == ("ended", why):
            return True
        if entry.state not in sources:
            return False
        entry.state, entry.end = "ended", why
        for objection in entry.objections:
            if objection.state == "open":
                objection.state = "moot"
        return self._done(f"entry.{action}", about=entry.person)

    def _often(self, person: str) -> bool:
        """Whether it takes a second person now to make this person's passes invalid: withdrawals count, and papers
        that a desk replaced.
        """
        done = [one.done_at for one in self.withdrawals.values() if one.person == person and one.done_at is not None]
        done += [one.at for one in self.replaced if one.person == person]
        return len([at for at in done if at > self.now - 30 * DAY]) >= 3

    def _carry_out(self, asked: Withdrawal) -> bool:
        asked.done_at = self.now
        for one in self._live(asked.person):
            one.status = 1
        return self._done("withdrawal.done")

    def _step(self, number: int, entry: Entry) -> None:
        waiting = entry.open_objection()
        if entry.state == "ended":
            return
        if entry.ends <= self.now:
            self._end(number, "expire", "expired", ALIVE)
        elif min(entry.limits()) <= self.now:
            reconfirmed = entry.confirmed_at is None or self.now < entry.confirmed_at + 90 * DAY
            if waiting is not None and reconfirmed:
                waiting.state = "lapsed"
            self._end(number, "lapse", "lapsed", ALIVE)
        elif entry.state == "notified" and entry.due_at is not None and entry.due_at <= self.now:
            entry.state, entry.effective_at = "in-effect", self.now
            self.log.append("entry.in-effect")
