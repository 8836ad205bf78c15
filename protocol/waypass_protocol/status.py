"""What the server says about status lists: snapshots, deltas and heads (wire format §4).

Each message is read in this order; the first rule that fails decides:

1. it is within its size (`TooLarge`)
2. the envelope and the payload have the form of their kind (`Malformed`)
3. its key is trusted for `status` at the time (`UnknownKey`) and the signature verifies (`BadSignature`)
4. a snapshot's list inflates to its exact size, or is in its compact form, a delta's indexes are ascending and each
   there once (`Malformed`)

A snapshot has two forms: the Status List Token of the standard, and the compact one. Wherever one is read, the header
says which it is.

Times, versions, floors and ages are not judged here: `assembly` does that.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from waypass_protocol import bits, cbor, cose
from waypass_protocol.compact import decode_compact, encode_compact
from waypass_protocol.cose import Envelope, Header
from waypass_protocol.errors import Malformed, TooLarge
from waypass_protocol.keys import Signer, TrustSet, Use, sign_envelope
from waypass_protocol.passes import read_uint

MAX_HEAD = 64 * 1024
MAX_SNAPSHOT = MAX_DELTA = 512 * 1024
DELTA_RING = 64
SHA256_LENGTH = 32
_ENVELOPE = 256
"""Bytes; more than a head's envelope adds to its payload."""
_LARGEST = (1 << 64) - 1

_ISS, _SUB, _EXP, _IAT = 1, 2, 4, 6
_TTL, _STATUS_LIST = 65534, 65533
_VERSION, _CHANGES, _SEQUENCE, _ROWS, _CHECKPOINT, _COMPACT = -70010, -70011, -70012, -70013, -70014, -70015
_SNAPSHOT_CLAIMS = frozenset({_SUB, _IAT, _EXP, _TTL, _VERSION})


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A whole status list. `packed` is uncompressed; times are UNIX seconds, `ttl` seconds; `kid` signed it."""

    uri: str
    version: int
    iat: int
    exp: int
    ttl: int
    packed: bytes
    kid: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delta:
    """What changed from version - 1 to `version`: for each status the ascending indexes that now have it."""

    uri: str
    version: int
    iat: int
    changes: Mapping[int, Sequence[int]]
    kid: bytes = b""

    def apply(self, packed: bytes) -> bytes:
        """The list after this delta; `packed` is the list before it."""
        after = bytearray(packed)
        for status, indexes in self.changes.items():
            for idx in indexes:
                bits.set_status(after, idx, status)
        return bytes(after)

    def agrees_with(self, packed: bytes) -> bool:
        """Whether every index that this delta changes has its new status in `packed`."""
        return all(bits.status_at(packed, idx) == status for status, indexes in self.changes.items() for idx in indexes)


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadRow:
    """What is current for one list: its version and the SHA-256 of its packed, uncompressed bytes."""

    uri: str
    version: int
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What is current for all lists of a network, at `iat`.

    `checkpoint` is the newest checkpoint of the network's public log: carried for whoever watches it, judged by nobody
    who only opens gates.
    """

    network: str
    iat: int
    sequence: int
    rows: tuple[HeadRow, ...]
    kid: bytes = b""
    checkpoint: str | None = None


def read_snapshot(data: bytes, trust: TrustSet, now: int, *, restored: bool = False) -> Snapshot:
    """Read a snapshot of either form by the module's rules; `restored`: see `_verify`. Raises as they say."""
    compact = Header.COMPACT.begins(data)
    envelope = _open(data, Header.COMPACT if compact else Header.SNAPSHOT, MAX_SNAPSHOT)
    claims = _fields(envelope, _SNAPSHOT_CLAIMS | {_COMPACT if compact else _STATUS_LIST}, "snapshot")
    form = claims[_COMPACT] if compact else _read_lst(claims[_STATUS_LIST])
    numbers = {name: read_uint(claims[name], f"snapshot: claim {name}") for name in (_IAT, _EXP, _TTL, _VERSION)}
    uri = _read_uri(claims[_SUB], "snapshot")
    _verify(envelope, trust, now, iat=numbers[_IAT], restored=restored)
    # Taken apart only now: an unsigned message costs no memory.
    return Snapshot(
        uri=uri,
        version=numbers[_VERSION],
        iat=numbers[_IAT],
        exp=numbers[_EXP],
        ttl=numbers[_TTL],
        packed=decode_compact(form) if compact else bits.inflate(form),
        kid=envelope.kid,
    )


