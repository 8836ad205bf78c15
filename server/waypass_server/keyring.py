"""Issuer keys as files in a folder: who signs now, and what readers must trust.

Each key is two files named by its `kid` in hex: `KID.pem`, the private key (PKCS8 PEM, readable by its owner alone),
and `KID.json`: network, uses, `nbf`, `exp`, when it was retired and whether it is still trusted. A folder holds the
keys of one network. It is read in this order; the first rule that fails decides (`KeyringError`, naming the file):

1. the folder exists, and each `KID.json` has its `KID.pem`
2. the JSON has exactly the members above, each of its type
3. the private key is Ed25519, and group and others may not read it
4. the `kid` computed from the key is the file's name
5. all keys are of one network

6. a key of the log has no other use

A key signs for a use that it names while `nbf <= now < exp` and it is not retired; among several, the one that began
last. One that began within the last `SETTLING` seconds is taken only when no other may sign: a reader whose clock is
behind would refuse it still. A retired key stays in the trust set, so that what it signed lives on, unless it was
retired as no longer to be trusted.

The server asks its `IssuerKeys` for the key in force each time that it signs. A `Keyring` is one that stays as it is;
`key_folder.KeyFolder` follows the folder.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from waypass_protocol.errors import Malformed
from waypass_protocol.keys import MemorySigner, Signer, TrustSet, Use, read_json_object
from waypass_protocol.names import check_name
from waypass_server.errors import ServerError

_MEMBERS = {"network", "uses", "nbf", "exp", "retired", "trusted"}
_OTHERS_MAY = 0o077
SETTLING = 120
"""Seconds; twice what a reader's clock may be off."""


class KeyringError(ServerError):
    """A key file or a key that was asked for cannot be used."""


class NoSigner(ServerError):
    """No key of the keyring may sign for this use now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuerKey:
    """One key with its private half. Times are UNIX seconds; `retired` is when it stopped signing, or None."""

    network: str
    signer: MemorySigner
    uses: frozenset[Use]
    nbf: int
    exp: int
    retired: int | None = None
    trusted: bool = True

    @property
    def kid(self) -> str:
        """The key's `kid` in hex."""
        return self.signer.kid.hex()

    def signs(self, use: Use, now: int) -> bool:
        """Whether it may sign for this use now."""
        return use in self.uses and self.nbf <= now < self.exp and self.retired is None

    def to_json(self) -> dict[str, Any]:
        """The metadata as it stands in `KID.json`."""
        return {
            "network": self.network,
            "uses": sorted(use.value for use in self.uses),
            "nbf": self.nbf,
            "exp": self.exp,
            "retired": self.retired,
            "trusted": self.trusted,
        }


class IssuerKeys(Protocol):
    """Which keys are in force, asked anew each time that something is signed."""

    @property
    def trouble(self) -> str | None:
        """Why the keys as they are stored now do not count, or None."""
        ...

    def signer(self, use: Use, now: int) -> Signer:
        """The key that signs for `use` at `now`. Raises `NoSigner`."""
        ...

    def all(self) -> Sequence["IssuerKey"]:
        """Every key, whatever may be said of it, by its beginning."""
        ...

    def trusted(self, use: Use, now: int) -> frozenset[bytes]:
        """The `kid`s whose signatures readers with the present trust set accept for `use` at `now`."""
        ...

    def trust_set(self) -> TrustSet:
        """What readers must trust."""
        ...


class Keyring:
    """The issuer keys of one network, as they were read."""

    def __init__(self, network: str, keys: Iterable[IssuerKey]) -> None:
        self.network = network
        self.trouble: str | None = None
        self.keys: Sequence[IssuerKey] = tuple(sorted(keys, key=lambda key: (key.nbf, key.kid)))

    def signer(self, use: Use, now: int) -> Signer:
        """The key that signs for `use` at `now`. Raises `NoSigner`."""
        fitting = [key for key in self.keys if key.signs(use, now)]
        if not fitting:
            raise NoSigner(
                f"expected a key that signs {use.value} at {now}, got none among {len(self.keys)};"
                " waypass-server keys make"
            )
        settled = [key for key in fitting if key.nbf + SETTLING <= now]
        return (settled or fitting)[-1].signer

    def all(self) -> Sequence[IssuerKey]:
        """Every key, by its beginning."""
        return self.keys

    def trusted(self, use: Use, now: int) -> frozenset[bytes]:
        """The `kid`s whose signatures readers with this trust set accept for `use` at `now`."""
        accepted = (key for key in self.keys if key.trusted and use in key.uses and key.nbf <= now < key.exp)
        return frozenset(key.signer.kid for key in accepted)

    def trust_set(self) -> TrustSet:
        """What readers must trust: every key but those of the log, which is not a gate's business (a reader of an
        older version would refuse a set that names that use), and those that were retired as no longer to be trusted.
        """
        shown = (key for key in self.keys if key.trusted and Use.LOG not in key.uses)
        trusted = (key.signer.trusted(uses=key.uses, nbf=key.nbf, exp=key.exp) for key in shown)
        return TrustSet(network=self.network, keys={key.kid: key for key in trusted})

    def find(self, kid: str) -> IssuerKey:
        """A key by its `kid` in hex. Raises `KeyringError`."""
        for key in self.keys:
            if key.kid == kid:
                return key
        raise KeyringError(
            f"expected one of the keys {', '.join(key.kid for key in self.keys) or '(none)'}, got {kid!r}"
        )


