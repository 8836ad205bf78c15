"""The server's settings: one TOML file, and environment variables that override single keys.

1. keys of the file are those of `Settings`; an unknown one is an error that names it and the known ones
2. `WAYPASS_SERVER_NAME` overrides the key `name`; an unknown name after that prefix is an error too
3. relative paths, and the path in a `sqlite:///` address, are meant from the folder that the file is in
4. nothing is read from anywhere else, and nothing is created here

Every error is a `ConfigurationError` that says which key, what was expected and what came.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from waypass_protocol.errors import Malformed
from waypass_protocol.names import check_name
from waypass_server.addresses import is_safe
from waypass_server.errors import ConfigurationError

ENVIRONMENT_PREFIX = "WAYPASS_SERVER_"
HOUR = 3600
DAY = 24 * HOUR
_LONGEST_PREFIX = 200
"""A presentation of a pass in eight scopes still fits into 1,024 characters."""


def _network_name(value: str) -> str:
    try:
        return check_name(value, what="network")
    except Malformed as error:
        raise ValueError(str(error)) from None


def _list_prefix(value: str) -> str:
    """What follows the last ':' or '/' is the list's name in topics, and has to be its number alone."""
    if not value.endswith((":", "/")) or len(value) > _LONGEST_PREFIX or not value.isascii() or not value.isprintable():
        raise ValueError(f"expected at most {_LONGEST_PREFIX} ASCII characters that end with ':' or '/', such as 'wp:'")
    return value


def _origin(value: str) -> str:
    """As browsers write it."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    written = f"{parts.scheme}://{parts.hostname}{'' if port is None else f':{port}'}"
    if written != value or not is_safe(value):
        raise ValueError(
            "expected an origin such as https://ops.example.org (http for localhost alone), without a path"
        )
    return value


class Settings(BaseSettings):
    """What an operator chooses. Durations are seconds."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    network: Annotated[str, AfterValidator(_network_name)]
    """The one network that this server serves; `waypass-server network apply` defines it."""
    database_url: str = "sqlite:///waypass.db"
    """SQLite or PostgreSQL, as SQLAlchemy writes addresses."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Where HTTP is served; port 0 takes a free one and says which."""
    keys: Path = Path("keys")
    """Folder of issuer keys, made by `waypass-server keys`."""
    broker: str = "mqtt://127.0.0.1:1883"
    """The MQTT broker: `mqtt://HOST:PORT`, or `mqtts://` for TLS. Several addresses of one broker, the nodes of a
    cluster, are separated by commas and tried in turn."""
    broker_user: str | None = None
    broker_password_file: Path | None = None
    broker_ca: Path | None = None
    """The authority behind the broker's certificate; without it, the system's authorities."""
    broker_certificate: Path | None = None
    broker_key: Path | None = None
    """The server's own certificate for the broker, and its key."""
    status_uri_prefix: Annotated[str, AfterValidator(_list_prefix)] = "wp:"
    """A status list's URI is this and the list's number; an https address lets foreign verifiers fetch it."""
    pass_life: Annotated[int, Field(ge=HOUR, le=7 * DAY)] = DAY
    paper_life: Annotated[int, Field(ge=HOUR, le=35 * DAY)] = 30 * DAY
    evidence_signers: Path | None = None
    """Folder of certificates (DER or PEM) whose signatures on health certificates count."""
    notices: Path = Path("notices")
    """Folder of the outbox: one JSON file a notice."""
    notice_mail: str | None = None
    """Notices go by mail instead, through this relay: `smtp://HOST[:PORT]` or `smtps://HOST[:PORT]`. The next two go
    with it."""
    notice_mail_domain: str | None = None
    """Mail goes to `REFERENCE@` this domain, whose relay knows whose reference is whose."""
    notice_mail_from: str | None = None
    notice_mail_user: str | None = None
    notice_mail_password_file: Path | None = None
    minimum_notice: Annotated[int, Field(ge=1)] = HOUR
    """No basis may announce its entries later than this before they take effect."""
    approval_elsewhere: bool = False
    """Whether entries, batches, bases, rule sets and limits are approved only by somebody who does not work for the
    authority that they are of."""
    staff_tokens: bool = True
    """Whether staff get a token from `network apply`, and may use it until they have a sign-in of their own."""
    origin: Annotated[str, AfterValidator(_origin)] | None = None
    """Where browsers reach the server, such as `https://ops.example.org`: passkeys and `oidc` need it."""
    passkey_domain: str | None = None
    """What passkeys are bound to (the RP id): the host of `origin`, which is the default, or a domain above it."""
    oidc_issuer: str | None = None
    """The OpenID provider at which staff may sign in; the next three go with it."""
    oidc_client_id: str | None = None
    oidc_client_secret_file: Path | None = None
    oidc_claim: Annotated[str, Field(min_length=1, max_length=100)] = "preferred_username"
    """The claim of an ID token that names a member of staff exactly as the network file does."""

    gather: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Changes that come within this after a version leave together as the next one."""
    head_every: Annotated[float, Field(ge=1, le=30)] = 30.0
    """A head goes out at least so often; readers are promised 30 s."""

    checkpoint_after: Annotated[float, Field(ge=1, le=60)] = 60.0
    """A change is in a checkpoint of the public log after so many seconds at most; everybody is promised a minute."""

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        try:
            backend = make_url(value).get_backend_name()
        except ArgumentError:
            raise ValueError("expected an address such as sqlite:///waypass.db") from None
        if backend not in ("sqlite", "postgresql"):
            raise ValueError(f"expected sqlite or postgresql, got {backend}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library gives all of them
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then the file, and nothing else."""
        return env_settings, init_settings


def load_settings(file: Path, environment: Mapping[str, str]) -> Settings:
    """Read the settings by the module's rules. `environment` is checked for misspelt names. Raises
    `ConfigurationError`.
    """
    values = _read_toml(file)
    known = sorted(Settings.model_fields)
    for key in values:
        if key not in known:
            raise ConfigurationError(f"{file}: unknown setting {key!r}; known are {', '.join(known)}")
    for name in environment:
        if name.startswith(ENVIRONMENT_PREFIX) and name.removeprefix(ENVIRONMENT_PREFIX).lower() not in known:
            raise ConfigurationError(f"environment: unknown setting {name}; known are {', '.join(known)}")
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise ConfigurationError(f"{file}: {_what_is_wrong(error)}") from None
    return _anchored(settings, file.resolve().parent)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: expected a configuration file: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: expected TOML: {error}") from None


def _what_is_wrong(error: ValidationError) -> str:
    """All problems in one line. The input is left out: it may be a password."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"setting {'.'.join(map(str, one['loc']))!r}: {one['msg']}" for one in problems)


def _anchored(settings: Settings, folder: Path) -> Settings:
    """The same settings with every path made from `folder`."""
    changes: dict[str, Any] = {
        name: folder / value for name in Settings.model_fields if isinstance(value := getattr(settings, name), Path)
    }
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        anchored = url.set(database=str(folder / str(url.database)))
        changes["database_url"] = anchored.render_as_string(hide_password=False)
    return settings.model_copy(update=changes)
