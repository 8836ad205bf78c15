"""Who may connect to the embedded broker, and who may publish where.

A password file has one `name:hash` a line; empty lines and lines that begin with `#` are skipped. The hash is an Argon2
string, salt included, as `waypass-server broker-password NAME` prints it. The file is refused whole
(`ConfigurationError`, naming the line) when a line has another shape, a name is not 1 to 64 of `A-Z a-z 0-9 . _ -`, a
name appears twice, a hash is not Argon2, or there is no login `server`.

Rules for what comes from a client, wills included:

1. the login `server` publishes anywhere below `waypass/1/`
2. any other login is a reader's, and its name is the reader's ID: it publishes below `waypass/1/NETWORK/reader/ID/`, in
   any network, and nowhere else
3. whoever has logged in may subscribe to anything: what a broker carries is signed or meant for the station

A publication that is refused is acknowledged and dropped (MQTT 3.1.1 has no other answer); one warning a connection.
"""

import re
from pathlib import Path

from pwdlib.hashers.argon2 import Argon2Hasher

from waypass_server.errors import ConfigurationError

SERVER_LOGIN = "server"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
# OWASP's smallest Argon2id setting (19 MiB, 2 passes): readers' passwords are random, and a whole fleet logs in at once
# after a restart.
_HASHER = Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1)


def password_line(name: str, password: str) -> str:
    """A line for the password file. Raises `ConfigurationError` for a name that cannot be one, or an empty password."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"expected a name of 1 to 64 letters, digits, '.', '_' or '-', got {name!r}")
    if not password:
        raise ConfigurationError("expected a password, got an empty one")
    return f"{name}:{_HASHER.hash(password)}"


def read_passwords(file: Path) -> dict[str, str]:
    """Name to hash. Raises `ConfigurationError` when the file cannot be read or breaks a rule above."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"password file {file}: cannot be read: {error}") from error
    logins: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, hashed = line.strip().partition(":")
        if not colon or not _NAME.fullmatch(name) or not Argon2Hasher.identify(hashed):
            raise ConfigurationError(f"password file {file}, line {number}: expected NAME:ARGON2-HASH")
        if name in logins:
            raise ConfigurationError(f"password file {file}, line {number}: expected each name once, got {name} again")
        logins[name] = hashed
    if SERVER_LOGIN not in logins:
        raise ConfigurationError(f"password file {file}: expected a line for the login {SERVER_LOGIN!r}, got none")
    return logins


def password_matches(password: str, hashed: str) -> bool:
    """Takes some 20 ms of one processor on purpose."""
    return _HASHER.verify(password, hashed)


def may_publish(login: str, topic: str) -> bool:
    """Rules 1 and 2."""
    levels = topic.split("/")
    if levels[:2] != ["waypass", "1"]:
        return False
    if login == SERVER_LOGIN:
        return True
    return len(levels) > 5 and levels[3] == "reader" and levels[4] == login
