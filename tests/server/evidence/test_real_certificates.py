"""The EU's own test certificates give what their authors expect, at the time that they name.

What each expectation means is from the README of the test data. One that is absent is not asserted.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp
from typer.testing import CliRunner

from waypass_server.commands.evidence import app
from waypass_server.evidence import OutOfTimeError, Reason, SignerSet, authenticate, cose, verify
from waypass_server.evidence.cbor import decode
from waypass_server.evidence.errors import UnreadableError, UntrustedError
from waypass_server.evidence.transport import from_base45, inflate, unpack, without_prefix

pytestmark = pytest.mark.shared

Row = Mapping[str, Any]
"""One line of the test data: JSON of many shapes that others made."""


@pytest.fixture(scope="module")
def rows(shared_dir: Path) -> list[Row]:
    lines = (shared_dir / "vectors/hcert/dgc-testdata.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def signers(row: Row) -> list[bytes]:
    return [base64.b64decode(row["TESTCTX"]["CERTIFICATE"])]


def clock(row: Row) -> int:
    """The validation clock in whole seconds; some rows name no zone and mean UTC."""
    moment = datetime.fromisoformat(row["TESTCTX"]["VALIDATIONCLOCK"])
    return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def unprefixed(row: Row) -> bool:
    try:
        return bool(without_prefix(row["PREFIX"]) == row["BASE45"])
    except UnreadableError:
        return False


def base45_decoded(row: Row) -> bool:
    try:
        decoded = from_base45(row["BASE45"])
    except UnreadableError:
        return False
    if "COMPRESSED" in row:
        return decoded == bytes.fromhex(row["COMPRESSED"])
    return inflate(decoded) == bytes.fromhex(row["COSE"])


def decompressed(row: Row) -> bool:
    try:
        return inflate(bytes.fromhex(row["COMPRESSED"])) == bytes.fromhex(row["COSE"])
    except UnreadableError:
        return False


def cbor_is_json(row: Row) -> bool:
    value = decode(bytes.fromhex(row["CBOR"]), what="CBOR", tags={0})
    assert isinstance(value, dict)
    # Some countries give the whole claims here, others what they certify.
    return same_as_json(value[-260][1] if -260 in value else value, row)


def whole_chain_is_json(row: Row) -> bool:
    held = authenticate(row["PREFIX"], signers=signers(row)).claims
    assert isinstance(held, dict)
    return same_as_json(held[-260][1], row)


def same_as_json(value: object, row: Row) -> bool:
    """Equal, where a time is the same in any spelling: CBOR has a type for it, and zones are written in two ways."""
    return with_times(value) == with_times(row["JSON"])


def with_times(value: object) -> object:
    if isinstance(value, dict):
        return {key: with_times(held) for key, held in value.items()}
    if isinstance(value, list):
        return [with_times(held) for held in value]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", value):
        return datetime.fromisoformat(value)
    return value


def signature_good(row: Row) -> bool:
    try:
        signed = bytes.fromhex(row["COSE"]) if "COSE" in row else unpack(row["PREFIX"])
        SignerSet.of(signers(row)).signer_of(cose.parse(signed))
    except (UnreadableError, UntrustedError):
        return False
    return True


def in_force(row: Row) -> bool:
    try:
        verify(row["PREFIX"], signers=signers(row), at=clock(row))
    except OutOfTimeError:
        return False
    return True


def usage_allowed(row: Row) -> bool:
    """Another reason than the usage is no answer to this question, and ends the test."""
    try:
        verify(row["PREFIX"], signers=signers(row), at=clock(row))
    except UntrustedError as error:
        if error.reason is not Reason.KEY_USAGE:
            raise
        return False
    return True


def picture_read(row: Row) -> bool:
    image = cv2.imdecode(np.frombuffer(base64.b64decode(row["2DCODE"]), np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        return False
    return row["PREFIX"] in [code.text for code in zxingcpp.read_barcodes(image)]


EXPECTATIONS: list[tuple[str, int, int, Callable[[Row], bool]]] = [
    ("EXPECTEDUNPREFIX", 123, 3, unprefixed),
    ("EXPECTEDB45DECODE", 93, 1, base45_decoded),
    ("EXPECTEDCOMPRESSION", 93, 2, decompressed),
    ("EXPECTEDDECODE", 126, 0, cbor_is_json),
    ("EXPECTEDVERIFY", 137, 4, signature_good),
    ("EXPECTEDVALIDJSON", 117, 0, whole_chain_is_json),
    ("EXPECTEDEXPIRATIONCHECK", 95, 2, in_force),
    ("EXPECTEDKEYUSAGE", 59, 6, usage_allowed),
    ("EXPECTEDPICTUREDECODE", 83, 1, picture_read),
]


def test_there_is_a_check_for_every_expectation(rows: list[Row]) -> None:
    assert len(rows) == 159
    assert {name for row in rows for name in row["EXPECT"]} == {name for name, *_ in EXPECTATIONS}


@pytest.mark.parametrize(("name", "met", "failed", "check"), EXPECTATIONS, ids=[row[0] for row in EXPECTATIONS])
def test_expectation(rows: list[Row], name: str, met: int, failed: int, check: Callable[[Row], bool]) -> None:
    asserted = [row for row in rows if name in row["EXPECT"]]
    assert sum(row["EXPECT"][name] for row in asserted) == met
    assert sum(not row["EXPECT"][name] for row in asserted) == failed
    wrong = [row["SOURCE"] for row in asserted if check(row) is not row["EXPECT"][name]]
    assert wrong == []


def as_question(row: Row) -> str:
    return json.dumps({"text": row["PREFIX"], "signers": [row["TESTCTX"]["CERTIFICATE"]], "at": clock(row)})


def test_the_command_says_the_same(rows: list[Row]) -> None:
    result = CliRunner().invoke(app, ["check", "--json"], input="\n".join(map(as_question, rows)))
    assert result.exit_code == 1
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(answers) == len(rows)
    checks = {"EXPECTEDVERIFY", "EXPECTEDEXPIRATIONCHECK", "EXPECTEDKEYUSAGE"}
    form = {"EXPECTEDUNPREFIX", "EXPECTEDB45DECODE", "EXPECTEDCOMPRESSION"}
    wrong, refused, verified = [], 0, 0
    for row, answer in zip(rows, answers, strict=True):
        expected = row["EXPECT"]
        if any(expected.get(name) is False for name in checks | form):
            refused += 1
            if answer["verified"] or not answer["reason"]:
                wrong.append(row["SOURCE"])
        elif expected.get("EXPECTEDEXPIRATIONCHECK") or expected.get("EXPECTEDKEYUSAGE"):
            verified += 1
            if answer != {"verified": True, "reason": None, "claims": answer["claims"]}:
                wrong.append(row["SOURCE"])
        if expected.get("EXPECTEDVALIDJSON") and not same_as_json(answer["claims"]["-260"]["1"], row):
            wrong.append(row["SOURCE"])
    assert wrong == []
    assert (refused, verified) == (18, 98)
