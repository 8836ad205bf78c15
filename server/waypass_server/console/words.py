"""The console's words: English as they stand in the code and the templates, other languages from the catalogs in
`locale` (gettext; `.po` for people, `.mo` beside it for the program).

`mark` marks a text for the catalog where it stands in a table; `Speech` says it in a language.
"""

import gettext
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from waypass_protocol.messages import LaneState
from waypass_server.aspects import CauseKind
from waypass_server.fleet import Stand
from waypass_server.life import End, State
from waypass_server.models.bulk import BatchState
from waypass_server.models.lists_of_people import CaseState, Effect, Exclusion, ObjectionState, VersionState, Weight
from waypass_server.models.records import WithdrawalState
from waypass_server.models.rules import RuleSetState
from waypass_server.roles import Role
from waypass_server.rule_text import AnswerKind
from waypass_server.ways import Way

DOMAIN = "waypass_console"
LOCALE = Path(__file__).parent / "locale"
LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}


def mark(text: str) -> str:
    """The text itself; what extracts the catalog looks for this name."""
    return text


TABLE: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    Role: {
        Role.ADMIN: mark("administration"),
        Role.PROPOSER: mark("proposes entries"),
        Role.APPROVER: mark("approves"),
        Role.REVIEWER: mark("reviews objections"),
        Role.OPS: mark("operations"),
        Role.DESK: mark("service desk"),
    },
    State: {
        State.PROPOSED: mark("waits for approval"),
        State.HELD: mark("held past a limit, waits for a third person"),
        State.APPROVED: mark("approved, notice on its way"),
        State.NOTIFIED: mark("announced, notice period runs"),
        State.SUSPENDED: mark("suspended by an objection"),
        State.IN_EFFECT: mark("in effect"),
        State.ENDED: mark("ended"),
    },
    BatchState: {
        BatchState.READING: mark("still being imported"),
        BatchState.PROPOSED: mark("waits for approval"),
        BatchState.HELD: mark("held past a limit, waits for a third person"),
        BatchState.APPROVED: mark("approved"),
        BatchState.ENDED: mark("ended"),
    },
    End: {
        End.EXPIRED: mark("its time was over"),
        End.LIFTED: mark("lifted by a reviewer"),
        End.WITHDRAWN: mark("withdrawn"),
        End.LAPSED: mark("lapsed"),
        End.DISMISSED: mark("its case was dismissed or won"),
    },
    Effect: {
        Effect.RED: mark("red: the gate does not open"),
        Effect.YELLOW: mark("yellow: staff look first"),
        Effect.GRANT: mark("grant: opens a service by grant"),
    },
    CaseState: {
        CaseState.OPEN: mark("open"),
        CaseState.UPHELD: mark("upheld"),
        CaseState.DISMISSED: mark("dismissed"),
        CaseState.WON: mark("won by the person"),
    },
    Exclusion: {
        Exclusion.MINORS: mark("not a minor"),
        Exclusion.MEDICAL_TRAVEL: mark("not about medical travel"),
        Exclusion.HEARING: mark("not about travel to the hearing itself"),
    },
    VersionState: {
        VersionState.PROPOSED: mark("waits for approval"),
        VersionState.IN_FORCE: mark("in force"),
        VersionState.REPLACED: mark("replaced"),
    },
    RuleSetState: {
        RuleSetState.PROPOSED: mark("waits for approval"),
        RuleSetState.IN_FORCE: mark("in force"),
        RuleSetState.REPLACED: mark("replaced"),
        RuleSetState.ENDED: mark("ended"),
    },
    Weight: {
        Weight.YELLOW: mark("yellow: staff look first"),
        Weight.ADMITS: mark("evidence, where a service needs some"),
        Weight.NONE: mark("nothing by itself"),
    },
    AnswerKind: {
        AnswerKind.YES_NO: mark("yes or no"),
        AnswerKind.CHOICE: mark("one of these"),
        AnswerKind.NUMBER: mark("a whole number"),
        AnswerKind.DATE: mark("a date"),
    },
    WithdrawalState: {
        WithdrawalState.WAITING: mark("waits for a second person"),
        WithdrawalState.DONE: mark("done"),
    },
    CauseKind: {
        CauseKind.ENTRY: mark("Entry"),
        CauseKind.GRANT: mark("Grant"),
        CauseKind.FACT: mark("Notice or answers"),
        CauseKind.EVIDENCE: mark("Health certificate"),
        CauseKind.NO_EVIDENCE: mark("A health certificate is missing"),
        CauseKind.EXEMPTION: mark("Exemption"),
        CauseKind.RULE: mark("Rule"),
    },
    ObjectionState: {
        ObjectionState.OPEN: mark("waits for a decision"),
        ObjectionState.UPHELD: mark("the entry was upheld"),
        ObjectionState.LIFTED: mark("the entry was lifted"),
        ObjectionState.LAPSED: mark("not decided in time, the entry lapsed"),
        ObjectionState.MOOT: mark("the entry ended before a decision"),
    },
    Stand: {
        Stand.DIFFERS: mark("holds something else"),
        Stand.UNREADABLE: mark("cannot be understood"),
        Stand.OFFLINE: mark("offline"),
        Stand.QUIET: mark("not heard"),
        Stand.UNKNOWN: mark("has not said"),
        Stand.BEHIND: mark("behind"),
        Stand.CURRENT: mark("current"),
    },
    Way: {
        Way.TOKEN: mark("with a staff token"),
        Way.PASSWORD: mark("with password and code"),
        Way.PASSKEY: mark("with a passkey"),
        Way.OIDC: mark("at the provider"),
        Way.ENROLMENT: mark("with an enrolment link"),
    },
    LaneState: {
        LaneState.IDLE: mark("works"),
        LaneState.OPEN: mark("works"),
        LaneState.WAIT: mark("works"),
        LaneState.OUT_OF_ORDER: mark("out of order"),
    },
}
"""What a member of a closed set is called. By the set first: texts of different sets are equal."""

