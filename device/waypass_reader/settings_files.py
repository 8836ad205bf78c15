"""Files that whoever sets a reader up puts beside it: the trust set and the policy.

A file that can't be read or breaks its rules is a `ConfigurationError` that names the file and the rule.
"""

from pathlib import Path

from waypass_protocol.errors import Malformed
from waypass_protocol.keys import TrustSet, read_trust_set
from waypass_protocol.policy import Policy, read_policy
from waypass_reader.errors import ConfigurationError


def read_setting_file(path: Path, what: str) -> bytes:
    """The bytes of a file that somebody named. Raises `ConfigurationError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{what} {path}: can't be read ({error.strerror})") from error


def load_trust_set(path: Path) -> TrustSet:
    """The trust set in a file. Raises `ConfigurationError`."""
    try:
        return read_trust_set(read_setting_file(path, "keys"))
    except Malformed as error:
        raise ConfigurationError(f"keys {path}: {error}") from error


def load_policy(path: Path) -> Policy:
    """The policy in a JSON file. Raises `ConfigurationError`."""
    try:
        return read_policy(read_setting_file(path, "policy"))
    except Malformed as error:
        raise ConfigurationError(f"policy {path}: {error}") from error
