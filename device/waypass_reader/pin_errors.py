"""What drivers of pins raise when a pin won't.

gpiozero has a family of errors of its own, and lets through what the library below it raises. Of lgpio that is
`lgpio.error`, a plain `Exception`: "GPIO busy" is one. It is looked for among what is imported already: who has not
imported lgpio gets no error of it, and importing it begins a thread and makes a pipe in the working folder.
"""

import sys

import gpiozero

from waypass_reader.mock_pins import DriverError


def pin_errors(*besides: type[Exception]) -> tuple[type[Exception], ...]:
    """All of them, and what the caller knows besides; `except pin_errors()` asks at the moment when there is one."""
    known: tuple[type[Exception], ...] = (gpiozero.GPIOZeroError, OSError, DriverError, *besides)
    own = getattr(sys.modules.get("lgpio"), "error", None)
    return known if own is None else (*known, own)
