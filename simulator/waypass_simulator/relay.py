"""A cable between a program and a server that can be pulled, and worse: a TCP relay on loopback.

- `cut`: connections that stood are gone and new ones end at once, as with a machine that is not there
- `reset`: connections that stand end with a reset on both sides, and may be made anew at once
- `hold`: nothing passes in either direction, and nobody is told: connections stand, new ones are accepted
- `delay`: what comes waits so many seconds before it goes on; order is kept
- `mend`: none of this any more; what was held goes on

One thread serves all connections of a relay, so that a fleet of hundreds can be behind it.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

_PIECE = 65_536
_START_SECONDS = 10.0
_RESET = struct.pack("ii", 1, 0)  # linger for no time: closing sends a reset


class Relay:
    """Listens at `port` of loopback and passes everything on to another port of it."""

    host = "127.0.0.1"

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.WriteTransport] = set()
        self._is_cut = False
        self._delay = 0.0
        self.passed_on = self.passed_back = 0
        """How many bytes went to the server, and how many came from it."""
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._closed = asyncio.Event()
        self._listener = socket.create_server((self.host, 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="relay", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Pull the cable."""
        self._do(self._cut)

    def reset(self) -> None:
        """End what stands, as a box in between does that has lost its tables."""
        self._do(self._reset)

    def hold(self) -> None:
        """Let nothing through, and tell nobody."""
        self._do(self._flowing.clear)

    def delay(self, seconds: float) -> None:
        """Everything that comes from now on waits so long."""
        self._do(lambda: self._set_delay(seconds))

    def mend(self) -> None:
        """All is well again."""
        self._do(self._mend)

    def close(self) -> None:
        """For good."""
        if self._thread.is_alive():
            self._do(self._cut)
            self._do(self._closed.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _do(self, act: Callable[[], None]) -> None:
        """On the relay's own thread; done when this returns."""

        async def acting() -> None:
            act()

        asyncio.run_coroutine_threadsafe(acting(), self._loop).result(_START_SECONDS)

    def _cut(self) -> None:
        self._is_cut = True
        for transport in self._open:
            transport.abort()

    def _cut_meanwhile(self) -> bool:
        return self._is_cut

    def _reset(self) -> None:
        for transport in self._open:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()

    def _set_delay(self, seconds: float) -> None:
        self._delay = seconds

    def _mend(self) -> None:
        self._is_cut = False
        self._delay = 0.0
        self._flowing.set()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._join, sock=self._listener)
        await self._closed.wait()
        server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _join(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        """Connect one connection to the other side, unless the cable is out."""
        transports = {near_out.transport}
        try:
            if self._is_cut:
                return
            far, far_out = await asyncio.open_connection(self.host, self._to_port)
            transports.add(far_out.transport)
            self._open |= transports
            if self._cut_meanwhile():
                return
            for writer in (near_out, far_out):
                writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            passing = [
                asyncio.create_task(self._pass_on(*each)) for each in ((near, far_out, False), (far, near_out, True))
            ]
            # The first end of either direction ends both: nobody here talks to half a connection.
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
            with contextlib.suppress(OSError):  # what was written before the end still goes out
                for writer in (near_out, far_out):
                    writer.close()
        except OSError:
            pass
        finally:
            self._open -= transports
            for transport in transports:
                if not transport.is_closing():
                    transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_PIECE):
                if self._delay > 0:
                    await asyncio.sleep(self._delay)
                await self._flowing.wait()
                target.write(data)
                if back:
                    self.passed_back += len(data)
                else:
                    self.passed_on += len(data)
                await target.drain()
