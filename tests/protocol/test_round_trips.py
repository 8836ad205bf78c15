"""Every record comes back as it was written, over the whole range that the wire format allows."""

import json
from dataclasses import asdict, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.protocol.strategies import FLOORS, HEADS, POLICIES, deltas, passes
from tests.support.issuing import NETWORK, NOW, holder, make_issuer

from waypass_protocol import bits
from waypass_protocol.floors import Floors, read_floors
from waypass_protocol.passes import (
    MAX_TEXT,
    PASS_PREFIX,
    BoundForm,
    Pass,
    decode_base45,
    encode_base45,
    parse_pass,
    sign_pass,
)
from waypass_protocol.policy import Policy, read_policy
from waypass_protocol.presentation import present, read_presentation
from waypass_protocol.status import (
    Delta,
    Head,
    Snapshot,
    read_delta,
    read_head,
    read_snapshot,
    sign_delta,
    sign_head,
    sign_snapshot,
)

ISSUER = make_issuer()
KID = ISSUER.status.kid


@given(st.binary(max_size=600))
def test_base45(data: bytes) -> None:
    assert decode_base45(encode_base45(data, PASS_PREFIX), PASS_PREFIX) == data


@settings(deadline=None)
@given(passes())
def test_passes(pass_: Pass) -> None:
    signed = parse_pass(sign_pass(pass_, ISSUER.passes))
    read = signed.pass_
    assert (read.iat, read.exp, read.nbf, read.place) == (pass_.iat, pass_.exp, pass_.nbf, pass_.place)
    assert (read.aspects, read.hint) == (pass_.aspects, pass_.hint)
    assert (read.holder and read.holder.coordinates()) == (pass_.holder and pass_.holder.coordinates())
    ISSUER.trust.keys[ISSUER.passes.kid].verify(signed.envelope)


@settings(deadline=None)
@given(st.lists(passes(), min_size=1, max_size=4))
def test_a_form_spells_each_pass_as_it_is_signed_alone(several: list[Pass]) -> None:
    model = several[0]
    assume(model.holder is not None)
    form = BoundForm(model, ISSUER.passes)
    for each in several:
        key = each.holder or model.holder
        assert key is not None
        alone = replace(model, holder=key, place=replace(model.place, idx=each.place.idx))
        assert form.sign(each.place.idx, key) == sign_pass(alone, ISSUER.passes)


@settings(deadline=None)
@given(passes(), st.integers(0, 2**64 - 1))
def test_presentations(pass_: Pass, t: int) -> None:
    assume(pass_.holder is not None)
    pass_ = Pass(
        iat=pass_.iat, exp=pass_.exp, place=pass_.place, aspects=pass_.aspects, holder=holder().key, nbf=pass_.nbf
    )
    text = present(sign_pass(pass_, ISSUER.passes), t=t, network=NETWORK, holder=holder())
    assume(len(text) <= MAX_TEXT)
    read = read_presentation(text)
    read.verify(NETWORK)
    assert (read.t, read.signed_pass.pass_.place) == (t, pass_.place)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.integers(0, bits.LIST_INDEXES - 1), st.integers(0, 3), max_size=50), st.text(max_size=20))
def test_snapshots(statuses: dict[int, int], uri: str) -> None:
    packed = bytearray(bits.LIST_BYTES)
    for idx, status in statuses.items():
        bits.set_status(packed, idx, status)
    snapshot = Snapshot(uri=uri, version=0, iat=NOW, exp=NOW + 1, ttl=0, packed=bytes(packed), kid=KID)
    assert read_snapshot(sign_snapshot(snapshot, ISSUER.status), ISSUER.trust, NOW) == snapshot


@settings(deadline=None)
@given(deltas())
def test_deltas(delta: Delta) -> None:
    assert read_delta(sign_delta(delta, ISSUER.status), ISSUER.trust, NOW) == delta


@settings(deadline=None)
@given(HEADS)
def test_heads(head: Head) -> None:
    assert read_head(sign_head(head, ISSUER.status), ISSUER.trust, NOW) == head


@given(FLOORS)
def test_floors(floors: Floors) -> None:
    assert read_floors(floors.to_json()) == floors


@given(POLICIES)
def test_policies(policy: Policy) -> None:
    assert read_policy(json.dumps(asdict(policy))) == policy
