"""Records that differ in their number alone: the form writes what `LogRecord.to_bytes` writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypass_protocol.errors import Malformed
from waypass_protocol.logrecords import MAX_RECORD, LogRecord, RecordForm

DETAILS = st.dictionaries(st.text(max_size=8), st.integers(0, 1 << 60) | st.text(max_size=20), max_size=4)


@given(
    at=st.integers(0, 1 << 40),
    staff=st.none() | st.integers(0, 1 << 40),
    what=st.text(max_size=30),
    details=DETAILS,
    number=st.integers(0, 1 << 53),
)
def test_the_same_bytes(at: int, staff: int | None, what: str, details: dict[str, object], number: int) -> None:
    record = LogRecord(
        at=at, actor="staff", staff=staff, what=what, subject="entry", subject_id=number, details=details
    )
    assert RecordForm(record).with_id(number) == record.to_bytes()


def test_what_no_record_holds_is_refused_once() -> None:
    record = LogRecord(
        at=1, actor="system", staff=None, what="a", subject="b", subject_id=1, details={"much": "x" * MAX_RECORD}
    )
    with pytest.raises(Malformed, match=f"expected at most {MAX_RECORD} bytes"):
        RecordForm(record)
