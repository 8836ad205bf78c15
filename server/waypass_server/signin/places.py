"""Where browsers find the server, as the settings say: for passkeys, the OpenID provider, and enrolment links."""

from urllib.parse import urlsplit

from waypass_server.addresses import is_safe
from waypass_server.errors import ConfigurationError
from waypass_server.settings import Settings
from waypass_server.signin.oidc import Client, Provider
from waypass_server.signin.passkeys import Place

BACK = "/ops/sign-in/oidc/back"
ENROL = "/ops/enrol"


def place_of(settings: Settings) -> Place | None:
    """What passkeys are for, or None without an origin. Raises `ConfigurationError`."""
    if settings.origin is None:
        if settings.passkey_domain is not None:
            raise ConfigurationError("passkey_domain: expected the setting origin too")
        return None
    host = urlsplit(settings.origin).hostname or ""
    domain = settings.passkey_domain or host
    if host != domain and not host.endswith(f".{domain}"):
        raise ConfigurationError(f"passkey_domain: expected {host} or a domain above it, got {domain}")
    return Place(origin=settings.origin, domain=domain, network=settings.network)


def provider_of(settings: Settings) -> Provider | None:
    """The OpenID provider, or None where none is set. Nothing is asked of it yet. Raises `ConfigurationError`."""
    given = {
        "oidc_issuer": settings.oidc_issuer,
        "oidc_client_id": settings.oidc_client_id,
        "oidc_client_secret_file": settings.oidc_client_secret_file,
    }
    missing = sorted(name for name, value in given.items() if value is None)
    if len(missing) == len(given):
        return None
    if settings.oidc_issuer is None or settings.oidc_client_id is None or settings.origin is None or missing:
        lacking = [*missing, *([] if settings.origin else ["origin"])]
        raise ConfigurationError(f"oidc: expected the setting {' and '.join(lacking)} too")
    if not is_safe(settings.oidc_issuer):
        raise ConfigurationError("oidc_issuer: expected an https address (http on this machine alone)")
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        secret=_secret(settings),
        claim=settings.oidc_claim,
        back=settings.origin + BACK,
    )
    return Provider(client)


def enrolment_address(settings: Settings, secret: str) -> str:
    """A link for a person: the secret stands in the fragment, which no server's log sees."""
    return f"{settings.origin or f'http://{settings.host}:{settings.port}'}{ENROL}#code={secret}"


def _secret(settings: Settings) -> str:
    file = settings.oidc_client_secret_file
    try:
        return file.read_text(encoding="utf-8").splitlines()[0] if file is not None else ""
    except (OSError, UnicodeDecodeError, IndexError):
        raise ConfigurationError(f"oidc_client_secret_file: expected one line with the secret in {file}") from None
