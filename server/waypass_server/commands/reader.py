"""`waypass-server reader enrol`: the folder with which a reader begins its life.

The folder gets `keys.jwks` (the network's trust set) and `reader.toml`, with one lane to be completed by whoever
mounts the reader. With `--password`, it gets `broker-password` (readable by its owner alone) too, and the line for
the broker's password file goes to standard output, or into the JSON object with `--json`.

1. the ID, the station's and the network's name can stand in topics, and the ID is not the server's own login at the
   broker, otherwise nothing is written
2. a folder that has a `reader.toml` is left alone: a reader is enrolled once
3. the trust set is public; the password is a secret that the server does not keep
4. `--station-box` names where the pages of the station's box are, for the re-entry memory that the station's readers
   share, and a file whose first line is the station's key: the folder gets the key as `station-key`, readable by its
   owner alone
"""

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from waypass_protocol.errors import Malformed
from waypass_protocol.names import check_name
from waypass_server.broker.access import SERVER_LOGIN, password_line
from waypass_server.commands.options import AsJson
from waypass_server.errors import ConfigurationError
from waypass_server.keyring import read_keyring

_SHORTEST_KEY: Final = 16
_LONGEST_KEY: Final = 256
_MOST_ADDRESSES: Final = 17  # one and sixteen others, as a reader takes them

app = typer.Typer(help="Readers: enrol.", no_args_is_help=True)


@app.callback()
def _several() -> None:
    """Keeps `enrol` a command of its own while it is the only one."""


@app.command()
def enrol(  # noqa: PLR0913, PLR0917 - a command's options
    reader: Annotated[str, typer.Argument(help="The reader's ID, unique in the network.")],
    scope: Annotated[int, typer.Option(min=0, help="The scope that its gate guards.")],
    out: Annotated[Path, typer.Option(help="The reader's folder; it is made here.")],
    keys: Annotated[Path, typer.Option(help="The server's folder of keys.")] = Path("keys"),
    station: Annotated[str, typer.Option(help="The station that it stands in.")] = "station",
    broker: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help="The broker as the reader reaches it; again for each further address of it, such as a cluster's "
            "nodes. By default 127.0.0.1:1883.",
        ),
    ] = None,
    password: Annotated[bool, typer.Option("--password", help="Make a login for the broker.")] = False,
    station_box: Annotated[
        tuple[str, Path] | None,
        typer.Option(metavar="ADDRESS KEY_FILE", help="The station box's pages, and a file with the station's key."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a reader's folder."""
    try:
        check_name(reader, what="reader")
        check_name(station, what="station")
    except Malformed as error:
        raise ConfigurationError(str(error)) from None
    if reader == SERVER_LOGIN:
        raise ConfigurationError(f"reader: expected another ID than the server's login, got {reader!r}")
    if broker is not None and len(broker) > _MOST_ADDRESSES:
        raise ConfigurationError(f"broker: expected at most {_MOST_ADDRESSES} addresses, got {len(broker)}")
    box, box_key = (None, None) if station_box is None else _station_box(*station_box)
    trust = read_keyring(keys).trust_set()
    if (out / "reader.toml").exists():
        raise ConfigurationError(f"{out}: expected a new folder, got one with a reader.toml")
    secret = secrets.token_urlsafe(24) if password else None
    text = _reader_toml(
        reader=reader,
        network=trust.network,
        station=station,
        scope=scope,
        brokers=[_host_and_port(place) for place in broker or ["127.0.0.1:1883"]],
        password=password,
        box=box,
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "keys.jwks").write_text(trust.to_json() + "\n", encoding="utf-8")
        if secret is not None:
            _write_secret(out / "broker-password", secret)
        if box_key is not None:
            _write_secret(out / "station-key", box_key)
        (out / "reader.toml").write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{out}: cannot be written: {error.strerror}") from None
    line = None if secret is None else password_line(reader, secret)
    if as_json:
        typer.echo(json.dumps({"reader": reader, "network": trust.network, "folder": str(out), "login": line}))
        return
    typer.echo(f"reader {reader}: {out}", err=True)
    if line is not None:
        typer.echo("add this line to the broker's password file:", err=True)
        typer.echo(line)


def _reader_toml(
    *,
    reader: str,
    network: str,
    station: str,
    scope: int,
    brokers: Sequence[tuple[str, int]],
    password: bool,
    box: str | None,
) -> str:
    (host, port), *further = brokers
    others = ", ".join(_toml(f"[{name}]:{number}" if ":" in name else f"{name}:{number}") for name, number in further)
    login = f'username = {_toml(reader)}\npassword_file = "broker-password"\n' if password else ""
    shared = f'\n[station_box]\naddress = {_toml(box)}\nkey_file = "station-key"\n' if box is not None else ""
    return f"""\
# Made by `waypass-server reader enrol`. Paths are beside this file.
reader = {_toml(reader)}
network = {_toml(network)}
station = {_toml(station)}
keys = "keys.jwks"
state = "state"
scope = {scope}

[broker]
host = {_toml(host)}
port = {port}
{f"others = [{others}]" + chr(10) if others else ""}{login}{shared}
# The screen of each lane for a browser, and overrides by staff of the station, who share a key of 16 characters.
# [pages]
# host = "127.0.0.1"
# port = 8480
# station_key_file = "station-key"

[[lane]]
name = "lane-1"
source = {{ kind = "camera", device = "/dev/video0" }}
turnstile = {{ pins = "gpio", relay = 17, lamp_go = 27, lamp_wait = 22 }}
display = "terminal"
"""


def _station_box(address: str, key_file: Path) -> tuple[str, str]:
    """The address and the key, as a reader takes them. Raises `ConfigurationError`."""
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    printable = address.isascii() and address.isprintable()
    if not good or not printable or parts.username or parts.query or parts.fragment:
        raise ConfigurationError(f"station-box: expected an address such as http://10.0.0.5:8470, got {address!r}")
    try:
        key = key_file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"station-box: the key file {key_file} cannot be read: {error}") from None
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY or not all("!" <= letter <= "~" for letter in key):
        raise ConfigurationError(
            f"station-box: expected a key of {_SHORTEST_KEY} to {_LONGEST_KEY} letters, digits and signs without "
            f"blanks, got one of {len(key)}"
        )
    return address, key


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
        raise ConfigurationError(f"broker: expected HOST:PORT, got {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _toml(text: str) -> str:
    """A basic string; JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def _write_secret(path: Path, secret: str) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(secret + "\n")
