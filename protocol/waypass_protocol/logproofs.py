"""Proofs of the public log as files that can be checked without anybody's help: JSON, made by a server.

    {"waypass_log": "inclusion", "checkpoint": NOTE, "leaves": [{"index": N, "proof": [HASH, ..], "leaf": HASH} ..]}
    {"waypass_log": "consistency", "old": NOTE, "new": NOTE, "proof": [HASH, ..]}

A NOTE is a signed checkpoint as text, a HASH is base64 in its one spelling. Instead of `leaf` an entry may hold `salt`
and `record` (base64): then it discloses what the leaf commits to. A file is accepted only with exactly these members,
within `MAX_FILE` bytes and `MAX_LEAVES` leaves (`Malformed`).

Reading checks the form. `Inclusion.check` and `Consistency.check` check the notes' signatures with the log's key, then
the proofs; they raise what `checkpoint.open_checkpoint` and `merkle` raise.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from waypass_protocol.checkpoint import Checkpoint, open_checkpoint
from waypass_protocol.errors import Malformed
from waypass_protocol.keys import read_json_object
from waypass_protocol.logrecords import LEAF_LENGTH, MAX_RECORD, SALT_LENGTH, commit
from waypass_protocol.merkle import HASH_LENGTH, MAX_PROOF, leaf_hash, verify_consistency, verify_inclusion
from waypass_protocol.notes import MAX_NOTE, NoteKey, read_base64

MAX_FILE = 8 * 1024 * 1024
MAX_LEAVES = 10_000
KIND = "waypass_log"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What a leaf commits to."""

    salt: bytes
    record: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvedLeaf:
    """A leaf with its place and the way to the root. `opening` is set where its record is disclosed."""

    index: int
    leaf: bytes
    proof: tuple[bytes, ...]
    opening: Opening | None = None

    def to_json(self) -> dict[str, object]:
        """As it stands in a file."""
        shown: dict[str, object] = {"index": self.index, "proof": [_text(each) for each in self.proof]}
        if self.opening is None:
            return shown | {"leaf": _text(self.leaf)}
        return shown | {"salt": _text(self.opening.salt), "record": _text(self.opening.record)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Inclusion:
    """That some leaves are in the log of a checkpoint."""

    checkpoint: str
    leaves: tuple[ProvedLeaf, ...]

    def check(self, key: NoteKey) -> Checkpoint:
        """The checkpoint, once it and every proof verify."""
        checkpoint = open_checkpoint(self.checkpoint.encode(), key)
        for each in self.leaves:
            verify_inclusion(
                leaf=leaf_hash(each.leaf),
                index=each.index,
                size=checkpoint.size,
                proof=each.proof,
                root=checkpoint.root,
            )
        return checkpoint

    def to_json(self) -> dict[str, object]:
        """The file."""
        leaves = [each.to_json() for each in self.leaves]
        return {KIND: "inclusion", "checkpoint": self.checkpoint, "leaves": leaves}


@dataclass(frozen=True, kw_only=True, slots=True)
class Consistency:
    """That a checkpoint only adds to an older one."""

    old: str
    new: str
    proof: tuple[bytes, ...]

    def check(self, key: NoteKey) -> tuple[Checkpoint, Checkpoint]:
        """The two checkpoints, once they and the proof verify."""
        old, new = open_checkpoint(self.old.encode(), key), open_checkpoint(self.new.encode(), key)
        verify_consistency(old=old.size, new=new.size, proof=self.proof, old_root=old.root, new_root=new.root)
        return old, new

    def to_json(self) -> dict[str, object]:
        """The file."""
        return {KIND: "consistency", "old": self.old, "new": self.new, "proof": [_text(each) for each in self.proof]}


def read_proof_file(data: bytes) -> Inclusion | Consistency:
    """Read a file by the module's rules. Raises `Malformed`."""
    if len(data) > MAX_FILE:
        raise Malformed(f"proof file: expected at most {MAX_FILE} bytes, got {len(data)}")
    try:
        document = read_json_object(data.decode("utf-8"), what="proof file")
    except UnicodeDecodeError as error:
        raise Malformed(f"proof file: text is not UTF-8 at byte {error.start}") from None
    match document.get(KIND):
        case "inclusion":
            _members(document, {KIND, "checkpoint", "leaves"}, "proof file")
            return Inclusion(checkpoint=_note(document["checkpoint"]), leaves=_leaves(document["leaves"]))
        case "consistency":
            _members(document, {KIND, "old", "new", "proof"}, "proof file")
            old, new = _note(document["old"]), _note(document["new"])
            return Consistency(old=old, new=new, proof=_hashes(document["proof"]))
        case other:
            raise Malformed(f"proof file: expected {KIND} inclusion or consistency, got {_short(other)}")


def write_proof_file(proof: Inclusion | Consistency) -> str:
    """The file that `read_proof_file` reads back."""
    return json.dumps(proof.to_json(), indent=1, ensure_ascii=False) + "\n"


def _leaves(value: object) -> tuple[ProvedLeaf, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_LEAVES:
        raise Malformed(f"proof file: expected a list of 1 to {MAX_LEAVES} leaves")
    return tuple(_leaf(each) for each in value)


def _leaf(value: object) -> ProvedLeaf:
    if not isinstance(value, dict):
        raise Malformed(f"proof file: expected a leaf as an object, got {type(value).__name__}")
    opened = "salt" in value or "record" in value
    _members(value, {"index", "proof"} | ({"salt", "record"} if opened else {"leaf"}), "proof file: leaf")
    index = value["index"]
    if type(index) is not int or index < 0:
        raise Malformed(f"proof file: expected a leaf's number as its index, got {_short(index)}")
    proof = _hashes(value["proof"])
    if not opened:
        return ProvedLeaf(index=index, proof=proof, leaf=_bytes(value["leaf"], LEAF_LENGTH, "leaf"))
    opening = Opening(salt=_bytes(value["salt"], SALT_LENGTH, "salt"), record=_bytes(value["record"], None, "record"))
    return ProvedLeaf(index=index, proof=proof, leaf=commit(opening.salt, opening.record), opening=opening)


def _hashes(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_PROOF:
        raise Malformed(f"proof file: expected a list of at most {MAX_PROOF} hashes as proof")
    return tuple(_bytes(each, HASH_LENGTH, "proof") for each in value)


def _note(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_NOTE:
        raise Malformed(f"proof file: expected a checkpoint as text of at most {MAX_NOTE} characters")
    return value


def _bytes(value: object, length: int | None, name: str) -> bytes:
    if not isinstance(value, str):
        raise Malformed(f"proof file: {name}: expected base64 text, got {type(value).__name__}")
    data = read_base64(value, what=f"proof file: {name}")
    if length is not None and len(data) != length:
        raise Malformed(f"proof file: {name}: expected {length} bytes, got {len(data)}")
    if len(data) > MAX_RECORD:
        raise Malformed(f"proof file: {name}: expected at most {MAX_RECORD} bytes, got {len(data)}")
    return data


def _members(document: dict[str, Any], expected: set[str], what: str) -> None:
    if document.keys() != expected:
        raise Malformed(f"{what}: expected members {_listed(expected)}, got {_listed(document)}")


def _listed(names: Sequence[str] | set[str] | dict[str, Any]) -> str:
    return _short(", ".join(sorted(names)))


def _short(value: object) -> str:
    return repr(value)[:200]


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
