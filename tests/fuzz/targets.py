"""Fuzz targets, one for each decoder of bytes from outside.

`run` returns whether the decoder accepted the input. It lets the decoder's own errors pass and nothing else; and where
an accepted input has to have a property (one spelling, no gate opened), it asserts that.

Where a signature stands before the code of interest, the target's keys believe every signature: a mutated payload then
reaches what is behind it, as one signed by a stolen or faulty key would.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.message import Message

import cbor2
from tests.fuzz.mutate import Seed
from tests.protocol.test_checkpoint import GO_KEY, GO_NOTE, KEY, SIGNED
from tests.protocol.test_logproofs import RECORD, consistency, inclusion
from tests.protocol.test_messages import MESSAGES
from tests.server.evidence import fuzz_evidence
from tests.server.signin import fuzz_sign_in
from tests.support.issuing import NETWORK, NOW, SCOPE, URI, Issuer, make_issuer

from waypass_protocol import bits, cbor, cose
from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import HeldList, Kind, MemoryKeeper, StatusStore
from waypass_protocol.checkpoint import read_checkpoint
from waypass_protocol.compact import decode_compact, encode_compact
from waypass_protocol.cose import Envelope, Header
from waypass_protocol.errors import Malformed, NotWaypass, ProtocolError
from waypass_protocol.floors import Floors, Mark, read_floors
from waypass_protocol.keys import TrustedKey, TrustSet, read_trust_set
from waypass_protocol.logproofs import read_proof_file, write_proof_file
from waypass_protocol.logrecords import read_record
from waypass_protocol.messages import encode_message, read_message
from waypass_protocol.notes import read_note, read_note_key
from waypass_protocol.passes import PASS_PREFIX, decode_base45, encode_base45, parse_pass, read_pass
from waypass_protocol.policy import Policy, read_policy
from waypass_protocol.presentation import PRESENTATION_PREFIX, holder_context, read_presentation
from waypass_protocol.reasons import Outcome, OverrideReason
from waypass_protocol.reentry import NoReentry
from waypass_protocol.station_reentry import read_station_keys
from waypass_protocol.status import decode_indexes, encode_indexes, read_delta, read_head, read_snapshot
from waypass_protocol.topics import Topics
from waypass_reader.errors import SourceLost
from waypass_reader.frames.pipe import PipeGrabber
from waypass_reader.pages.overrides import Overrides
from waypass_reader.web import KeyGuard, Problem, Request, Routes
from waypass_reader.web.requests import read_target
from waypass_server.certlogic import CertLogicError, Expression, as_json, read_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A decoder: valid inputs to start from, and the function that takes the mutated ones."""

    name: str
    seeds: list[Seed]
    run: Callable[[bytes], bool]


class BelievingKey(TrustedKey):
    """A key for which every signature verifies."""

    def verify(self, envelope: Envelope) -> None:
        """Believe."""


def _believing(trust: TrustSet) -> TrustSet:
    keys = {
        kid: BelievingKey(kid=kid, public=key.public, uses=key.uses, nbf=key.nbf, exp=key.exp)
        for kid, key in trust.keys.items()
    }
    return TrustSet(network=trust.network, keys=keys)


ISSUER: Issuer = make_issuer()
BELIEVING = _believing(ISSUER.trust)
PAPER_TEXT, SHOWN_TEXT = ISSUER.paper(hint="A. B., 1990"), ISSUER.presentation()
PAPER, SHOWN = decode_base45(PAPER_TEXT, PASS_PREFIX), decode_base45(SHOWN_TEXT, PRESENTATION_PREFIX)
BOUND = ISSUER.bound()
LIST = ISSUER.status_list()
SNAPSHOT = LIST.snapshot()
DELTA = LIST.change(1, 5, 300, 70_000, 2**20 - 1)
COMPACT = LIST.compact()
HEAD = ISSUER.head(LIST, ISSUER.status_list("https://example.org/18"))
_STATION_KEYS = json.dumps(
    {"keys": [{"epoch": "0f" * 8, "key": "A" * 43}, {"epoch": "1e" * 8, "key": "E" * 43}], "next_in": 599}
).encode()
_PIPE_HOLDS = 65_536
TEXT, RAW, PAYLOAD = b"\0", b"\1", b"\2"


