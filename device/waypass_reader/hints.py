"""What a person can do so that their code is read: a closed set, for whoever sees a code that cannot be read yet.

A hint says nothing of a pass: it comes from how large, sharp, bright and flat the code is in the picture. It has no
reason and no outcome, opens nothing and is counted nowhere. The words for it are in `waypass_reader.words`.
"""

from enum import StrEnum


class Hint(StrEnum):
    """One thing to do, the most useful first where several would help."""

    CLOSER = "closer"
    HOLD_STILL = "hold-still"
    TILT = "tilt"
    BRIGHTER = "brighter"
