"""Passes: each claim, missing, unknown, of a wrong type and at the edges of its range."""

from collections.abc import Mapping
from typing import Any

import cbor2
import pytest
from tests.support.issuing import holder, signer

from waypass_protocol import cose
from waypass_protocol.cose import Header
from waypass_protocol.errors import Malformed, NotWaypass
from waypass_protocol.keys import sign_envelope
from waypass_protocol.passes import (
    MAX_LIFE_BOUND,
    MAX_LIFE_PAPER,
    MAX_TEXT,
    PASS_PREFIX,
    Aspect,
    BoundForm,
    Pass,
    Place,
    decode_base45,
    encode_base45,
    parse_pass,
    pass_text,
    read_pass,
    sign_pass,
)

EXP, NBF, IAT, CNF, STATUS, ASPECTS, HINT = 4, 5, 6, 8, 65535, -70001, -70003
T = 1_800_000_000
PLACE = {"status_list": {"idx": 5, "uri": "wp:17"}}
X, Y = holder(1).key.coordinates()
COSE_KEY = {1: 2, -1: 1, -2: X, -3: Y}
PAPER: dict[Any, Any] = {EXP: T + 3600, IAT: T, STATUS: PLACE, ASPECTS: {3: 0}}
BOUND: dict[Any, Any] = {**PAPER, CNF: {1: COSE_KEY}}
PAPER_BYTES = cbor2.dumps(PAPER, canonical=True)
MISSING = object()


def signed(claims: object) -> bytes:
    """A pass with these claims, signed, whether or not anybody should."""
    payload = claims if isinstance(claims, bytes) else cbor2.dumps(_in_order(claims), canonical=True)
    return sign_envelope(payload, Header.PASS, signer(1))


def _in_order(value: Any) -> Any:
    """Maps in RFC 8949's order where the library's differs."""
    if not isinstance(value, dict):
        return value
    return {key: _in_order(value[key]) for key in sorted(value, key=cbor2.dumps)}


def paper(claim: Any, value: object) -> dict[Any, Any]:
    """A paper pass with one claim changed, added or (MISSING) dropped."""
    changed = {**PAPER, claim: value}
    return {key: each for key, each in changed.items() if each is not MISSING}


def place(**changes: object) -> dict[Any, Any]:
    return paper(STATUS, {"status_list": {"idx": 5, "uri": "wp:17", **changes}})


def bound(**changes: object) -> dict[Any, Any]:
    """A bound pass whose COSE_Key is changed: `kty`, `crv`, `x`, `y`, `d`, `alg`."""
    numbers = {"kty": 1, "crv": -1, "x": -2, "y": -3, "d": -4, "alg": 3}
    key = {**COSE_KEY, **{numbers[name]: value for name, value in changes.items()}}
    return {**PAPER, CNF: {1: {name: value for name, value in key.items() if value is not MISSING}}}


