"""Proof files and what leaves commit to: they verify offline, and a changed one does not."""

import json
from base64 import b64encode
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.test_checkpoint import KEY, LOG, ORIGIN
from tests.protocol.test_merkle import grown

from waypass_protocol.checkpoint import Checkpoint, sign_checkpoint
from waypass_protocol.errors import BadProof, Malformed
from waypass_protocol.logproofs import (
    Consistency,
    Inclusion,
    Opening,
    ProvedLeaf,
    read_proof_file,
    write_proof_file,
)
from waypass_protocol.logrecords import LogRecord, check_leaf, commit, read_record
from waypass_protocol.merkle import prove_consistency, prove_inclusion

SALT = b"sixteen bytes!!!"
RECORD = LogRecord(
    at=1_800_000_000,
    actor="staff",
    staff=4,
    what="entry.proposed",
    subject="entry",
    subject_id=7,
    details={"state": "proposed", "scopes": [1, 2], "health": True, "case": None, "share": 0.5},
)
LEAVES = [commit(SALT, RECORD.to_bytes()), *(bytes([number]) * 32 for number in range(9))]


def note(size: int) -> str:
    frontier, _ = grown(LEAVES[:size])
    return sign_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=frontier.root()), LOG)


def inclusion(*, opened: bool = True) -> Inclusion:
    _, node_at = grown(LEAVES)
    opening = Opening(salt=SALT, record=RECORD.to_bytes()) if opened else None
    proof = tuple(prove_inclusion(0, 10, node_at))
    return Inclusion(checkpoint=note(10), leaves=(ProvedLeaf(index=0, leaf=LEAVES[0], proof=proof, opening=opening),))


def consistency() -> Consistency:
    _, node_at = grown(LEAVES)
    return Consistency(old=note(3), new=note(10), proof=tuple(prove_consistency(3, 10, node_at)))


@pytest.mark.parametrize("proof", [inclusion(), inclusion(opened=False), consistency()], ids=["opened", "leaf", "two"])
def test_a_file_comes_back_and_verifies(proof: Inclusion | Consistency) -> None:
    again = read_proof_file(write_proof_file(proof).encode())
    assert again == proof
    again.check(KEY)


def test_a_record_comes_back_with_truth_as_numbers() -> None:
    record = read_record(RECORD.to_bytes())
    assert (record.what, record.subject_id, record.staff) == ("entry.proposed", 7, 4)
    assert record.details == {"state": "proposed", "scopes": [1, 2], "health": 1, "share": "0.5"}


def test_a_leaf_commits_to_salt_and_record() -> None:
    check_leaf(LEAVES[0], SALT, RECORD.to_bytes())
    with pytest.raises(BadProof, match="not what the leaf commits to"):
        check_leaf(LEAVES[0], bytes(16), RECORD.to_bytes())
    with pytest.raises(Malformed, match="expected a salt of 16 bytes, got 15"):
        commit(SALT[1:], RECORD.to_bytes())


def test_another_record_is_not_in_the_log() -> None:
    document = inclusion().to_json()
    other = LogRecord(**{**{name: getattr(RECORD, name) for name in RECORD.__slots__}, "what": "entry.lift"})
    document["leaves"][0]["record"] = b64encode(other.to_bytes()).decode()  # type: ignore[index]
    with pytest.raises(BadProof, match="leaf 0 does not lead to the root of 10 leaves"):
        read_proof_file(json.dumps(document).encode()).check(KEY)


def test_a_log_that_took_something_back() -> None:
    proof = consistency()
    frontier, _ = grown([bytes(32), *LEAVES[1:3]])
    rewritten = sign_checkpoint(Checkpoint(origin=ORIGIN, size=3, root=frontier.root()), LOG)
    with pytest.raises(BadProof, match="does not lead to the root of the 3 old leaves"):
        Consistency(old=rewritten, new=proof.new, proof=proof.proof).check(KEY)


def edited(whole: Inclusion | Consistency, /, **changes: Any) -> bytes:
    return json.dumps(whole.to_json() | changes).encode()


def edited_leaf(**changes: Any) -> bytes:
    document: Any = inclusion(opened=False).to_json()
    document["leaves"][0] |= changes
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("not JSON", b"{", "proof file: expected a JSON object"),
        ("not UTF-8", b"\xff{}", "not UTF-8"),
        ("another kind", edited(inclusion(), waypass_log="all"), "expected waypass_log inclusion or consistency"),
        ("a member more", edited(inclusion(), more=1), "expected members 'checkpoint, leaves, waypass_log'"),
        ("no leaves", edited(inclusion(), leaves=[]), "a list of 1 to 10000 leaves"),
        ("a leaf as text", edited(inclusion(), leaves=["a"]), "expected a leaf as an object, got str"),
        ("a note as number", edited(inclusion(), checkpoint=5), "expected a checkpoint as text"),
        ("a long proof", edited(consistency(), proof=["A"] * 65), "at most 64 hashes"),
        ("a hash as number", edited(consistency(), proof=[5]), "proof: expected base64 text, got int"),
        ("a short hash", edited(consistency(), proof=["AAAA"]), "proof: expected 32 bytes, got 3"),
        ("index as truth", edited_leaf(index=True), "expected a leaf's number as its index, got True"),
        ("negative index", edited_leaf(index=-1), "expected a leaf's number as its index, got -1"),
        ("leaf and record", edited_leaf(record="AAAA"), "expected members 'index, proof, record, salt'"),
    ],
)
def test_a_file_that_is_no_proof(name: str, data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read_proof_file(data)
    assert name


def record_with(**changes: Any) -> bytes:
    fields = cbor2.loads(RECORD.to_bytes()) | changes
    return cbor2.dumps({name: value for name, value in fields.items() if value is not None}, canonical=True)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("no map", cbor2.dumps([1]), "expected a map of actor, at, details, id, subject, what, got list"),
        ("a field more", record_with(name=1), "expected a map of .*'name'"),
        ("a field less", record_with(what=None), "expected a map of"),
        ("another actor", record_with(actor="machine"), "an actor among staff, holder, system"),
        ("details as list", record_with(details=[1]), "expected details as a map of names"),
        ("details with numbers as names", record_with(details={"a": {1: 2}}), "expected names as texts"),
        ("a negative time", record_with(at=-1), "log record: at: expected"),
        ("staff as text", record_with(staff="Ada"), "log record: staff: expected"),
        ("too long", bytes(16 * 1024 + 1), "expected at most 16384 bytes"),
    ],
)
def test_a_record_that_is_none(name: str, data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read_record(data)
    assert name


def test_what_no_record_holds() -> None:
    odd = LogRecord(at=1, actor="system", staff=None, what="a", subject="b", subject_id=1, details={"share": {1}})
    with pytest.raises(Malformed, match="expected numbers, texts, lists and maps, got set"):
        odd.to_bytes()


details = st.dictionaries(
    st.text(max_size=5),
    st.integers(0, 2**63) | st.text(max_size=5) | st.lists(st.integers(0, 9), max_size=3),
    max_size=4,
)


@given(details, st.integers(0, 2**53))
def test_one_record_has_one_spelling(found: dict[str, Any], at: int) -> None:
    record = LogRecord(at=at, actor="holder", staff=None, what="a", subject="b", subject_id=1, details=found)
    assert read_record(record.to_bytes()) == record
    assert read_record(record.to_bytes()).to_bytes() == record.to_bytes()