def read_delta(data: bytes, trust: TrustSet, now: int, *, restored: bool = False) -> Delta:
    """Read a delta by the module's rules; `restored`: see `_verify`. Raises as they say."""
    envelope = _open(data, Header.DELTA, MAX_DELTA)
    fields = _fields(envelope, {_SUB, _IAT, _VERSION, _CHANGES}, "delta")
    version = read_uint(fields[_VERSION], "delta: version")
    if version == 0:
        raise Malformed("delta: expected a version from 1 on, got 0")
    uri = _read_uri(fields[_SUB], "delta")
    iat = read_uint(fields[_IAT], "delta: iat")
    _verify(envelope, trust, now, iat=iat, restored=restored)
    # Unpacked only now: an unsigned message costs no memory.
    changes = _read_changes(fields[_CHANGES])
    return Delta(uri=uri, version=version, iat=iat, changes=changes, kid=envelope.kid)


def read_head(data: bytes, trust: TrustSet, now: int, *, restored: bool = False) -> Head:
    """Read a head by the module's rules; `restored`: see `_verify`. Raises as they say."""
    envelope = _open(data, Header.HEAD, MAX_HEAD)
    fields = _fields(envelope, {_ISS, _IAT, _SEQUENCE, _ROWS}, "head", optional={_CHECKPOINT})
    network = fields[_ISS]
    if not isinstance(network, str):
        raise Malformed(f"head: expected the network as text, got {type(network).__name__}")
    checkpoint = fields.get(_CHECKPOINT, b"")
    if not isinstance(checkpoint, bytes | str):
        raise Malformed("head: expected the checkpoint as a string")
    head = Head(
        network=network,
        iat=read_uint(fields[_IAT], "head: iat"),
        sequence=read_uint(fields[_SEQUENCE], "head: sequence"),
        rows=_read_rows(fields[_ROWS]),
        kid=envelope.kid,
        checkpoint=checkpoint if isinstance(checkpoint, str) else None,
    )
    _verify(envelope, trust, now, iat=head.iat, restored=restored)
    return head


def sign_snapshot(snapshot: Snapshot, signer: Signer) -> bytes:
    """The Status List Token (CWT form) of a snapshot. Raises `Malformed` when the list is not 262,144 bytes."""
    if len(snapshot.packed) != bits.LIST_BYTES:
        raise Malformed(f"snapshot: expected {bits.LIST_BYTES} packed bytes, got {len(snapshot.packed)}")
    lst = {"bits": bits.LIST_BITS, "lst": bits.deflate(snapshot.packed)}
    return sign_envelope(cbor.encode(_claims(snapshot) | {_STATUS_LIST: lst}), Header.SNAPSHOT, signer)


def sign_compact(snapshot: Snapshot, signer: Signer) -> bytes:
    """The compact form of a snapshot. Raises `Malformed` when the list is not 262,144 bytes."""
    claims = _claims(snapshot) | {_COMPACT: encode_compact(snapshot.packed)}
    return sign_envelope(cbor.encode(claims), Header.COMPACT, signer)


def sign_delta(delta: Delta, signer: Signer) -> bytes:
    """The signed message of a delta. Raises `Malformed` when a reader would refuse its changes."""
    changes = {status: encode_indexes(indexes) for status, indexes in delta.changes.items()}
    _read_changes(changes)
    fields = {_SUB: delta.uri, _IAT: delta.iat, _VERSION: delta.version, _CHANGES: changes}
    return sign_envelope(cbor.encode(fields), Header.DELTA, signer)


def sign_head(head: Head, signer: Signer) -> bytes:
    """The signed message of a head. A checkpoint that would make it too large is left out: gates need the rows.

    Raises `TooLarge` when the rows alone do, and `Malformed` when a reader would refuse them.
    """
    fields = _head_fields(head)
    payload = cbor.encode(fields)
    if head.checkpoint is not None:
        fuller = cbor.encode({**fields, _CHECKPOINT: head.checkpoint})
        payload = fuller if len(fuller) + _ENVELOPE <= MAX_HEAD else payload
    signed = sign_envelope(payload, Header.HEAD, signer)
    if len(signed) > MAX_HEAD:
        raise TooLarge(f"head: expected at most {MAX_HEAD} bytes, got {len(signed)} with {len(head.rows)} rows")
    return signed


def largest_head(network: str, uris: Sequence[str]) -> int:
    """The bytes that a head of these lists has at most, whatever their versions, without a checkpoint."""
    rows = tuple(HeadRow(uri=uri, version=_LARGEST, digest=bytes(SHA256_LENGTH)) for uri in uris)
    head = Head(network=network, iat=_LARGEST, sequence=_LARGEST, rows=rows)
    return len(cbor.encode(_head_fields(head))) + _ENVELOPE


def encode_indexes(indexes: Sequence[int]) -> bytes:
    """Ascending indexes as shortest LEB128 varints of the first and then the differences. Raises `Malformed`."""
    out = bytearray()
    last = 0
    for number, idx in enumerate(indexes):
        step = idx - last
        if step < (1 if number else 0):
            raise Malformed("delta: expected indexes in ascending order, each once")
        last = idx
        while step > 0x7F:
            out.append(step & 0x7F | 0x80)
            step >>= 7
        out.append(step)
    return bytes(out)


