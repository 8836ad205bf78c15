"""Presentations: the envelope around a bound pass, and what the holder's signature covers."""

import cbor2
import pytest
from tests.support.issuing import holder, make_issuer, signer

from waypass_protocol import cbor, cose
from waypass_protocol.cose import Header
from waypass_protocol.errors import BadSignature, Malformed, NotWaypass
from waypass_protocol.keys import sign_envelope
from waypass_protocol.passes import PASS_PREFIX, decode_base45, encode_base45
from waypass_protocol.presentation import (
    PRESENTATION_PREFIX,
    holder_context,
    present,
    read_presentation,
)

ISSUER = make_issuer()
PASS = ISSUER.bound()
PAPER = decode_base45(ISSUER.paper(), PASS_PREFIX)
T = 1_800_000_000


def shown(payload: bytes, *, algorithm: int = cose.ES256, network: str = "metro", number: int = 1) -> str:
    """A presentation with any payload, signed by holder `number`."""
    protected = cose.protected_header(Header.PRESENTATION, algorithm=algorithm)
    signature = holder(number).sign(cose.sig_structure(protected, payload, holder_context(network)))
    return encode_base45(cose.assemble(protected, payload, signature), PRESENTATION_PREFIX)


@pytest.mark.parametrize("algorithm", [cose.ES256, cose.ESP256])
def test_reads_and_verifies(algorithm: int) -> None:
    read = read_presentation(shown(cbor.encode([T, PASS]), algorithm=algorithm))
    read.verify("metro")
    assert (read.t, read.holder) == (T, read.signed_pass.pass_.holder)
    assert read.signed_pass.envelope.kid == ISSUER.passes.kid


def test_present_makes_such_a_text() -> None:
    read = read_presentation(present(PASS, t=T, network="metro", holder=holder()))
    read.verify("metro")
    assert read.t == T


BAD = [
    ("a map", cbor2.dumps({0: T, 1: PASS}), r"expected an array \[t, pass\]"),
    ("one item", cbor2.dumps([T]), r"expected an array \[t, pass\]"),
    ("three items", cbor2.dumps([T, PASS, 0]), r"expected an array \[t, pass\]"),
    ("t below zero", cbor2.dumps([-1, PASS]), "t: expected an unsigned integer"),
    ("t as text", cbor2.dumps([str(T), PASS]), "t: expected an unsigned integer, got str"),
    ("t with a fraction", cbor2.dumps([T + 0.5, PASS]), "simple or float"),
    ("pass as text", cbor2.dumps([T, "WP1:"]), "expected the pass as a byte string, got str"),
    ("pass not wrapped", b"\x82\x00" + PASS, "expected the pass as a byte string, got CBORTag"),
    ("an empty pass", cbor2.dumps([T, b""]), "goes on after its 0 bytes"),
    ("a pass with bytes left over", cbor2.dumps([T, PASS + b"\0"]), "left over"),
    ("a pass cut short", cbor2.dumps([T, PASS[:-1]]), "CBOR: a string of 64 bytes where 63 are left"),
    ("a paper pass", cbor2.dumps([T, PAPER]), "expected a bound pass, got a paper pass"),
    ("bytes left over", cbor2.dumps([T, PASS]) + b"\0", "left over"),
]


@pytest.mark.parametrize(("name", "payload", "message"), BAD, ids=[case[0] for case in BAD])
def test_refuses(name: str, payload: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read_presentation(shown(payload))


def test_refuses_a_presentation_in_a_presentation() -> None:
    inner = decode_base45(shown(cbor2.dumps([T, PASS])), PRESENTATION_PREFIX)
    with pytest.raises(Malformed, match="expected a kid of 8 bytes"):
        read_presentation(shown(cbor2.dumps([T, inner])))


def test_refuses_an_issuers_envelope_as_presentation() -> None:
    data = sign_envelope(cbor.encode([T, PASS]), Header.PASS, signer(1))
    with pytest.raises(Malformed, match="expected algorithm -7 or -9, got -8"):
        read_presentation(encode_base45(data, PRESENTATION_PREFIX))


@pytest.mark.parametrize("text", ["", "WP1:00", "wp2:00", "WP2", "HC1:"])
def test_other_texts_are_not_presentations(text: str) -> None:
    with pytest.raises(NotWaypass, match="does not begin with WP2:"):
        read_presentation(text)


@pytest.mark.parametrize("network", ["metrO", "metro2", "", "waypass-presentation/1/metro"])
def test_the_signature_counts_in_one_network(network: str) -> None:
    with pytest.raises(BadSignature, match="the holder's signature does not verify"):
        read_presentation(shown(cbor.encode([T, PASS]))).verify(network)


def test_the_signature_of_another_holder_does_not_count() -> None:
    with pytest.raises(BadSignature, match="the holder's signature does not verify"):
        read_presentation(shown(cbor.encode([T, PASS]), number=2)).verify("metro")


def test_the_signature_covers_the_time() -> None:
    made = decode_base45(shown(cbor.encode([T, PASS])), PRESENTATION_PREFIX)
    moved = made.replace(cbor2.dumps(T), cbor2.dumps(T + 60), 1)
    read = read_presentation(encode_base45(moved, PRESENTATION_PREFIX))
    assert read.t == T + 60
    with pytest.raises(BadSignature, match="the holder's signature does not verify"):
        read.verify("metro")


def test_what_the_holder_signs_by_hand() -> None:
    """RFC 9052 §4.4 with the network in external_aad, written out."""
    payload = cbor.encode([T, PASS])
    read = read_presentation(shown(payload))
    expected = ["Signature1", b"\xa1\x01\x26", b"waypass-presentation/1/metro", payload]
    assert read.envelope.to_be_signed(holder_context("metro")) == cbor2.dumps(expected)


def test_its_size_is_what_the_wire_format_says() -> None:
    """454 to 465 characters with a short URI and one scope."""
    lengths = {len(ISSUER.presentation(t=T, idx=idx)) for idx in (30, 300, 70_000)}
    assert min(lengths) >= 454
    assert max(lengths) <= 465
