"""Lives of entries as they may happen: requests of everybody in any order, sent again, clocks that jump, notices that
do not leave, and processes that end in the middle; against a real database and the real application.

After each step the database must be what `tests.support.life_model` says, and hold what no sequence may break. What is
tried at random is who does what to which record; that much of it succeeds is due to `pick`, which prefers records that
a step fits.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from sqlalchemy import text
from tests.server.life_world import COURT_BASIS, END, GRANT_BASIS, HEALTH_BASIS, PEOPLE, START, World, versions
from tests.server.publishing import holder_key
from tests.support.life_records import Entry, Version
from tests.support.office import (
    CHECKED,
    DAY,
    HOSPITAL,
    HOUR,
    NOTICE,
    PRIORITY,
    RIDE,
    basis_form,
)
from tests.support.rule_sets import rule as rule_form
from tests.support.rule_sets import rule_set

from waypass_server.interruption import ProcessEnded
from waypass_server.issuing import PassRequest, issue_bound

PROPOSERS = st.sampled_from(["proposer", "everything", "everything", "proposer-2", "approver"])
APPROVERS = st.sampled_from(
    ["approver", "approver", "approver-2", "everything", "neighbour", "health-approver", "proposer"]
)
REVIEWERS = st.sampled_from(["reviewer", "reviewer", "everything", "health-reviewer", "approver"])
SIDES = st.sampled_from(["proposer", "approver", "everything", "proposer-2", "reviewer", "ops"])
OPS = st.sampled_from(["ops", "ops", "ops-2", "desk"])
WHO_HAS_FACTS = st.sampled_from(["desk", "proposer", "reviewer", "ops"])
ADMINS = st.sampled_from(["admin", "everything", "everything", "proposer", "approver", "neighbour"])
NUMBER = st.integers(0, 3)
PERSON = st.sampled_from(PEOPLE)
SCOPES = st.sampled_from([(RIDE,), (RIDE, HOSPITAL), (HOSPITAL,), (CHECKED,), (PRIORITY,)])
PARTS = [
    ("everything", "approver", "approver-2"),
    ("proposer", "everything", "approver-2"),
    ("proposer", "approver", "everything"),
]
"""Who proposes, approves and confirms: one of them could do every other part too."""
KEYED = ("/entries", "/facts", "/exemptions", "/withdrawals", "/rule-sets", "/bases/1/versions")
"""Their key finds what came of them."""


class LivesOfEntries(World):
    """One life after another; see the module."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[int, tuple[str, str, str]] = {}

    def pick(self, number: int, fits: Callable[[Entry], bool]) -> int:
        """An entry: mostly one that fits."""
        ordered = sorted(self.model.entries, key=lambda each: (not fits(self.model.entries[each]), -each))
        return ordered[number % len(ordered)]

    @initialize(
        entries=st.lists(
            st.tuples(
                st.sampled_from(PARTS),
                PERSON,
                st.sampled_from([HEALTH_BASIS, HEALTH_BASIS, COURT_BASIS, GRANT_BASIS]),
                st.sampled_from(["proposed", "approved", "notified", "suspended", "in-effect", "in-effect"]),
            ),
            min_size=2,
            max_size=5,
        ),
        ruled=st.booleans(),
    )
    def some_are_listed_already(self, entries: list[tuple[tuple[str, str, str], str, int, str]], ruled: bool) -> None:
        """Lives do not begin at the beginning: the steps that are worth trying come late in them. `ruled`: rules are in
        force already, and one person was exposed.
        """
        reached: dict[int, str] = {}
        for parts, person, basis, state in entries:
            version = self.model.in_force(basis)
            proposer = "proposer-2" if (parts[0], basis) == ("proposer", COURT_BASIS) else parts[0]
            effect, scopes = version.effects[0], version.scopes[:1]
            self._propose(proposer, "/entries", person, basis, effect, scopes, version.longest)
            reached[len(self.model.entries)] = state
            self.parts[len(self.model.entries)] = parts
        for person in PEOPLE:
            self.issue_paper(person=person, scope=RIDE)
            self.issue_to_wallet(person=person, scope=RIDE)
        for number in [each for each, state in reached.items() if state in ("suspended", "in-effect")]:
            self._approve_well(number)
        self.tick()
        for number in [each for each, state in reached.items() if state == "suspended"]:
            self._object_to(self.model.entries[number].person, number)
        if "in-effect" in reached.values():
            self.time_passes(seconds=NOTICE)
        for number in [each for each, state in reached.items() if state == "notified"]:
            self._approve_well(number)
        self.tick()
        for number in [each for each, state in reached.items() if state == "approved"]:
            self._approve_well(number)
        if ruled:
            self.propose_rules(who="proposer")
            self.act_on_rules(who="approver", step="shadow", number=0)
            self.act_on_rules(who="approver", step="approve", number=0)
            self.report(who="desk", person=PEOPLE[0], yellow=False, exposure=True, days=14)

    def _approve_well(self, number: int) -> None:
        entry = self.model.entries[number]
        _, approver, confirmer = self.parts.get(number, ("", "approver", "approver-2"))
        if entry.state == "proposed":
            self.ask(approver, f"/entries/{number}/approve", lambda: self.model.approve(approver, number))
        if entry.state == "held":
            self.ask(confirmer, f"/entries/{number}/confirm", lambda: self.model.confirm(confirmer, number))

    # What people do.

    @rule(
        who=PROPOSERS,
        person=PERSON,
        basis=st.sampled_from([1, 1, 1, 2, 3]),
        scopes=SCOPES,
        days=st.sampled_from([1, 20, 30, 31, 150]),
    )
    @precondition(lambda self: len(self.model.entries) < 10)
    def propose(self, who: str, person: str, basis: int, scopes: tuple[int, ...], days: int) -> None:
        version = self.model.in_force(basis)
        effect = version.effects[len(self.model.entries) % len(version.effects)]
        self._propose(who, "/entries", person, basis, effect, scopes, days * DAY)

    @rule(who=PROPOSERS, person=PERSON, basis=st.sampled_from([1, 2, 3]))
    @precondition(lambda self: len(self.model.entries) < 10)
    def propose_well(self, who: str, person: str, basis: int) -> None:
        version = self.model.in_force(basis)
        self.propose(who=who, person=person, basis=basis, scopes=version.scopes[:1], days=version.longest // DAY)

    def _propose(
        self, who: str, path: str, person: str, basis: int, effect: str, scopes: tuple[int, ...], length: int
    ) -> None:
        model, starts = self.model, self.model.now
        proposal = int(path.split("/")[2]) if path != "/entries" else None

        def follow() -> bool:
            asked: dict[str, Any] = {"effect": effect, "scopes": scopes, "starts": starts, "ends": starts + length}
            return model.propose(self.newest("entries"), who, person, basis, proposal=proposal, **asked)

        self.ask(
            who,
            path,
            follow,
            person=person,
            basis=basis,
            effect=effect,
            scopes=list(scopes),
            reason="A laboratory found an infection.",
            case={"reference": "H-1"},
            starts_at=starts,
            ends_at=starts + length,
        )

    @rule(who=APPROVERS, number=NUMBER)
    @precondition(lambda self: self.model.entries)
    def approve(self, who: str, number: int) -> None:
        entry = self.pick(number, lambda one: one.state == "proposed")
        self.ask(who, f"/entries/{entry}/approve", lambda: self.model.approve(who, entry))

    @rule(number=NUMBER)
    @precondition(lambda self: any(one.state != "ended" for one in self.model.entries.values()))
    def go_on(self, number: int) -> None:
        """What usually comes next in an entry's life."""
        number = self.pick(number, lambda one: one.state != "ended")
        entry = self.model.entries[number]
        if entry.state in ("proposed", "held"):
            self._approve_well(number)
        elif entry.state == "suspended":
            self.decide(who="reviewer", number=0, lift=False)
        else:
            self.time_passes(seconds=NOTICE)

    @rule(number=NUMBER, which=st.integers(0, 2), step=st.sampled_from(["approve", "confirm", "lift", "decide"]))
    @precondition(lambda self: self.model.entries)
    def take_a_second_part(self, number: int, which: int, step: str) -> None:
        """Somebody who has a part in an entry tries the next step too."""
        before = {"approve": ("proposed",), "confirm": ("held",), "decide": ("suspended",)}.get(step, ("in-effect",))
        number = self.pick(number, lambda one: one.state in before)
        entry = self.model.entries[number]
        parts = sorted(entry.parts(), key=lambda each: (each != "everything", each))
        who = parts[which % len(parts)]
        waiting = [each for each, one in self.model.objections.items() if one.entry == number and one.state == "open"]
        if step == "decide" and waiting:
            path = f"/objections/{waiting[0]}/decide"
            self.ask(who, path, lambda: self.model.decide(who, waiting[0], lift=False), lift=False, answer="No.")
        elif step != "decide":
            follow = {"approve": self.model.approve, "confirm": self.model.confirm, "lift": self.model.lift}[step]
            self.ask(who, f"/entries/{number}/{step}", lambda: follow(who, number))

    @rule(who=APPROVERS, number=NUMBER)
    @precondition(lambda self: any(one.state == "held" for one in self.model.entries.values()))
    def confirm(self, who: str, number: int) -> None:
        entry = self.pick(number, lambda one: one.state == "held")
        self.ask(who, f"/entries/{entry}/confirm", lambda: self.model.confirm(who, entry))

    @rule(who=SIDES, number=NUMBER, step=st.sampled_from(["withdraw", "undo"]))
    @precondition(lambda self: self.model.entries)
    def take_back(self, who: str, number: int, step: str) -> None:
        entry = self.pick(3 - number, lambda one: one.state in ("proposed", "ended"))
        follow = self.model.withdraw if step == "withdraw" else self.model.undo
        self.ask(who, f"/entries/{entry}/{step}", lambda: follow(who, entry))

    @rule(number=NUMBER, step=st.sampled_from(["withdraw", "undo"]))
    @precondition(lambda self: any(one.state == "approved" for one in self.model.entries.values()))
    def take_back_before_it_is_announced(self, number: int, step: str) -> None:
        number = self.pick(number % 2, lambda one: one.state == "approved")
        follow = self.model.withdraw if step == "withdraw" else self.model.undo
        self.ask("approver", f"/entries/{number}/{step}", lambda: follow("approver", number))
        self.tick()

    @rule(who=REVIEWERS, number=NUMBER)
    @precondition(lambda self: self.model.entries)
    def lift(self, who: str, number: int) -> None:
        entry = self.pick(number, lambda one: one.state in ("in-effect", "suspended"))
        self.ask(who, f"/entries/{entry}/lift", lambda: self.model.lift(who, entry))

    @rule(who=PROPOSERS, number=NUMBER)
    @precondition(lambda self: self.model.entries)
    def reconfirm(self, who: str, number: int) -> None:
        entry = self.pick(number, lambda one: one.state == "in-effect")
        self.ask(who, f"/entries/{entry}/reconfirm", lambda: self.model.reconfirm(who, entry))

    @rule(who=SIDES, number=NUMBER, state=st.sampled_from(["open", "upheld", "upheld", "dismissed", "won"]))
    @precondition(lambda self: self.model.entries)
    def set_case(self, who: str, number: int, state: str) -> None:
        entry = self.pick(number, lambda one: one.state != "ended")
        self.ask(who, f"/entries/{entry}/case", lambda: self.model.case(who, entry, state), state=state)

    @rule(person=PERSON, number=NUMBER)
    @precondition(lambda self: any(one.told_at is not None for one in self.model.entries.values()))
    def object_to(self, person: str, number: int) -> None:
        fits = ("notified", "in-effect")
        entry = self.pick(number, lambda one: one.state in fits and one.open_objection() is None)
        if number < 2:
            person = self.model.entries[entry].person
        self._object_to(person, entry)

    def _object_to(self, person: str, number: int) -> None:
        path, said = f"/me/entries/{number}/objection", {"text": "It was not me."}
        self.ask(person, path, lambda: self.model.object_to(self.newest("objections"), person, number), **said)

    @rule(who=REVIEWERS, number=NUMBER, lift=st.booleans())
    @precondition(lambda self: self.model.objections)
    def decide(self, who: str, number: int, lift: bool) -> None:
        ordered = sorted(self.model.objections, key=lambda each: (self.model.objections[each].state != "open", -each))
        objection = ordered[number % len(ordered)]
        path = f"/objections/{objection}/decide"
        self.ask(who, path, lambda: self.model.decide(who, objection, lift=lift), lift=lift, answer="We looked.")

    @rule(who=REVIEWERS, person=PERSON, after=st.sampled_from([0, HOUR]), hours=st.sampled_from([1, 72, 73]))
    @precondition(lambda self: len(self.model.exemptions) < 3)
    def exempt(self, who: str, person: str, after: int, hours: int) -> None:
        model, starts = self.model, self.model.now + after
        ends = starts + hours * HOUR
        self.ask(
            who,
            "/exemptions",
            lambda: model.exempt(self.newest("exemptions"), who, person, starts=starts, ends=ends),
            person=person,
            reason="A hearing.",
            starts_at=starts,
            ends_at=ends,
        )

    @rule(who=REVIEWERS, number=NUMBER)
    @precondition(lambda self: self.model.exemptions)
    def end_exemption(self, who: str, number: int) -> None:
        exemption = sorted(self.model.exemptions)[number % len(self.model.exemptions)]
        self.ask(who, f"/exemptions/{exemption}/end", lambda: self.model.end_exemption(who, exemption))

    @rule(
        who=WHO_HAS_FACTS,
        person=PERSON,
        yellow=st.booleans(),
        exposure=st.booleans(),
        days=st.sampled_from([1, 14, 15]),
    )
    @precondition(lambda self: len(self.model.facts) < 4)
    def report(self, who: str, person: str, yellow: bool, exposure: bool, days: int) -> None:
        model, ends = self.model, self.model.now + days * DAY
        self.ask(
            who,
            "/facts",
            lambda: model.report(self.newest("facts"), who, person, yellow=yellow, exposure=exposure, ends=ends),
            person=person,
            kind="exposure" if exposure else "survey",
            source="laboratory",
            reason="You were near somebody.",
            yellow=yellow,
            scopes=[RIDE],
            valid_until=ends,
        )

    @rule(who=WHO_HAS_FACTS, number=NUMBER)
    @precondition(lambda self: self.model.facts)
    def withdraw_fact(self, who: str, number: int) -> None:
        fact = sorted(self.model.facts)[number % len(self.model.facts)]
        self.ask(who, f"/facts/{fact}/withdraw", lambda: self.model.withdraw_fact(who, fact))

    @rule(who=OPS, person=PERSON)
    def withdraw_passes(self, who: str, person: str) -> None:
        model = self.model
        path = "/withdrawals"
        self.ask(
            who,
            path,
            lambda: model.ask_withdrawal(self.newest("emergency_withdrawals"), who, person),
            person=person,
            reason="A lost telephone.",
        )

    @rule(who=OPS, number=NUMBER)
    @precondition(lambda self: self.model.withdrawals)
    def confirm_withdrawal(self, who: str, number: int) -> None:
        asked = self.model.withdrawals
        ordered = sorted(asked, key=lambda each: (asked[each].done_at is not None, -each))
        withdrawal = ordered[number % len(ordered)]
        path = f"/withdrawals/{withdrawal}/confirm"
        self.ask(who, path, lambda: self.model.confirm_withdrawal(who, withdrawal))

    @rule(who=ADMINS, longest=st.sampled_from([20 * DAY, 30 * DAY]))
    @precondition(lambda self: len(self.model.bases[HEALTH_BASIS]) < 3)
    def change_basis(self, who: str, longest: int) -> None:
        first = versions()[HEALTH_BASIS][0]
        changed = Version(**{**vars(first), "longest": longest, "proposer": who, "approver": None})
        form = basis_form(authority=None, exclusions=None, longest=longest)
        self.ask(who, "/bases/1/versions", lambda: self.model.propose_version(who, HEALTH_BASIS, changed), **form)

    @rule(who=ADMINS)
    @precondition(lambda self: len(self.model.bases[HEALTH_BASIS]) > 1)
    def approve_basis(self, who: str) -> None:
        number = len(self.model.bases[HEALTH_BASIS])
        path = f"/bases/1/versions/{number}/approve"
        self.ask(who, path, lambda: self.model.approve_version(who, HEALTH_BASIS, number))

    @rule(who=ADMINS)
    @precondition(lambda self: len(self.model.rules) < 2)
    def propose_rules(self, who: str) -> None:
        exposed = {"if": [{"var": "facts.exposure.0"}, True, False]}
        proposes = {"basis": HEALTH_BASIS, "effect": "red", "scopes": [RIDE]}
        form = rule_set(
            rule_form("exposed", exposed, scopes=[RIDE], proposes=proposes),
            title=f"Exposures {len(self.model.rules)}",
            form=None,
        )
        self.ask(who, "/rule-sets", lambda: self.model.propose_rules(self.newest("rule_sets"), who), **form)

    @rule(who=ADMINS, step=st.sampled_from(["shadow", "approve", "approve", "end"]), number=NUMBER)
    @precondition(lambda self: self.model.rules)
    def act_on_rules(self, who: str, step: str, number: int) -> None:
        rules = sorted(self.model.rules)[number % len(self.model.rules)]
        steps = {"shadow": self.model.shadow, "approve": self.model.approve_rules, "end": self.model.end_rules}
        shadow_at = self.model.rules[rules].shadow_at
        body = {"shadow_at": shadow_at or 0} if step == "approve" else {}
        self.ask(who, f"/rule-sets/{rules}/versions/1/{step}", lambda: steps[step](who, rules), **body)
        self.tick()  # the server is woken by each change; here, because everybody is looked at again

    @rule(who=PROPOSERS, number=NUMBER)
    @precondition(lambda self: self.model.rules)
    def take_up(self, who: str, number: int) -> None:
        query = text("SELECT p.id, q.reference FROM rule_proposals AS p JOIN people AS q ON q.id = p.person_id")
        with self.office.services.database.reading() as session:
            found = session.execute(query).all()
        if not found or len(self.model.entries) >= 10:
            return
        proposal, person = found[number % len(found)]
        self._propose(who, f"/rule-proposals/{proposal}/propose", person, HEALTH_BASIS, "red", (RIDE,), 20 * DAY)

    @rule(person=PERSON, scope=st.sampled_from([RIDE, RIDE, HOSPITAL, CHECKED, PRIORITY]))
    def issue_paper(self, person: str, scope: int) -> None:
        self.last = None  # another one takes its place each time
        self.interruption.never()
        answer = self.office.call("desk", "POST", "/paper-passes", person=person, scopes=[scope])
        ends = answer.json()["exp"] if answer.is_success else 0
        accepted = self.model.issue(self.newest("events"), person, scope, paper=True, ends=ends)
        assert answer.is_success is accepted, answer.text
        self._number_pass(accepted)

    @rule(person=PERSON, scope=st.sampled_from([RIDE, HOSPITAL, CHECKED]))
    def issue_to_wallet(self, person: str, scope: int) -> None:
        self.interruption.never()
        services = self.office.services
        now = services.now()
        with services.change() as session:
            request = PassRequest(holder=holder_key(1).key, scopes=(scope,))
            issue_bound(session, services, PEOPLE.index(person) + 1, [request], now)
        ends = now - now % HOUR + services.settings.pass_life
        self._number_pass(self.model.issue(-1, person, scope, paper=False, ends=ends))
        self.model.log.remove("passes.issued")  # the endpoint writes that

    def _number_pass(self, accepted: bool) -> None:
        if accepted:
            _, one = self.model.passes.popitem()
            self.model.passes[self.newest("passes")] = one

    # What the world does.

    @rule(seconds=st.sampled_from([1, 599, HOUR, NOTICE, NOTICE, DAY]))
    @precondition(lambda self: self.model.now < END - 91 * DAY)
    def time_passes(self, seconds: int) -> None:
        self.office.clock.advance(seconds)
        self.tick()

    @rule(days=st.sampled_from([3, 11, 31, 91]))
    @precondition(lambda self: self.model.now < END - 91 * DAY)
    def server_slept(self, days: int) -> None:
        """Nothing looked in between."""
        self.time_passes(seconds=days * DAY)

    @rule(seconds=st.sampled_from([1, HOUR, 5 * HOUR]))
    @precondition(lambda self: self.model.now > START + DAY)
    def clock_is_put_back(self, seconds: int) -> None:
        self.tick()
        self.office.clock.advance(-seconds)
        self.tick()

    @rule()
    def scheduler_looks(self) -> None:
        self.tick()

    @rule(delivering=st.booleans())
    def notices_leave_or_not(self, delivering: bool) -> None:
        self.office.outbox.refuse = not delivering
        self.model.delivering = delivering

    @rule(points=st.integers(0, 40))
    def process_will_end(self, points: int) -> None:
        """After so many points of the requests and looks that follow."""
        self.interruption.after(points)

    @rule()
    @precondition(lambda self: self.last is not None and self.model.latest < self.last.at + DAY)
    def send_again(self) -> None:
        """Exactly the last request, before its key is forgotten. What was done is not done again."""
        request = self.last
        assert request is not None
        if not request.done:
            self._send(request)
            return
        headers = {**self.office.headers(request.who), "Idempotency-Key": request.key}
        with suppress(ProcessEnded):
            answer = self.office.send("POST", f"/api/v1{request.path}", headers=headers, json=request.body)
            assert answer.status_code < 500, answer.text
            assert answer.is_success or request.path not in KEYED, answer.text
            return
        self._begin_anew()