def decode_indexes(data: bytes) -> list[int]:
    """Read what `encode_indexes` writes, and nothing else. Raises `Malformed`."""
    indexes: list[int] = []
    idx = value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            if shift > 14:  # an index is below 2^20: three bytes at most
                raise Malformed("delta: a varint of more than 3 bytes")
            continue
        if byte == 0 and shift:
            raise Malformed("delta: a varint that is not in its shortest form")
        if indexes and value == 0:
            raise Malformed("delta: expected indexes in ascending order, each once")
        idx += value
        if idx >= bits.LIST_INDEXES:
            raise Malformed(f"delta: expected indexes below {bits.LIST_INDEXES}, got {idx}")
        indexes.append(idx)
        value = shift = 0
    if shift:
        raise Malformed("delta: the last varint is cut off")
    return indexes


def _head_fields(head: Head) -> dict[int, object]:
    """Without a checkpoint. Raises `Malformed`."""
    rows = [[row.uri, row.version, row.digest] for row in head.rows]
    _read_rows(rows)
    return {_ISS: head.network, _IAT: head.iat, _SEQUENCE: head.sequence, _ROWS: rows}


def _claims(snapshot: Snapshot) -> dict[int, object]:
    """What both forms say beside the list."""
    return {
        _SUB: snapshot.uri,
        _IAT: snapshot.iat,
        _EXP: snapshot.exp,
        _TTL: snapshot.ttl,
        _VERSION: snapshot.version,
    }


def _read_lst(status_list: object) -> bytes:
    """The standard's compressed list, still to be inflated. Raises `Malformed`."""
    if not isinstance(status_list, dict) or status_list.keys() != {"bits", "lst"}:
        raise Malformed("snapshot: expected a status list {bits, lst}")
    if status_list["bits"] != bits.LIST_BITS:
        raise Malformed(f"snapshot: expected {bits.LIST_BITS} bits, got {status_list['bits']!r}")
    lst = status_list["lst"]
    if not isinstance(lst, bytes):
        raise Malformed(f"snapshot: expected lst as a byte string, got {type(lst).__name__}")
    return lst


def _open(data: bytes, header: Header, limit: int) -> Envelope:
    if len(data) > limit:
        raise TooLarge(f"{header.name.lower()}: expected at most {limit} bytes, got {len(data)}")
    return cose.parse(data, header)


def _fields(
    envelope: Envelope, required: AbstractSet[int], what: str, optional: AbstractSet[int] = frozenset()
) -> dict[int, Any]:
    fields = cbor.decode(envelope.payload)
    if not isinstance(fields, dict):
        raise Malformed(f"{what}: expected a map, got {type(fields).__name__}")
    if not required <= fields.keys() or not fields.keys() <= required | optional:
        raise Malformed(f"{what}: expected fields {sorted(required)}, got {sorted(fields, key=str)}")
    return fields


def _read_uri(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{what}: expected the list's URI as text, got {type(value).__name__}")
    return value


def _read_changes(value: object) -> dict[int, list[int]]:
    if not isinstance(value, dict):
        raise Malformed("delta: expected a map of changes")
    changes: dict[int, list[int]] = {}
    seen: set[int] = set()
    for status, data in value.items():
        if not isinstance(status, int) or not bits.VALID <= status <= bits.RESERVED or not isinstance(data, bytes):
            raise Malformed("delta: expected changes as {status 0 to 3: byte string}")
        indexes = decode_indexes(data)
        if not seen.isdisjoint(indexes):
            raise Malformed("delta: an index stands under two statuses")
        seen.update(indexes)
        changes[status] = indexes
    return changes


def _read_rows(value: object) -> tuple[HeadRow, ...]:
    if not isinstance(value, list):
        raise Malformed("head: expected a list of rows")
    rows = []
    uris = set()
    for row in value:
        if not isinstance(row, list) or len(row) != 3:
            raise Malformed("head: expected rows [uri, version, sha256]")
        uri, version, digest = row
        if not isinstance(digest, bytes) or len(digest) != SHA256_LENGTH:
            raise Malformed(f"head: expected a digest of {SHA256_LENGTH} bytes")
        rows.append(HeadRow(uri=_read_uri(uri, "head"), version=read_uint(version, "head: version"), digest=digest))
        uris.add(uri)
    if len(uris) != len(rows):
        raise Malformed("head: a list stands in two rows")
    return tuple(rows)


def _verify(envelope: Envelope, trust: TrustSet, now: int, *, iat: int, restored: bool) -> None:
    """Check key and signature. A message that was kept from an earlier run (`restored`) is judged no earlier than its
    own `iat`, so that a clock that starts in the past does not make it useless."""
    at = max(now, iat) if restored else now
    trust.find(envelope.kid, Use.STATUS, at).verify(envelope)
