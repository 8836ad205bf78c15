"""The tables. Importing this package makes all of them known to `Base.metadata`."""

from waypass_server.models import console, lists_of_people, network, people, records, status
from waypass_server.models.base import Base

__all__ = ["Base", "console", "lists_of_people", "network", "people", "records", "status"]
