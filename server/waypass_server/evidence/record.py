"""What a verified health certificate comes down to: enough to make a fact of it, and no more.

Names and birth dates are not here, so they cannot be stored, matched or leaked further on. Who the fact is
about is known to the caller, from the person who handed the certificate in.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import assert_never


class Kind(StrEnum):
    """The three kinds of health certificate."""

    TEST = "test"
    VACCINATION = "vaccination"
    RECOVERY = "recovery"


class TestResult(StrEnum):
    """A test's result. `OTHER` is any code that is neither; it must never be taken for a negative one."""

    __test__ = False  # not a test, whatever pytest makes of the name

    NEGATIVE = "negative"
    POSITIVE = "positive"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class TestDetails:
    """A test: result, when the sample was taken (UNIX seconds), code of the test's type (LOINC)."""

    __test__ = False

    result: TestResult
    sampled_at: int
    test_type: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VaccinationDetails:
    """A vaccination: number and day of the newest dose, doses in the series, code of the product."""

    dose: int
    doses_in_series: int
    on: date
    product: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryDetails:
    """A recovery: day of the first positive test, and the days from and until which the certificate is to
    count.
    """

    first_positive_on: date
    valid_from: date
    valid_until: date


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """A verified health certificate.

    `issuer` is the issuer as signed: usually a country's two letters, for some countries an office's name.
    `country` is where the test or vaccination was done, `disease` the code of the disease (SNOMED CT;
    COVID-19 is 840539006). The certificate is in force from `valid_from` to `valid_until`, UNIX seconds, both
    inclusive. `certificate_digest` is the SHA-256 of the unique certificate identifier: equal for the same
    certificate handed in again, whatever text carries it.
    """

    issuer: str
    country: str
    disease: str
    valid_from: int
    valid_until: int
    certificate_digest: bytes
    details: TestDetails | VaccinationDetails | RecoveryDetails

    @property
    def kind(self) -> Kind:
        """Which of the three kinds this is."""
        match self.details:
            case TestDetails():
                return Kind.TEST
            case VaccinationDetails():
                return Kind.VACCINATION
            case RecoveryDetails():
                return Kind.RECOVERY
        assert_never(self.details)
