"""What can go wrong on the reader's side, outside of judging a pass.

Everything that the reader raises on purpose is a `ReaderError`, so that a command can print it as one line and stop,
and the lane loop can tell its own trouble from a programming mistake. The subclasses exist because a caller does
something different for each:

- `ConfigurationError`: the person who set the reader up has to change a setting; trying again is pointless.
- `MissingLibrary`: a system package has to be installed; trying again is pointless.
- `SourceError`: a camera, video or folder could not be opened or read; it names the device and what to do.
- `SourceLost`: the camera worked and is gone. Close the source and open it again: a cable may be plugged in again.

What is wrong with a pass is never told by these: that is an outcome, decided in the protocol.
"""


class ReaderError(Exception):
    """The root of all errors of this package."""


class ConfigurationError(ReaderError):
    """A setting is unknown, missing, of another type or out of range; the message names it."""


class MissingLibrary(ReaderError):
    """A library that the reader needs is not installed; the message says how to install it."""


class SourceError(ReaderError):
    """A frame source can't be opened or read; the message names it and what to do."""


class SourceLost(SourceError):
    """A camera that gave frames gives none any more. The source is of no more use; another may be opened."""
