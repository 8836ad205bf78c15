"""Issuer keys as files, and the commands that make, list, retire and export them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from tests.server.publishing import key_seed
from typer.testing import CliRunner

from waypass_protocol.keys import Use, read_trust_set
from waypass_server.commands.keys import app
from waypass_server.keyring import (
    SETTLING,
    IssuerKey,
    Keyring,
    KeyringError,
    NoSigner,
    make_key,
    read_keyring,
    retire_key,
    write_key,
)

NOW = 1_800_000_000
DAY = 86_400


def new_key(name: str, *uses: Use, nbf: int = NOW, days: int = 100, network: str = "metro") -> IssuerKey:
    uses = uses or (Use.PASS,)
    return make_key(network=network, uses=frozenset(uses), nbf=nbf, exp=nbf + days * DAY, private=key_seed(name))


def store(folder: Path, *names: str, network: str = "metro") -> list[IssuerKey]:
    keys = [new_key(name, network=network) for name in names]
    for name, key in zip(names, keys, strict=True):
        write_key(folder, key, key_seed(name))
    return keys


def test_what_is_written_is_read_back_and_signs_the_same(tmp_path: Path) -> None:
    keys = store(tmp_path / "keys", "a", "b")
    found = read_keyring(tmp_path / "keys")
    assert found.network == "metro"
    assert {key.kid: (key.uses, key.nbf, key.exp, key.retired, key.trusted) for key in found.keys} == {
        key.kid: (key.uses, key.nbf, key.exp, None, True) for key in keys
    }
    assert found.find(keys[0].kid).signer.sign(b"x") == keys[0].signer.sign(b"x")
    assert read_trust_set(found.trust_set().to_json()) == found.trust_set()


def test_private_keys_are_pkcs8_and_for_their_owner_alone(tmp_path: Path) -> None:
    key = store(tmp_path, "a")[0]
    pem = tmp_path / f"{key.kid}.pem"
    assert pem.stat().st_mode & 0o777 == 0o600
    assert pem.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    load_pem_private_key(pem.read_bytes(), password=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{key.kid}.json", f"{key.kid}.pem"]


@pytest.mark.parametrize(
    ("name", "use", "now", "expected"),
    [
        ("the only one", Use.STATUS, NOW, "status"),
        ("before the second began", Use.PASS, NOW + 9 * DAY, "first"),
        ("while clocks may be behind", Use.PASS, NOW + 10 * DAY + SETTLING - 1, "first"),
        ("the one that began last", Use.PASS, NOW + 10 * DAY + SETTLING, "second"),
        ("after the first ended", Use.PASS, NOW + 105 * DAY, "second"),
    ],
)
def test_the_key_that_signs(name: str, use: Use, now: int, expected: str) -> None:
    keys = {
        "first": new_key("first"),
        "second": new_key("second", nbf=NOW + 10 * DAY),
        "status": new_key("status", Use.STATUS, Use.COMMAND),
    }
    assert Keyring("metro", keys.values()).signer(use, now) is keys[expected].signer


@pytest.mark.parametrize(
    ("name", "use", "now"),
    [("too early", Use.PASS, NOW - 1), ("too late", Use.PASS, NOW + 100 * DAY), ("other use", Use.COMMAND, NOW)],
)
def test_no_key_signs(name: str, use: Use, now: int) -> None:
    with pytest.raises(NoSigner, match=f"expected a key that signs {use.value} at {now}, got none among 1"):
        Keyring("metro", [new_key("a")]).signer(use, now)


def test_a_retired_key_signs_no_more_and_is_trusted_still_unless_distrusted(tmp_path: Path) -> None:
    first, second = store(tmp_path, "a", "b")
    retire_key(tmp_path, first.kid, now=NOW + 5)
    retire_key(tmp_path, second.kid, now=NOW + 6, distrust=True)
    found = read_keyring(tmp_path)
    with pytest.raises(NoSigner):
        found.signer(Use.PASS, NOW + 7)
    assert {key.kid: key.retired for key in found.keys} == {first.kid: NOW + 5, second.kid: NOW + 6}
    assert set(found.trust_set().keys) == {first.signer.kid}
    retire_key(tmp_path, first.kid, now=NOW + 50, distrust=True)
    assert read_keyring(tmp_path).find(first.kid).retired == NOW + 5, "it stays retired since then"
    assert read_keyring(tmp_path).trust_set().keys == {}


def edit(change: Callable[[dict[str, object]], object]) -> Callable[[Path, str], None]:
    def break_(folder: Path, kid: str) -> None:
        path = folder / f"{kid}.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return break_


def rename(folder: Path, kid: str) -> None:
    for suffix in ("json", "pem"):
        (folder / f"{kid}.{suffix}").rename(folder / f"0011223344556677.{suffix}")


def other_kind(folder: Path, kid: str) -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{kid}.pem").write_bytes(pem)


@pytest.mark.parametrize(
    ("name", "break_", "message"),
    [
        ("no private key", lambda folder, kid: (folder / f"{kid}.pem").unlink(), r"\.pem cannot be read: No such file"),
        ("open to others", lambda folder, kid: (folder / f"{kid}.pem").chmod(0o640), r"\(0600\), got 0640"),
        ("not PEM", lambda folder, kid: (folder / f"{kid}.pem").write_text("x"), "expected a private key in PKCS8"),
        ("not Ed25519", other_kind, "expected an Ed25519 key"),
        ("another name", rename, "to be named [0-9a-f]{16}, as computed"),
        ("not JSON", lambda folder, kid: (folder / f"{kid}.json").write_text("{"), "expected a JSON object"),
        ("a member more", edit(lambda d: d.update(more=1)), "expected members"),
        ("a member less", edit(lambda d: d.pop("exp")), "expected members"),
        ("a time as text", edit(lambda d: d.update(nbf="1")), "in whole UNIX seconds"),
        ("a time as a truth", edit(lambda d: d.update(exp=True)), "in whole UNIX seconds"),
        ("unknown use", edit(lambda d: d.update(uses=["pass", "all"])), "expected uses among pass, status, command"),
        ("no uses", edit(lambda d: d.update(uses=None)), "expected uses among"),
        ("a name that is none", edit(lambda d: d.update(network="a/b")), "network: expected 1 to 64 letters"),
        ("two networks", edit(lambda d: d.update(network="tram")), "expected the keys of one network .* metro, tram"),
    ],
)
def test_a_folder_that_breaks_a_rule_is_refused(
    tmp_path: Path, name: str, break_: Callable[[Path, str], None], message: str
) -> None:
    broken, _ = store(tmp_path, "a", "b")
    break_(tmp_path, broken.kid)
    with pytest.raises(KeyringError, match=message):
        read_keyring(tmp_path)


def test_folders_without_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="expected a folder at"):
        read_keyring(tmp_path / "none")
    with pytest.raises(KeyringError, match="expected at least one key in"):
        read_keyring(tmp_path)


def test_a_key_is_written_once_and_beside_its_own_network(tmp_path: Path) -> None:
    store(tmp_path, "a")
    with pytest.raises(KeyringError, match=r"is in .* already"):
        store(tmp_path, "a")
    with pytest.raises(KeyringError, match="holds the keys of network metro, expected tram"):
        store(tmp_path, "b", network="tram")


def test_a_folder_that_cannot_be_made_or_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(KeyringError, match="file/keys cannot be made: Not a directory"):
        store(tmp_path / "file" / "keys", "a")
    with pytest.raises(KeyringError, match=r"keys: /proc/[0-9a-f]+\.pem cannot be written: "):
        store(Path("/proc"), "a")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("a name that is none", {"network": "a b"}, "network: expected 1 to 64 letters"),
        ("no uses", {"uses": frozenset()}, "expected at least one use"),
        ("ends before it begins", {"exp": NOW}, "expected a key that begins before it ends"),
    ],
)
def test_a_key_that_cannot_be(name: str, changes: dict[str, object], message: str) -> None:
    arguments = {
        "network": "metro",
        "uses": frozenset({Use.PASS}),
        "nbf": NOW,
        "exp": NOW + 1,
        "private": bytes(32),
        **changes,
    }
    with pytest.raises(KeyringError, match=message):
        make_key(**arguments)  # type: ignore[arg-type]  # a table of arguments


def run(*arguments: str | int | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def test_the_commands_make_list_retire_and_export(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = json.loads(
        run("make", "--network", "metro", "--use", "pass", "--use", "status", "--days", 30, "--dir", folder, "--json")
    )
    assert (made["network"], made["uses"], made["exp"] - made["nbf"]) == ("metro", ["pass", "status"], 30 * DAY)
    coming = json.loads(run("make", "--use", "pass", "--days", 1, "--starts-in", 5, "--dir", folder, "--json"))
    run("retire", made["kid"], "--dir", folder)
    rows = [json.loads(line) for line in run("list", "--dir", folder, "--json").splitlines()]
    assert {row["kid"]: row["state"] for row in rows} == {made["kid"]: "retired", coming["kid"]: "coming"}
    assert read_trust_set(run("export", "--dir", folder)) == read_keyring(folder).trust_set()
    run("export", "--dir", folder, "--out", tmp_path / "keys.jwks")
    assert read_trust_set((tmp_path / "keys.jwks").read_bytes()).network == "metro"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("no network", ["make", "--use", "pass", "--days", "1"], "expected --network NAME for the first key"),
        ("no folder", ["list"], "expected a folder at"),
        ("unknown key", ["retire", "00"], "expected a folder at"),
    ],
)
def test_the_commands_refuse(tmp_path: Path, name: str, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--dir", str(tmp_path / "keys")])
    assert isinstance(result.exception, KeyringError)
    assert message in str(result.exception)
