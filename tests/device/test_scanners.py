"""2D scanners: on a real serial line (a pseudo terminal), and typing the kernel's own events into a pipe."""

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.issuing import make_issuer

from waypass_reader.errors import SourceError, SourceLost
from waypass_reader.frames import Scan, SerialConfig, WedgeConfig, open_source
from waypass_reader.scanners.doubles import PipeKeyboard, PtyScanner, typed
from waypass_reader.scanners.serial_line import LineReading
from waypass_reader.scanners.texts import ASKED_NS, GAP_NS, TextSource
from waypass_reader.scanners.wedge import EV_KEY, EV_SYN, EVENT, SYN_DROPPED, KeyReading, grab, open_wedge

DEADLINE = 20.0
TIOCGEXCL = 0x80045440
BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
CTRL, F1, LEFT_SHIFT, ENTER, KEY_A = 29, 59, 42, 28, 30


@pytest.fixture
def scanner() -> Iterator[PtyScanner]:
    pty = PtyScanner()
    yield pty
    pty.unplug()


@pytest.fixture
def keyboard(tmp_path: Path) -> Iterator[PipeKeyboard]:
    pipe = PipeKeyboard(tmp_path / "event3")
    yield pipe
    pipe.unplug()


class Time:
    """Monotonic nanoseconds that a test moves."""

    def __init__(self) -> None:
        self.ns = 1

    def __call__(self) -> int:
        return self.ns


def listen(scanner: PtyScanner, clock_ns: Callable[[], int] = time.monotonic_ns) -> TextSource:
    source = open_source(SerialConfig(device=str(scanner.path), baud=115_200), clock_ns=clock_ns)
    assert isinstance(source, TextSource)
    return source


def watch(keyboard: PipeKeyboard, clock_ns: Callable[[], int] = time.monotonic_ns) -> TextSource:
    return open_wedge(WedgeConfig(device=str(keyboard.path)), clock_ns=clock_ns, take=lambda _descriptor: None)


def read(source: TextSource) -> str:
    """The next text, however many pieces it comes in."""
    return scan_of(source).text


def scan_of(source: TextSource) -> Scan:
    scan: Scan | None = None
    while scan is None:
        scan = source.next_frame(DEADLINE)
    return scan


def test_a_serial_scanner_gives_each_text_once_and_stamped(scanner: PtyScanner) -> None:
    presentation = make_issuer().presentation()
    with listen(scanner) as source:
        before = time.monotonic_ns()
        scanner.scan(presentation)
        scan = scan_of(source)
        assert scan.text == presentation
        assert before <= scan.at_ns <= time.monotonic_ns()
        scanner.scan("second")
        assert read(source) == "second"
        assert source.next_frame(0) is None
    assert source.ended
    assert source.next_frame(0) is None
    source.close()


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n", "\n\n\r"])
def test_each_ending_ends_one_text(scanner: PtyScanner, ending: str) -> None:
    with listen(scanner) as source:
        scanner.scan("one", ending=ending)
        scanner.scan("two", ending=ending)
        assert [read(source), read(source)] == ["one", "two"]
        assert source.next_frame(0) is None


def test_what_the_line_held_before_it_was_opened_is_dropped(scanner: PtyScanner) -> None:
    scanner.scan("who knows when")
    with listen(scanner) as source:
        scanner.scan("now")
        assert read(source) == "now"


def test_a_line_is_one_program_s_alone(scanner: PtyScanner) -> None:
    """Root may open it all the same, so the line itself is asked."""
    other = os.open(scanner.path, os.O_RDONLY | os.O_NOCTTY)
    before = fcntl.ioctl(other, TIOCGEXCL, bytes(4))
    with listen(scanner):
        assert (before[0], fcntl.ioctl(other, TIOCGEXCL, bytes(4))[0]) == (0, 1)
    os.close(other)


def test_a_text_that_stops_in_the_middle_is_dropped(scanner: PtyScanner) -> None:
    clock = Time()
    with listen(scanner, clock) as source:
        scanner.send(b"WP1:HALF")
        assert source.next_frame(DEADLINE) is None
        for _ in range(3):  # it is asked all the time
            clock.ns += GAP_NS // 3 + 1
            assert source.next_frame(0) is None
        scanner.scan("WHOLE")
        assert read(source) == "WHOLE"


