"""Names of networks, lists and readers, as they stand in topics, files and signatures."""

import re

from waypass_protocol.errors import Malformed

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(value: object, *, what: str) -> str:
    """Return `value` when it is 1 to 64 letters, digits, `.`, `_` or `-`, beginning with a letter or digit.

    Such a name is safe as an MQTT topic level and as a file name. Raises `Malformed` that begins with `what`.
    """
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise Malformed(f"{what}: expected 1 to 64 letters, digits, '.', '_' or '-', got {value!r}")
    return value


def list_name(uri: str) -> str:
    """The LIST of a status list's topics: what follows the last `:` or `/` of its URI. Raises `Malformed`."""
    return check_name(re.split(r"[:/]", uri)[-1], what="status list URI: its last part")


def natural_order(name: str) -> list[tuple[str, int]]:
    """What names are sorted by for people: `lane-10` comes after `lane-9`."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"([^0-9]*)([0-9]{0,9})", name)]
