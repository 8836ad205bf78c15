"""What can be wrong with bytes, keys and times: one root, and a class for each thing that a caller does differently.

Messages say what was expected and what came. They never repeat a pass, an index or a key.
"""


class ProtocolError(Exception):
    """Root of everything that this package raises on purpose."""


class NotWaypass(ProtocolError):
    """The text does not start with a Waypass prefix: somebody else's code."""


class Malformed(ProtocolError):
    """The object breaks a rule of form; no key and no clock can mend it."""


class UnknownKey(ProtocolError):
    """No key in the trust set is trusted for this `kid`, use and time."""


class BadSignature(ProtocolError):
    """The key is known and the signature does not verify."""


class TooLarge(ProtocolError):
    """The message is over its size; nothing of it was parsed."""


class WrongPlace(ProtocolError):
    """A genuine message for another network or another list."""


class Expired(ProtocolError):
    """A status list whose `exp` had passed when it arrived."""


class FromTheFuture(ProtocolError):
    """A message whose `iat` is further ahead than the clock skew allows."""


class BadProof(ProtocolError):
    """A proof of a log that has the right form and leads to another root."""
