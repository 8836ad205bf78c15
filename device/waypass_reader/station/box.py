"""A station box put together: the broker's listener, the board, the pages, the re-entry keys, from its configuration.

It holds everything in memory, and nothing on a disk.
"""

import secrets
import threading

from waypass_protocol.topics import Topics
from waypass_reader.clock import Clock
from waypass_reader.log import Log
from waypass_reader.station.board import Moment, StationBoard
from waypass_reader.station.config import StationTable
from waypass_reader.station.gates import HttpGates
from waypass_reader.station.keys import KeyPages, KeyRing
from waypass_reader.station.listener import Bulletin, Listener
from waypass_reader.station.pages import PageParts, StationPages
from waypass_reader.station.sessions import Sessions
from waypass_reader.web import KeyGuard, Routes, WebServer


class StationBox:
    """One box; `key` is the station's."""

    def __init__(self, table: StationTable, *, key: str, clock: Clock, log: Log) -> None:
        """Put it together and take the port. Raises `ConfigurationError` for what a person has to mend first."""
        self._log = log
        self._stopping = threading.Event()
        board = StationBoard(
            station=table.station,
            readers=[reader.id for reader in table.readers],
            started=Moment(at=clock.now(), ns=clock.monotonic_ns()),
        )
        bulletin = Bulletin(board, clock)
        self._listener = Listener(
            address=table.broker.address(),
            topics=Topics(table.network),
            # A second box, or one that comes back before the broker has noticed, must not throw the first one out.
            name=f"waypass-station-{table.station}-{secrets.token_hex(4)}",
            bulletin=bulletin,
            clock=clock,
            log=log,
        )
        guard = KeyGuard(key, monotonic_ns=clock.monotonic_ns)
        pages = StationPages(
            PageParts(
                station=table.station,
                language=table.spoken,
                bulletin=bulletin,
                gates=HttpGates(pages=table.pages(), key=key),
                guard=guard,
                sessions=Sessions(new_token=secrets.token_urlsafe),
                clock=clock,
                log=log,
            )
        )
        ring = KeyRing(new_bytes=secrets.token_bytes, now_ns=clock.monotonic_ns())
        keys = KeyPages(ring, guard=guard, monotonic_ns=clock.monotonic_ns)
        routes = Routes([*pages.routes(), *keys.routes()])
        self._web = WebServer(host=table.host, port=table.port, routes=routes, log=log, what="station page")

    @property
    def address(self) -> str:
        """Where the page is."""
        return self._web.address

    def stop(self) -> None:
        """End `run` soon. Called from a signal handler or any thread."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`."""
        self._listener.start()
        self._web.start()
        self._log.info("station", address=self.address)
        try:
            self._stopping.wait()
        finally:
            self._web.close()
            self._listener.close()
            self._log.info("stopped")
