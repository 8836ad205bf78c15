"""`waypass-reader run`: a gate."""


def run() -> None:
    """A gate."""
