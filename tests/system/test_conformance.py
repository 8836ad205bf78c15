"""Passes and presentations of a foreign issuer, judged by `waypass-reader check` as the wire format says (§1-3, §6).

Every text of a group goes through one run of the command, so that a thousand sentences cost a handful of processes.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import base45
import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.system.commands import Station
from tests.system.foreign import (
    ASPECTS,
    AT,
    DAY,
    DROP,
    HINT,
    HOLDER,
    INDEXES,
    NETWORK,
    PASS_KEY,
    STATUS,
    STATUS_KEY,
    STRANGER,
    URI,
    Holder,
    Key,
    Pairs,
    Raw,
    Tag,
    bound,
    claims,
    encode,
    head,
    initial,
    make_pass,
    pack,
    paper,
    presentation,
    row,
    shown,
    sign1,
    sign1_parts,
    snapshot,
    status_claim,
    text,
    trust_set,
)

OUTCOMES = {
    "not-waypass": ("refuse", "grey"),
    "malformed": ("refuse", "grey"),
    "clock-untrusted": ("assist", "yellow"),
    "unknown-key": ("assist", "yellow"),
    "bad-signature": ("refuse", "grey"),
    "unbound-copy": ("refuse", "grey"),
    "not-yet-valid": ("assist", "yellow"),
    "expired": ("assist", "yellow"),
    "stale-presentation": ("assist", "yellow"),
    "status-unknown": ("assist", "yellow"),
    "lists-too-old": ("assist", "yellow"),
    "superseded": ("assist", "yellow"),
    "suspended": ("assist", "yellow"),
    "scope-missing": ("assist", "yellow"),
    "red": ("refuse", "red"),
    "yellow": ("assist", "yellow"),
    "identity-check": ("assist", "yellow"),
    "green": ("open", "green"),
}

# Keys at the edges of their times and uses
YOUNG = Key(name="from now", uses=("pass",), nbf=AT)
UNBORN = Key(name="from the next second", uses=("pass",), nbf=AT + 1)
OLD = Key(name="to the next second", uses=("pass",), exp=AT + 1)
DEAD = Key(name="to now", uses=("pass",), exp=AT)
COMMAND = Key(name="commands only", uses=("command",))
ALL_USES = Key(name="all uses", uses=("status", "command", "pass"))
KEYS = (PASS_KEY, STATUS_KEY, YOUNG, UNBORN, OLD, DEAD, COMMAND, ALL_USES)

# A list that the head of ten seconds ago renews, and one that no head names
STATUSES = pack({1: 1, 2: 2, 3: 3, INDEXES - 1: 1})
HEAD_IAT = AT - 10
STATUS_FILES = {
    "a.snapshot": snapshot(URI, 7, STATUSES, {4: AT + 9 * DAY}),
    "b.snapshot": snapshot("wp:never", 7, STATUSES, {4: AT + 9 * DAY}),
    "c.head": head([row(URI, 7, STATUSES)], iat=HEAD_IAT),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """How a group of texts is asked about."""

    options: tuple[str, ...] = ()
    at: int = AT
    policy: Mapping[str, Any] | None = field(default_factory=lambda: {"identity_check_paper": False})


PLAIN = World()
DEFAULTS = World(policy=None)
NO_CLOCK = World(options=("--clock-untrusted",))
BEHIND = World(at=HEAD_IAT - 60)
FAR_BEHIND = World(at=HEAD_IAT - 61)
NO_IDENTITY = {"identity_check_paper": False}
AT_STALE, OVER_STALE = (World(at=HEAD_IAT + age) for age in (86_400, 86_401))
OVER_FRESH = World(at=HEAD_IAT + 901)
WARY_AT_FRESH, WARY_OVER_FRESH = (World(at=HEAD_IAT + age, policy={"when_stale": "assist"}) for age in (900, 901))
STALE_OF_10 = World(policy=NO_IDENTITY | {"fresh": 5, "stale": 10})
STALE_OF_9 = World(policy=NO_IDENTITY | {"fresh": 5, "stale": 9})
NARROW = World(
    policy={"presentation_past": 10, "presentation_future": 0, "clock_skew": 5, "identity_check_paper": False}
)
FRESH_OF_10 = World(policy=NO_IDENTITY | {"fresh": 10, "when_stale": "assist"})
FRESH_OF_9 = World(policy=NO_IDENTITY | {"fresh": 9, "when_stale": "assist", "reentry": 1})

LONG = {4: AT + 30 * DAY}  # a paper pass that outlives the day

Case = tuple[str, World, str | bytes, str]


def at_uri(uri: str, idx: int = 1000) -> dict[Any, Any]:
    return {STATUS: status_claim(idx, uri)}


def flipped(data: bytes, place: int) -> bytes:
    """`data` with one bit other."""
    out = bytearray(data)
    out[place] ^= 1
    return bytes(out)


# §6, the table


def rules() -> list[Case]:
    """Each rule with its boundaries."""
    forged = text(flipped(make_pass(claims()), -1))
    out: list[Case] = [
        ("1 empty", PLAIN, "", "not-waypass"),
        ("1 other", PLAIN, "https://example.org/", "not-waypass"),
        ("1 lower case", PLAIN, "wp1:" + paper()[4:], "not-waypass"),
        ("1 version 3", PLAIN, "WP3:" + paper()[4:], "not-waypass"),
        ("1 health certificate", PLAIN, "HC1:" + paper()[4:], "not-waypass"),
        ("1 no colon", PLAIN, "WP1", "not-waypass"),
        ("1 space before", PLAIN, " " + paper(), "not-waypass"),
        ("1 mark before", PLAIN, "\ufeff" + paper(), "not-waypass"),
        ("1 long and other", PLAIN, "A" * 2000, "not-waypass"),
        ("3 paper", NO_CLOCK, paper(), "clock-untrusted"),
        ("3 bound", NO_CLOCK, shown(), "clock-untrusted"),
        ("3 head 60 s ahead", BEHIND, shown({6: AT - 1000}, t=BEHIND.at), "green"),
        ("3 head 61 s ahead", FAR_BEHIND, shown({6: AT - 1000}, t=FAR_BEHIND.at), "clock-untrusted"),
        ("4 stranger", PLAIN, paper(key=STRANGER), "unknown-key"),
        ("4 other use", PLAIN, paper(key=STATUS_KEY), "unknown-key"),
        ("4 command", PLAIN, paper(key=COMMAND), "unknown-key"),
        ("4 among all uses", PLAIN, paper(key=ALL_USES), "green"),
        ("4 from now", PLAIN, paper(key=YOUNG), "green"),
        ("4 from the next second", PLAIN, paper(key=UNBORN), "unknown-key"),
        ("4 to the next second", PLAIN, paper(key=OLD), "green"),
        ("4 to now", PLAIN, paper(key=DEAD), "unknown-key"),
        ("4 bound", PLAIN, shown(key=STRANGER), "unknown-key"),
        ("5 last bit", PLAIN, forged, "bad-signature"),
        (
            "5 other key's",
            PLAIN,
            text(make_pass(claims(), key=STRANGER, protected={1: -8, 4: PASS_KEY.kid})),
            "bad-signature",
        ),
        ("5 issuer's, inside", PLAIN, text(presentation(flipped(bound(), -1)), kind=2), "bad-signature"),
        ("5 holder's", PLAIN, text(flipped(presentation(bound()), -1), kind=2), "bad-signature"),
        ("5 other holder", PLAIN, text(presentation(bound(), sign=Holder(7).sign), kind=2), "bad-signature"),
        ("5 other network", PLAIN, shown(network="harbour"), "bad-signature"),
        ("5 no aad", PLAIN, text(sign1(HOLDER.sign, {1: -7}, [AT, bound()]), kind=2), "bad-signature"),
        ("5 zeros", PLAIN, text(sign1(lambda _: bytes(64), {1: -8, 4: PASS_KEY.kid}, claims())), "bad-signature"),
        ("5 holder's zeros", PLAIN, text(presentation(bound(), sign=lambda _: bytes(64)), kind=2), "bad-signature"),
        ("5 holder's ones", PLAIN, text(presentation(bound(), sign=lambda _: b"\xff" * 64), kind=2), "bad-signature"),
        ("6", PLAIN, text(bound()), "unbound-copy"),
        ("7 iat 60 s ahead", PLAIN, paper({6: AT + 60}), "green"),
        ("7 iat 61 s ahead", PLAIN, paper({6: AT + 61}), "not-yet-valid"),
        ("7 nbf 60 s ahead", PLAIN, paper({5: AT + 60}), "green"),
        ("7 nbf 61 s ahead", PLAIN, paper({5: AT + 61}), "not-yet-valid"),
        ("7 nbf past", PLAIN, paper({5: AT - 5000}), "green"),
        ("7 bound", PLAIN, shown({5: AT + 61}), "not-yet-valid"),
        ("7 skew of 5, 5", NARROW, paper({6: AT + 5}), "green"),
        ("7 skew of 5, 6", NARROW, paper({6: AT + 6}), "not-yet-valid"),
        ("8 last second", PLAIN, paper({4: AT + 1}), "green"),
        ("8 now", PLAIN, paper({4: AT}), "expired"),
        ("8 long ago", PLAIN, paper({4: 2, 6: 1}), "expired"),
        ("8 bound", PLAIN, shown({4: AT}), "expired"),
        *((f"9 {d:+}", PLAIN, shown(t=AT + d), "green") for d in (-45, -1, 0, 15)),
        *((f"9 {d:+}", PLAIN, shown(t=AT + d), "stale-presentation") for d in (-46, 16, -AT, 1 << 40)),
        *((f"9 {d:+} narrow", NARROW, shown(t=AT + d), "green") for d in (-10, 0)),
        *((f"9 {d:+} narrow", NARROW, shown(t=AT + d), "stale-presentation") for d in (-11, 1)),
        ("10 other list", PLAIN, paper(at_uri("wp:2")), "status-unknown"),
        ("10 last index", PLAIN, paper(at_uri(URI, INDEXES - 1)), "superseded"),
        ("10 outside", PLAIN, paper(at_uri(URI, INDEXES)), "status-unknown"),
        ("10 far outside", PLAIN, paper(at_uri(URI, (1 << 64) - 1)), "status-unknown"),
        ("10 other spelling", PLAIN, paper(at_uri("WP:1")), "status-unknown"),
        ("11 never", PLAIN, paper(at_uri("wp:never")), "lists-too-old"),
        ("11 at stale", AT_STALE, paper(LONG), "green"),
        ("11 over stale", OVER_STALE, paper(LONG), "lists-too-old"),
        ("11 stale of 10, 10", STALE_OF_10, paper(), "green"),
        ("11 stale of 9, 10", STALE_OF_9, paper(), "lists-too-old"),
        ("12", PLAIN, paper(at_uri(URI, 1)), "superseded"),
        ("12 bound", PLAIN, shown(at_uri(URI, 1)), "superseded"),
        ("13 suspended", PLAIN, paper(at_uri(URI, 2)), "suspended"),
        ("13 reserved", PLAIN, paper(at_uri(URI, 3)), "suspended"),
        ("14", PLAIN, paper({ASPECTS: {2: 0}}), "scope-missing"),
        ("14 among others", PLAIN, paper({ASPECTS: {0: 2, 1: 0, 300: 2}}), "green"),
        ("15", PLAIN, paper({ASPECTS: {1: 2}}), "red"),
        ("15 bound", PLAIN, shown({ASPECTS: {1: 2}}), "red"),
        ("16", PLAIN, paper({ASPECTS: {1: 1}}), "yellow"),
        ("18 opens by default", OVER_FRESH, paper(), "green"),
        ("18 at fresh", WARY_AT_FRESH, shown(t=WARY_AT_FRESH.at), "green"),
        ("18 over fresh", WARY_OVER_FRESH, shown(t=WARY_OVER_FRESH.at), "lists-too-old"),
        ("18 fresh of 10, 10", FRESH_OF_10, paper(), "green"),
        ("18 fresh of 9, 10", FRESH_OF_9, paper(), "lists-too-old"),
        ("19 by default", DEFAULTS, paper(), "identity-check"),
        ("19 not for bound", DEFAULTS, shown(), "green"),
        ("19 not asked", PLAIN, paper(), "green"),
        ("20 with hint", PLAIN, paper({HINT: "Li W., 1990"}), "green"),
        ("each line by itself", PLAIN, paper(), "green"),
    ]
    return out


def precedence() -> list[Case]:
    """Two rules apply: the first wins."""
    bad_form = claims({6: DROP})
    late = {4: AT, 5: AT + 61}
    return [
        ("1 before 2", PLAIN, "WP3:" + "A" * 2000, "not-waypass"),
        ("1 before 3", NO_CLOCK, "WP3:", "not-waypass"),
        ("2 before 3", NO_CLOCK, text(make_pass(bad_form)), "malformed"),
        ("2 before 4", PLAIN, text(make_pass(bad_form, key=STRANGER)), "malformed"),
        ("2 before 5", PLAIN, text(flipped(make_pass(bad_form), -1)), "malformed"),
        ("2 before 6", PLAIN, text(make_pass(claims({HINT: "A"}, bound=True))), "malformed"),
        ("2 before 8", PLAIN, paper({4: AT - 7200, 6: AT - 3600}), "malformed"),
        ("3 before 4", NO_CLOCK, paper(key=STRANGER), "clock-untrusted"),
        ("3 before 5", NO_CLOCK, text(flipped(make_pass(claims()), -1)), "clock-untrusted"),
        ("3 before 15", NO_CLOCK, paper({ASPECTS: {1: 2}}), "clock-untrusted"),
        ("4 before 5", PLAIN, text(flipped(make_pass(claims(), key=STRANGER), -1)), "unknown-key"),
        ("4 before 6", PLAIN, text(bound(key=STRANGER)), "unknown-key"),
        ("4 before holder's 5", PLAIN, text(flipped(presentation(bound(key=STRANGER)), -1), kind=2), "unknown-key"),
        ("5 before 6", PLAIN, text(flipped(bound(), -1)), "bad-signature"),
        ("5 before 9", PLAIN, text(flipped(presentation(bound(), t=AT - 99), -1), kind=2), "bad-signature"),
        ("6 before 7", PLAIN, text(bound({5: AT + 61})), "unbound-copy"),
        ("6 before 8", PLAIN, text(bound({4: AT})), "unbound-copy"),
        ("7 before 8", PLAIN, paper(late), "not-yet-valid"),
        ("7 before 9", PLAIN, shown({5: AT + 61}, t=AT - 99), "not-yet-valid"),
        ("8 before 9", PLAIN, shown({4: AT}, t=AT - 99), "expired"),
        ("8 before 12", PLAIN, paper({4: AT} | at_uri(URI, 1)), "expired"),
        ("9 before 10", PLAIN, shown(at_uri("wp:2"), t=AT - 99), "stale-presentation"),
        ("9 before 15", PLAIN, shown({ASPECTS: {1: 2}}, t=AT - 99), "stale-presentation"),
        ("10 before 11", PLAIN, paper(at_uri("wp:never", INDEXES)), "status-unknown"),
        ("10 before 15", PLAIN, paper({ASPECTS: {1: 2}} | at_uri("wp:2")), "status-unknown"),
        ("11 before 12", PLAIN, paper(at_uri("wp:never", 1)), "lists-too-old"),
        ("11 before 15", OVER_STALE, paper({ASPECTS: {1: 2}} | LONG), "lists-too-old"),
        ("12 before 14", PLAIN, paper({ASPECTS: {2: 0}} | at_uri(URI, 1)), "superseded"),
        ("12 before 15", PLAIN, paper({ASPECTS: {1: 2}} | at_uri(URI, 1)), "superseded"),
        ("13 before 14", PLAIN, paper({ASPECTS: {2: 0}} | at_uri(URI, 3)), "suspended"),
        ("14 before 15", PLAIN, paper({ASPECTS: {2: 2}}), "scope-missing"),
        ("15 before 18", WARY_OVER_FRESH, paper({ASPECTS: {1: 2}}), "red"),
        ("16 before 18", WARY_OVER_FRESH, paper({ASPECTS: {1: 1}}), "yellow"),
        ("16 before 19", DEFAULTS, paper({ASPECTS: {1: 1}}), "yellow"),
        ("18 before 19", WARY_OVER_FRESH, paper(), "lists-too-old"),
    ]


# Form: what is accepted


def long_text(size: int) -> str:
    """A good paper pass whose text has exactly `size` characters, made so by its URI."""
    wanted = (size - 4) * 2 // 3
    for length in range(wanted - 250, wanted):
        data = make_pass(claims(at_uri("w" * length)))
        if len(data) == wanted:
            return text(data)
    raise AssertionError(size)


def well_formed() -> list[Case]:
    """Texts at the edge of what is allowed."""
    inner = bound()
    header = {1: -8, 4: PASS_KEY.kid}
    return [
        ("pass with alg -19", PLAIN, text(make_pass(claims(), protected=header | {1: -19})), "green"),
        ("presentation with alg -9", PLAIN, text(presentation(inner, protected={1: -9}), kind=2), "green"),
        (
            "bound with alg -19",
            PLAIN,
            text(presentation(make_pass(claims(bound=True), protected=header | {1: -19})), kind=2),
            "green",
        ),
        ("1,024 characters", PLAIN, long_text(1024), "status-unknown"),
        ("bound for 7 days", PLAIN, shown({6: AT - 10, 4: AT - 10 + 7 * DAY}), "green"),
        ("paper for 35 days", PLAIN, paper({6: AT - 10, 4: AT - 10 + 35 * DAY}), "green"),
        ("one second of life", PLAIN, paper({6: AT, 4: AT + 1}), "green"),
        ("iat 0", PLAIN, paper({6: 0, 4: 1}), "expired"),
        ("nbf 0", PLAIN, paper({5: 0}), "green"),
        ("times not rounded", PLAIN, paper({6: AT - 1234, 4: AT + 4321}), "green"),
        ("hint of 1", PLAIN, paper({HINT: "A"}), "green"),
        ("hint of 24", PLAIN, paper({HINT: "A" * 24}), "green"),
        ("hint of 24 outside the BMP", PLAIN, paper({HINT: "\U00020000" * 24}), "green"),
        ("scope 0 to 2^64 - 1", PLAIN, paper({ASPECTS: {0: 0, 1: 0, (1 << 64) - 1: 2}}), "green"),
        (
            "other s of the holder",
            PLAIN,
            text(presentation(inner, sign=lambda d: HOLDER.sign(d, high=True)), kind=2),
            "green",
        ),
        ("t of 2^64 - 1", PLAIN, shown(t=(1 << 64) - 1), "stale-presentation"),
    ]


# Form: the text


def spoiled_texts() -> list[Case]:
    """Base45 and length."""
    good = paper()
    data = make_pass(claims())
    out = {
        "nothing": "WP1:",
        "nothing, presentation": "WP2:",
        "one character": "WP1:A",
        "lower case": "WP1:" + good[4:].lower(),
        "last character gone": good[:-1],
        "last two gone": good[:-2],
        "half": good[: len(good) // 2],
        "a character more": good + "0",
        "two characters more": good + "00",
        "three characters more": good + "000",
        "a space after": good + " ",
        "a tab after": good + "\t",
        "three spaces after": good + "   ",
        "a character outside the 45": good[:20] + "_" + good[21:],
        "not ASCII": good[:20] + "\u0660" + good[21:],
        "full-width digit": good[:20] + "\uff11" + good[21:],
        "three for 65,536": good[:4] + "GGW" + good[7:],
        "three for 91,124": good[:4] + ":::" + good[7:],
        "two for 256": good[:4] + "U5",
        "two for 2,024": good[:4] + "::",
        "line feed inside, escaped": good[:20] + "\\n" + good[22:],
        "NUL inside": good[:20] + "\0" + good[21:],
        "carriage return inside": good[:20] + "\r" + good[21:],
        "form feed inside": good[:20] + "\f" + good[21:],
        "line separator inside": good[:20] + "\u2028" + good[21:],
        "base64": "WP1:" + "0oREoQEmoFggAAAA",
        "prefix twice": "WP1:" + good,
        "pass called presentation": "WP2:" + good[4:],
        "presentation called pass": "WP1:" + shown()[4:],
        "1,025 characters": long_text(1024) + "0",
        "1,026 characters": long_text(1026),
        "5,000 characters": "WP1:" + "0" * 5000,
        "a million characters": "WP1:" + "0" * 1_000_000,
        "compressed, as health certificates are": "WP1:" + bytes(base45.b45encode(b"\x78\x9c" + data)).decode(),
    }
    made = [(name, PLAIN, spoiled, "malformed") for name, spoiled in out.items()]
    return [
        *made,
        ("not UTF-8", PLAIN, good.encode()[:20] + b"\xff" + good.encode()[21:], "malformed"),
        ("not UTF-8 at all", PLAIN, b"\xff\xfe\x80", "not-waypass"),
        ("half a character", PLAIN, good.encode() + b"\xc3", "malformed"),
    ]


# Form: the envelope


def indefinite(major: int, content: bytes) -> Raw:
    """An item of indefinite length."""
    return Raw(bytes([major << 5 | 31]) + content + b"\xff")


def other_envelopes(parts: list[Any]) -> dict[str, bytes]:
    """The four parts of a good COSE_Sign1, put together otherwise."""
    header, empty, payload, signature = parts
    good = encode(Tag(18, parts))
    body = encode(parts)
    return {
        "untagged": body,
        "tag 17": encode(Tag(17, parts)),
        "tag 98": encode(Tag(98, parts)),
        "tag 61 around": encode(Tag(61, Raw(good))),
        "tag 18 twice": encode(Tag(18, Raw(good))),
        "tag 55799 around": encode(Tag(55799, Raw(good))),
        "tag in two bytes": b"\xd8\x12" + body,
        "tag in three bytes": b"\xd9\x00\x12" + body,
        "array length in two bytes": b"\xd2\x98\x04" + body[1:],
        "indefinite array": b"\xd2\x9f" + body[1:] + b"\xff",
        "array of 3": encode(Tag(18, parts[:3])),
        "array of 5": encode(Tag(18, [*parts, b""])),
        "empty array": encode(Tag(18, [])),
        "a byte over": good + b"\x00",
        "an object over": good + good,
        "break over": good + b"\xff",
        "a byte short": good[:-1],
        "header as map": encode(Tag(18, [Raw(header), empty, payload, signature])),
        "header length in two bytes": encode(
            Tag(18, [Raw(initial(2, len(header), width=1) + header), empty, payload, signature])
        ),
        "header in chunks": encode(Tag(18, [indefinite(2, encode(header)), empty, payload, signature])),
        "payload length in four bytes": encode(
            Tag(18, [header, empty, Raw(initial(2, len(payload), width=4) + payload), signature])
        ),
        "payload in chunks": encode(Tag(18, [header, empty, indefinite(2, encode(payload)), signature])),
        "payload detached": encode(Tag(18, [header, empty, None, signature])),
        "payload as text": encode(Tag(18, [header, empty, Raw(initial(3, len(payload)) + payload), signature])),
        "payload not wrapped": encode(Tag(18, [header, empty, Raw(payload), signature])),
        "signature length in three bytes": encode(
            Tag(18, [header, empty, payload, Raw(initial(2, 64, width=2) + signature)])
        ),
        "signature of 63": encode(Tag(18, [header, empty, payload, signature[:63]])),
        "signature of 65": encode(Tag(18, [header, empty, payload, signature + b"\0"])),
        "signature of 0": encode(Tag(18, [header, empty, payload, b""])),
        "signature null": encode(Tag(18, [header, empty, payload, None])),
        "unprotected kid": encode(Tag(18, [header, {4: b"12345678"}, payload, signature])),
        "unprotected unknown": encode(Tag(18, [header, {99: 1}, payload, signature])),
        "unprotected null": encode(Tag(18, [header, None, payload, signature])),
        "unprotected array": encode(Tag(18, [header, [], payload, signature])),
        "unprotected in bytes": encode(Tag(18, [header, b"", payload, signature])),
        "unprotected length in two bytes": encode(Tag(18, [header, Raw(b"\xb8\x00"), payload, signature])),
        "unprotected indefinite": encode(Tag(18, [header, Raw(b"\xbf\xff"), payload, signature])),
        "a thousand arrays": b"\x81" * 600 + b"\x00",
        "a thousand tags": b"\xd2" * 600 + b"\x00",
        "seven arrays": b"\xd2" + b"\x81" * 7 + b"\x00",
        "array that promises 2^64 - 1": b"\xd2\x9b" + b"\xff" * 8,
        "bytes that promise 2^63": b"\xd2\x84\x5b\x80" + bytes(7),
        "map that promises 2^32": b"\xd2\x84\x43\xa1\x01\x27\xba\xff\xff\xff\xff",
        "a number": b"\x00",
        "reserved additional information": b"\xd2\x9c",
        "null": b"\xf6",
        "break": b"\xff",
    }


def other_headers(good: dict[int, Any]) -> dict[str, Any]:
    """Protected headers that are not what is named."""
    kid = PASS_KEY.kid
    ordered = [(1, good[1]), *((key, value) for key, value in good.items() if key != 1)]
    out: dict[str, Any] = {
        "no alg": {key: value for key, value in good.items() if key != 1},
        "alg null": good | {1: None},
        "alg text": good | {1: "EdDSA"},
        "alg true": good | {1: True},
        "alg as float": good | {1: float(good[1])},
        "alg as bignum": good | {1: Tag(3, bytes([-1 - good[1]]))},
        "alg in two bytes": good | {1: Raw(initial(1, -1 - good[1], width=1 if good[1] > -25 else 2))},
        "alg twice": Pairs((ordered[0], *ordered)),
        "content type": good | {3: 0},
        "type": good | {16: "application/cwt"},
        "iv": good | {5: b"1"},
        "crit": good | {2: [99], 99: 0},
        "unknown": good | {99: 0},
        "unknown text": good | {"x": 0},
        "indefinite": Raw(b"\xbf" + encode(good)[1:] + b"\xff"),
        "map length in two bytes": Raw(b"\xb8" + bytes([len(good)]) + encode(good)[1:]),
        "array": [1, good[1]],
        "leftover": Raw(encode(good) + b"\x00"),
        "nothing": Raw(b""),
        "empty": {},
        "null": Raw(b"\xf6"),
    }
    if 4 in good:
        out |= {
            "no kid": {1: good[1]},
            "kid of 7": good | {4: kid[:7]},
            "kid of 9": good | {4: kid + b"\0"},
            "kid of 0": good | {4: b""},
            "kid of 32": good | {4: kid * 4},
            "kid as text": good | {4: "12345678"},
            "kid null": good | {4: None},
            "not in order": Pairs(((4, kid), (1, good[1]))),
        }
    else:
        out["kid"] = good | {4: kid}
    return out


def spoiled_envelopes() -> list[Case]:
    """The COSE_Sign1 of a pass, of a presentation, and of the pass in a presentation."""
    inner = bound()
    good = {1: -8, 4: PASS_KEY.kid}
    aad = f"waypass-presentation/1/{NETWORK}".encode()
    out: list[Case] = []

    def add(name: str, spoiled: str) -> None:
        out.append((name, PLAIN, spoiled, "malformed"))

    for name, data in other_envelopes(sign1_parts(PASS_KEY.sign, good, claims())).items():
        add(f"pass, {name}", text(data))
    for name, data in other_envelopes(sign1_parts(PASS_KEY.sign, good, claims(bound=True))).items():
        add(f"pass inside, {name}", text(presentation(data), kind=2))
    for name, data in other_envelopes(sign1_parts(HOLDER.sign, {1: -7}, [AT, inner], aad=aad)).items():
        add(f"presentation, {name}", text(data, kind=2))
    for name, header in other_headers(good).items():
        add(f"pass, header: {name}", text(make_pass(claims(), protected=header)))
        add(f"pass inside, header: {name}", text(presentation(make_pass(claims(bound=True), protected=header)), kind=2))
    for name, header in other_headers({1: -7}).items():
        add(f"presentation, header: {name}", text(presentation(inner, protected=header), kind=2))
    for alg in (-7, -9, -35, -36, -50, -53, -48, 5, 0, 1):
        add(f"pass, alg {alg}", text(make_pass(claims(), protected=good | {1: alg})))
    for alg in (-8, -19, -35, -36, -51, -47, 7, 0):
        add(f"presentation, alg {alg}", text(presentation(inner, protected={1: alg}), kind=2))
    return out


# Form: the claims


def not_uints(number: int) -> dict[str, Any]:
    """Values that are no unsigned integer in its shortest form."""
    return {
        "negative": -1 - number,
        "text": str(number),
        "bytes": b"\x01",
        "float": float(number),
        "float in eight bytes": Raw(bytes(cbor2.dumps(float(number)))),
        "NaN": float("nan"),
        "infinity": float("inf"),
        "true": True,
        "false": False,
        "null": None,
        "undefined": Raw(b"\xf7"),
        "simple value": Raw(b"\xe1"),
        "array": [number],
        "map": {1: number},
        "bignum": Tag(2, number.to_bytes(8, "big").lstrip(b"\0")),
        "huge bignum": Tag(2, b"\x01" * 9),
        "epoch tag": Tag(1, number),
        "too wide": Raw(initial(0, number, width=8)) if number < 1 << 32 else Raw(b"\x1b" + bytes(8)),
    }


NOT_TEXTS: dict[str, Any] = {
    "bytes": b"wp:1",
    "number": 1,
    "null": None,
    "true": True,
    "array": ["wp:1"],
    "length in two bytes": Raw(b"\x78\x04wp:1"),
    "indefinite": indefinite(3, b"\x64wp:1"),
    "not UTF-8": Raw(b"\x64wp:\xff"),
    "surrogate": Raw(b"\x63\xed\xa0\x80"),
    "overlong UTF-8": Raw(b"\x62\xc0\x80"),
    "tagged": Tag(32, "wp:1"),
}

NOT_MAPS: dict[str, Any] = {
    "null": None,
    "array": [],
    "bytes": encode({}),
    "true": True,
    "number": 0,
    "tagged": Tag(18, {}),
    "empty": {},
    "empty indefinite": Raw(b"\xbf\xff"),
}


def in_list(**changes: Any) -> dict[Any, Any]:
    """A status claim with other members."""
    known = {"idx": 1000, "uri": URI} | changes
    return {"status_list": {key: value for key, value in known.items() if value is not DROP}}


def spoiled_claims() -> dict[str, Mapping[Any, Any]]:
    """Changes to the claims that break their form, in paper and bound passes alike."""
    out: dict[str, Mapping[Any, Any]] = {
        "no exp": {4: DROP},
        "no iat": {6: DROP},
        "no status": {STATUS: DROP},
        "no aspects": {ASPECTS: DROP},
        "exp at iat": {4: AT, 6: AT},
        "exp before iat": {4: AT, 6: AT + 1},
        "exp 2^64 - 1": {4: (1 << 64) - 1},
        "status: more": {STATUS: status_claim() | {"x": 0}},
        "status: another kind": {STATUS: {"identifier_list": {"id": b"1", "uri": URI}}},
        "status list: more": {STATUS: in_list(x=0)},
        "status list: no idx": {STATUS: in_list(idx=DROP)},
        "status list: no uri": {STATUS: in_list(uri=DROP)},
        "status list: keys as numbers": {STATUS: {"status_list": {0: 1000, 1: URI}}},
        "status list: not in order": {STATUS: {"status_list": Pairs((("uri", URI), ("idx", 1000)))}},
        "status list: idx twice": {STATUS: {"status_list": Pairs((("idx", 1000), ("idx", 1000), ("uri", URI)))}},
        "aspect 3": {ASPECTS: {1: 3}},
        "aspect 255": {ASPECTS: {1: 255}},
        "aspect 3 elsewhere": {ASPECTS: {1: 0, 2: 3}},
        "scope negative": {ASPECTS: {1: 0, -1: 0}},
        "scope text": {ASPECTS: {1: 0, "a": 0}},
        "scope bytes": {ASPECTS: {1: 0, b"a": 0}},
        "scope true": {ASPECTS: Pairs(((1, 0), (True, 0)))},
        "scope null": {ASPECTS: Pairs(((1, 0), (None, 0)))},
        "scope bignum": {ASPECTS: Pairs(((1, 0), (Tag(2, b"\x02"), 0)))},
        "scope float": {ASPECTS: Pairs(((2, 0), (1.0, 0)))},
        "scope twice": {ASPECTS: Pairs(((1, 0), (1, 0)))},
        "scope twice, red once": {ASPECTS: Pairs(((1, 0), (1, 2)))},
        "scope too wide": {ASPECTS: Pairs(((Raw(b"\x18\x01"), 0),))},
        "scopes not in order": {ASPECTS: Pairs(((2, 0), (1, 0)))},
        "aspects indefinite": {ASPECTS: Raw(b"\xbf\x01\x00\xff")},
        "aspects length in two bytes": {ASPECTS: Raw(b"\xb8\x01\x01\x00")},
    }
    unknown: tuple[Any, ...] = (
        0,
        1,
        2,
        3,
        7,
        9,
        38,
        65533,
        65534,
        65536,
        -1,
        -70000,
        -70002,
        -70004,
        -70010,
        "exp",
        "note",
        b"x",
    )
    out |= {f"unknown claim {key!r}": {key: 1} for key in unknown}
    for name, claim, number in (("exp", 4, AT + 50), ("nbf", 5, AT), ("iat", 6, AT)):
        out |= {f"{name}: {kind}": {claim: value} for kind, value in not_uints(number).items()}
    out |= {f"idx: {kind}": {STATUS: in_list(idx=value)} for kind, value in not_uints(1000).items()}
    out |= {f"aspect: {kind}": {ASPECTS: {1: value}} for kind, value in not_uints(1).items()}
    out |= {f"uri: {kind}": {STATUS: in_list(uri=value)} for kind, value in NOT_TEXTS.items()}
    out |= {f"status: {kind}": {STATUS: value} for kind, value in NOT_MAPS.items()}
    out |= {f"status list: {kind}": {STATUS: {"status_list": value}} for kind, value in NOT_MAPS.items()}
    out |= {f"aspects: {kind}": {ASPECTS: value} for kind, value in NOT_MAPS.items()}
    return out


def spoiled_hints() -> dict[str, Mapping[Any, Any]]:
    """Hints against their rule."""
    out: dict[str, Mapping[Any, Any]] = {f"hint: {kind}": {HINT: value} for kind, value in NOT_TEXTS.items()}
    out |= {
        "hint of 0": {HINT: ""},
        "hint of 25": {HINT: "A" * 25},
        "hint of 25 outside the BMP": {HINT: "\U00020000" * 25},
    }
    return out | {f"hint with U+{c:04X}": {HINT: f"A{chr(c)}B"} for c in (0, 9, 10, 13, 27, 31, 127, 128, 133, 159)}


def spoiled_holders() -> dict[str, Mapping[Any, Any]]:
    """Holder's keys against their rule."""
    key = HOLDER.cose_key
    x, y = key[-2], key[-3]
    prime = (1 << 256) - (1 << 224) + (1 << 192) + (1 << 96) - 1
    other = Holder(2).cose_key
    p384 = ec.derive_private_key(5, ec.SECP384R1()).public_key().public_numbers()
    keys: dict[str, Any] = {
        "x of 31": key | {-2: x[:31]},
        "x of 33": key | {-2: b"\0" + x},
        "y of 31": key | {-3: y[1:]},
        "y of 33": key | {-3: b"\0" + y},
        "y as sign": key | {-3: True},
        "no y": {k: v for k, v in key.items() if k != -3},
        "no x": {k: v for k, v in key.items() if k != -2},
        "x as number": key | {-2: 5},
        "x as text": key | {-2: "x" * 32},
        "off the curve": key | {-3: flipped(y, 31)},
        "x of another": key | {-2: other[-2]},
        "zero point": key | {-2: bytes(32), -3: bytes(32)},
        "x of the prime": key | {-2: prime.to_bytes(32, "big")},
        "all ones": key | {-2: b"\xff" * 32, -3: b"\xff" * 32},
        "kty 1": key | {1: 1},
        "kty text": key | {1: "EC2"},
        "no kty": {k: v for k, v in key.items() if k != 1},
        "crv 2": key | {-1: 2},
        "crv 8": key | {-1: 8},
        "no crv": {k: v for k, v in key.items() if k != -1},
        "P-384": {1: 2, -1: 2, -2: p384.x.to_bytes(48, "big"), -3: p384.y.to_bytes(48, "big")},
        "Ed25519": {1: 1, -1: 6, -2: PASS_KEY.x},
        "with kid": key | {2: b"1"},
        "with alg": key | {3: -7},
        "with key_ops": key | {4: [2]},
        "with d": key | {-4: bytes(32)},
        "not in order": Pairs(tuple(reversed(key.items()))),
        "null": None,
        "bytes": encode(key),
        "empty": {},
    }
    out: dict[str, Mapping[Any, Any]] = {f"holder: {name}": {8: {1: value}} for name, value in keys.items()}
    members: dict[str, Any] = {
        "thumbprint instead": {5: bytes(32)},
        "kid instead": {3: b"1"},
        "thumbprint too": {1: key, 5: bytes(32)},
        "encrypted": {2: b""},
        "empty": {},
        "null": None,
        "the key itself": key,
        "array": [key],
    }
    return out | {f"cnf: {name}": {8: value} for name, value in members.items()}


