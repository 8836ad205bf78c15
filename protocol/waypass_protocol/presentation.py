"""Presentations: a bound pass, signed over by its holder's key a moment ago.

A `WP2:` text is read like a pass's; its payload is `[t, pass]`, and the pass inside must be bound. The holder signs
with the network's name in `external_aad`, so a presentation made for one network opens nothing in another.
It proves that the key signed for time `t`, not who holds the phone.
"""

from dataclasses import dataclass

from waypass_protocol import cbor, cose
from waypass_protocol.cose import Envelope, Header
from waypass_protocol.errors import Malformed
from waypass_protocol.keys import HolderKey, HolderSigner
from waypass_protocol.passes import SignedPass, decode_base45, encode_base45, parse_pass, read_uint

PRESENTATION_PREFIX = "WP2:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Presentation:
    """A presentation, neither signature checked yet. `t` is in UNIX seconds; `holder` is the key of the pass inside."""

    t: int
    signed_pass: SignedPass
    holder: HolderKey
    envelope: Envelope

    def verify(self, network: str) -> None:
        """Check the holder's signature for this network. Raises `BadSignature`."""
        self.holder.verify(self.envelope.signature, self.envelope.to_be_signed(holder_context(network)))


def holder_context(network: str) -> bytes:
    """The `external_aad` that a holder signs in this network."""
    return f"waypass-presentation/1/{network}".encode()


def read_presentation(text: str) -> Presentation:
    """Read a `WP2:` text. Raises `NotWaypass` or `Malformed`."""
    envelope = cose.parse(decode_base45(text, PRESENTATION_PREFIX), Header.PRESENTATION)
    payload = cbor.decode(envelope.payload)
    if not isinstance(payload, list) or len(payload) != 2:
        raise Malformed("presentation: expected an array [t, pass]")
    t, pass_bytes = payload
    read_uint(t, "presentation: t")
    if not isinstance(pass_bytes, bytes):
        raise Malformed(f"presentation: expected the pass as a byte string, got {type(pass_bytes).__name__}")
    signed_pass = parse_pass(pass_bytes)
    holder = signed_pass.pass_.holder
    if holder is None:
        raise Malformed("presentation: expected a bound pass, got a paper pass")
    return Presentation(t=t, signed_pass=signed_pass, holder=holder, envelope=envelope)


def present(pass_bytes: bytes, *, t: int, network: str, holder: HolderSigner) -> str:
    """Make the QR text that a wallet shows at `t` for a bound pass (its COSE_Sign1)."""
    payload = cbor.encode([t, pass_bytes])
    protected = cose.protected_header(Header.PRESENTATION, algorithm=cose.ES256)
    signature = holder.sign(cose.sig_structure(protected, payload, holder_context(network)))
    return encode_base45(cose.assemble(protected, payload, signature), PRESENTATION_PREFIX)
