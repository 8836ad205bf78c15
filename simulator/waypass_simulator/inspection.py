"""What a Waypass object holds, step by step, and what verifies: the work behind `waypass inspect`.

The steps are those of the wire format, in its order, made with the protocol's own functions; the first that fails ends
the inspection and says what was expected and what came. Without keys the signatures are left unchecked and the step
says so. Checkpoints and proofs of the public log are in `log_inspection`. Status, policy and re-entry are a gate's
business and are not judged here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from waypass_protocol import cbor, cose
from waypass_protocol.cose import Envelope, Header
from waypass_protocol.errors import Malformed, ProtocolError
from waypass_protocol.keys import TrustSet, Use
from waypass_protocol.notes import NoteKey
from waypass_protocol.passes import MAX_TEXT, PASS_PREFIX, Aspect, Pass, SignedPass, decode_base45, parse_pass
from waypass_protocol.policy import Policy
from waypass_protocol.presentation import PRESENTATION_PREFIX, Presentation, read_presentation
from waypass_protocol.status import Delta, Head, Snapshot, read_delta, read_head, read_snapshot
from waypass_simulator.log_inspection import checkpoint_steps, looks_like_note, looks_like_proof, proof_steps
from waypass_simulator.steps import Step, moment

STATUS_NAMES = ("valid", "invalid", "suspended", "reserved")
_PREFIXES = (PASS_PREFIX, PRESENTATION_PREFIX)
_STATUS_HEADERS = (Header.SNAPSHOT, Header.COMPACT, Header.DELTA, Header.HEAD)


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What to check against: keys may be absent; `now` is in UNIX seconds. `log_keys` are those of the public log."""

    trust: TrustSet | None
    now: int
    log_keys: tuple[NoteKey, ...] = ()


Steps = Iterator[Step]


def inspect(data: bytes, context: Context) -> list[Step]:
    """The steps of a text, a status message, a checkpoint or a proof file, up to the first that fails."""
    steps: list[Step] = []
    try:
        for step in _steps(data, context):
            steps.append(step)
            if step.ok is False:
                break
    except ProtocolError as error:
        steps.append(Step(name=_error_name(error), ok=False, says=str(error)))
    return steps


def looks_like_text(data: bytes) -> bool:
    """Whether the bytes are a Waypass text rather than a status message."""
    return data.startswith(tuple(prefix.encode() for prefix in _PREFIXES))


def _steps(data: bytes, context: Context) -> Steps:
    if looks_like_proof(data):
        yield from proof_steps(data, context.log_keys)
    elif looks_like_note(data):
        yield from checkpoint_steps(data, context.log_keys)
    elif looks_like_text(data):
        yield from _text_steps(data.decode("utf-8", errors="replace").rstrip("\r\n"), context)
    else:
        yield from _message_steps(data, context)


def _text_steps(text: str, context: Context) -> Steps:
    prefix = text[: len(PASS_PREFIX)]
    raw = decode_base45(text, prefix)
    yield Step(
        name="text",
        ok=True,
        says=f"{len(text)} of at most {MAX_TEXT} characters, {len(raw)} bytes of Base45",
        fields={"kind": "pass" if prefix == PASS_PREFIX else "presentation"},
    )
    presentation = None
    if prefix == PRESENTATION_PREFIX:
        presentation = read_presentation(text)
        yield _envelope_step("presentation envelope", presentation.envelope)
        signed_pass = presentation.signed_pass
        yield Step(name="presentation", ok=True, says=f"made at {moment(presentation.t)}", fields={"t": presentation.t})
    else:
        signed_pass = parse_pass(raw)
    yield _envelope_step("pass envelope", signed_pass.envelope)
    yield Step(name="claims", ok=True, says="each of its type and range", fields=_claims(signed_pass.pass_))
    yield from _signature_steps(signed_pass, presentation, context)
    yield _times_step(signed_pass.pass_, context.now)
    if presentation is None and signed_pass.pass_.holder is not None:
        yield Step(name="binding", ok=False, says="a bound pass counts only inside a presentation")
    if presentation is not None:
        yield Step(
            name="binding", ok=None, says=f"signed {context.now - presentation.t} s before the time of this check"
        )


def _signature_steps(signed_pass: SignedPass, presentation: Presentation | None, context: Context) -> Steps:
    trust = context.trust
    if trust is None:
        yield Step(name="issuer's signature", ok=None, says="not checked: no keys were given (--keys)")
    else:
        key = trust.find(signed_pass.envelope.kid, Use.PASS, context.now)
        key.verify(signed_pass.envelope)
        yield Step(name="issuer's signature", ok=True, says=f"verifies with key {key.kid.hex()} of {trust.network}")
    if presentation is None:
        return
    if trust is None:
        yield Step(name="holder's signature", ok=None, says="not checked: the network is in the keys (--keys)")
    else:
        presentation.verify(trust.network)
        yield Step(name="holder's signature", ok=True, says=f"verifies for network {trust.network}")