def other_payloads() -> dict[str, Any]:
    """Payloads of a pass that are no map of claims, or another spelling of one."""
    good = claims()
    pairs = sorted(((encode(k), Raw(encode(v))) for k, v in good.items()), key=lambda pair: pair[0])
    as_raw = [(Raw(k), v) for k, v in pairs]
    return {
        "array": list(good.items()),
        "null": None,
        "nothing": Raw(b""),
        "bytes": encode(good),
        "tag 61": Tag(61, good),
        "leftover": Raw(encode(good) + b"\0"),
        "twice": Raw(encode(good) * 2),
        "cut": Raw(encode(good)[:-1]),
        "not in order": Pairs(tuple(reversed(as_raw))),
        "first two swapped": Pairs((as_raw[1], as_raw[0], *as_raw[2:])),
        "exp twice": Pairs((as_raw[0], *as_raw)),
        "map length in two bytes": Raw(b"\xb8" + bytes([len(good)]) + encode(good)[1:]),
        "indefinite": Raw(b"\xbf" + encode(good)[1:] + b"\xff"),
        "key too wide": Pairs(((Raw(b"\x18\x04"), good[4]), *as_raw[1:])),
        "key as bignum": Pairs(((Tag(2, b"\x04"), good[4]), *as_raw[1:])),
        "deep": Pairs((*as_raw, (-70005, Raw(b"\x81" * 200 + b"\x00")))),
        "empty": {},
    }