def _payload(data: bytes) -> bytes:
    payload = cbor2.loads(data).value[2]
    assert isinstance(payload, bytes)
    return payload


def _wrapped(payload: bytes, header: Header) -> bytes:
    """An envelope around any payload, with 64 bytes where its signature would be."""
    kid = ISSUER.passes.kid if header is Header.PASS else ISSUER.status.kid
    protected = cose.protected_header(header, algorithm=header.algorithms[0], kid=kid)
    return cose.assemble(protected, payload, bytes(64))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _run_cbor(data: bytes) -> bool:
    try:
        value = cbor.decode(data)
    except Malformed:
        return False
    assert cbor2.dumps(value) == data, "an accepted item has another spelling"
    return True


def _run_cose(data: bytes) -> bool:
    kinds = list(Header)
    try:
        envelope = cose.parse(data[1:], kinds[data[0] % len(kinds)])
    except Malformed:
        return False
    again = cose.assemble(envelope.protected, envelope.payload, envelope.signature)
    assert again == data[1:], "an accepted envelope has another spelling"
    return True


def _run_note(data: bytes) -> bool:
    try:
        note = read_note(data)
    except Malformed:
        return False
    assert note.to_text().encode() == data, "an accepted note has another spelling"
    return True


def _run_note_key(data: bytes) -> bool:
    try:
        key = read_note_key(_text(data))
    except Malformed:
        return False
    assert key.to_text() == _text(data), "an accepted key has another spelling"
    return True


def _run_record(data: bytes) -> bool:
    try:
        record = read_record(data)
    except Malformed:
        return False
    assert record.to_bytes() == data, "an accepted record has another spelling"
    return True


def _run_proof_file(data: bytes) -> bool:
    try:
        proof = read_proof_file(data)
    except Malformed:
        return False
    assert read_proof_file(write_proof_file(proof).encode()) == proof
    try:
        proof.check(KEY)
    except ProtocolError:
        return False
    return True


def _run_pass(data: bytes) -> bool:
    layer, rest = data[:1], data[1:]
    try:
        if layer == TEXT:
            read_pass(_text(rest))
        else:
            parse_pass(rest if layer == RAW else _wrapped(rest, Header.PASS))
    except (Malformed, NotWaypass):
        return False
    return True


def _run_presentation(data: bytes) -> bool:
    layer, rest = data[:1], data[1:]
    if layer == TEXT:
        text = _text(rest)
    else:
        text = encode_base45(rest if layer == RAW else _wrapped(rest, Header.PRESENTATION), PRESENTATION_PREFIX)
    try:
        presentation = read_presentation(text)
    except (Malformed, NotWaypass):
        return False
    assert presentation.envelope.to_be_signed(holder_context(NETWORK))
    return True


def _accepts(read: Callable[[bytes], object]) -> Callable[[bytes], bool]:
    """A target that lets `Malformed` pass."""

    def run(data: bytes) -> bool:
        try:
            read(data)
        except Malformed:
            return False
        return True

    return run


def _run_status(read: Callable[[bytes, TrustSet, int], object], header: Header) -> Callable[[bytes], bool]:
    def run(data: bytes) -> bool:
        message = data[1:] if data[:1] == RAW else _wrapped(data[1:], header)
        try:
            read(message, BELIEVING, NOW)
        except ProtocolError:
            return False
        return True

    return run


def _run_assembly(data: bytes) -> bool:
    """A message of any kind at a store that waits for its base; a second time it changes nothing."""
    kinds = list(Kind)
    kind = kinds[data[0] % len(kinds)]
    message = _wrapped(data[1:], Header[kind.name])
    store = StatusStore(trust=BELIEVING, keeper=MemoryKeeper())
    store.receive(Kind.HEAD, HEAD, now=NOW)
    receipt = store.receive(kind, message, now=NOW)
    view = dict(store.view)
    again = store.receive(kind, message, now=NOW)
    assert dict(store.view) == view, "hearing a message again changed the lists"
    assert not again.swapped, "hearing a message again swapped a list"
    for uri in store.known_lists():
        store.needs_snapshot(uri)
        store.kept_versions(uri)
    return receipt.kept


