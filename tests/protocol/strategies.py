"""Hypothesis strategies for the protocol's records, over the whole range that the wire format allows."""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import strategies as st
from tests.support.issuing import signer

from waypass_protocol.floors import Floors, Mark
from waypass_protocol.keys import HolderKey
from waypass_protocol.passes import MAX_HINT, MAX_LIFE_BOUND, MAX_LIFE_PAPER, Aspect, Pass, Place
from waypass_protocol.policy import Policy, WhenStale
from waypass_protocol.status import Delta, Head, HeadRow

KID = signer(3).kid  # of the status key of `make_issuer`
UINTS = st.integers(0, 2**64 - 1)
URIS = st.text(max_size=40)
PLACES = st.builds(Place, uri=URIS, idx=UINTS)
ASPECTS = st.dictionaries(UINTS, st.sampled_from(Aspect), min_size=1, max_size=4)
HINTS = st.none() | st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=MAX_HINT)


@lru_cache(maxsize=64)
def _holder_key(number: int) -> HolderKey:
    return HolderKey(public=ec.derive_private_key(number, ec.SECP256R1()).public_key())


@st.composite
def passes(draw: st.DrawFn) -> Pass:
    """Any pass whose form is right, bound or paper."""
    holder = draw(st.none() | st.builds(_holder_key, st.integers(1, 40)))
    life = draw(st.integers(1, MAX_LIFE_PAPER if holder is None else MAX_LIFE_BOUND))
    iat = draw(st.integers(0, 2**64 - 1 - life))
    return Pass(
        iat=iat,
        exp=iat + life,
        nbf=draw(st.none() | UINTS),
        place=draw(PLACES),
        aspects=draw(ASPECTS),
        holder=holder,
        hint=None if holder is not None else draw(HINTS),
    )


INDEXES = st.lists(st.integers(0, 2**20 - 1), unique=True, max_size=30)


@st.composite
def deltas(draw: st.DrawFn) -> Delta:
    """Any delta whose form is right: each index under one status."""
    statuses: dict[int, list[int]] = {}
    for idx in sorted(draw(INDEXES)):
        statuses.setdefault(draw(st.integers(0, 3)), []).append(idx)
    version = draw(st.integers(1, 2**64 - 1))
    return Delta(uri=draw(URIS), version=version, iat=draw(UINTS), changes=statuses, kid=KID)


ROWS = st.builds(HeadRow, uri=URIS, version=UINTS, digest=st.binary(min_size=32, max_size=32))
HEADS = st.builds(
    Head,
    network=st.text(max_size=20),
    iat=UINTS,
    sequence=UINTS,
    rows=st.lists(ROWS, max_size=5, unique_by=lambda row: row.uri).map(tuple),
    kid=st.just(KID),
)
MARKS = st.builds(Mark, value=st.integers(0, 2**64 - 1), kid=st.binary(min_size=8, max_size=8))
FLOORS = st.builds(
    Floors,
    versions=st.dictionaries(URIS, MARKS, max_size=4),
    renewals=st.dictionaries(URIS, MARKS, max_size=4),
    sequence=st.none() | MARKS,
    newest_head=st.none() | MARKS,
)
SECONDS = st.integers(0, 10**9)
POLICIES = st.builds(
    Policy,
    fresh=SECONDS,
    stale=SECONDS,
    when_stale=st.sampled_from(WhenStale),
    reentry=SECONDS,
    identity_check_paper=st.booleans(),
    presentation_past=SECONDS,
    presentation_future=SECONDS,
    clock_skew=SECONDS,
)
