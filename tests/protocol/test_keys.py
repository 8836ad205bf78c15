"""Trust sets, accepted whole or refused whole; and what a key is trusted for, and when."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from tests.support.issuing import holder, signer

from waypass_protocol import cose
from waypass_protocol.cose import Header
from waypass_protocol.errors import BadSignature, Malformed, UnknownKey
from waypass_protocol.keys import (
    HolderKey,
    MemorySigner,
    TrustSet,
    Use,
    base64url,
    key_id,
    read_trust_set,
    sign_envelope,
)

NBF, EXP = 1_000, 2_000


def trust_set(*signers: MemorySigner, uses: frozenset[Use] = frozenset({Use.PASS})) -> TrustSet:
    keys = [each.trusted(uses=uses, nbf=NBF, exp=EXP) for each in signers]
    return TrustSet(network="metro", keys={key.kid: key for key in keys})


def document() -> dict[str, Any]:
    """A good trust set of two keys, as decoded JSON."""
    parsed: dict[str, Any] = json.loads(trust_set(signer(1), signer(2)).to_json())
    return parsed


def in_key(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """An edit of the second key; None drops a member."""

    def edit(whole: dict[str, Any]) -> None:
        for name, value in changes.items():
            whole["keys"][1].pop(name) if value is None else whole["keys"][1].__setitem__(name, value)

    return edit


def at_top(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """An edit of the set itself; None drops a member."""

    def edit(whole: dict[str, Any]) -> None:
        for name, value in changes.items():
            whole.pop(name) if value is None else whole.__setitem__(name, value)

    return edit


def twice(whole: dict[str, Any]) -> None:
    whole["keys"].append(whole["keys"][0])


OTHER_KID = base64url(signer(3).kid)
SHORT_X = base64url(bytes(31))

BAD: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("no network", at_top(waypass_network=None), "waypass_network: expected 1 to 64"),
    ("two networks", at_top(waypass_network=["a", "b"]), "waypass_network: expected 1 to 64"),
    ("a network that is no name", at_top(waypass_network="a/b"), "waypass_network: expected 1 to 64"),
    ("no keys", at_top(keys=None), "expected a list of keys"),
    ("keys as an object", at_top(keys={}), "expected a list of keys"),
    ("a key that is text", at_top(keys=["a"]), "key 0: expected a JSON object, got str"),
    ("a key twice", twice, "key 2: kid .* is there twice"),
    ("the kid of another key", in_key(kid=OTHER_KID), "key 1: expected kid .* as computed from x"),
    ("no kid", in_key(kid=None), "key 1: kid: expected base64url text, got NoneType"),
    ("a kid of 7 bytes", in_key(kid=base64url(bytes(7))), "key 1: kid: expected 8 bytes, got 7"),
    ("a kid with padding", in_key(kid=base64url(signer(2).kid) + "="), "key 1: kid: not base64url without padding"),
    ("x in base64 (plus and slash)", in_key(x="+/" * 21 + "A"), "key 1: x: not base64url"),
    ("x with a space", in_key(x=" " + base64url(bytes(32))), "key 1: x: not base64url"),
    ("x with a line feed", in_key(x=base64url(bytes(32)) + "\n"), "key 1: x: not base64url"),
    ("x beyond ASCII", in_key(x="é" * 43), "key 1: x: not base64url"),
    ("x of 31 bytes", in_key(x=SHORT_X), "key 1: x: expected 32 bytes, got 31"),
    ("x cut in a byte", in_key(x="A" * 41), "key 1: x: not base64url"),
    ("x with stray bits", in_key(x="A" * 42 + "B"), "key 1: x: not base64url without padding"),
    ("x missing", in_key(x=None), "key 1: x: expected base64url text"),
    ("x a number", in_key(x=5), "key 1: x: expected base64url text, got int"),
    ("a private part", in_key(d=base64url(bytes(32))), "key 1: holds a private part"),
    ("kty EC", in_key(kty="EC"), "key 1: expected kty OKP and crv Ed25519, got 'EC'"),
    ("crv X25519", in_key(crv="X25519"), "key 1: expected kty OKP and crv Ed25519, got 'OKP' and 'X25519'"),
    ("crv Ed448", in_key(crv="Ed448"), "key 1: expected kty OKP and crv Ed25519"),
    ("an unknown use", in_key(waypass_uses=["pass", "open"]), "key 1: expected uses among .* got 'open'"),
    ("uses as text", in_key(waypass_uses="pass"), "key 1: expected waypass_uses, a list"),
    ("no use", in_key(waypass_uses=[]), "key 1: expected waypass_uses, a list that names at least one"),
    ("uses missing", in_key(waypass_uses=None), "key 1: expected waypass_uses"),
    ("a use that is a list", in_key(waypass_uses=[["pass"]]), "key 1: expected uses among"),
    ("nbf at exp", in_key(nbf=EXP), "key 1: expected nbf before exp, got 2000 and 2000"),
    ("nbf after exp", in_key(nbf=EXP + 1), "key 1: expected nbf before exp"),
    ("no exp", in_key(exp=None), "key 1: expected exp in whole UNIX seconds, got None"),
    ("no nbf", in_key(nbf=None), "key 1: expected nbf in whole UNIX seconds"),
    ("exp as text", in_key(exp="2000"), "key 1: expected exp in whole UNIX seconds, got '2000'"),
    ("exp with a fraction", in_key(exp=2000.5), "key 1: expected exp in whole UNIX seconds"),
    ("nbf true", in_key(nbf=True), "key 1: expected nbf in whole UNIX seconds, got True"),
    ("nbf below zero", in_key(nbf=-1), "key 1: expected nbf in whole UNIX seconds, got -1"),
]


@pytest.mark.parametrize(("name", "edit", "message"), BAD, ids=[case[0] for case in BAD])
def test_one_bad_key_refuses_the_whole_set(name: str, edit: Callable[[dict[str, Any]], None], message: str) -> None:
    whole = document()
    edit(whole)
    with pytest.raises(Malformed, match="^trust set: .*" + message):
        read_trust_set(json.dumps(whole))


FIELD = 2**255 - 19


def points_of_small_order() -> list[int]:
    """Their y, by the curve's own equation: y = 0, 1, -1, and those of order 8, where d y^4 + 2 y^2 = 1."""
    d = -121665 * pow(121666, -1, FIELD) % FIELD
    root = pow(1 + d, (FIELD + 3) // 8, FIELD)
    if root * root % FIELD != (1 + d) % FIELD:
        root = root * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
    found = {0, 1, FIELD - 1}
    for sign in (root, -root):
        square = (sign - 1) * pow(d, -1, FIELD) % FIELD
        y = pow(square, (FIELD + 3) // 8, FIELD)
        y = y if y * y % FIELD == square else y * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
        if y * y % FIELD == square:
            found |= {y, FIELD - y}
    return sorted(found)


def forgeable(raw: bytes) -> bool:
    """Whether a signature can be made for this key without its private half, of points of small order alone."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    for y in points_of_small_order():
        for sign in (0, 1 << 255):
            for number in range(8):
                with contextlib.suppress(InvalidSignature):
                    key.verify((y | sign).to_bytes(32, "little") + bytes(32), bytes([number]))
                    return True
    return False


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", points_of_small_order(), ids=lambda y: f"{y:064x}"[:8])
def test_a_key_under_which_anybody_can_sign_is_refused(y: int, sign: int) -> None:
    raw = (y | sign << 255).to_bytes(32, "little")
    assert forgeable(raw)
    whole = document()
    in_key(x=base64url(raw), kid=base64url(key_id(raw)))(whole)
    with pytest.raises(Malformed, match="key 1: x: expected a point of large order; under this one anybody can sign"):
        read_trust_set(json.dumps(whole))


@pytest.mark.parametrize("over", range(19))
def test_a_key_in_a_second_spelling_is_refused(over: int) -> None:
    raw = (FIELD + over).to_bytes(32, "little")
    whole = document()
    in_key(x=base64url(raw), kid=base64url(key_id(raw)))(whole)
    with pytest.raises(Malformed, match="key 1: x: expected a point in its canonical spelling"):
        read_trust_set(json.dumps(whole))


def test_there_are_eight_points_of_small_order() -> None:
    assert len(points_of_small_order()) == 5, "x = 0 for two of them, both signs of x for the others"
    assert not forgeable(signer(1).public.public_bytes_raw())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nothing", "", "expected a JSON object"),
        ("an array", "[]", "expected a JSON object, got list"),
        ("not UTF-8", b"\xff\xfe\xfa", "expected a JSON object"),
        ("a member twice", '{"waypass_network": "a", "waypass_network": "b", "keys": []}', "a member stands twice"),
        ("deep", "[" * 100_000, "expected a JSON object"),
        ("NaN", '{"waypass_network": "a", "keys": [], "x": NaN}', "expected a JSON object: Out of range float"),
        ("infinity", '{"waypass_network": "a", "keys": [], "x": 1e999}', "expected a JSON object: Out of range float"),
        ("half a surrogate pair", '{"waypass_network": "a", "keys": [], "x": "\\ud800"}', "surrogates not allowed"),
        ("a number of 5,000 digits", '{"waypass_network": "a", "keys": [], "x": %s}' % ("9" * 5000), "JSON object"),
    ],
)
def test_refuses_what_is_no_json_object(name: str, text: str | bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read_trust_set(text)


def test_reads_back_what_it_writes() -> None:
    written = trust_set(signer(1), signer(2), uses=frozenset(Use))
    read = read_trust_set(written.to_json())
    assert read.network == "metro"
    assert list(read.keys) == [signer(1).kid, signer(2).kid]
    assert read.keys[signer(1).kid].uses == frozenset(Use)
    assert read.to_json() == written.to_json()


def test_ignores_members_that_the_standard_allows() -> None:
    whole = document()
    whole["keys"][0]["alg"] = "EdDSA"
    assert len(read_trust_set(json.dumps(whole)).keys) == 2


def test_the_kid_is_the_thumbprint_of_rfc_9679() -> None:
    """By hand: SHA-256 over the deterministic COSE_Key {1: 1, -1: 6, -2: x}."""
    import hashlib

    x = bytes(range(32))
    assert key_id(x) == hashlib.sha256(b"\xa3\x01\x01\x20\x06\x21\x58\x20" + x).digest()[:8]


@pytest.mark.parametrize(
    ("name", "use", "now", "message"),
    [
        ("a second early", Use.PASS, NBF - 1, "trusted from 1000 until 2000, not at 999"),
        ("at exp", Use.PASS, EXP, "not at 2000"),
        ("another use", Use.STATUS, NBF, "not trusted for status"),
    ],
)
def test_a_key_out_of_its_use_or_time_is_unknown(name: str, use: Use, now: int, message: str) -> None:
    with pytest.raises(UnknownKey, match=message):
        trust_set(signer(1)).find(signer(1).kid, use, now)


@pytest.mark.parametrize("now", [NBF, EXP - 1])
def test_a_key_is_trusted_from_nbf_until_before_exp(now: int) -> None:
    assert trust_set(signer(1)).find(signer(1).kid, Use.PASS, now).kid == signer(1).kid


def test_a_key_outside_the_set_is_unknown() -> None:
    with pytest.raises(UnknownKey, match="is not in the trust set of metro"):
        trust_set(signer(1)).find(signer(2).kid, Use.PASS, NBF)


def test_an_issuer_signature_verifies_for_its_key_only() -> None:
    envelope = cose.parse(sign_envelope(b"payload", Header.PASS, signer(1)), Header.PASS)
    keys = trust_set(signer(1), signer(2)).keys
    keys[signer(1).kid].verify(envelope)
    with pytest.raises(BadSignature, match="does not verify"):
        keys[signer(2).kid].verify(envelope)


def test_a_holder_signature_verifies_for_its_key_only() -> None:
    signature = holder(1).sign(b"message")
    holder(1).key.verify(signature, b"message")
    for key, message in ((holder(2).key, b"message"), (holder(1).key, b"massage")):
        with pytest.raises(BadSignature, match="the holder's signature does not verify"):
            key.verify(signature, message)


@pytest.mark.parametrize("length", [0, 32, 63, 65, 128])
def test_a_holder_signature_has_64_bytes(length: int) -> None:
    with pytest.raises(BadSignature, match=f"signature of 64 bytes, got {length}"):
        holder(1).key.verify(bytes(length), b"message")


P = 2**256 - 2**224 + 2**192 + 2**96 - 1


@pytest.mark.parametrize(
    ("name", "x", "y", "message"),
    [
        ("zero", bytes(32), bytes(32), "not on P-256"),
        ("one and one", bytes(31) + b"\1", bytes(31) + b"\1", "not on P-256"),
        ("x beyond the field", P.to_bytes(32, "big"), bytes(32), "not on P-256"),
        ("x of 31 bytes", bytes(31), bytes(32), "expected coordinates of 32 bytes, got 31 and 32"),
        ("y of 33 bytes", bytes(32), bytes(33), "expected coordinates of 32 bytes, got 32 and 33"),
        ("nothing", b"", b"", "expected coordinates of 32 bytes, got 0 and 0"),
    ],
)
def test_refuses_a_point_off_the_curve(name: str, x: bytes, y: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        HolderKey.from_coordinates(x, y)


def test_refuses_the_coordinates_of_another_curve() -> None:
    numbers = ec.derive_private_key(7, ec.SECP256K1()).public_key().public_numbers()
    with pytest.raises(Malformed, match="not on P-256"):
        HolderKey.from_coordinates(numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))


def test_coordinates_read_back() -> None:
    x, y = holder(1).key.coordinates()
    assert (len(x), len(y)) == (32, 32)
    assert HolderKey.from_coordinates(x, y).coordinates() == (x, y)
    assert holder(1).key.to_cose() == {1: 2, -1: 1, -2: x, -3: y}
