"""`waypass-server keys`: make, list and retire issuer keys, and export what readers must trust.

With `--json`, one object a line on standard output. What a user can mend is one line on standard error and exit code 2.
A running server follows the folder within seconds; readers must have a key's public half before it begins to sign.
"""

import json
import secrets
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from waypass_protocol.keys import Use
from waypass_server.commands.options import AsJson
from waypass_server.keyring import IssuerKey, KeyringError, make_key, read_keyring, retire_key, write_key

app = typer.Typer(help="Issuer keys: make, list, retire, export.", no_args_is_help=True)

DAY = 86_400
KeysFolder = Annotated[Path, typer.Option("--dir", help="The folder of keys (the setting `keys`).")]


@app.command()
def make(
    use: Annotated[list[Use], typer.Option(help="What it may sign; can be given several times.")],
    days: Annotated[int, typer.Option(min=1, max=3660, help="How long it is trusted.")],
    folder: KeysFolder = Path("keys"),
    network: Annotated[str | None, typer.Option(help="Its network; by default that of the folder's keys.")] = None,
    starts_in: Annotated[int, typer.Option(min=0, help="Days until it begins; readers need it before that.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make a new key in the folder."""
    now = int(time.time())
    private = secrets.token_bytes(32)
    nbf = now + starts_in * DAY
    key = make_key(
        network=network or _network_of(folder), uses=frozenset(use), nbf=nbf, exp=nbf + days * DAY, private=private
    )
    write_key(folder, key, private)
    _print([key], now, as_json=as_json)


@app.command("list")
def list_(folder: KeysFolder = Path("keys"), as_json: AsJson = False) -> None:
    """Show the folder's keys and what each is for."""
    _print(read_keyring(folder).keys, int(time.time()), as_json=as_json)


@app.command()
def retire(
    kid: Annotated[str, typer.Argument(help="The key, as `list` shows it.")],
    folder: KeysFolder = Path("keys"),
    distrust: Annotated[
        bool, typer.Option("--distrust", help="Take it out of the trust set too: what it signed is worth nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let a key sign no more. What it signed stays good, unless --distrust is given."""
    now = int(time.time())
    _print([retire_key(folder, kid, now=now, distrust=distrust)], now, as_json=as_json)


@app.command()
def export(
    folder: KeysFolder = Path("keys"),
    out: Annotated[Path | None, typer.Option(help="A file; by default standard output.")] = None,
) -> None:
    """Write the trust set (JWK Set) that readers need."""
    text = read_keyring(folder).trust_set().to_json() + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise KeyringError(f"{out} cannot be written: {error.strerror}") from None


def _network_of(folder: Path) -> str:
    if not folder.is_dir() or not any(folder.glob("*.json")):
        raise KeyringError(f"expected --network NAME for the first key in {folder}")
    return read_keyring(folder).network


def _state(key: IssuerKey, now: int) -> str:
    if not key.trusted:
        return "distrusted"
    if key.retired is not None:
        return "retired"
    if now < key.nbf:
        return "coming"
    return "active" if now < key.exp else "expired"


def _print(keys: Sequence[IssuerKey], now: int, *, as_json: bool) -> None:
    if as_json:
        for key in keys:
            typer.echo(json.dumps({"kid": key.kid, "state": _state(key, now), **key.to_json()}))
        return
    table = Table("kid", "network", "uses", "from", "until", "state")
    for key in keys:
        uses = ", ".join(sorted(key.uses))
        table.add_row(key.kid, key.network, uses, _day(key.nbf), _day(key.exp), _state(key, now))
    Console().print(table)


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
