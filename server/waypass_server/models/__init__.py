"""The tables. Importing this package makes all of them known to `Base.metadata`."""

from waypass_server.models import (
    bulk,
    console,
    guards,
    lists_of_people,
    network,
    people,
    public_log,
    records,
    requests,
    rules,
    sign_in,
    status,
    worsening,
)
from waypass_server.models.base import Base

__all__ = [
    "Base",
    "bulk",
    "console",
    "guards",
    "lists_of_people",
    "network",
    "people",
    "public_log",
    "records",
    "requests",
    "rules",
    "sign_in",
    "status",
    "worsening",
]