def _run_indexes(data: bytes) -> bool:
    try:
        indexes = decode_indexes(data)
    except Malformed:
        return False
    assert encode_indexes(indexes) == data, "accepted indexes have another spelling"
    return True


def _run_compact(data: bytes) -> bool:
    """Statuses and their two strings: an accepted form is the only one of its list."""
    try:
        form = cbor.decode(data)
        packed = decode_compact(form)
    except Malformed:
        return False
    assert encode_compact(packed) == form, "an accepted compact list has another spelling"
    return True


def _run_message(leaf: str) -> Callable[[bytes], bool]:
    def run(data: bytes) -> bool:
        try:
            message = read_message(leaf, data)
        except Malformed:
            return False
        assert read_message(leaf, encode_message(message)) == message
        return True

    return run


def _run_topics(data: bytes) -> bool:
    accepted = False
    for read in (_TOPICS.read_status, _TOPICS.read_reader):
        try:
            read(_text(data))
            accepted = True
        except Malformed:
            continue
    return accepted


_TOPICS = Topics(NETWORK)
_LISTS = {URI: HeldList(uri=URI, version=1, packed=bytes(bits.LIST_BYTES), digest=b"", renewed=NOW)}
_GATE = Gate(trust=ISSUER.trust, scope=SCOPE, policy=Policy(identity_check_paper=False))
_BELIEVING_GATE = Gate(trust=BELIEVING, scope=SCOPE, policy=Policy(identity_check_paper=False))


def _run_decide(data: bytes) -> bool:
    """No text raises, and none opens but those that were signed; claims behind a believed signature may."""
    layer, rest, gate = data[:1], data[1:], _GATE
    if layer == TEXT:
        text = _text(rest)
    elif layer == RAW:
        prefix = PASS_PREFIX if len(rest) < len(SHOWN) - 80 else PRESENTATION_PREFIX
        text = encode_base45(rest, prefix)
    else:
        text, gate = encode_base45(_wrapped(rest, Header.PASS), PASS_PREFIX), _BELIEVING_GATE
    decision = decide(text, now=NOW, clock_trusted=True, gate=gate, lists=_LISTS, reentry=NoReentry())
    opened = decision.outcome is Outcome.OPEN
    if layer in {TEXT, RAW}:
        assert not opened or text in {PAPER_TEXT, SHOWN_TEXT}, "a mutated text opened a gate"
    return opened


