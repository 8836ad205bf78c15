"""Signed notes and checkpoints: a note that Go's library made, and every way in which one can be wrong."""

from base64 import b64encode

import pytest
from tests.support.issuing import signer

from waypass_protocol.checkpoint import (
    Checkpoint,
    open_checkpoint,
    origin_of,
    read_checkpoint,
    read_checkpoint_text,
    sign_checkpoint,
)
from waypass_protocol.errors import BadSignature, Malformed, UnknownKey, WrongPlace
from waypass_protocol.merkle import EMPTY_ROOT
from waypass_protocol.notes import MAX_NOTE, Note, NoteKey, NoteSignature, read_note, read_note_key, sign_note

# The example of Go's golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ORIGIN = origin_of("metro")
LOG = signer(9)
KEY = NoteKey(name=ORIGIN, public=LOG.public)
ROOT = bytes(range(32))
CHECKPOINT = Checkpoint(origin=ORIGIN, size=20_852_163, root=ROOT)
SIGNED = sign_checkpoint(CHECKPOINT, LOG)
TEXT, _, LINES = SIGNED.partition("\n\n")


def test_a_note_that_go_made() -> None:
    key, note = read_note_key(GO_KEY), read_note(GO_NOTE.encode())
    key.verify(note)
    assert key.to_text() == GO_KEY
    assert note.to_text() == GO_NOTE


def test_a_checkpoint_comes_back() -> None:
    assert SIGNED.startswith(f"waypass/1/metro/log\n20852163\n{b64encode(ROOT).decode()}\n\n— waypass/1/metro/log ")
    assert open_checkpoint(SIGNED.encode(), KEY) == CHECKPOINT
    assert read_note_key(KEY.to_text()) == KEY


def test_a_witness_adds_its_line() -> None:
    checkpoint, note = read_checkpoint(SIGNED.encode())
    line = NoteSignature(name="witness.example/w1", key_hash=b"wit1", signature=bytes(72))
    witnessed = Note(text=note.text, signatures=(*note.signatures, line)).to_text()
    assert open_checkpoint(witnessed.encode(), KEY) == checkpoint


def test_extension_lines_are_kept() -> None:
    extended = Checkpoint(origin=ORIGIN, size=1, root=ROOT, extensions=("one", "two"))
    assert open_checkpoint(sign_checkpoint(extended, LOG).encode(), KEY) == extended


def changed_signature() -> str:
    _, note = read_checkpoint(SIGNED.encode())
    (line,) = note.signatures
    forged = NoteSignature(name=line.name, key_hash=line.key_hash, signature=bytes(64))
    return Note(text=note.text, signatures=(line, forged)).to_text()


