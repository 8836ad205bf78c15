"""What a checkpoint of the public log or a proof file holds, and what verifies: offline, with the log's key alone.

A key stands as its operator publishes it (`NAME+HASH+KEY`). Without one, signatures and with them the whole proof are
left unchecked, and the step says so: a root that nobody signed proves nothing.
"""

from collections.abc import Iterator, Sequence

from waypass_protocol.checkpoint import Checkpoint, read_checkpoint
from waypass_protocol.errors import UnknownKey
from waypass_protocol.logproofs import KIND, Consistency, Inclusion, ProvedLeaf, read_proof_file
from waypass_protocol.logrecords import read_record
from waypass_protocol.notes import Note, NoteKey
from waypass_simulator.steps import Step, moment

Steps = Iterator[Step]
_NOT_CHECKED = "not checked: no key of the log was given (--log-key)"


def looks_like_proof(data: bytes) -> bool:
    """Whether the bytes are a proof file rather than something else."""
    return data.lstrip()[:1] == b"{" and KIND.encode() in data[:200]


def looks_like_note(data: bytes) -> bool:
    """Whether the bytes are a signed note."""
    return "\n\n— ".encode() in data


def checkpoint_steps(data: bytes, keys: Sequence[NoteKey]) -> Steps:
    """A checkpoint."""
    checkpoint, note = read_checkpoint(data)
    yield Step(name="checkpoint", ok=True, says="a signed note of the log", fields=_said(checkpoint, note))
    yield _signed(note, keys)


def proof_steps(data: bytes, keys: Sequence[NoteKey]) -> Steps:
    """A proof file, and what it proves."""
    proof = read_proof_file(data)
    if isinstance(proof, Inclusion):
        yield from _inclusion(proof, keys)
    else:
        yield from _consistency(proof, keys)


def _inclusion(proof: Inclusion, keys: Sequence[NoteKey]) -> Steps:
    checkpoint, note = read_checkpoint(proof.checkpoint.encode())
    yield Step(
        name="proof", ok=True, says=f"that {len(proof.leaves)} leaves are in the log", fields={"kind": "inclusion"}
    )
    yield Step(name="checkpoint", ok=True, says="a signed note of the log", fields=_said(checkpoint, note))
    yield _signed(note, keys)
    if keys:
        proof.check(_key_of(note, keys))
        yield Step(name="inclusion", ok=True, says=f"each leaf leads to the root of {checkpoint.size} leaves")
    for leaf in proof.leaves:
        yield _leaf(leaf)


def _consistency(proof: Consistency, keys: Sequence[NoteKey]) -> Steps:
    yield Step(name="proof", ok=True, says="that one checkpoint only adds to another", fields={"kind": "consistency"})
    for name, text in (("old checkpoint", proof.old), ("new checkpoint", proof.new)):
        checkpoint, note = read_checkpoint(text.encode())
        yield Step(name=name, ok=True, says="a signed note of the log", fields=_said(checkpoint, note))
        yield _signed(note, keys)
    if keys:
        old, new = proof.check(_key_of(read_checkpoint(proof.new.encode())[1], keys))
        says = f"the log of {new.size} leaves begins with the {old.size} leaves of the old one, unchanged"
        yield Step(name="consistency", ok=True, says=says)


def _signed(note: Note, keys: Sequence[NoteKey]) -> Step:
    if not keys:
        return Step(name="log's signature", ok=None, says=_NOT_CHECKED)
    key = _key_of(note, keys)
    key.verify(note)
    return Step(name="log's signature", ok=True, says=f"verifies with key {key.key_hash.hex()} of {key.name}")


def _key_of(note: Note, keys: Sequence[NoteKey]) -> NoteKey:
    """The key among these that signed the note. Raises `UnknownKey`."""
    for key in keys:
        if any((each.name, each.key_hash) == (key.name, key.key_hash) for each in note.signatures):
            return key
    given = ", ".join(f"{key.name}+{key.key_hash.hex()}" for key in keys)
    raise UnknownKey(f"note: expected a signature by {given}, there is none")


def _said(checkpoint: Checkpoint, note: Note) -> dict[str, object]:
    return {
        "log": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "signatures": [f"{each.name}+{each.key_hash.hex()}" for each in note.signatures],
    }


def _leaf(leaf: ProvedLeaf) -> Step:
    if leaf.opening is None:
        return Step(
            name=f"leaf {leaf.index}", ok=True, says="its record is not disclosed", fields={"leaf": leaf.leaf.hex()}
        )
    record = read_record(leaf.opening.record)
    fields: dict[str, object] = {
        "at": moment(record.at),
        "actor": record.actor if record.staff is None else f"{record.actor} {record.staff}",
        "subject": f"{record.subject} {record.subject_id}",
        "details": {name: value.hex() if isinstance(value, bytes) else value for name, value in record.details.items()},
    }
    return Step(name=f"leaf {leaf.index}", ok=True, says=record.what, fields=fields)
