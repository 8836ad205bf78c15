"""How many, as everybody may know it: nothing is told of fewer than `FEW` people or cases.

A number that is looked at again and again, such as a sum of the last 24 hours, is rounded down to fives too: otherwise
two looks tell what happened to one person in between.
"""

FEW = 5


def few(count: int) -> int | None:
    """None for 1 to 4."""
    return count if count == 0 or count >= FEW else None


def in_fives(count: int) -> int | None:
    """Rounded down to fives; None for 1 to 4."""
    told = few(count)
    return None if told is None else told - told % FEW
