"""Fuzz target for health certificates: whatever comes in, only `EvidenceError` may come out.

The first byte says at which layer the rest enters, because bytes that must first guess Base45, zlib and a signature
would never reach the layers behind them.
"""

import zlib

import cbor2
from tests.server.evidence.forge import NOW, good_signer, message, pack, pack_compressed

from waypass_server.evidence import EvidenceError, SignerSet, verify
from waypass_server.evidence.signers import kid_of

LAYERS = 6


def fuzz_evidence(data: bytes) -> bool:
    """Runs `data` through verification at one layer; swallows `EvidenceError` and nothing else. Whether it verified."""
    layer, rest = data[0] % LAYERS if data else 0, data[1:]
    signers = [good_signer()]
    if layer == 0:
        certificate = rest.decode("utf-8", "surrogateescape")
    elif layer == 1:
        certificate = "HC1:" + rest.decode("latin-1")
    elif layer == 2:
        certificate = pack_compressed(rest)
    elif layer == 3:
        certificate = pack(rest)
    elif layer == 4:  # signed claims
        certificate = pack(cbor2.dumps(cbor2.CBORTag(18, message(rest))))
    else:  # a signer's certificate
        protected = cbor2.dumps({1: -7, 4: kid_of(rest)})
        certificate = pack(cbor2.dumps(cbor2.CBORTag(18, message(b"\xa0", protected=protected, signature=bytes(64)))))
        signers = [rest]
    try:
        verify(certificate, signers=SignerSet.of(signers), at=NOW)
    except EvidenceError:
        return False
    return True


def seeds() -> list[bytes]:
    """One good input for each layer, to mutate."""
    claims = cbor2.dumps(
        {
            1: "XW",
            4: NOW + 9,
            6: NOW - 9,
            -260: {1: {"t": [{"tg": "1", "tt": "2", "tr": "3", "co": "XW", "ci": "4", "sc": "2027-01-15T02:00:00Z"}]}},
        }
    )
    cose = cbor2.dumps(cbor2.CBORTag(18, message(claims)))
    text = pack(cose).encode()
    compressed = zlib.compress(cose, 9)
    parts = [text, text[4:], compressed, cose, claims, good_signer()]
    return [bytes([layer]) + part for layer, part in enumerate(parts)]