_SHORT = 2048  # the size is an argument: a short list reaches the same code, many times as fast
_FLOORS = Floors(
    versions={URI: Mark(value=7, kid=ISSUER.status.kid)},
    renewals={URI: Mark(value=NOW, kid=ISSUER.status.kid)},
    sequence=Mark(value=3, kid=ISSUER.status.kid),
    newest_head=Mark(value=NOW, kid=ISSUER.status.kid),
)
_COMPACT_FORMS = [
    encode_compact(LIST.packed),
    encode_compact(bytes(1000) + bytes(range(256)) + bytes(bits.LIST_BYTES - 1256)),
    {bits.INVALID: encode_compact(b"\x01\x00" * (bits.LIST_BYTES // 2))[bits.INVALID]},
]
_TOPIC_NAMES = [
    _TOPICS.head,
    _TOPICS.snapshot("17"),
    _TOPICS.compact("17"),
    _TOPICS.delta("17", 63),
    _TOPICS.reader("gate-3", "state"),
    _TOPICS.reader("gate-3", "presence"),
]


def _seeds(*bodies: bytes, layer: bytes = b"") -> list[Seed]:
    return [Seed(body=body, layer=layer) for body in bodies]


def _status_seeds(message: bytes) -> list[Seed]:
    return _seeds(message, layer=RAW) + _seeds(_payload(message), layer=PAYLOAD) * 3


_LATER = cbor2.dumps({**cbor2.loads(_payload(PAPER)), 5: NOW}, canonical=True)
_PASS_PAYLOADS = _seeds(_payload(PAPER), _payload(BOUND), _LATER, layer=PAYLOAD)

_KEY = "a-key-of-this-station"


class _OpenedLane:
    """A lane that remembers whether it was opened."""

    opened = False

    def override(self, reason: OverrideReason) -> None:
        self.opened = reason in OverrideReason


def _run_address(data: bytes) -> bool:
    """The address of a request; no piece of an accepted one leads out of where it stands."""
    try:
        target = read_target(data.decode("latin-1"))
    except Problem:
        return False
    assert not any(piece in {"", ".", ".."} or {"/", "\\", "\0"} & set(piece) for piece in target.path)
    return True


def _run_pipe(data: bytes) -> bool:
    """A camera's stream through a real pipe, whose writer then ends. Accepted: at least one frame came."""
    reading, writing = os.pipe()
    os.write(writing, data[:_PIPE_HOLDS])
    os.close(writing)
    grabber, frames = PipeGrabber(reading, name="fuzz"), 0
    try:
        while True:
            frames += grabber.grab() is not None
    except SourceLost:
        return frames > 0
    finally:
        grabber.release()


def _run_override(data: bytes) -> bool:
    """The body of an override by somebody who has the key: it opens for one of the reasons, or it is refused."""
    lane = _OpenedLane()
    headers = Message()
    headers["Authorization"], headers["Content-Type"] = f"Bearer {_KEY}", "application/json"
    request = Request(
        method="POST", target=read_target("/lanes/north/override"), headers=headers, body=data, peer="127.0.0.1"
    )
    guard = KeyGuard(_KEY, monotonic_ns=lambda: 0)
    try:
        Routes(Overrides({"north": lane}, guard=guard).routes()).answer(request)
    except Problem:
        assert not lane.opened
        return False
    assert lane.opened
    return True


_AGE = {"after": [{"plusTime": [{"var": "born"}, 18, "year"]}, {"plusTime": ["2027-01-15T08:00:00Z", 0, "hour"]}]}
_SUM = {"reduce": [{"var": "doses"}, {"+": [{"var": "current"}, {"var": "accumulator"}]}, 0]}
_RULES = [
    {"logic": {"and": [{"var": "born"}, _AGE]}, "data": {"born": "2009-02"}},
    {"logic": {"if": [{"<": [_SUM, 2, 3]}, {"in": ["a", ["b", "a"]]}, {"===": [1, True]}]}, "data": {"doses": [1, 2]}},
    {"logic": {"extractFromUVCI": [{"var": "ci"}, 1]}, "data": {"ci": "URN:UVCI:01:NL:187/37512422923"}},
]


def _run_rules(data: bytes) -> bool:
    """A question as `waypass-server rules` reads it: whatever it evaluates to can be written as JSON again."""
    try:
        question = read_json(data)
        if not isinstance(question, dict):
            return False
        value = as_json(Expression.of(question.get("logic")).evaluate(question.get("data")))
    except CertLogicError:
        return False
    assert read_json(json.dumps(value, allow_nan=False).encode()) == value, "a value is not what is written of it"
    return True


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            name="cbor",
            seeds=_seeds(PAPER, SHOWN, *map(_payload, (PAPER, BOUND, SHOWN, DELTA, HEAD)), cbor.encode([1, -1, "é"])),
            run=_run_cbor,
        ),
        Target(
            name="cose",
            seeds=[
                Seed(body=body, layer=bytes([number]))
                for number, body in enumerate((PAPER, SHOWN, SNAPSHOT, COMPACT, DELTA, HEAD))
            ],
            run=_run_cose,
        ),
        Target(
            name="pass",
            seeds=_seeds(PAPER_TEXT.encode(), layer=TEXT) + _seeds(PAPER, BOUND, layer=RAW) + _PASS_PAYLOADS,
            run=_run_pass,
        ),
        Target(
            name="presentation",
            seeds=_seeds(SHOWN_TEXT.encode(), layer=TEXT)
            + _seeds(SHOWN, layer=RAW)
            + _seeds(_payload(SHOWN), layer=PAYLOAD),
            run=_run_presentation,
        ),
        Target(name="trust-set", seeds=_seeds(ISSUER.trust.to_json().encode()), run=_accepts(read_trust_set)),
        Target(name="policy", seeds=_seeds(b"{}", json.dumps(asdict(Policy())).encode()), run=_accepts(read_policy)),
        Target(name="floors", seeds=_seeds(_FLOORS.to_json().encode()), run=_accepts(read_floors)),
        Target(name="snapshot", seeds=_status_seeds(SNAPSHOT), run=_run_status(read_snapshot, Header.SNAPSHOT)),
        Target(name="compact-snapshot", seeds=_status_seeds(COMPACT), run=_run_status(read_snapshot, Header.COMPACT)),
        Target(name="compact", seeds=_seeds(*map(cbor.encode, _COMPACT_FORMS)), run=_run_compact),
        Target(name="delta", seeds=_status_seeds(DELTA), run=_run_status(read_delta, Header.DELTA)),
        Target(name="head", seeds=_status_seeds(HEAD), run=_run_status(read_head, Header.HEAD)),
        Target(
            name="assembly",
            seeds=[
                Seed(body=_payload(message), layer=bytes([number]))
                for number, message in ((0, SNAPSHOT), *((1, DELTA), (2, HEAD)) * 3)
            ],
            run=_run_assembly,
        ),
        Target(
            name="indexes",
            seeds=_seeds(b"", encode_indexes([0, 1, 128, 70_000]), encode_indexes(range(100, 2000, 7))),
            run=_run_indexes,
        ),
        Target(
            name="inflate",
            seeds=_seeds(bits.deflate(bytes(_SHORT)), bits.deflate(LIST.packed[:_SHORT])),
            run=_accepts(lambda data: bits.inflate(data, _SHORT)),
        ),
        *(
            Target(
                name=f"message-{leaf}",
                seeds=_seeds(*(encode_message(message) for name, message in MESSAGES if name == leaf)),
                run=_run_message(leaf),
            )
            for leaf in ("presence", "state", "live", "counts", "reentry")
        ),
        Target(name="note", seeds=_seeds(GO_NOTE.encode(), SIGNED.encode()), run=_run_note),
        Target(name="checkpoint", seeds=_seeds(SIGNED.encode()), run=_accepts(read_checkpoint)),
        Target(name="note-key", seeds=_seeds(GO_KEY.encode()), run=_run_note_key),
        Target(name="log-record", seeds=_seeds(RECORD.to_bytes()), run=_run_record),
        Target(
            name="proof-file",
            seeds=_seeds(*(write_proof_file(proof).encode() for proof in (inclusion(), consistency()))),
            run=_run_proof_file,
        ),
        Target(name="station-keys", seeds=_seeds(_STATION_KEYS), run=_accepts(read_station_keys)),
        Target(name="topics", seeds=_seeds(*(topic.encode() for topic in _TOPIC_NAMES)), run=_run_topics),
        Target(
            name="decide",
            seeds=_seeds(PAPER_TEXT.encode(), SHOWN_TEXT.encode(), layer=TEXT)
            + _seeds(PAPER, SHOWN, layer=RAW)
            + _seeds(_payload(PAPER), _LATER, layer=PAYLOAD),
            run=_run_decide,
        ),
        Target(
            name="web-address",
            seeds=_seeds(b"/", b"/display/north?lang=zh", b"/lanes/north/override", b"/a/%E5%8C%97?a=%20&b="),
            run=_run_address,
        ),
        Target(
            name="web-override",
            seeds=_seeds(*(json.dumps({"reason": reason}).encode() for reason in OverrideReason)),
            run=_run_override,
        ),
        Target(
            name="camera-pipe",
            seeds=_seeds(
                b"YUV4MPEG2 W16 H16 F30:1 Cmono\n" + 2 * (b"FRAME\n" + bytes(256)),
                b"YUV4MPEG2 W17 H16\nFRAME Ip\n" + bytes(17 * 16 + 2 * 9 * 8),
            ),
            run=_run_pipe,
        ),
        Target(
            name="evidence",
            seeds=[Seed(body=seed[1:], layer=seed[:1]) for seed in fuzz_evidence.seeds()],
            run=fuzz_evidence.fuzz_evidence,
        ),
        Target(
            name="id-token",
            seeds=[Seed(body=seed[1:], layer=seed[:1]) for seed in fuzz_sign_in.id_token_seeds()],
            run=fuzz_sign_in.fuzz_id_token,
        ),
        Target(
            name="passkey",
            seeds=[Seed(body=seed[1:], layer=seed[:1]) for seed in fuzz_sign_in.passkey_seeds()],
            run=fuzz_sign_in.fuzz_passkey,
        ),
        Target(name="rules", seeds=_seeds(*(json.dumps(each).encode() for each in _RULES)), run=_run_rules),
    )
}
