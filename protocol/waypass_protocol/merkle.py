"""The Merkle tree of a log: hashes, growth and proofs, as RFC 6962 section 2.1 and RFC 9162 section 2.1 have them.

- a leaf's hash is SHA-256 over 0x00 and its data, a node's is SHA-256 over 0x01, its left and its right hash
- `Frontier` is all that a tree needs to grow: the hashes of the whole subtrees that it falls into, largest first. To
  append costs one leaf hash and as many node hashes as the size has ones at its end, whatever the size
- proofs are made from the hashes of whole subtrees, which the caller looks up by place (`NodeAt`): O(log n) of them
- proofs are verified by the algorithms of RFC 9162, 2.1.3.2 and 2.1.4.2. A proof that cannot be one for these sizes
  is `Malformed`; one that leads to another root is a `BadProof`

Whose tree it is, and whether anybody signed its root, is not looked at here: see `checkpoint`.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from waypass_protocol.errors import BadProof, Malformed

HASH_LENGTH = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
MAX_SIZE = 1 << 53
"""Sizes stay below it: a JSON number holds them exactly, and so does every language's integer."""
MAX_PROOF = 64
"""Hashes; more than any tree below `MAX_SIZE` needs."""

NodeAt = Callable[[int, int], bytes]
"""The hash of the whole subtree of 2^level leaves whose first leaf is number `index` * 2^level."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A whole subtree: 2^level leaves, from leaf `index` * 2^level on."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Frontier:
    """A tree, as far as appending needs it: how many leaves, and a hash for each one in the size's binary form."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Raises `Malformed` for hashes that cannot be those of a tree of this size."""
        if not 0 <= self.size < MAX_SIZE:
            raise Malformed(f"tree: expected a size below {MAX_SIZE}, got {self.size}")
        if len(self.hashes) != self.size.bit_count() or any(len(each) != HASH_LENGTH for each in self.hashes):
            raise Malformed(
                f"tree: expected {self.size.bit_count()} hashes of {HASH_LENGTH} bytes for a size of {self.size}"
            )

    def append(self, leaf_hashes: Iterable[bytes]) -> "tuple[Frontier, list[Node]]":
        """The tree with these leaves after its own, and every whole subtree (leaves left out) that they completed."""
        size, hashes, completed = self.size, list(self.hashes), []
        for leaf in leaf_hashes:
            level, place, top = 0, size, leaf
            while place & 1:
                top = node_hash(hashes.pop(), top)
                level, place = level + 1, place >> 1
                completed.append(Node(level=level, index=place, hash=top))
            hashes.append(top)
            size += 1
        return Frontier(size=size, hashes=tuple(hashes)), completed

    def extend(self, leaf_hashes: Sequence[bytes], *, every: int = 1) -> "tuple[Frontier, list[Node]]":
        """As `append`, for many leaves: level by level, in a third of the time. The subtrees that they completed are
        given for each `every`-th level alone, lowest first.
        """
        hash_of, completed, level, carried = hashlib.sha256, [], 0, list(leaf_hashes)
        size = self.size + len(carried)
        places = [place for place in range(self.size.bit_length()) if self.size >> place & 1]
        standing = dict(zip(reversed(places), self.hashes, strict=True))
        while carried:
            left = standing.pop(level, None)
            if left is not None:
                carried.insert(0, left)
            if len(carried) & 1:
                standing[level] = carried.pop()
            carried = [hash_of(b"\x01" + carried[at] + carried[at + 1]).digest() for at in range(0, len(carried), 2)]
            level += 1
            if level % every == 0:
                first = self.size >> level
                completed += [Node(level=level, index=first + at, hash=top) for at, top in enumerate(carried)]
        hashes = tuple(standing[place] for place in sorted(standing, reverse=True))
        return Frontier(size=size, hashes=hashes), completed

    def root(self) -> bytes:
        """The tree's hash."""
        if not self.hashes:
            return EMPTY_ROOT
        *others, root = self.hashes
        for left in reversed(others):
            root = node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        """The hashes one after another."""
        return b"".join(self.hashes)

    @staticmethod
    def from_bytes(size: int, data: bytes) -> "Frontier":
        """What `to_bytes` wrote of a tree of this size. Raises `Malformed`."""
        parts = range(0, len(data), HASH_LENGTH)
        return Frontier(size=size, hashes=tuple(data[at : at + HASH_LENGTH] for at in parts))


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(size: int, node_at: NodeAt) -> bytes:
    """The hash of the tree of the first `size` leaves."""
    return _range_hash(0, size, node_at) if size else EMPTY_ROOT