BAD: list[tuple[str, object, str]] = [
    ("claims as an array", [], "expected a map of claims, got list"),
    ("claims as bytes", b"\x41\x00", "expected a map of claims, got bytes"),
    ("no claims", {}, "expected claims"),
    ("payload empty", b"", "goes on after its 0 bytes"),
    ("payload with bytes left over", PAPER_BYTES + b"\0", "left over"),
    ("claims out of order", cbor2.dumps(dict(reversed(PAPER.items()))), "ascending order"),
    ("exp missing", paper(EXP, MISSING), "expected claims"),
    ("iat missing", paper(IAT, MISSING), "expected claims"),
    ("status missing", paper(STATUS, MISSING), "expected claims"),
    ("aspects missing", paper(ASPECTS, MISSING), "expected claims"),
    ("iss", paper(1, "metro"), "expected claims"),
    ("sub", paper(2, "person"), "expected claims"),
    ("cti", paper(7, b"1"), "expected claims"),
    ("a private claim", paper(-70002, 0), "expected claims"),
    ("a claim by name", paper("hint", "A"), "expected claims"),
    ("exp as text", paper(EXP, str(T)), "exp: expected an unsigned integer, got str"),
    ("exp below zero", paper(EXP, -1), "exp: expected an unsigned integer"),
    ("exp as float", paper(EXP, T + 1.5), "simple or float"),
    ("exp as bignum", paper(EXP, 2**64), "expected no tag but 18"),
    ("exp as tag", paper(EXP, cbor2.CBORTag(18, T)), "exp: expected an unsigned integer, got CBORTag"),
    ("iat true", paper(IAT, True), "simple or float"),
    ("iat as bytes", paper(IAT, b"1"), "iat: expected an unsigned integer, got bytes"),
    ("iat below zero", paper(IAT, -5), "iat: expected an unsigned integer"),
    ("nbf null", paper(NBF, None), "simple or float"),
    ("nbf below zero", paper(NBF, -1), "nbf: expected an unsigned integer"),
    ("nbf an array", paper(NBF, [T]), "nbf: expected an unsigned integer, got list"),
    ("exp at iat", paper(EXP, T), "expected exp 1 to 3024000 s after iat, got 0"),
    ("exp before iat", paper(EXP, T - 1), "expected exp 1 to 3024000 s after iat, got -1"),
    ("paper past 35 days", paper(EXP, T + MAX_LIFE_PAPER + 1), "expected exp 1 to 3024000 s"),
    ("bound past 7 days", {**BOUND, EXP: T + MAX_LIFE_BOUND + 1}, "expected exp 1 to 604800 s"),
    ("status as text", paper(STATUS, "wp:17"), "expected status {status_list"),
    ("status empty", paper(STATUS, {}), "expected status {status_list"),
    ("status of another kind", paper(STATUS, {"status_lisp": PLACE["status_list"]}), "expected status {status_list"),
    ("status with more", paper(STATUS, {**PLACE, "x": 0}), "expected status {status_list"),
    ("status list an array", paper(STATUS, {"status_list": [5, "wp:17"]}), "expected status {status_list"),
    ("idx missing", paper(STATUS, {"status_list": {"uri": "wp:17"}}), "expected status {status_list"),
    ("uri missing", paper(STATUS, {"status_list": {"idx": 5}}), "expected status {status_list"),
    ("place with more", place(ttl=1), "expected status {status_list"),
    ("idx as text", place(idx="5"), "idx: expected an unsigned integer, got str"),
    ("idx below zero", place(idx=-1), "idx: expected an unsigned integer"),
    ("uri as bytes", place(uri=b"wp:17"), "expected the status list's uri as text, got bytes"),
    ("uri a number", place(uri=17), "expected the status list's uri as text, got int"),
    ("aspects empty", paper(ASPECTS, {}), "a map with at least one scope"),
    ("aspects an array", paper(ASPECTS, [3, 0]), "a map with at least one scope"),
    ("a scope by name", paper(ASPECTS, {"gate": 0}), "scope: expected an unsigned integer, got str"),
    ("a scope below zero", paper(ASPECTS, {-1: 0}), "scope: expected an unsigned integer"),
    ("aspect 3", paper(ASPECTS, {3: 3}), "expected aspect 0, 1 or 2, got 3"),
    ("aspect below zero", paper(ASPECTS, {3: -1}), "expected aspect 0, 1 or 2, got -1"),
    ("aspect by name", paper(ASPECTS, {3: "green"}), "expected aspect 0, 1 or 2, got 'green'"),
    ("aspect a map", paper(ASPECTS, {3: {}}), "expected aspect 0, 1 or 2"),
    ("one bad aspect of two", paper(ASPECTS, {3: 0, 4: 7}), "expected aspect 0, 1 or 2, got 7"),
    (
        "a scope twice",
        PAPER_BYTES.replace(b"\xa1\x03\x00", b"\xa2\x03\x00\x03\x02"),
        "each once",
    ),
    ("hint empty", paper(HINT, ""), "hint of 1 to 24 code points"),
    ("hint of 25", paper(HINT, "a" * 25), "hint of 1 to 24 code points"),
    ("hint of 25 beyond ASCII", paper(HINT, "王" * 25), "hint of 1 to 24 code points"),
    ("hint as bytes", paper(HINT, b"A"), "hint of 1 to 24 code points"),
    ("hint with a line feed", paper(HINT, "A\nB"), "without control characters"),
    ("hint with NUL", paper(HINT, "A\0"), "without control characters"),
    ("hint with DEL", paper(HINT, "A\x7f"), "without control characters"),
    ("hint with C1", paper(HINT, "A\x85"), "without control characters"),
    ("hint with escape", paper(HINT, "\x1b[2J"), "without control characters"),
    ("hint on a bound pass", {**BOUND, HINT: "A"}, "a hint on paper passes only"),
    ("cnf empty", paper(CNF, {}), "expected cnf {1: COSE_Key}"),
    ("cnf an array", paper(CNF, [COSE_KEY]), "expected cnf {1: COSE_Key}"),
    ("cnf a kid", paper(CNF, {3: b"12345678"}), "expected cnf {1: COSE_Key}"),
    ("cnf with a key and a kid", paper(CNF, {1: COSE_KEY, 3: b"1"}), "expected cnf {1: COSE_Key}"),
    ("holder's key an array", paper(CNF, {1: [2, 1, X, Y]}), "expected cnf {1: COSE_Key}"),
    ("holder's key OKP", bound(kty=1), "expected cnf {1: COSE_Key}"),
    ("holder's key P-384", bound(crv=2), "expected cnf {1: COSE_Key}"),
    ("holder's key with a private part", bound(d=bytes(32)), "expected cnf {1: COSE_Key}"),
    ("holder's key with an algorithm", bound(alg=-7), "expected cnf {1: COSE_Key}"),
    ("holder's key without y", bound(y=MISSING), "expected cnf {1: COSE_Key}"),
    ("holder's key compressed", bound(y=cbor2.CBORTag(18, 0)), "x and y as byte strings"),
    ("x as text", bound(x="a" * 32), "x and y as byte strings"),
    ("x of 31 bytes", bound(x=X[1:]), "coordinates of 32 bytes, got 31 and 32"),
    ("y of 33 bytes", bound(y=b"\0" + Y), "coordinates of 32 bytes, got 32 and 33"),
    ("a point off the curve", bound(y=X), "the point is not on P-256"),
]


