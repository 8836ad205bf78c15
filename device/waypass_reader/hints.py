"""What a person can do so that their code is read: a closed set, for whoever sees a code that cannot be read yet.

A hint says nothing of a pass: it comes from how large, sharp, bright and flat the code is in the picture. It has no
reason and no outcome, opens nothing and is counted nowhere. The words for it are in `waypass_reader.words`.

A picture's hint is not a screen's: somebody who just comes near needs none, and words that change with every frame
help nobody. `Prompter` makes of the one the other:

1. a code has to be seen unread for `PATIENCE_NS` before anything is said; what is said then is the newest hint
2. what is said stays for `STAY_NS`, whatever the pictures hint meanwhile; then the newest hint takes its place
3. it is over when no picture hinted anything for `AWAY_NS`, and at once when a code was read
"""

from enum import StrEnum

PATIENCE_NS = 600 * 10**6
STAY_NS = 2 * 10**9
AWAY_NS = 1500 * 10**6


class Hint(StrEnum):
    """One thing to do, the most useful first where several would help."""

    CLOSER = "closer"
    HOLD_STILL = "hold-still"
    TILT = "tilt"
    BRIGHTER = "brighter"


class Prompter:
    """What one lane's screen says, from what its pictures hint. Time is an argument: monotonic nanoseconds."""

    def __init__(self) -> None:
        self._said: Hint | None = None
        self._said_ns = 0
        # Since when a code has been in view unread, and when it was seen so last.
        self._since_ns: int | None = None
        self._seen_ns = 0

    def note(self, hint: Hint | None, *, now_ns: int) -> Hint | None:
        """A picture without a text: what to say now."""
        if hint is None:
            if self._since_ns is not None and now_ns - self._seen_ns >= AWAY_NS:
                self.forget()
            return self._said
        if self._since_ns is None or now_ns - self._seen_ns >= AWAY_NS:
            self.forget()
            self._since_ns = now_ns
        self._seen_ns = now_ns
        patient = now_ns - self._since_ns >= PATIENCE_NS
        if patient and (self._said is None or now_ns - self._said_ns >= STAY_NS):
            self._said, self._said_ns = hint, now_ns
        return self._said

    def forget(self) -> None:
        """A code was read, or nobody is there: nothing to say."""
        self._said = self._since_ns = None
