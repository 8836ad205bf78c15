"""Checkpoints of a log (C2SP tlog-checkpoint): how large it is and what its root is, as a signed note.

    waypass/1/NETWORK/log
    SIZE
    base64 of the root

The text is accepted only if all of this holds; each breach is `Malformed`:

1. it has at least three lines, none of them empty
2. the size is a decimal number without a sign or leading zeroes, below `merkle.MAX_SIZE`
3. the root is base64 of 32 bytes in its one spelling; an empty tree has the empty tree's root

Lines after the third are kept and not looked at. `open_checkpoint` asks besides that the first line is the origin that
the key's name says, and that the key's signature verifies; it is what anybody who relies on a checkpoint calls.

A network's log has one origin, and its keys have that name.
"""

import re
from base64 import b64encode
from dataclasses import dataclass

from waypass_protocol.errors import Malformed, WrongPlace
from waypass_protocol.keys import Signer
from waypass_protocol.merkle import EMPTY_ROOT, HASH_LENGTH, MAX_SIZE
from waypass_protocol.names import check_name
from waypass_protocol.notes import Note, NoteKey, read_base64, read_note, sign_note

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """The state of a log: the root of the tree of its first `size` leaves."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def to_text(self) -> str:
        """The text that is signed."""
        lines = (self.origin, str(self.size), b64encode(self.root).decode("ascii"), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def origin_of(network: str) -> str:
    """The origin of a network's log, which is its keys' name too. Raises `Malformed` for a name that can't be one."""
    return f"waypass/1/{check_name(network, what='network')}/log"


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """The signed note of a checkpoint. Raises `Malformed` for one that could not be read back."""
    read_checkpoint_text(checkpoint.to_text())
    return sign_note(checkpoint.to_text(), name=checkpoint.origin, signer=signer).to_text()


def open_checkpoint(data: bytes, key: NoteKey) -> Checkpoint:
    """The checkpoint of a signed note, once its origin and the key's signature are checked.

    Raises `Malformed`, `WrongPlace` for another log, `UnknownKey` or `BadSignature`.
    """
    note = read_note(data)
    checkpoint = read_checkpoint_text(note.text)
    if checkpoint.origin != key.name:
        raise WrongPlace(f"checkpoint: expected the log {key.name}, got {checkpoint.origin}")
    key.verify(note)
    return checkpoint


def read_checkpoint(data: bytes) -> tuple[Checkpoint, Note]:
    """A checkpoint and its note, without a look at any signature. Raises `Malformed`."""
    note = read_note(data)
    return read_checkpoint_text(note.text), note


def read_checkpoint_text(text: str) -> Checkpoint:
    """Read the text of a checkpoint by the module's rules. Raises `Malformed`."""
    lines = text.split("\n")
    if lines.pop() or len(lines) < 3 or not all(lines):
        raise Malformed("checkpoint: expected lines of origin, size and root, each ended and none empty")
    origin, size, root, *extensions = lines
    if _SIZE.fullmatch(size) is None or int(size) >= MAX_SIZE:
        raise Malformed(f"checkpoint: expected a size as decimal number below {MAX_SIZE}")
    raw = read_base64(root, what="checkpoint: root")
    if len(raw) != HASH_LENGTH:
        raise Malformed(f"checkpoint: expected a root of {HASH_LENGTH} bytes, got {len(raw)}")
    if size == "0" and raw != EMPTY_ROOT:
        raise Malformed("checkpoint: expected the root of the empty tree for a size of 0")
    return Checkpoint(origin=origin, size=int(size), root=raw, extensions=tuple(extensions))