@pytest.mark.parametrize(("name", "claims", "message"), BAD, ids=[case[0] for case in BAD])
def test_refuses(name: str, claims: object, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        parse_pass(signed(claims))


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("paper", PAPER),
        ("bound", BOUND),
        ("with nbf", paper(NBF, T + 5)),
        ("nbf after exp is not a matter of form", paper(NBF, T + 10**9)),
        ("a second long", paper(EXP, T + 1)),
        ("paper for 35 days", paper(EXP, T + MAX_LIFE_PAPER)),
        ("bound for 7 days", {**BOUND, EXP: T + MAX_LIFE_BOUND}),
        ("at time zero", {**PAPER, IAT: 0, EXP: 1}),
        ("at the end of time", {**PAPER, IAT: 2**64 - 2, EXP: 2**64 - 1}),
        ("idx outside every list", place(idx=2**64 - 1)),
        ("an empty uri", place(uri="")),
        ("scopes of every width", paper(ASPECTS, {0: 0, 24: 1, 256: 2, 2**64 - 1: 0})),
        ("hint of one", paper(HINT, "A")),
        ("hint of 24 beyond the first plane", paper(HINT, "\U0001f600" * 24)),
    ],
)
def test_accepts(name: str, claims: Mapping[Any, Any]) -> None:
    read = parse_pass(signed(claims)).pass_
    assert (read.iat, read.exp, read.nbf) == (claims[IAT], claims[EXP], claims.get(NBF))
    assert (read.place.idx, read.place.uri) == (
        claims[STATUS]["status_list"]["idx"],
        claims[STATUS]["status_list"]["uri"],
    )
    assert read.aspects == claims[ASPECTS]
    assert read.hint == claims.get(HINT)
    assert (read.holder is None) == (CNF not in claims)


GREEN = Pass(iat=T, exp=T + 3600, place=Place(uri="wp:17", idx=5), aspects={3: Aspect.GREEN})


