"""The cable that can be pulled, held, delayed and reset, between real sockets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from waypass_simulator.relay import Relay

SECONDS = 40.0


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says everything back; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65_536):
                    connection.sendall(data)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@contextmanager
def connected(relay: Relay) -> Iterator[socket.socket]:
    with socket.create_connection((relay.host, relay.port), timeout=SECONDS) as connection:
        connection.sendall(b"hello")
        assert received(connection, 5) == b"hello"
        yield connection


def received(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length and (piece := connection.recv(length - len(data))):
        data += piece
    return data


def test_much_goes_through_whole_and_in_order(echo: int) -> None:
    data = b"".join(number.to_bytes(4, "big") for number in range(200_000))
    with Relay(echo) as relay, connected(relay) as connection:
        sending = threading.Thread(target=connection.sendall, args=(data,))
        sending.start()
        assert received(connection, len(data)) == data
        sending.join()


def test_a_cut_ends_what_stands_and_what_is_new_until_it_is_mended(echo: int) -> None:
    with Relay(echo) as relay:
        with connected(relay) as connection:
            relay.cut()
            assert ended(connection)
        with socket.create_connection((relay.host, relay.port), timeout=SECONDS) as refused:
            assert ended(refused)
        relay.mend()
        with connected(relay):
            pass


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_a_reset_is_one_and_the_next_connection_stands(echo: int) -> None:
    with Relay(echo) as relay:
        with connected(relay) as connection:
            relay.reset()
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        with connected(relay):
            pass


def test_what_is_held_goes_on_when_it_is_mended(echo: int) -> None:
    with Relay(echo) as relay, connected(relay) as connection:
        relay.hold()
        connection.sendall(b"later")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(SECONDS)
        relay.mend()
        assert received(connection, 5) == b"later"


def test_what_is_delayed_comes_later(echo: int) -> None:
    with Relay(echo) as relay, connected(relay) as connection:
        relay.delay(0.5)
        connection.sendall(b"there and back")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(SECONDS)
        assert received(connection, 14) == b"there and back"


def test_the_end_of_one_side_reaches_the_other(echo: int) -> None:
    with Relay(echo) as relay, connected(relay) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert ended(connection)


def test_nobody_behind_it_is_an_end_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with Relay(port) as relay, socket.create_connection((relay.host, relay.port), timeout=SECONDS) as connection:
        assert ended(connection)