REFUSALS: Mapping[str, str] = {
    "same-person": mark("Another person is needed."),
    "forbidden": mark("This is for others to do."),
    "forged-form": mark("This form is no longer valid."),
    "not-found": mark("There is no such record."),
    "no-such-page": mark("There is no such page."),
    "sign-in-again": mark("Sign in again first."),
    "not-begun": mark("This form is no longer valid."),
    "bad-passkey": mark("This passkey does not fit."),
    "conflict": mark("It has changed in the meantime."),
    "past-limit": mark(
        "This would worsen more people than a limit allows. A higher limit takes three people and 72 hours."
    ),
    "second-person": mark("A second person is needed for this."),
    "too-many": mark("Too many attempts. Wait a few minutes."),
    "bad-input": mark("This cannot be used."),
    "outside-basis": mark("This is outside the basis."),
    "unknown-scope": mark("There is no such service."),
    "unavailable": mark("The server cannot do it now. Try again."),
    "no-key": mark("The server has no key that may sign now."),
    "too-large": mark("The form is too large."),
    "method-not-allowed": mark("There is no such page."),
}
"""A refusal by its stable name, as a heading."""


def mark_plural(one: str, many: str) -> tuple[str, str]:
    """Both texts themselves, for the catalog."""
    return one, many


_UNITS = (
    (86_400, *mark_plural("%(number)s day", "%(number)s days")),
    (3600, *mark_plural("%(number)s h", "%(number)s h")),
    (60, *mark_plural("%(number)s min", "%(number)s min")),
    (1, *mark_plural("%(number)s s", "%(number)s s")),
)


NEVER: Mapping[Exclusion, str] = {
    Exclusion.MINORS: mark("minors"),
    Exclusion.MEDICAL_TRAVEL: mark("medical travel"),
    Exclusion.HEARING: mark("travel to the hearing itself"),
}
"""What a basis never covers; `TABLE` has what somebody states who has looked."""


class Speech:
    """One language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.translations = gettext.translation(DOMAIN, LOCALE, [language], fallback=language == "en")

    def __call__(self, text: str) -> str:
        """The text in this language."""
        return self.translations.gettext(text)

    def word(self, member: StrEnum) -> str:
        """What a member of a closed set is called. By the set first: texts of different sets are equal."""
        return self(TABLE[type(member)][member])

    def problem(self, name: str) -> str:
        """The heading of a refusal."""
        return self(REFUSALS.get(name, REFUSALS["bad-input"]))

    def duration(self, seconds: float) -> str:
        """In its two largest units; under ten seconds with hundredths."""
        if 0 < seconds < 10 and seconds != int(seconds):
            return self._seconds(f"{seconds:.2f}")
        left, parts = int(seconds), []
        for size, one, many in _UNITS:
            count, left = divmod(left, size)
            if count:
                parts.append(self.translations.ngettext(one, many, count) % {"number": count})
            if len(parts) == 2 or (parts and not count):
                break
        return " ".join(parts) or self._seconds("0")

    def _seconds(self, number: str) -> str:
        return self.translations.ngettext("%(number)s s", "%(number)s s", 2) % {"number": number}

    def role(self, value: str) -> str:
        """What a role is called."""
        return self.word(Role(value))

    def day(self, seconds: float) -> str:
        """A day, of which the hour is not kept."""
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d")

    def effect(self, value: str) -> str:
        """What an effect is called."""
        return self.word(Effect(value))

    def exclusion(self, value: str) -> str:
        """What somebody states who has looked at an exclusion."""
        return self.word(Exclusion(value))

    def never(self, value: str) -> str:
        """What a basis never covers."""
        return self(NEVER[Exclusion(value)])

    def at_most(self, seconds: int) -> str:
        """A limit."""
        return self(mark("At most %(span)s.")) % {"span": self.duration(seconds)}

    def ago(self, now: float, then: float) -> str:
        """How long since; a clock that is a little ahead makes it nothing."""
        return self.duration(max(0, int(now - then)))

    def iso(self, seconds: float) -> str:
        """A time for programs: the page's script writes it in the browser's own time zone."""
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def utc(self, seconds: float) -> str:
        """The same for people whose browser runs no script."""
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M UTC")


def preferred(accepted: str) -> str:
    """The first language of an `Accept-Language` header that there is, otherwise English."""
    for part in accepted.split(","):
        language = part.partition(";")[0].strip().partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return "en"
