"""Which addresses of others are good enough to be trusted with secrets."""

from urllib.parse import urlsplit

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_safe(address: object) -> bool:
    """Whether it is https, or on this machine."""
    try:
        parts = urlsplit(address) if isinstance(address, str) else urlsplit("")
        return bool(parts.hostname) and (parts.scheme == "https" or _is_here(parts.scheme, parts.hostname))
    except ValueError:
        return False


def _is_here(scheme: str, host: str | None) -> bool:
    return scheme == "http" and host in _LOOPBACK