def spoiled_payloads() -> list[Case]:
    """Claims of passes and payloads of presentations."""
    out: list[Case] = []

    def add(name: str, spoiled: str) -> None:
        out.append((name, PLAIN, spoiled, "malformed"))

    for name, changes in spoiled_claims().items():
        add(f"paper, {name}", paper(changes))
        add(f"bound, {name}", shown(changes))
        add(f"bound and bare, {name}", text(bound(changes)))
    for name, changes in spoiled_hints().items():
        add(f"paper, {name}", paper(changes))
    for name, changes in spoiled_holders().items():
        add(f"bound, {name}", shown(changes))
        add(f"bound and bare, {name}", text(bound(changes)))
    for name, payload in other_payloads().items():
        add(f"paper, payload {name}", text(make_pass(payload)))
    add("bound, hint", shown({HINT: "A"}))
    add("bound for over 7 days", shown({6: AT - 10, 4: AT - 9 + 7 * DAY}))
    add("bound for 35 days", text(bound({6: AT - 10, 4: AT - 10 + 35 * DAY})))
    add("paper for over 35 days", paper({6: AT - 10, 4: AT - 9 + 35 * DAY}))
    inner = bound()
    payloads: dict[str, Any] = {
        "t only": [AT],
        "three": [AT, inner, 0],
        "none": [],
        "swapped": [inner, AT],
        "map": {0: AT, 1: inner},
        "pass as text": [AT, "x"],
        "pass not wrapped": [AT, Raw(inner)],
        "pass null": [AT, None],
        "pass empty": [AT, b""],
        "pass in chunks": [AT, indefinite(2, encode(inner))],
        "pass length too wide": [AT, Raw(initial(2, len(inner), width=4) + inner)],
        "indefinite": indefinite(4, encode(AT) + encode(inner)),
        "leftover": Raw(encode([AT, inner]) + b"\0"),
        "a presentation inside": [AT, presentation(inner)],
        "null": Raw(b"\xf6"),
        "nothing": Raw(b""),
    }
    payloads |= {f"t {kind}": [value, inner] for kind, value in not_uints(AT).items()}
    for name, payload in payloads.items():
        add(f"presentation, {name}", text(presentation(inner, payload=payload), kind=2))
    add("presentation around a paper pass", text(presentation(make_pass(claims())), kind=2))
    return out


