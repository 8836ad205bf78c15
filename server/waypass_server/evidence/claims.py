"""From signed claims (CWT, RFC 8392) to a record.

Read only after the signature was found good. The claims are held to this, otherwise the reason is `claims`:

1. `iat` (6) and `exp` (4) are numbers of seconds; fractions, which some issuers write, are dropped; `nbf`
   (5), when there, counts as well as `iat`
2. `iss` (1), when there, is a short text; without it the country of the entry stands in
3. claim -260 holds under 1 the payload, with exactly one of the groups `v`, `t` and `r`; a group that is null
   or empty is not there
4. a group has one entry; a list of several vaccinations, as older issuers wrote it, counts as its newest
5. the entry has the fields that the record needs, of the right type

Not checked: that names, product codes or laboratories exist. What a code means for admission is for rules to
say.
"""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from waypass_server.evidence.errors import Reason, UnreadableError
from waypass_server.evidence.record import (
    Evidence,
    Kind,
    RecoveryDetails,
    TestDetails,
    TestResult,
    VaccinationDetails,
)

ISS, EXP, NBF, IAT = 1, 4, 5, 6
HCERT = -260
HCERT_V1 = 1

MAX_TIME = 253_402_300_799  # the end of the year 9999
MAX_CODE = 100

_GROUPS = {"v": Kind.VACCINATION, "t": Kind.TEST, "r": Kind.RECOVERY}
_RESULTS = {"260415000": TestResult.NEGATIVE, "260373001": TestResult.POSITIVE}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def read(claims: object) -> Evidence:
    """The record of signed claims.

    Raises:
        UnreadableError: `claims`, when a rule above is broken.
    """
    cwt = _map(claims, "claims")
    kind, entry = _entry(_map(_map(cwt.get(HCERT), "claim -260").get(HCERT_V1), "claim -260, 1"))
    valid_from = math.floor(_seconds(cwt, IAT))
    if NBF in cwt:
        valid_from = max(valid_from, math.floor(_seconds(cwt, NBF)))
    fields = _Fields(kind, entry)
    country = fields.code("co")
    return Evidence(
        issuer=_code(cwt[ISS], "iss") if ISS in cwt else country,
        country=country,
        disease=fields.code("tg"),
        valid_from=valid_from,
        valid_until=math.floor(_seconds(cwt, EXP)),
        certificate_digest=hashlib.sha256(fields.code("ci").encode()).digest(),
        details=_DETAILS[kind](fields),
    )


def _entry(payload: Mapping[object, object]) -> tuple[Kind, Mapping[object, object]]:
    present = [(kind, group) for key, kind in _GROUPS.items() if (group := payload.get(key)) not in (None, [])]
    if len(present) != 1:
        raise _wrong(f"expected exactly one of the groups v, t and r, got {len(present)}")
    kind, group = present[0]
    if not isinstance(group, list):
        raise _wrong(f"{kind}: expected a list of entries, got {type(group).__name__}")
    entries = [_map(entry, f"{kind} entry") for entry in group]
    if len(entries) > 1 and kind is not Kind.VACCINATION:
        raise _wrong(f"{kind}: expected one entry, got {len(entries)}")
    return kind, entries[0] if len(entries) == 1 else max(entries, key=lambda entry: _Fields(kind, entry).day("dt"))


@dataclass(frozen=True, slots=True)
class _Fields:
    """Typed access to one entry."""

    kind: Kind
    entry: Mapping[object, object]

    def code(self, key: str) -> str:
        return _code(self.entry.get(key), f"{self.kind}, {key}")

    def count(self, key: str) -> int:
        value = self.entry.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 100:
            raise _wrong(f"{self.kind}, {key}: expected a number from 1 to 99")
        return value

    def day(self, key: str) -> date:
        """A date, also where an issuer wrote a time after it."""
        text = self.code(key)
        try:
            if not _DAY.match(text) or text[10:11] not in ("", "T"):
                raise ValueError(key)
            return date.fromisoformat(text[:10])
        except ValueError as error:
            raise _wrong(f"{self.kind}, {key}: expected a date such as 2021-06-30") from error

    def instant(self, key: str) -> int:
        """A date and time in UNIX seconds; without a zone it is taken as UTC."""
        value = self.entry.get(key)
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(self.code(key))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return math.floor(moment.timestamp())
        except (ValueError, OverflowError) as error:
            raise _wrong(f"{self.kind}, {key}: expected a time such as 2021-06-30T12:00:00Z") from error


def _test(fields: _Fields) -> TestDetails:
    return TestDetails(
        result=_RESULTS.get(fields.code("tr"), TestResult.OTHER),
        sampled_at=fields.instant("sc"),
        test_type=fields.code("tt"),
    )


def _vaccination(fields: _Fields) -> VaccinationDetails:
    return VaccinationDetails(
        dose=fields.count("dn"),
        doses_in_series=fields.count("sd"),
        on=fields.day("dt"),
        product=fields.code("mp"),
    )


def _recovery(fields: _Fields) -> RecoveryDetails:
    return RecoveryDetails(
        first_positive_on=fields.day("fr"),
        valid_from=fields.day("df"),
        valid_until=fields.day("du"),
    )


_DETAILS: Mapping[Kind, Callable[[_Fields], TestDetails | VaccinationDetails | RecoveryDetails]] = {
    Kind.TEST: _test,
    Kind.VACCINATION: _vaccination,
    Kind.RECOVERY: _recovery,
}


def _seconds(cwt: Mapping[object, object], claim: int) -> float:
    value = cwt.get(claim)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MAX_TIME:
        raise _wrong(f"claim {claim}: expected seconds from 0 to {MAX_TIME}")
    return value


def _map(value: object, what: str) -> Mapping[object, object]:
    if not isinstance(value, dict):
        raise _wrong(f"{what}: expected a map, got {type(value).__name__}")
    return value


def _code(value: object, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_CODE or not value.isprintable():
        raise _wrong(f"{what}: expected a text of 1 to {MAX_CODE} printable characters")
    return value


def _wrong(message: str) -> UnreadableError:
    return UnreadableError(Reason.CLAIMS, message)