def _times_step(pass_: Pass, now: int) -> Step:
    starts = pass_.iat if pass_.nbf is None else max(pass_.iat, pass_.nbf)
    if starts > now + Policy().clock_skew:
        return Step(name="times", ok=False, says=f"not yet valid at {moment(now)}")
    if now >= pass_.exp:
        return Step(name="times", ok=False, says=f"expired at {moment(pass_.exp)}")
    return Step(name="times", ok=True, says=f"current at {moment(now)}")


def _claims(pass_: Pass) -> dict[str, object]:
    found: dict[str, object] = {
        "iat": moment(pass_.iat),
        "exp": moment(pass_.exp),
        "status list": pass_.place.uri,
        "index": pass_.place.idx,
        "aspects": {str(scope): Aspect(aspect).name.lower() for scope, aspect in pass_.aspects.items()},
        "kind": "paper" if pass_.holder is None else "bound",
    }
    if pass_.nbf is not None:
        found["nbf"] = moment(pass_.nbf)
    if pass_.holder is not None:
        x, y = pass_.holder.coordinates()
        found["holder key"] = {"x": x.hex(), "y": y.hex()}
    if pass_.hint is not None:
        found["hint"] = pass_.hint
    return found


def _message_steps(data: bytes, context: Context) -> Steps:
    header, envelope = _which_message(data)
    yield Step(
        name="message",
        ok=True,
        says=f"{len(data)} bytes of {header.media_type}",
        fields={"kind": header.name.lower()},
    )
    yield _envelope_step("envelope", envelope)
    if context.trust is None:
        payload = cbor.decode(envelope.payload)
        yield Step(
            name="payload", ok=None, says="decoded, not judged: no keys were given (--keys)", fields=_raw(payload)
        )
        yield Step(name="issuer's signature", ok=None, says="not checked: no keys were given (--keys)")
        return
    readers: dict[Header, Callable[[bytes, TrustSet, int], Snapshot | Delta | Head]] = {
        Header.SNAPSHOT: read_snapshot,
        Header.COMPACT: read_snapshot,
        Header.DELTA: read_delta,
        Header.HEAD: read_head,
    }
    message = readers[header](data, context.trust, context.now)
    yield Step(name="issuer's signature", ok=True, says=f"verifies with key {envelope.kid.hex()}")
    yield Step(name="payload", ok=True, says="each field of its type and range", fields=_message_fields(message))
    if isinstance(message, Snapshot) and context.now >= message.exp:
        yield Step(name="times", ok=False, says=f"expired at {moment(message.exp)}")
    if isinstance(message, Head) and message.network != context.trust.network:
        yield Step(name="network", ok=False, says=f"expected {context.trust.network}, got {message.network!r}")


def _which_message(data: bytes) -> tuple[Header, Envelope]:
    """Find the one kind whose header fits. Raises `Malformed` with the reason that is most telling."""
    problem = Malformed("expected a Waypass text, a status list, a delta, a head, a checkpoint or a proof file")
    for header in _STATUS_HEADERS:
        try:
            return header, cose.parse(data, header)
        except Malformed as error:
            problem = error
    raise problem


def _message_fields(message: Snapshot | Delta | Head) -> dict[str, object]:
    match message:
        case Snapshot():
            return {
                "list": message.uri,
                "version": message.version,
                "iat": moment(message.iat),
                "exp": moment(message.exp),
                "ttl": message.ttl,
                "sha256": sha256(message.packed).hexdigest(),
                "statuses": count_statuses(message.packed),
            }
        case Delta():
            changes = {STATUS_NAMES[status]: len(indexes) for status, indexes in message.changes.items()}
            return {
                "list": message.uri,
                "from version": message.version - 1,
                "to version": message.version,
                "iat": moment(message.iat),
                "changes": changes,
            }
        case Head():
            rows = [{"list": row.uri, "version": row.version, "sha256": row.digest.hex()} for row in message.rows]
            head = {"network": message.network, "iat": moment(message.iat), "sequence": message.sequence, "rows": rows}
            return head if message.checkpoint is None else {**head, "checkpoint": message.checkpoint}


def count_statuses(packed: bytes) -> dict[str, int]:
    """How many indexes of a packed 2-bit list have each status."""
    counts = [0, 0, 0, 0]
    for byte in range(256):
        times = packed.count(byte)
        for shift in (0, 2, 4, 6):
            counts[byte >> shift & 3] += times
    return dict(zip(STATUS_NAMES, counts, strict=True))


def _envelope_step(name: str, envelope: Envelope) -> Step:
    fields: dict[str, object] = {"algorithm": cbor.decode(envelope.protected)[1]}
    if envelope.kid:
        fields["kid"] = envelope.kid.hex()
    return Step(name=name, ok=True, says="COSE_Sign1 in deterministic encoding, nothing left over", fields=fields)


def _raw(payload: object) -> dict[str, object]:
    if not isinstance(payload, dict):
        return {"payload": type(payload).__name__}
    return {
        str(key): f"{len(value)} bytes" if isinstance(value, bytes) else repr(value)[:200]
        for key, value in payload.items()
    }


def _error_name(error: ProtocolError) -> str:
    words = {"Malformed": "form", "UnknownKey": "issuer's key", "BadSignature": "signature", "TooLarge": "size"}
    words |= {"BadProof": "proof", "WrongPlace": "log"}
    return words.get(type(error).__name__, type(error).__name__)
