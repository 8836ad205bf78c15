"""Signed notes (C2SP signed-note, as Go's `sumdb/note` began them): a text, and lines that sign it.

    text, one or more lines
    <empty line>
    — NAME base64(4 bytes of the key's hash, then the signature)

A note is read in this order; the first rule that fails decides, each as `Malformed`:

1. at most `MAX_NOTE` bytes of UTF-8, ended by a newline, with no control characters but newlines
2. the text ends before the last empty line, and is not empty
3. 1 to `MAX_SIGNATURES` lines follow, each an em dash, a name, and base64 in its one spelling, of 5 bytes or more

Signatures by keys that nobody asked about are kept and not looked at: witnesses add theirs. `NoteKey.verify` asks for
the one key that it is: every line under its name and hash has to verify (`BadSignature`), and there has to be one
(`UnknownKey`). Only Ed25519 (type 1) is known here.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from waypass_protocol.errors import BadSignature, Malformed, UnknownKey
from waypass_protocol.keys import Signer, read_public_key

MAX_NOTE = 16 * 1024
MAX_SIGNATURES = 32
MAX_VKEY = 512
_HASH_LENGTH = 4
_ED25519 = b"\x01"
_LINE = re.compile(r"— (\S{1,255}) (\S+)")
_VKEY = re.compile(r"(\S{1,255}?)\+([0-9a-f]{8})\+(\S+)")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True, slots=True)
class NoteSignature:
    """One line: whose it says it is, and what it holds. Nobody has checked it yet."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """A text with the signatures under it; `text` ends with a newline."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_text(self) -> str:
        """The note as it is written."""
        lines = [
            f"— {each.name} {b64encode(each.key_hash + each.signature).decode('ascii')}\n" for each in self.signatures
        ]
        return f"{self.text}\n{''.join(lines)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class NoteKey:
    """A verifier's key: an Ed25519 public key under a name."""

    name: str
    public: ed25519.Ed25519PublicKey

    def __post_init__(self) -> None:
        """Raises `Malformed` for a name that no line can hold."""
        if not self.name or not self.name.isprintable() or " " in self.name or "+" in self.name:
            raise Malformed(f"note key: expected a name without spaces and '+', got {self.name!r}")

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes that stand in this key's lines."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self._raw()).digest()[:_HASH_LENGTH]

    def to_text(self) -> str:
        """The key as verifiers write it down: NAME+HASH+KEY."""
        return f"{self.name}+{self.key_hash.hex()}+{b64encode(_ED25519 + self._raw()).decode('ascii')}"

    def verify(self, note: Note) -> None:
        """Check what this key signed of the note. Raises `UnknownKey` or `BadSignature`."""
        mine = [each for each in note.signatures if (each.name, each.key_hash) == (self.name, self.key_hash)]
        if not mine:
            raise UnknownKey(f"note: expected a signature by {self.name}+{self.key_hash.hex()}, there is none")
        for each in mine:
            try:
                self.public.verify(each.signature, note.text.encode())
            except InvalidSignature:
                raise BadSignature(f"note: the signature by {self.name} does not verify") from None

    def _raw(self) -> bytes:
        return self.public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign_note(text: str, *, name: str, signer: Signer) -> Note:
    """The note of this text with one signature. Raises `Malformed` for a text or name that cannot be in a note."""
    key = NoteKey(name=name, public=signer.public)
    line = NoteSignature(name=name, key_hash=key.key_hash, signature=signer.sign(text.encode()))
    note = Note(text=text, signatures=(line,))
    return read_note(note.to_text().encode())


def read_note(data: bytes) -> Note:
    """Read a note by the module's rules. Raises `Malformed`."""
    if len(data) > MAX_NOTE:
        raise Malformed(f"note: expected at most {MAX_NOTE} bytes, got {len(data)}")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"note: text is not UTF-8 at byte {error.start}") from None
    if not whole.endswith("\n") or _CONTROL.search(whole):
        raise Malformed("note: expected lines that end with a newline, and no other control characters")
    text, empty, below = whole.rpartition("\n\n")
    if not empty or not text:
        raise Malformed("note: expected a text, an empty line and signatures")
    lines = below.split("\n")[:-1]
    if not 1 <= len(lines) <= MAX_SIGNATURES:
        raise Malformed(f"note: expected 1 to {MAX_SIGNATURES} signatures, got {len(lines)}")
    return Note(text=text + "\n", signatures=tuple(_read_line(line) for line in lines))


def read_note_key(text: str) -> NoteKey:
    """Read what `NoteKey.to_text` writes. Raises `Malformed`."""
    match = _VKEY.fullmatch(text) if len(text) <= MAX_VKEY else None
    if match is None:
        raise Malformed("note key: expected NAME+HASH+KEY")
    raw = read_base64(match[3], what="note key")
    if raw[:1] != _ED25519:
        raise Malformed(f"note key: expected an Ed25519 key (type 1), got type {raw[0] if raw else 'none'}")
    key = NoteKey(name=match[1], public=read_public_key(raw[1:], what="note key"))
    if key.key_hash.hex() != match[2]:
        raise Malformed(f"note key: expected the hash {key.key_hash.hex()} as computed from the key, got {match[2]}")
    return key


def _read_line(line: str) -> NoteSignature:
    match = _LINE.fullmatch(line)
    if match is None or "+" in match[1]:
        raise Malformed("note: expected a signature as '— NAME BASE64'")
    raw = read_base64(match[2], what="note: signature")
    if len(raw) <= _HASH_LENGTH:
        raise Malformed(f"note: signature: expected more than {_HASH_LENGTH} bytes, got {len(raw)}")
    return NoteSignature(name=match[1], key_hash=raw[:_HASH_LENGTH], signature=raw[_HASH_LENGTH:])


def read_base64(text: str, *, what: str) -> bytes:
    """Base64 (RFC 4648, section 4) in its one spelling. Raises `Malformed` that begins with `what`."""
    try:
        data = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise Malformed(f"{what}: not base64") from None
    if b64encode(data).decode("ascii") != text:  # bits after the end could be anything
        raise Malformed(f"{what}: base64 that is not in its one spelling")
    return data
