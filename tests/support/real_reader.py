"""A real reader's way in from the network, without lanes: link, inbox, store and disk, at any broker."""

import time
from pathlib import Path

from tests.server.publishing import TRUST, pass_bits
from tests.support.issuing import NOW

from waypass_protocol import bits
from waypass_protocol.assembly import StatusStore
from waypass_protocol.messages import StateMessage
from waypass_protocol.topics import Topics
from waypass_reader.broker_address import BrokerAddress
from waypass_reader.inbox import StatusInbox
from waypass_reader.link import StatusLink
from waypass_reader.log import RecordingLog
from waypass_reader.store_files import DiskKeeper
from waypass_server.services import Services


class TimeFromNow:
    """A synchronised clock that begins at the tests' `NOW` and runs."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def now(self) -> float:
        """See `Clock`."""
        return NOW + time.monotonic() - self._start

    def monotonic_ns(self) -> int:
        """See `Clock`."""
        return time.monotonic_ns()

    def synchronised(self) -> bool:
        """See `Clock`."""
        return True


class RealReader:
    """Connects at once; `close` ends it. It trusts the keys of `tests.server.publishing`."""

    def __init__(self, reader: str, address: BrokerAddress, folder: Path) -> None:
        self.log = RecordingLog()
        clock = TimeFromNow()
        keeper = DiskKeeper(folder, log=self.log)
        self.store = StatusStore(trust=TRUST, keeper=keeper, floors=keeper.floors)
        inbox = StatusInbox(store=self.store, keeper=keeper, clock=clock, log=self.log)
        inbox.restore()
        self.link = StatusLink(
            address=address,
            topics=Topics(TRUST.network),
            reader=reader,
            inbox=inbox,
            clock=clock,
            log=self.log,
            state=lambda: StateMessage(at=clock.now(), software="test", clock_trusted=True, lists=inbox.said()),
        )
        self.link.start()

    def is_at(self, version: int, uri: str = "wp:1") -> bool:
        """Whether it holds this version of the list, and a head renewed it."""
        held = self.store.view.get(uri)
        return held is not None and held.version == version and held.renewed is not None

    def agrees_with(self, services: Services) -> bool:
        """Whether it holds the status that the database has of every pass."""
        return all(
            uri in self.store.view and bits.status_at(self.store.view[uri].packed, idx) == status
            for uri, places in pass_bits(services).items()
            for idx, status in places.items()
        )

    def close(self) -> None:
        """Say goodbye, if anybody is there."""
        self.link.close()
