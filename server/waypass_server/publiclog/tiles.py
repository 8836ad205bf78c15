"""The log as it is read: tiles, entries and proofs, from the leaves and the few nodes that are stored.

A tile (C2SP tlog-tiles) is up to 256 hashes of one level, 8 levels of the tree a step. Level 0 is computed from the
leaves; of the levels above each hash was stored when it was completed. So whatever a proof needs is in one tile of each
level: at most 256 rows a level, and the hashes of what is between.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_protocol.merkle import NodeAt, leaf_hash, node_hash
from waypass_server.models.public_log import LogLeaf, LogNode

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT


class Tiles:
    """One network's log in one session. What was read is kept, so that many proofs read each tile once."""

    def __init__(self, session: Session, network_id: int) -> None:
        self._session = session
        self._network_id = network_id
        self._tiles: dict[tuple[int, int], Sequence[bytes]] = {}

    def hashes(self, level: int, number: int) -> Sequence[bytes]:
        """Tile `number` of a tile level, as far as it goes: of 256 hashes, or of those that there are."""
        held = self._tiles.get((level, number))
        if held is None:
            held = self._tiles[level, number] = self._read(level, number)
        return held

    def leaves(self, number: int) -> Sequence[bytes]:
        """The leaves under tile `number` of level 0."""
        first = number * TILE_WIDTH
        query = select(LogLeaf.leaf).where(
            LogLeaf.network_id == self._network_id, LogLeaf.idx >= first, LogLeaf.idx < first + TILE_WIDTH
        )
        return self._session.scalars(query.order_by(LogLeaf.idx)).all()

    @property
    def node_at(self) -> NodeAt:
        """What proofs look nodes up with."""
        return self._node

    def _node(self, level: int, index: int) -> bytes:
        """The hash of a whole subtree, from the tile in which its lowest hashes are."""
        tile_level, above = divmod(level, TILE_HEIGHT)
        first = index << above
        tile, at = divmod(first, TILE_WIDTH)
        hashes = list(self.hashes(tile_level, tile)[at : at + (1 << above)])
        while len(hashes) > 1:
            hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
        return hashes[0]

    def _read(self, level: int, number: int) -> Sequence[bytes]:
        if level == 0:
            return [leaf_hash(leaf) for leaf in self.leaves(number)]
        first = number * TILE_WIDTH
        query = select(LogNode.hash).where(
            LogNode.network_id == self._network_id,
            LogNode.level == level,
            LogNode.idx >= first,
            LogNode.idx < first + TILE_WIDTH,
        )
        return self._session.scalars(query.order_by(LogNode.idx)).all()