def make_key(*, network: str, uses: frozenset[Use], nbf: int, exp: int, private: bytes) -> IssuerKey:
    """A new key from 32 random bytes. Raises `KeyringError` for a name, a validity or uses that cannot be."""
    try:
        check_name(network, what="network")
    except Malformed as error:
        raise KeyringError(str(error)) from None
    if not uses:
        raise KeyringError("expected at least one use for a key, got none")
    if Use.LOG in uses and len(uses) > 1:
        raise KeyringError("expected the use log alone: a key that signs the log signs nothing else")
    if not 0 <= nbf < exp:
        raise KeyringError(f"expected a key that begins before it ends, got {nbf} to {exp}")
    signer = MemorySigner(ed25519.Ed25519PrivateKey.from_private_bytes(private))
    return IssuerKey(network=network, signer=signer, uses=uses, nbf=nbf, exp=exp)


def read_keyring(folder: Path) -> Keyring:
    """Read a folder of keys by the module's rules. Raises `KeyringError`."""
    if not folder.is_dir():
        raise KeyringError(f"keys: expected a folder at {folder} (waypass-server keys make)")
    keys = [_read_key(path) for path in sorted(folder.glob("*.json"))]
    if not keys:
        raise KeyringError(f"keys: expected at least one key in {folder}, got none (waypass-server keys make)")
    networks = {key.network for key in keys}
    if len(networks) > 1:
        raise KeyringError(f"keys: expected the keys of one network in {folder}, got {', '.join(sorted(networks))}")
    return Keyring(networks.pop(), keys)


def write_key(folder: Path, key: IssuerKey, private: bytes) -> None:
    """Store a new key; the folder is made if need be. Raises `KeyringError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise KeyringError(f"keys: {folder} cannot be made: {error.strerror}") from None
    if any(folder.glob("*.json")) and (network := read_keyring(folder).network) != key.network:
        raise KeyringError(f"keys: {folder} holds the keys of network {network}, expected {key.network}")
    secret = ed25519.Ed25519PrivateKey.from_private_bytes(private)
    pem = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        _write(folder / f"{key.kid}.pem", pem, flags=os.O_EXCL)
    except FileExistsError:
        raise KeyringError(f"keys: {key.kid} is in {folder} already") from None
    _write_metadata(folder, key)


def retire_key(folder: Path, kid: str, *, now: int, distrust: bool = False) -> IssuerKey:
    """Let a key sign no more; with `distrust` it leaves the trust set too. Raises `KeyringError`."""
    key = read_keyring(folder).find(kid)
    retired = replace(key, retired=now if key.retired is None else key.retired, trusted=key.trusted and not distrust)
    _write_metadata(folder, retired)
    return retired


def _write_metadata(folder: Path, key: IssuerKey) -> None:
    fresh = folder / f".{key.kid}.new"
    _write(fresh, json.dumps(key.to_json(), indent=2).encode(), flags=os.O_TRUNC)
    fresh.replace(folder / f"{key.kid}.json")


def _write(path: Path, data: bytes, *, flags: int) -> None:
    """Raises `KeyringError`, and `FileExistsError` where `flags` ask for a new file."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise
    except OSError as error:
        raise KeyringError(f"keys: {path} cannot be written: {error.strerror}") from None


def _read_key(path: Path) -> IssuerKey:
    metadata = _read_metadata(path)
    pem = path.with_suffix(".pem")
    try:
        mode, data = pem.stat().st_mode, pem.read_bytes()
    except OSError as error:
        raise KeyringError(f"keys: {pem} cannot be read: {error.strerror}") from None
    if mode & _OTHERS_MAY:
        raise KeyringError(f"keys: expected {pem} to be readable by its owner alone (0600), got {mode & 0o777:04o}")
    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError):
        raise KeyringError(f"keys: expected a private key in PKCS8 PEM in {pem}") from None
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise KeyringError(f"keys: expected an Ed25519 key in {pem}, got {type(private).__name__}")
    key = IssuerKey(signer=MemorySigner(private), **metadata)
    if key.kid != path.stem:
        raise KeyringError(f"keys: expected {path} to be named {key.kid}, as computed from its key")
    return key


def _read_metadata(path: Path) -> dict[str, Any]:
    try:
        document = read_json_object(path.read_bytes(), what=f"keys: {path}")
        if document.keys() != _MEMBERS:
            raise KeyringError(f"keys: {path}: expected members {sorted(_MEMBERS)}, got {sorted(document)}")
        check_name(document["network"], what=f"keys: {path}: network")
    except Malformed as error:
        raise KeyringError(str(error)) from None
    except OSError as error:
        raise KeyringError(f"keys: {path} cannot be read: {error.strerror}") from None
    numbers = (document["nbf"], document["exp"], 0 if document["retired"] is None else document["retired"])
    if not all(type(number) is int and number >= 0 for number in numbers) or type(document["trusted"]) is not bool:
        raise KeyringError(
            f"keys: {path}: expected nbf, exp and retired in whole UNIX seconds, and trusted true or false"
        )
    try:
        document["uses"] = frozenset(Use(use) for use in document["uses"])
    except (TypeError, ValueError):
        known = ", ".join(use.value for use in Use)
        raise KeyringError(f"keys: {path}: expected uses among {known}, got {document['uses']!r}") from None
    if Use.LOG in document["uses"] and len(document["uses"]) > 1:
        raise KeyringError(f"keys: {path}: expected the use log alone, got {len(document['uses'])} uses")
    return document
