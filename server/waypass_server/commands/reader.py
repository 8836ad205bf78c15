"""`waypass-server reader enrol`: the folder with which a reader begins its life.

The folder gets `keys.jwks` (the network's trust set) and `reader.toml`, with one lane to be completed by whoever
mounts the reader. With `--password`, it gets `broker-password` (readable by its owner alone) too, and the line for
the broker's password file goes to standard output, or into the JSON object with `--json`.

1. the ID, the station's and the network's name can stand in topics, and the ID is not the server's own login at the
   broker, otherwise nothing is written
2. a folder that has a `reader.toml` is left alone: a reader is enrolled once
3. the trust set is public; the password is the only secret here, and the server does not keep it
"""

import json
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from waypass_protocol.errors import Malformed
from waypass_protocol.names import check_name
from waypass_server.broker.access import SERVER_LOGIN, password_line
from waypass_server.commands.options import AsJson
from waypass_server.errors import ConfigurationError
from waypass_server.keyring import read_keyring

app = typer.Typer(help="Readers: enrol.", no_args_is_help=True)


@app.callback()
def _several() -> None:
    """Keeps `enrol` a command of its own while it is the only one."""


@app.command()
def enrol(
    reader: Annotated[str, typer.Argument(help="The reader's ID, unique in the network.")],
    scope: Annotated[int, typer.Option(min=0, help="The scope that its gate guards.")],
    out: Annotated[Path, typer.Option(help="The reader's folder; it is made here.")],
    keys: Annotated[Path, typer.Option(help="The server's folder of keys.")] = Path("keys"),
    station: Annotated[str, typer.Option(help="The station that it stands in.")] = "station",
    broker: Annotated[str, typer.Option(help="The broker as the reader reaches it, HOST:PORT.")] = "127.0.0.1:1883",
    password: Annotated[bool, typer.Option("--password", help="Make a login for the broker.")] = False,
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
    trust = read_keyring(keys).trust_set()
    if (out / "reader.toml").exists():
        raise ConfigurationError(f"{out}: expected a new folder, got one with a reader.toml")
    secret = secrets.token_urlsafe(24) if password else None
    text = _reader_toml(
        reader=reader,
        network=trust.network,
        station=station,
        scope=scope,
        broker=_host_and_port(broker),
        password=password,
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "keys.jwks").write_text(trust.to_json() + "\n", encoding="utf-8")
        if secret is not None:
            _write_secret(out / "broker-password", secret)
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
    *, reader: str, network: str, station: str, scope: int, broker: tuple[str, int], password: bool
) -> str:
    login = f'username = {_toml(reader)}\npassword_file = "broker-password"\n' if password else ""
    return f"""\
# Made by `waypass-server reader enrol`. Paths are beside this file.
reader = {_toml(reader)}
network = {_toml(network)}
station = {_toml(station)}
keys = "keys.jwks"
state = "state"
scope = {scope}

[broker]
host = {_toml(broker[0])}
port = {broker[1]}
{login}
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