def test_signs_what_it_reads() -> None:
    assert sign_pass(GREEN, signer(1)) == signed(PAPER)
    assert read_pass(pass_text(signed(PAPER))).pass_ == GREEN


def test_does_not_sign_what_a_reader_refuses() -> None:
    with pytest.raises(Malformed, match="expected exp 1 to"):
        sign_pass(Pass(iat=T, exp=T, place=GREEN.place, aspects=GREEN.aspects), signer(1))


def test_a_form_refuses_what_a_reader_refuses() -> None:
    too_long = Pass(iat=T, exp=T + MAX_LIFE_BOUND + 1, place=GREEN.place, aspects=GREEN.aspects, holder=holder(1).key)
    with pytest.raises(Malformed, match="expected exp 1 to 604800 s after iat"):
        BoundForm(too_long, signer(1))
    with pytest.raises(Malformed, match="expected a bound pass, got one without a holder key"):
        BoundForm(GREEN, signer(1))


def test_reads_the_other_name_of_the_algorithm() -> None:
    payload = PAPER_BYTES
    protected = cose.protected_header(Header.PASS, algorithm=cose.ED25519, kid=signer(1).kid)
    signature = signer(1).sign(cose.sig_structure(protected, payload))
    assert parse_pass(cose.assemble(protected, payload, signature)).pass_ == GREEN


TEXT = pass_text(signed(PAPER))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a line feed at its end", TEXT + "\n", "not Base45"),
        ("three line feeds at its end", TEXT + "\n\n\n", "not Base45"),
        ("a carriage return", TEXT + "\r", "not Base45"),
        ("lowercase", "WP1:" + TEXT[4:].lower(), "not Base45"),
        ("beyond ASCII", TEXT + "é", "not Base45"),
        ("a full-width letter", TEXT[:-1] + "\uff21", "not Base45"),
        ("half a surrogate pair", TEXT + "\ud800", "not Base45"),
        ("NUL", TEXT + "\0", "not Base45"),
        ("a character that Base45 has not", TEXT[:-3] + "___", "not Base45"),
        ("a group past 65535", TEXT[:4] + ":::" + TEXT[7:], "not Base45"),
        ("one character too many", "WP1:0000", "not Base45"),
        ("nothing after the prefix", "WP1:", "goes on after its 0 bytes"),
        ("1,025 characters", "WP1:" + "0" * (MAX_TEXT - 3), "expected at most 1024 characters, got 1025"),
        ("a million characters", "WP1:" + "0" * 1_000_000, "expected at most 1024 characters, got 1000004"),
        ("the prefix twice", "WP1:" + TEXT, "CBOR|COSE|not Base45"),
    ],
)
def test_refuses_a_text(name: str, text: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read_pass(text)


@pytest.mark.parametrize(
    "text", ["", "W", "WP1", "wp1:0", " WP1:", "\ufeffWP1:", "WP2:00", "WP3:00", "HC1:00", "ＷＰ１:"]
)
def test_other_texts_are_not_waypass(text: str) -> None:
    with pytest.raises(NotWaypass, match="does not begin with WP1:"):
        read_pass(text)


def test_1024_characters_are_read() -> None:
    """The longest text: only its form as CBOR is wrong then."""
    text = "WP1:" + "0" * (MAX_TEXT - 4)
    assert decode_base45(text, PASS_PREFIX) == bytes(680)
    with pytest.raises(Malformed, match="CBOR: expected one item of 1 bytes, 679 more"):
        read_pass(text)


@pytest.mark.parametrize(("hint", "length"), [(None, 0), ("A", 1)])
def test_sizes_are_what_the_wire_format_says(hint: str | None, length: int) -> None:
    """A paper pass with a short URI and one scope and no hint has 217 characters."""
    pass_ = Pass(iat=T, exp=T + 3600, place=Place(uri="wp:17", idx=500_000), aspects={3: Aspect.GREEN}, hint=hint)
    text = pass_text(sign_pass(pass_, signer(1)))
    assert len(text) == 217 if hint is None else len(text) > 217
    assert encode_base45(decode_base45(text, PASS_PREFIX), PASS_PREFIX) == text
