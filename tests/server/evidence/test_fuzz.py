"""Mutations of good certificates: none verifies as anything else, and nothing but `EvidenceError` comes out."""

import random

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server.evidence.forge import NOW, claims, good_signer, message, pack, text
from tests.server.evidence.fuzz_evidence import fuzz_evidence, seeds

from waypass_server.evidence import EvidenceError, SignerSet, authenticate, verify

GOOD = text(claims())
SIGNERS = SignerSet.of([good_signer()])
RECORD = verify(GOOD, signers=SIGNERS, at=NOW)
PARTS = message(cbor2.dumps(claims()))
RUNS = 3_000


@st.composite
def edits(draw: st.DrawFn, original: bytes) -> bytes:
    """The original with a byte changed, removed, added or doubled, or a stretch cut out, once to three times."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["change", "flip", "remove", "add", "cut"])):
            case "change":
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "flip":
                data[at : at + 1] = bytes([value ^ 1 << draw(st.integers(0, 7)) for value in data[at : at + 1]])
            case "remove":
                del data[at : at + 1]
            case "add":
                data[at:at] = draw(st.binary(min_size=1, max_size=4))
            case _:
                del data[at : at + draw(st.integers(1, 40))]
    return bytes(data)


@given(edits(GOOD.encode()))
def test_a_mutated_text_never_says_something_else(mutated: bytes) -> None:
    # The packing around the signed bytes can be spelled in more than one way (zlib's level, for one): such a text may
    # verify, but only as the very same record and claims.
    certificate = mutated.decode("latin-1")
    try:
        signed = authenticate(certificate, signers=SIGNERS)
    except EvidenceError:
        return
    assert signed.claims == claims()
    assert verify(certificate, signers=SIGNERS, at=NOW) == RECORD


@pytest.mark.parametrize(("name", "part"), [("protected header", 0), ("payload", 2), ("signature", 3)])
@given(data=st.data())
def test_a_mutated_part_never_verifies(name: str, part: int, data: st.DataObject) -> None:
    original = PARTS[part]
    assert isinstance(original, bytes)
    mutated = data.draw(edits(original).filter(lambda value: value != original))
    parts = [*PARTS[:part], mutated, *PARTS[part + 1 :]]
    with pytest.raises(EvidenceError):
        authenticate(pack(cbor2.dumps(cbor2.CBORTag(18, parts))), signers=SIGNERS)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_at_any_layer(data: bytes) -> None:
    fuzz_evidence(data)


def test_seeds_are_good_certificates_or_parts_of_them() -> None:
    layers = [seed[0] for seed in seeds()]
    assert layers == [0, 1, 2, 3, 4, 5]
    assert verify(seeds()[0][1:].decode(), signers=SIGNERS, at=NOW).country == "XW"


def test_mutated_seeds_at_every_layer() -> None:
    source = random.Random(1)
    corpus = seeds()
    for run in range(RUNS):
        data = bytearray(corpus[run % len(corpus)])
        for _ in range(source.randint(1, 4)):
            at = source.randrange(1, len(data))
            data[at : at + source.choice([0, 1, 1, 1, 8])] = source.randbytes(source.choice([0, 1, 1, 1, 4]))
        fuzz_evidence(bytes(data))
