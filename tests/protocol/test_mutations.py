"""Any change of any byte: a pass or presentation never opens, a status message never changes the store."""

from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.issuing import NOW, SCOPE, URI, make_issuer

from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.passes import PASS_PREFIX, Place, decode_base45, encode_base45
from waypass_protocol.policy import Policy
from waypass_protocol.presentation import PRESENTATION_PREFIX, read_presentation
from waypass_protocol.reasons import Outcome, Reason
from waypass_protocol.reentry import NoReentry, ReentryMemory

ISSUER = make_issuer()
LIST = ISSUER.status_list()
SNAPSHOT = LIST.snapshot()
HEAD_1 = ISSUER.head(LIST, sequence=1)
DELTA = LIST.change(9)
HEAD_2 = ISSUER.head(LIST, sequence=2, iat=NOW + 1)
PAPER, SHOWN = ISSUER.paper(), ISSUER.presentation()
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def store() -> StatusStore:
    """A reader that is current at version 1."""
    made = StatusStore(trust=ISSUER.trust, keeper=MemoryKeeper())
    made.receive(Kind.SNAPSHOT, SNAPSHOT, now=NOW)
    made.receive(Kind.HEAD, HEAD_1, now=NOW)
    return made


CURRENT = store()
GATE = Gate(trust=ISSUER.trust, scope=SCOPE, policy=Policy(identity_check_paper=False))


def reason(text: str, memory: ReentryMemory | None = None) -> Reason:
    reentry = memory or NoReentry()
    return decide(text, now=NOW, clock_trusted=True, gate=GATE, lists=CURRENT.view, reentry=reentry).reason


def opens(text: str) -> bool:
    reentry = NoReentry()
    decision = decide(text, now=NOW, clock_trusted=True, gate=GATE, lists=CURRENT.view, reentry=reentry)
    return decision.outcome is Outcome.OPEN


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with one to three changes: flip, replace, insert, delete, cut, double, swap."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        end = draw(st.integers(at, min(len(data), at + 40)))
        how = draw(st.sampled_from(["flip", "set", "insert", "delete", "cut", "double", "swap"]))
        if how == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "set" and data:
            data[at] = draw(st.integers(0, 255))
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif how == "delete":
            del data[at:end]
        elif how == "cut":
            del data[at:]
        elif how == "double":
            data[end:end] = data[at:end]
        else:
            other = draw(st.integers(0, max(0, len(data) - 1)))
            if data:
                data[at], data[other] = data[other], data[at]
    return bytes(data)


TEXTS: list[tuple[str, str, Literal["WP1:", "WP2:"]]] = [("paper", PAPER, "WP1:"), ("presentation", SHOWN, "WP2:")]
PREFIXES = [PASS_PREFIX, PRESENTATION_PREFIX]


@pytest.mark.parametrize(("name", "text", "prefix"), TEXTS)
def test_the_originals_open(name: str, text: str, prefix: str) -> None:
    assert prefix in PREFIXES
    assert opens(text)


def every_bit(whole: bytes) -> Iterator[bytes]:
    for at in range(len(whole)):
        for bit in range(8):
            yield whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]


@pytest.mark.parametrize(("name", "text", "prefix"), TEXTS)
def test_no_flipped_bit_opens(name: str, text: str, prefix: str) -> None:
    for changed in every_bit(decode_base45(text, prefix)):
        assert not opens(encode_base45(changed, prefix))


@pytest.mark.parametrize(("name", "text", "prefix"), TEXTS)
def test_no_cut_or_doubled_byte_opens(name: str, text: str, prefix: str) -> None:
    whole = decode_base45(text, prefix)
    for at in range(len(whole)):
        assert not opens(encode_base45(whole[:at], prefix))
        assert not opens(encode_base45(whole[:at] + whole[at + 1 :], prefix))
        assert not opens(encode_base45(whole[: at + 1] + whole[at:], prefix))


@pytest.mark.parametrize(("name", "text", "prefix"), TEXTS)
def test_no_changed_character_opens(name: str, text: str, prefix: str) -> None:
    for at in range(len(text)):
        for other in (ALPHABET[(ALPHABET.index(text[at]) + 1) % 45], text[at].lower(), "\n", ""):
            changed = text[:at] + other + text[at + 1 :]
            assert changed == text or not opens(changed)


@pytest.mark.parametrize(("name", "text", "prefix"), TEXTS)
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_no_mutation_opens(name: str, text: str, prefix: str, data: st.DataObject) -> None:
    whole = decode_base45(text, prefix)
    changed = data.draw(mutated(whole))
    assert changed == whole or not opens(encode_base45(changed, prefix))
    spelled = data.draw(mutated(text.encode())).decode("latin-1")
    assert spelled == text or not opens(spelled)


MESSAGES = [("snapshot", Kind.SNAPSHOT, SNAPSHOT), ("delta", Kind.DELTA, DELTA), ("head", Kind.HEAD, HEAD_2)]


@pytest.mark.parametrize(("name", "kind", "message"), MESSAGES)
def test_the_original_messages_count(name: str, kind: Kind, message: bytes) -> None:
    empty = StatusStore(trust=ISSUER.trust, keeper=MemoryKeeper())
    assert empty.receive(kind, message, now=NOW).kept


@pytest.mark.parametrize(("name", "kind", "message"), MESSAGES)
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_no_mutation_of_a_message_changes_the_store(name: str, kind: Kind, message: bytes, data: st.DataObject) -> None:
    changed = data.draw(mutated(message))
    keeper = MemoryKeeper()
    empty = StatusStore(trust=ISSUER.trust, keeper=keeper)
    for each, now in ((empty, NOW), (CURRENT, NOW)):
        view, floors, head = each.view, each.floors, each.head
        receipt = each.receive(kind, changed, now=now)
        if changed == message:
            return
        assert (receipt.kept, receipt.swapped) == (False, ())
        assert (each.view, each.floors, each.head) == (view, floors, head)
        assert len(receipt.reports) == (1 if changed else 0)
    assert keeper.messages == {}


@pytest.mark.parametrize(("name", "kind", "message"), MESSAGES)
def test_no_flipped_bit_of_a_message_counts(name: str, kind: Kind, message: bytes) -> None:
    empty = StatusStore(trust=ISSUER.trust, keeper=MemoryKeeper())
    for changed in every_bit(message):
        assert not empty.receive(kind, changed, now=NOW).kept
    assert (dict(empty.view), empty.head, empty.known_lists()) == ({}, None, frozenset())


N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_the_other_spelling_of_a_holders_signature_opens_no_second_lane() -> None:
    """ECDSA has two signatures for each: (r, s) and (r, n - s). WebCrypto makes either, so both are read; what a pass
    opened is remembered by its place, not by its bytes."""
    whole = decode_base45(SHOWN, PRESENTATION_PREFIX)
    s = N - int.from_bytes(whole[-32:], "big")
    other = encode_base45(whole[:-32] + s.to_bytes(32, "big"), PRESENTATION_PREFIX)
    assert other != SHOWN
    assert read_presentation(other).t == NOW
    memory = ReentryMemory(reentry=120, new_key=lambda: bytes(32), now=NOW)
    assert reason(other, memory) == Reason.GREEN
    memory.remember(Place(uri=URI, idx=5), NOW)
    assert reason(other, memory) == Reason.SEEN_ALREADY
