"""Asking a reader to open a lane, over real sockets: what goes out, and what each answer means."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.small_server import Answer, Asked, serving

from waypass_protocol.reasons import OverrideReason
from waypass_reader.station.gates import HttpGates, Opened
from waypass_simulator.processes import free_port

KEY = "a-station's-own-key"
HELP = OverrideReason.NEEDS_HELP


def gates(address: str, *, timeout: float = 10.0) -> HttpGates:
    return HttpGates(pages={"gate-a": address}, key=KEY, timeout=timeout)


@pytest.mark.parametrize("ending", ["", "/", "/gates/gate-a", "/gates/gate-a/"])
def test_what_goes_out(ending: str) -> None:
    heard: list[Asked] = []

    def take(asked: Asked) -> Answer:
        heard.append(asked)
        return Answer(status=204)

    path = f"{ending.rstrip('/')}/lanes/lane%201%2Fleft/override"
    with serving({f"POST {path}": take}) as address:
        assert gates(address + ending).open_once("gate-a", "lane 1/left", HELP) is Opened.OPENED
    assert heard == [Asked(method="POST", path=path, token=f"Bearer {KEY}", body={"reason": "needs-help"})]


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (204, Opened.OPENED),
        (401, Opened.REFUSED),
        (403, Opened.REFUSED),
        (404, Opened.UNKNOWN_LANE),
        (200, Opened.FAILED),
        (302, Opened.FAILED),
        (422, Opened.FAILED),
        (429, Opened.FAILED),
        (500, Opened.FAILED),
        (503, Opened.FAILED),
    ],
)
def test_what_an_answer_means(status: int, meaning: Opened) -> None:
    with serving({"POST /lanes/lane-1/override": lambda _: Answer(status=status)}) as address:
        assert gates(address).open_once("gate-a", "lane-1", HELP) is meaning


def test_nobody_there_is_nothing_done() -> None:
    assert gates(f"http://127.0.0.1:{free_port()}").open_once("gate-a", "lane-1", HELP) is Opened.UNREACHABLE


def test_a_name_that_nobody_has_is_nothing_done() -> None:
    assert gates("http://gate-a.invalid:8480").open_once("gate-a", "lane-1", HELP) is Opened.UNREACHABLE


@contextmanager
def odd_server(answer: bytes | None) -> Iterator[str]:
    """Takes one request, and says these bytes; None says nothing for as long as the other end waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                if answer is None:
                    connection.recv(1)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(timeout=10.0)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("silence", None),
        ("an end", b""),
        ("not HTTP", b"SSH-2.0-OpenSSH\r\n"),
        ("half a line", b"HTTP/1.1 2"),
        ("a head without end", b"HTTP/1.1 204 No Content\r\n" + b"x: y\r\n" * 500),
    ],
)
def test_whoever_was_asked_and_does_not_answer_may_have_opened(name: str, answer: bytes | None) -> None:
    with odd_server(answer) as address:
        assert gates(address, timeout=0.5).open_once("gate-a", "lane-1", HELP) is Opened.UNCERTAIN


def test_readers_without_an_address_can_not_be_asked() -> None:
    known = gates("http://127.0.0.1:1")
    assert (known.can_ask("gate-a"), known.can_ask("gate-b")) == (True, False)


def test_the_key_does_not_show() -> None:
    assert KEY not in repr(gates("http://127.0.0.1:1"))
