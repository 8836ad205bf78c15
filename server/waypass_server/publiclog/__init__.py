"""The public log: every change a leaf of a Merkle tree, checkpoints for anybody, proofs for whom it concerns.

`store` adds leaves, `tiles` reads them back and proves, `checkpoints` signs, `disclosure` is for whom it concerns.
"""
