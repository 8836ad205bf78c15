"""The worked example of docs/wire-format.md, read out of the page and held against the code.

A fenced block of the page is found by the name after its language. A hex block's remarks (`#` to the end of the line)
are left out; what remains is the object, byte for byte.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import base45
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from waypass_protocol import bits
from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.keys import HolderSigner, MemorySigner, TrustSet, Use, read_trust_set
from waypass_protocol.messages import (
    LATENCY_BOUNDS_MS,
    OVERRIDE,
    HourCounts,
    LaneState,
    LiveMessage,
    MinuteCounts,
    PresenceMessage,
    StateMessage,
)
from waypass_protocol.passes import Aspect, Pass, Place, decode_base45, parse_pass, read_pass, sign_pass
from waypass_protocol.policy import Policy
from waypass_protocol.presentation import read_presentation
from waypass_protocol.reasons import DECISIONS, OverrideReason, Reason
from waypass_protocol.reentry import NoReentry, ReentryMemory, ReentryView
from waypass_protocol.status import (
    Delta,
    Head,
    HeadRow,
    read_delta,
    read_head,
    read_snapshot,
    sign_delta,
    sign_head,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "wire-format.md").read_text(encoding="utf-8")
T = 1_800_000_000
HOUR = 3600
URI = "wp:17"
PASS_KEY = MemorySigner(ed25519.Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
STATUS_KEY = MemorySigner(ed25519.Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
HOLDER = HolderSigner(ec.derive_private_key(int.from_bytes(b"\x03" * 32, "big"), ec.SECP256R1()))


def block(name: str) -> str:
    """The content of the page's fenced block of this name."""
    found = re.findall(rf"^```[a-z]+ {re.escape(name)}\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"expected one block named {name}, got {len(found)}"
    return str(found[0])


def dump(name: str) -> bytes:
    """The bytes of a hex block."""
    return bytes.fromhex("".join(line.split("#")[0] for line in block(name).splitlines()))


def section(title: str) -> str:
    """The text from a heading to the next one of its level or above."""
    level, _, _ = title.partition(" ")
    found = re.search(rf"^{re.escape(title)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"expected the heading {title!r}"
    return found[1]


def rows(title: str) -> list[list[str]]:
    """The rows of the tables under a heading, headings of columns left out."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rulers = {number for number, row in enumerate(cells) if set(row[0]) == {"-"}}
    return [row for number, row in enumerate(cells) if number not in rulers and number + 1 not in rulers]


TRUST = read_trust_set(block("trust-set"))
ROW_1 = HeadRow(uri=URI, version=1, digest=hashlib.sha256(bytes(bits.LIST_BYTES)).digest())


def held(*messages: tuple[Kind, str]) -> StatusStore:
    """A store of status lists that received these blocks at T + 5, the last moment at which one of them was signed."""
    store = StatusStore(trust=TRUST, keeper=MemoryKeeper())
    for kind, name in messages:
        receipt = store.receive(kind, dump(name), now=T + 5, list_topic="17")
        assert receipt.kept
        assert receipt.reports == ()
    return store


SNAPSHOT, HEAD_1 = (Kind.SNAPSHOT, "snapshot"), (Kind.HEAD, "head-1")
DELTA, HEAD_2 = (Kind.DELTA, "delta"), (Kind.HEAD, "head-2")


def test_the_trust_set_holds_the_published_keys() -> None:
    nbf, exp = T - 30 * 24 * HOUR, T + 335 * 24 * HOUR
    passes = PASS_KEY.trusted(uses=frozenset({Use.PASS}), nbf=nbf, exp=exp)
    status = STATUS_KEY.trusted(uses=frozenset({Use.STATUS}), nbf=nbf, exp=exp)
    assert TRUST.network == "metro"
    assert [key.to_jwk() for key in TRUST.keys.values()] == [passes.to_jwk(), status.to_jwk()]


def test_the_paper_pass_is_its_text_and_its_dump_and_comes_out_the_same_again() -> None:
    expected = Pass(
        iat=T - HOUR,
        exp=T - HOUR + 30 * 24 * HOUR,
        place=Place(uri=URI, idx=704_321),
        aspects={1: Aspect.GREEN},
        hint="Ada L.",
    )
    assert decode_base45(block("paper-text"), "WP1:") == dump("paper-pass")
    assert read_pass(block("paper-text")).pass_ == expected
    assert sign_pass(expected, PASS_KEY) == dump("paper-pass")


def test_the_presentation_is_its_text_and_its_dump_around_the_bound_pass() -> None:
    presentation = read_presentation(block("presentation-text"))
    bound = decode_base45(block("bound-text"), "WP1:")
    expected = Pass(
        iat=T - HOUR,
        exp=T + 23 * HOUR,
        place=Place(uri=URI, idx=91),
        aspects={1: Aspect.GREEN},
        holder=HOLDER.key,
    )
    assert decode_base45(block("presentation-text"), "WP2:") == dump("presentation")
    assert presentation.t == T
    assert presentation.signed_pass == parse_pass(bound)
    assert presentation.signed_pass.pass_.holder is not None
    assert presentation.signed_pass.pass_.holder.coordinates() == HOLDER.key.coordinates()
    presentation.verify("metro")
    assert sign_pass(expected, PASS_KEY) == bound


def test_the_status_messages_hold_what_the_page_says() -> None:
    snapshot = read_snapshot(dump("snapshot"), TRUST, T)
    assert (snapshot.uri, snapshot.version, snapshot.iat) == (URI, 1, T - 60)
    assert snapshot.packed == bytes(bits.LIST_BYTES)

    delta = read_delta(dump("delta"), TRUST, T + 5)
    assert (delta.uri, delta.version, delta.iat) == (URI, 2, T + 5)
    assert delta.changes[bits.INVALID] == [91, 40_000, 250_001, 600_123]
    assert len(delta.changes[bits.VALID]) == 4

    first, second = read_head(dump("head-1"), TRUST, T), read_head(dump("head-2"), TRUST, T + 5)
    assert (first.network, first.iat, first.sequence, first.rows) == ("metro", T - 20, 1, (ROW_1,))
    assert (second.iat, second.sequence) == (T + 5, 2)
    assert second.rows[0].digest == hashlib.sha256(delta.apply(snapshot.packed)).digest()


def test_the_status_messages_come_out_the_same_again() -> None:
    delta = read_delta(dump("delta"), TRUST, T + 5)
    again = Delta(uri=delta.uri, version=delta.version, iat=delta.iat, changes=delta.changes)
    assert sign_delta(again, STATUS_KEY) == dump("delta")
    head = Head(network="metro", iat=T - 20, sequence=1, rows=(ROW_1,))
    assert sign_head(head, STATUS_KEY) == dump("head-1")


GATE = Gate(trust=TRUST, scope=1, policy=Policy())


def opened_at_t() -> ReentryMemory:
    """The memory of a station where the bound pass opened at T."""
    memory = ReentryMemory(reentry=120, new_key=lambda: b"k" * 32, now=T)
    memory.remember(Place(uri=URI, idx=91), T)
    return memory


# What the column "otherwise" changes, by its words.
GATES: dict[str, Gate] = {
    "no identity check": replace(GATE, policy=Policy(identity_check_paper=False)),
    "empty trust set": replace(GATE, trust=TrustSet(network="metro", keys={})),
    "network tram": replace(GATE, trust=replace(TRUST, network="tram")),
    "scope 2": replace(GATE, scope=2),
}
MESSAGES: dict[str, tuple[tuple[Kind, str], ...]] = {
    "nothing held": (),
    "no head": (SNAPSHOT,),
    "delta received": (SNAPSHOT, HEAD_1, DELTA),
    "delta and second head received": (SNAPSHOT, HEAD_1, DELTA, HEAD_2),
}
REENTRY: dict[str, Callable[[], ReentryView]] = {"opened at T": opened_at_t}
CLOCK = {"clock not trusted"}


def text_of(words: str) -> str:
    """The text that a row of the decision table names."""
    paper = dump("paper-pass")
    texts = {
        "paper": block("paper-text"),
        "presentation": block("presentation-text"),
        "bound": block("bound-text"),
        "paper, last byte changed": "WP1:" + base45.b45encode(paper[:-1] + bytes([paper[-1] ^ 1])).decode(),
        "paper, one byte more": "WP1:" + base45.b45encode(paper + b"\x00").decode(),
    }
    return words.strip("`") if words.startswith("`") else texts[words]


def moment_of(words: str) -> int:
    """`T`, `T + n` or `T - n` as a time."""
    return T + int(words.removeprefix("T").replace(" ", "") or "0")


DECIDED = rows("### What a gate says")


@pytest.mark.parametrize("row", DECIDED, ids=[f"{row[0]} at {row[1]}, {row[3] or 'plain'}" for row in DECIDED])
def test_a_gate_decides_as_the_table_says(row: list[str]) -> None:
    words, moment, rule, otherwise, outcome, reason, shown = row
    assert otherwise in {"", *GATES, *MESSAGES, *REENTRY, *CLOCK}
    decision = decide(
        text_of(words),
        now=moment_of(moment),
        clock_trusted=otherwise not in CLOCK,
        gate=GATES.get(otherwise, GATE),
        lists=held(*MESSAGES.get(otherwise, (SNAPSHOT, HEAD_1))).view,
        reentry=REENTRY.get(otherwise, NoReentry)(),
    )
    assert (decision.outcome, decision.reason, decision.aspect) == (outcome, reason.strip("`"), shown)
    assert [rule, outcome, reason, shown] in [[each[0], *each[2:]] for each in rows("## 9. The decision")]


def test_the_rules_name_every_reason_in_order_with_its_outcome_and_its_screen() -> None:
    table = rows("## 9. The decision")
    assert [row[0] for row in table] == [str(number) for number in range(1, 21)]
    named = list(dict.fromkeys(row[3].strip("`") for row in table))
    assert named == [reason.value for reason in Reason]
    for _, _, outcome, reason, shown in table:
        decision = DECISIONS[Reason(reason.strip("`"))]
        assert (decision.outcome, decision.aspect) == (outcome, shown)


def test_the_policy_table_names_every_key_with_its_default() -> None:
    table = {row[0].strip("`"): row[1].strip("`").strip('"') for row in rows("## 10. Policy of a gate")}
    policy = Policy()
    defaults = {name: getattr(policy, name) for name in Policy.__dataclass_fields__}
    assert table == {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in defaults.items()
    }


def test_the_readers_messages_name_the_lanes_states_and_the_latency_buckets() -> None:
    text = " ".join(section("## 8. Messages of a reader").split())
    for state in LaneState:
        assert f"`{state.value}`" in text
    bounds = ", ".join(str(bound) for bound in LATENCY_BOUNDS_MS)
    assert f"list of {len(LATENCY_BOUNDS_MS) + 1} uints" in text
    assert f"buckets up to {bounds} ms" in text


def test_the_readers_messages_have_the_members_that_the_page_names() -> None:
    records = (PresenceMessage, StateMessage, LiveMessage, MinuteCounts, HourCounts)
    table = rows("## 8. Messages of a reader")
    named = [name for row in table for name in re.findall(r"`([a-z_]+)`", row[0])]
    members = [field for record in records for field in record.__dataclass_fields__]
    codes = [reason.value for reason in OverrideReason]
    assert [name for name in named if name not in codes] == members


def test_the_page_names_each_reason_of_staff_and_how_it_is_counted() -> None:
    table = rows("## 8. Messages of a reader")
    codes = [row[0].strip("`") for row in table]
    assert [code for code in codes if code in set(OverrideReason)] == list(OverrideReason)
    text = section("## 8. Messages of a reader")
    assert f"`{OVERRIDE}`" in text
    assert f"`{OVERRIDE}-CODE`" in text