def test_what_came_while_nobody_asked_is_dropped(scanner: PtyScanner) -> None:
    clock = Time()
    with listen(scanner, clock) as source:
        scanner.scan("first")
        assert read(source) == "first"
        scanner.scan("while somebody walks through")
        clock.ns += ASKED_NS
        assert source.next_frame(0.05) is None
        scanner.scan("after")
        assert read(source) == "after"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("line noise", b"\x00\xff\x80\x13"),
        ("cut UTF-8", b"WP1:\xe4\xb8"),
        ("an escape", b"\x1b[2J"),
        ("another rate", bytes(range(128, 200))),
    ],
)
def test_what_is_no_text_is_an_unreadable_frame(scanner: PtyScanner, name: str, data: bytes) -> None:
    with listen(scanner) as source:
        scanner.send(data + b"\r")
        scanner.scan("good")
        with pytest.raises(SourceError, match="sent something that is no text; check its baud rate") as error:
            read(source)
        assert not isinstance(error.value, SourceLost), name
        assert read(source) == "good"


def test_a_poster_in_another_script_is_a_text() -> None:
    assert LineReading().take("请扫码\r".encode()) == ["请扫码"]


@pytest.mark.parametrize("letter", ["A", "码", "\x01"])
def test_a_text_is_never_longer_than_is_needed_to_refuse_it(letter: str) -> None:
    reading = LineReading()
    for _ in range(1000):
        assert reading.take(letter.encode() * 1000) == []
    found = reading.take(b"\r" + b"AFTER\r")
    assert [None if text is None else len(text) for text in found] == [None if letter == "\x01" else 1025, 5]


def test_a_scanner_that_sends_without_end_is_not_followed_without_end(scanner: PtyScanner) -> None:
    clock = Time()
    stopping = threading.Event()

    def babble() -> None:
        while not stopping.is_set():
            scanner.scan("A" * 50)

    babbler = threading.Thread(target=babble, daemon=True)
    with listen(scanner, clock) as source:
        babbler.start()
        for _ in range(50):
            clock.ns += ASKED_NS
            source.next_frame(0.01)
        assert not source.ended
        stopping.set()
        while babbler.is_alive():  # its last words may still stand before a full line
            source.next_frame(0.01)