@pytest.mark.parametrize(
    ("name", "note", "error", "message"),
    [
        ("another size", SIGNED.replace("20852163", "20852164"), BadSignature, "signature by .*/log does not verify"),
        ("one good line, one bad", changed_signature(), BadSignature, "does not verify"),
        ("another key", sign_checkpoint(CHECKPOINT, signer(8)), UnknownKey, "expected a signature by waypass/1/metro/"),
        (
            "another log",
            sign_checkpoint(Checkpoint(origin=origin_of("tram"), size=1, root=ROOT), LOG),
            WrongPlace,
            "expected the log waypass/1/metro/log, got waypass/1/tram/log",
        ),
        ("no checkpoint", sign_note("hello\n", name=ORIGIN, signer=LOG).to_text(), Malformed, "lines of origin, size"),
    ],
)
def test_a_checkpoint_that_does_not_count(name: str, note: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_checkpoint(note.encode(), KEY)
    assert name


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("nothing", b"", "expected lines that end with a newline"),
        ("no last newline", SIGNED[:-1].encode(), "expected lines that end with a newline"),
        ("no signature", f"{TEXT}\n".encode(), "expected a text, an empty line and signatures"),
        ("nothing under the empty line", f"{TEXT}\n\n".encode(), "expected 1 to 32 signatures, got 0"),
        ("no text", f"\n\n{LINES}".encode(), "expected a text"),
        ("a hyphen", SIGNED.replace("—", "-").encode(), "expected a signature as"),
        ("not base64", f"{TEXT}\n\n— a b!c=\n".encode(), "signature: not base64"),
        ("base64 with loose bits", f"{TEXT}\n\n— a AAAAAAB=\n".encode(), "not in its one spelling"),
        ("no signature bytes", f"{TEXT}\n\n— a AAAAAA==\n".encode(), "expected more than 4 bytes, got 4"),
        ("a name with plus", f"{TEXT}\n\n— a+b AAAAAAA=\n".encode(), "expected a signature as"),
        ("carriage return", SIGNED.replace("\n", "\r\n").encode(), "no other control characters"),
        ("a nul", SIGNED.replace("metro", "me\0ro").encode(), "no other control characters"),
        ("no UTF-8", b"\xff" + SIGNED.encode(), "text is not UTF-8 at byte 0"),
        ("33 signatures", f"{TEXT}\n\n{LINES * 33}".encode(), "expected 1 to 32 signatures, got 33"),
        ("too long", b"a" * (MAX_NOTE + 1), "expected at most 16384 bytes"),
    ],
)
def test_a_note_that_is_none(name: str, data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read_note(data)
    assert name


GOOD_ROOT = b64encode(ROOT).decode()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("two lines", "o\n1\n", "expected lines of origin, size and root"),
        ("no last newline", f"o\n1\n{GOOD_ROOT}", "expected lines of origin"),
        ("no origin", f"\n1\n{GOOD_ROOT}\n", "none empty"),
        ("an empty extension", f"o\n1\n{GOOD_ROOT}\na\n\nb\n", "none empty"),
        ("leading zero", f"o\n01\n{GOOD_ROOT}\n", "expected a size as decimal number"),
        ("a sign", f"o\n+1\n{GOOD_ROOT}\n", "expected a size"),
        ("other digits", f"o\n١\n{GOOD_ROOT}\n", "expected a size"),
        ("too large", f"o\n9007199254740992\n{GOOD_ROOT}\n", "below 9007199254740992"),
        ("a short root", "o\n1\nAAAA\n", "expected a root of 32 bytes, got 3"),
        ("no base64", "o\n1\n*\n", "root: not base64"),
        ("empty with a root", f"o\n0\n{GOOD_ROOT}\n", "expected the root of the empty tree"),
    ],
)
def test_a_text_that_is_no_checkpoint(name: str, text: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read_checkpoint_text(text)
    assert name


def test_the_empty_log_has_a_checkpoint() -> None:
    empty = Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT)
    assert read_checkpoint_text(empty.to_text()) == empty


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("no parts", "metro", "expected NAME"),
        ("upper-case hash", GO_KEY.replace("c74f20a3", "C74F20A3"), "expected NAME"),
        ("another hash", GO_KEY.replace("c74f20a3", "c74f20a4"), "expected the hash c74f20a3 .* got c74f20a4"),
        ("another name", GO_KEY.replace("Peter", "Petra"), "expected the hash"),
        ("another type", f"a+00000000+{b64encode(bytes([4]) + bytes(32)).decode()}", "type 1.*, got type 4"),
        ("nothing in it", "a+00000000+=", "not base64"),
        ("short", f"a+00000000+{b64encode(bytes([1]) + bytes(31)).decode()}", "expected 32 bytes, got 31"),
        ("small order", f"a+00000000+{b64encode(bytes([1]) + bytes(32)).decode()}", "large order"),
        ("too long", "a" * 600, "expected NAME"),
    ],
)
def test_a_key_that_is_none(name: str, text: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        read_note_key(text)
    assert name


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\0"])
def test_a_name_that_no_key_has(name: str) -> None:
    with pytest.raises(Malformed, match="expected a name without spaces"):
        NoteKey(name=name, public=LOG.public)
