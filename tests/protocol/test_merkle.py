"""Merkle trees: the known answers of Certificate Transparency's own tests, and RFC 6962's definitions as reference."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypass_protocol.errors import BadProof, Malformed
from waypass_protocol.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Frontier,
    Node,
    NodeAt,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root_of,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [
    bytes.fromhex(data)
    for data in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
FIRST_FOUR, FIRST_TWO, FIRST = ROOTS[4], ROOTS[2], ROOTS[1]
SECOND = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
THIRD_AND_FOURTH = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
LAST_FOUR = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
FIFTH = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
LAST_TWO = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
FIFTH_AND_SIXTH = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"

INCLUSIONS = [
    (0, 1, []),
    (0, 8, [SECOND, THIRD_AND_FOURTH, LAST_FOUR]),
    (5, 8, [FIFTH, LAST_TWO, FIRST_FOUR]),
    (2, 3, [FIRST_TWO]),
    (1, 5, [FIRST, THIRD_AND_FOURTH, FIFTH]),
]
CONSISTENCIES = [
    (1, 1, []),
    (1, 8, [SECOND, THIRD_AND_FOURTH, LAST_FOUR]),
    (6, 8, [FIFTH_AND_SIXTH, LAST_TWO, FIRST_FOUR]),
    (2, 5, [THIRD_AND_FOURTH, FIFTH]),
]


def grown(leaves: Sequence[bytes]) -> tuple[Frontier, NodeAt]:
    """A tree that took its leaves one by one, and its nodes."""
    nodes: dict[tuple[int, int], bytes] = {}
    frontier = Frontier()
    for number, leaf in enumerate(leaves):
        nodes[0, number] = leaf_hash(leaf)
        frontier, completed = frontier.append([leaf_hash(leaf)])
        nodes |= {(node.level, node.index): node.hash for node in completed}
    return frontier, lambda level, index: nodes[level, index]


def hexes(hashes: Sequence[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def mth(data: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if not data:
        return EMPTY_ROOT
    if len(data) == 1:
        return leaf_hash(data[0])
    k = split(len(data))
    return node_hash(mth(data[:k]), mth(data[k:]))


def path(m: int, data: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if m == len(data):
        return [] if whole else [mth(data)]
    k = split(len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole=whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], whole=False), mth(data[:k])]


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size: int) -> None:
    frontier, node_at = grown(LEAVES[:size])
    assert frontier.root().hex() == ROOTS[size]
    assert root_of(size, node_at).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "expected"), INCLUSIONS)
def test_known_inclusion_proofs(index: int, size: int, expected: list[str]) -> None:
    _, node_at = grown(LEAVES)
    proof = prove_inclusion(index, size, node_at)
    assert hexes(proof) == expected
    root = bytes.fromhex(ROOTS[size])
    verify_inclusion(leaf=leaf_hash(LEAVES[index]), index=index, size=size, proof=proof, root=root)


@pytest.mark.parametrize(("old", "new", "expected"), CONSISTENCIES)
def test_known_consistency_proofs(old: int, new: int, expected: list[str]) -> None:
    _, node_at = grown(LEAVES)
    proof = prove_consistency(old, new, node_at)
    assert hexes(proof) == expected
    old_root, new_root = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new])
    verify_consistency(old=old, new=new, proof=proof, old_root=old_root, new_root=new_root)


sizes = st.integers(1, 70)


def trees(size: int) -> list[bytes]:
    return [number.to_bytes(2, "big") for number in range(size)]


@given(sizes, st.data())
def test_an_inclusion_proof_is_that_of_the_rfc(size: int, data: st.DataObject) -> None:
    leaves = trees(size)
    index = data.draw(st.integers(0, size - 1))
    frontier, node_at = grown(leaves)
    proof = prove_inclusion(index, size, node_at)
    assert proof == path(index, leaves)
    assert frontier.root() == mth(leaves)
    verify_inclusion(leaf=leaf_hash(leaves[index]), index=index, size=size, proof=proof, root=mth(leaves))


@given(sizes, st.data())
def test_a_consistency_proof_is_that_of_the_rfc(new: int, data: st.DataObject) -> None:
    leaves = trees(new)
    old = data.draw(st.integers(1, new))
    _, node_at = grown(leaves)
    proof = prove_consistency(old, new, node_at)
    assert proof == subproof(old, leaves)
    verify_consistency(old=old, new=new, proof=proof, old_root=mth(leaves[:old]), new_root=mth(leaves))


@given(st.integers(0, 40), st.integers(0, 40))
def test_appended_at_once_or_one_by_one(first: int, second: int) -> None:
    hashes = [leaf_hash(leaf) for leaf in trees(first + second)]
    begun, _ = Frontier().append(hashes[:first])
    stored = Frontier.from_bytes(begun.size, begun.to_bytes())
    assert stored.append(hashes[first:])[0] == Frontier().append(hashes)[0]


@given(sizes, st.data())
def test_a_changed_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    leaves = trees(size)
    index = data.draw(st.integers(0, size - 1))
    _, node_at = grown(leaves)
    proof = prove_inclusion(index, size, node_at)
    change, arguments = data.draw(st.sampled_from(_changes(index, size, proof)))
    good: dict[str, Any] = {
        "leaf": leaf_hash(leaves[index]),
        "index": index,
        "size": size,
        "proof": proof,
        "root": mth(leaves),
    }
    with pytest.raises((BadProof, Malformed), match="inclusion proof: "):
        verify_inclusion(**{**good, **arguments})
    assert change


def _changes(index: int, size: int, proof: list[bytes]) -> list[tuple[str, dict[str, object]]]:
    changes: list[tuple[str, dict[str, object]]] = [
        ("another leaf", {"leaf": leaf_hash(b"another")}),
        ("another root", {"root": bytes(32)}),
        ("a hash more", {"proof": [*proof, bytes(32)]}),
        ("beyond the tree", {"index": size}),
        ("before it", {"index": -1}),
    ]
    if proof:
        changes += [("a hash less", {"proof": proof[1:]}), ("another hash", {"proof": [bytes(32), *proof[1:]]})]
        changes += [("another place", {"index": index ^ 1 if index ^ 1 < size else index - 1})]
    return changes


@given(st.integers(2, 70), st.data())
def test_a_changed_consistency_proof_is_refused(new: int, data: st.DataObject) -> None:
    leaves = trees(new)
    old = data.draw(st.integers(1, new - 1))
    _, node_at = grown(leaves)
    proof = prove_consistency(old, new, node_at)
    good: dict[str, Any] = {
        "old": old,
        "new": new,
        "proof": proof,
        "old_root": mth(leaves[:old]),
        "new_root": mth(leaves),
    }
    changes: list[dict[str, Any]] = [
        {"old_root": bytes(32)},
        {"new_root": bytes(32)},
        {"proof": [*proof, bytes(32)]},
        {"proof": proof[:-1]},
        {"proof": [*proof[:-1], bytes(32)]},
        {"old": new + 1},
        {"old": 0},
    ]
    with pytest.raises((BadProof, Malformed), match="consistency proof: "):
        verify_consistency(**{**good, **data.draw(st.sampled_from(changes))})


def test_the_empty_tree_begins_every_tree() -> None:
    verify_consistency(old=0, new=3, proof=[], old_root=EMPTY_ROOT, new_root=bytes(32))
    with pytest.raises(BadProof, match="root of no leaves is not that of the empty tree"):
        verify_consistency(old=0, new=3, proof=[], old_root=bytes(32), new_root=bytes(32))


def test_two_roots_of_one_size() -> None:
    with pytest.raises(BadProof, match="two roots for the same 3 leaves"):
        verify_consistency(old=3, new=3, proof=[], old_root=bytes(32), new_root=EMPTY_ROOT)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("hashes of another size", lambda: Frontier(size=3, hashes=(bytes(32),)), "expected 2 hashes of 32 bytes"),
        ("a short hash", lambda: Frontier(size=1, hashes=(bytes(31),)), "expected 1 hashes of 32 bytes"),
        ("too large", lambda: Frontier(size=MAX_SIZE), "expected a size below"),
        ("cut bytes", lambda: Frontier.from_bytes(1, bytes(33)), "expected 1 hashes of 32 bytes"),
    ],
)
def test_a_frontier_that_cannot_be(name: str, make: Callable[[], Frontier], message: str) -> None:
    with pytest.raises(Malformed, match=message):
        make()
    assert name


@given(st.integers(0, 700), st.integers(0, 700), st.sampled_from([1, 2, 8]))
def test_many_leaves_at_once_are_the_same_tree(before: int, more: int, every: int) -> None:
    leaves = [leaf_hash(number.to_bytes(2, "big")) for number in range(before + more)]
    tree, _ = Frontier().append(leaves[:before])
    one_by_one, completed = tree.append(leaves[before:])
    together, kept = tree.extend(leaves[before:], every=every)
    assert together == one_by_one
    assert sorted(kept, key=place) == sorted((node for node in completed if node.level % every == 0), key=place)


def place(node: Node) -> tuple[int, int]:
    return node.level, node.index