def test_a_scanner_that_is_unplugged_is_lost_and_another_can_be_opened(scanner: PtyScanner) -> None:
    source = listen(scanner)
    scanner.unplug()
    for _ in range(2):
        with pytest.raises(SourceLost, match=r"scanner /dev/pts/\d+: gives no more .* check its cable"):
            source.next_frame(DEADLINE)
    source.close()
    again = PtyScanner()
    with listen(again) as reopened:
        again.scan("back")
        assert read(reopened) == "back"
    again.unplug()


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (
            "/dev/ttyACM871",
            r"scanner /dev/ttyACM871: there is no such device \(those like it here: .*\); check the cable",
        ),
        ("/dev/null", r"scanner /dev/null: can't be used as a serial line \(Inappropriate ioctl for device\)"),
        ("/proc/version/x", r"can't be opened \(Not a directory\)"),
    ],
)
def test_a_device_that_is_none_is_named_with_the_remedy(device: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(SerialConfig(device=device))


def test_a_wedge_types_what_it_reads(keyboard: PipeKeyboard) -> None:
    presentation = make_issuer().presentation()
    texts = [presentation, BASE45, "https://example.org/?q=\"'`~^&_{}[]|\\<>#@!,;()"]
    # Like the kernel's own, the double's pipe does not hold a whole presentation's keys.
    typing = threading.Thread(target=keyboard.scan_all, args=(texts,), daemon=True)
    with watch(keyboard) as source:
        typing.start()
        assert [read(source) for _ in texts] == texts


def keys(*events: tuple[int, int]) -> bytes:
    return b"".join(EVENT.pack(0, 0, EV_KEY, code, value) for code, value in events)


A, END = ((KEY_A, 1), (KEY_A, 0)), ((ENTER, 1), (ENTER, 0))


@pytest.mark.parametrize(
    ("name", "data", "texts"),
    [
        ("a key that is held types once", keys((KEY_A, 1), (KEY_A, 2), (KEY_A, 2), (KEY_A, 0), *END), ["a"]),
        ("a shift that is let go", keys((LEFT_SHIFT, 1), *A, (LEFT_SHIFT, 0), *A, *END), ["Aa"]),
        ("two shifts, one let go", keys((LEFT_SHIFT, 1), (54, 1), (LEFT_SHIFT, 0), *A, *END), ["A"]),
        ("the number pad", keys((71, 1), (78, 1), (98, 1), (96, 1)), ["7+/"]),
        ("a function key is no letter", keys(*A, (F1, 1), *A, *END, *A, *END), [None, "a"]),
        ("control and a letter is no letter", keys((CTRL, 1), *A, (CTRL, 0), *END, *A, *END), [None, "a"]),
        ("caps lock is not looked at", keys((58, 1), (58, 0), *A, *END), ["a"]),
        ("Enter alone is nothing", keys(*END, *END), []),
        ("a mouse", b"".join(EVENT.pack(0, 0, 2, axis, 5) for axis in (0, 1)) + keys(*A, *END), ["a"]),
        ("events that the kernel dropped", keys(*A) + EVENT.pack(0, 0, EV_SYN, SYN_DROPPED, 0) + keys(*END), [None]),
    ],
)
def test_keys_become_texts(name: str, data: bytes, texts: list[str | None]) -> None:
    assert KeyReading().take(data) == texts, name
    by_bytes = KeyReading()
    assert [text for place in range(len(data)) for text in by_bytes.take(data[place : place + 1])] == texts, name


def test_a_typed_text_is_never_longer_than_is_needed_to_refuse_it() -> None:
    reading = KeyReading()
    for _ in range(3000):
        reading.take(keys(*A))
    (text,) = reading.take(keys(*END))
    assert text == "a" * 1025


def test_keys_that_stop_in_the_middle_are_dropped(keyboard: PipeKeyboard) -> None:
    clock = Time()
    with watch(keyboard, clock) as source:
        keyboard.send(*typed("WP1:HALF"))
        assert source.next_frame(DEADLINE) is None
        for _ in range(3):
            clock.ns += GAP_NS // 3 + 1
            assert source.next_frame(0) is None
        keyboard.scan("WHOLE")
        assert read(source) == "WHOLE"


def test_a_wedge_that_is_unplugged_is_lost_and_can_come_back(keyboard: PipeKeyboard) -> None:
    source = watch(keyboard)
    keyboard.send(*typed("WP1:"))
    keyboard.unplug()
    with pytest.raises(SourceLost, match=r"event3: gives no more \(it is gone\); check its cable"):
        read(source)
    source.close()
    with pytest.raises(SourceError, match=r"event3: there is no such device"):
        watch(keyboard)
    again = PipeKeyboard(keyboard.path)
    with watch(again) as reopened:
        again.scan("back")
        assert read(reopened) == "back"
    again.unplug()


def test_what_can_not_be_grabbed_is_not_read(keyboard: PipeKeyboard) -> None:
    def busy(descriptor: int) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), descriptor)

    config = WedgeConfig(device=str(keyboard.path))
    with pytest.raises(SourceError, match=r"another program has grabbed it: .* it is not read ungrabbed"):
        open_wedge(config, clock_ns=time.monotonic_ns, take=busy)
    # The real call, at what is no input device.
    with pytest.raises(SourceError, match=r"can't be grabbed \(it is no input device: Inappropriate ioctl"):
        open_wedge(config, clock_ns=time.monotonic_ns, take=grab)


def test_no_text_is_in_what_a_scanner_holds_or_says(scanner: PtyScanner) -> None:
    with listen(scanner) as source:
        scanner.send(b"WP1:SECRET\x01\r")
        with pytest.raises(SourceError) as error:
            read(source)
        assert "SECRET" not in str(error.value)
        scanner.scan("WP1:SECRET")
        assert read(source) == "WP1:SECRET"
        assert "SECRET" not in repr(
            [vars(part) if hasattr(part, "__dict__") else part for part in vars(source).values()]
        )