GROUPS: tuple[Callable[[], list[Case]], ...] = (
    rules,
    precedence,
    well_formed,
    spoiled_texts,
    spoiled_envelopes,
    spoiled_payloads,
)
ALL = [(f"{group.__name__}: {case[0]}", case) for group in GROUPS for case in group()]
CASES = dict(ALL)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The answer to every case: one process for each way of asking."""
    station = Station(folder=tmp_path_factory.mktemp("station"), trust=trust_set([key.jwk() for key in KEYS]))
    station.hold(STATUS_FILES)
    out: dict[str, dict[str, Any]] = {}
    worlds: list[World] = []
    for _, world, _, _ in CASES.values():
        if world not in worlds:
            worlds.append(world)
    for world in worlds:
        named = {name: case[2] for name, case in CASES.items() if case[1] == world}
        answer = station.check(list(named.values()), at=world.at, policy=world.policy, options=world.options)
        assert answer.code == (0 if set(answer.reasons) == {"green"} else 1)
        out |= dict(zip(named, answer.lines, strict=True))
    return out


@pytest.mark.parametrize("name", CASES)
def test_a_text_is_judged_as_the_paper_says(name: str, answers: dict[str, dict[str, Any]]) -> None:
    reason = CASES[name][3]
    outcome, aspect = OUTCOMES[reason]
    answer = dict(answers[name])
    assert answer.pop("microseconds") >= 0
    assert answer == {"outcome": outcome, "reason": reason, "aspect": aspect}


def test_every_reason_of_the_table_was_seen() -> None:
    # Rule 17 has no memory to look at in `check`, where each line is judged by itself.
    assert {case[3] for case in CASES.values()} == set(OUTCOMES)


def test_no_case_hides_another() -> None:
    assert [name for name, count in Counter(name for name, _ in ALL).items() if count > 1] == []
