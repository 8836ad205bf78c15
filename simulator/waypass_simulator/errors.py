"""What the simulator raises on purpose."""


class SimulatorError(Exception):
    """Root of the simulator's errors."""


class UsageError(SimulatorError):
    """The command line was given something that it cannot use."""
