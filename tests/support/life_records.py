"""What the plain model of the lists keeps (`life_model`). Times are UNIX seconds."""

from dataclasses import dataclass, field

from tests.support.office import HOUR

DAY = 24 * HOUR


@dataclass(kw_only=True)
class Version:
    """One version of a basis."""

    authority: str
    effects: tuple[str, ...]
    scopes: tuple[int, ...]
    longest: int
    notice: int
    deadline: int
    health: bool
    proposer: str
    approver: str | None = None
    replaced: bool = False


@dataclass(kw_only=True)
class Objection:
    """What somebody said, and until when it has to be decided."""

    entry: int
    decide_by: int
    state: str = "open"
    decider: str | None = None


@dataclass(kw_only=True)
class Entry:
    """One entry with all that was done to it."""

    person: str
    basis: int
    version: Version
    effect: str
    scopes: tuple[int, ...]
    starts: int
    ends: int
    proposer: str
    state: str = "proposed"
    case: str = "open"
    approver: str | None = None
    approved_at: int = 0
    confirmer: str | None = None
    told_at: int | None = None
    due_at: int | None = None
    effective_at: int = 0
    confirmed_at: int | None = None
    end: str | None = None
    objections: list[Objection] = field(default_factory=list)

    def parts(self) -> set[str]:
        """Who had a part in it."""
        return {who for who in (self.proposer, self.approver, self.confirmer) if who is not None}

    def open_objection(self) -> Objection | None:
        """The one that waits."""
        return next((one for one in self.objections if one.state == "open"), None)

    def limits(self) -> list[int]:
        """Past any of these it has no effect."""
        waiting = self.open_objection()
        found = [self.ends]
        found += [] if self.confirmed_at is None else [self.confirmed_at + 90 * DAY]
        return found + ([] if waiting is None else [waiting.decide_by])

    def works(self, now: int) -> bool:
        """Whether it has its effect."""
        if self.state not in ("notified", "in-effect") or self.due_at is None:
            return False
        return self.due_at <= now < min(self.limits())


@dataclass(kw_only=True)
class Period:
    """An exemption or a fact. `by`: who granted an exemption."""

    person: str
    starts: int
    ends: int
    by: str | None = None
    yellow: bool = False
    exposure: bool = False
    scopes: tuple[int, ...] = ()
    gone: bool = False

    def holds(self, now: int) -> bool:
        """Whether it counts now."""
        return not self.gone and self.starts <= now < self.ends


@dataclass(kw_only=True)
class Pass:
    """One pass: what it says, until when, and its status."""

    person: str
    says: dict[int, int]
    ends: int
    paper: bool
    status: int = 0


@dataclass(kw_only=True)
class Withdrawal:
    """An emergency withdrawal; without `done_at` it waits for a second person."""

    person: str
    asker: str
    done_at: int | None = None


@dataclass(kw_only=True)
class Replaced:
    """A live paper pass of a person that a desk took away with a new one."""

    person: str
    at: int


@dataclass(kw_only=True)
class Rules:
    """A rule set of one version: yellow in `RIDE` for whoever was exposed, and it proposes an entry. `shadow_saw`: the
    rule sets that counted when its shadow run was made.
    """

    proposer: str
    shadow_at: int | None = None
    shadow_saw: set[int] = field(default_factory=set)
    approver: str | None = None
    ended: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is in force."""
        return self.approver is not None and not self.ended