def prove_inclusion(index: int, size: int, node_at: NodeAt) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves (RFC 6962, 2.1.1). Raises `Malformed`."""
    _check_index(index, size)
    begin, end, path = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range_hash(middle, end, node_at))
            end = middle
        else:
            path.append(_range_hash(begin, middle, node_at))
            begin = middle
    return path[::-1]


def prove_consistency(old: int, new: int, node_at: NodeAt) -> list[bytes]:
    """That the tree of `old` leaves begins the tree of `new` ones (RFC 6962, 2.1.2). Raises `Malformed`."""
    _check_sizes(old, new)
    begin, end, proof = 0, new, []
    if old in (0, new):
        return []
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            proof.append(_range_hash(middle, end, node_at))
            end = middle
        else:
            proof.append(_range_hash(begin, middle, node_at))
            begin = middle
    if begin:  # the old tree is no whole subtree of the new one, so its last part is not known to the verifier
        proof.append(_range_hash(begin, end, node_at))
    return proof[::-1]


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with the hash `leaf` is number `index` of the tree (RFC 9162, 2.1.3.2).

    Raises `Malformed` or `BadProof`.
    """
    _check_index(index, size)
    _check_hashes([leaf, root, *proof])
    expected = _inclusion_length(index, size)
    if len(proof) != expected:
        raise Malformed(f"inclusion proof: expected {expected} hashes for leaf {index} of {size}, got {len(proof)}")
    number, last, top = index, size - 1, leaf
    for each in proof:
        if number & 1 or number == last:
            top = node_hash(each, top)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            top = node_hash(top, each)
        number, last = number >> 1, last >> 1
    if top != root:
        raise BadProof(f"inclusion proof: leaf {index} does not lead to the root of {size} leaves")


def verify_consistency(*, old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the new tree only adds to the old one (RFC 9162, 2.1.4.2). Raises `Malformed` or `BadProof`."""
    _check_sizes(old, new)
    _check_hashes([old_root, new_root, *proof])
    if old in (0, new):
        _check_trivial(old, new, proof, old_root, new_root)
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    before, after = _roots_of(path, old, new)
    if before != old_root:
        raise BadProof(f"consistency proof: it does not lead to the root of the {old} old leaves")
    if after != new_root:
        raise BadProof(f"consistency proof: it does not lead to the root of the {new} new leaves")


def _roots_of(path: Sequence[bytes], old: int, new: int) -> tuple[bytes, bytes]:
    """The roots of the old and of the new tree to which the hashes lead. Raises `Malformed`."""
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    if not path:
        raise Malformed(f"consistency proof: expected hashes from {old} to {new} leaves, got none")
    before = after = path[0]
    for each in path[1:]:
        if last == 0:
            raise Malformed(f"consistency proof: more hashes than lead from {old} to {new} leaves")
        if number & 1 or number == last:
            before, after = node_hash(each, before), node_hash(each, after)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            after = node_hash(after, each)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise Malformed(f"consistency proof: fewer hashes than lead from {old} to {new} leaves")
    return before, after


def _check_trivial(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """The empty tree begins every tree, and a tree begins itself."""
    if proof:
        raise Malformed(f"consistency proof: expected no hashes from {old} to {new} leaves, got {len(proof)}")
    if old == 0 and old_root != EMPTY_ROOT:
        raise BadProof("consistency proof: the root of no leaves is not that of the empty tree")
    if old == new and old_root != new_root:
        raise BadProof(f"consistency proof: two roots for the same {new} leaves")


def _inclusion_length(index: int, size: int) -> int:
    """Levels below the point where the ways of `index` and of the last leaf part, and a hash for each turn above."""
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def _range_hash(begin: int, end: int, node_at: NodeAt) -> bytes:
    """MTH(D[begin:end]), for ranges as the proofs need them: they begin where a subtree of their size may."""
    length = end - begin
    if length & (length - 1) == 0:
        level = length.bit_length() - 1
        return node_at(level, begin >> level)
    middle = begin + _split(length)
    return node_hash(_range_hash(begin, middle, node_at), _range_hash(middle, end, node_at))


def _split(length: int) -> int:
    """The largest power of two below `length`."""
    return 1 << ((length - 1).bit_length() - 1)


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size < MAX_SIZE:
        raise Malformed(f"inclusion proof: expected a leaf below the tree's size, got leaf {index} of {size}")


def _check_sizes(old: int, new: int) -> None:
    if not 0 <= old <= new < MAX_SIZE:
        raise Malformed(f"consistency proof: expected an old size up to the new one, got {old} and {new}")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if len(hashes) > MAX_PROOF + 2 or any(len(each) != HASH_LENGTH for each in hashes):
        raise Malformed(f"proof: expected at most {MAX_PROOF} hashes of {HASH_LENGTH} bytes")
