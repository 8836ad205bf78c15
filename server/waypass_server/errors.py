"""What can go wrong in the server, one class for each thing that a caller does differently.

`ServerError` is the root of the package: whoever catches it has caught everything that the server raises on purpose.
Messages say what was expected and what came; they never hold a pass text, an index, a key or a password.
"""


class ServerError(Exception):
    """The root of every error that the server raises on purpose."""


class ConfigurationError(ServerError):
    """A setting, an option or a file that the operator wrote cannot be used: say so and stop, do not retry."""


class BusError(ServerError):
    """A message could not be handed to the broker, or the broker could not be asked."""


class NotConnected(BusError):
    """There is no connection to the broker now; nothing was sent and nothing is kept for later."""


class NotConfirmed(BusError):
    """The message was sent, but the broker did not acknowledge it: it may hold it or not."""
