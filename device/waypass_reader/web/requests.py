"""What came, read before any handler sees it. The first rule that fails refuses the request:

1. the address begins with `/` and is at most 2,048 characters of printable ASCII (`400`); a proxy's form with a host
   in it is not taken
2. its path is split at `/`, then each piece is decoded, as UTF-8 and once; a piece with `/`, `\\` or a control
   character in it, an empty one, `.` and `..` name nothing here (`404`)
3. its query has at most 16 names, each once (`400`)
4. there is no `Transfer-Encoding` (`501`), and at most one `Content-Length`, in digits (`400`), of at most as many
   bytes as the server takes (`413`)

What a handler asks for is checked when it is asked for: a JSON body is called so (`415`), is one object, and has no
member twice (`400`); a header that counts is there once (`400`).
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from waypass_protocol.errors import Malformed
from waypass_protocol.keys import read_json_object
from waypass_reader.web.answers import Problem

MAX_TARGET = 2048
MAX_NAMES = 16
MAX_LENGTH_DIGITS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """An address, taken apart. `path` has no piece for the `/` at the end: `/` itself is empty."""

    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request. `peer` is the other end's address; `parts` are the pieces of the path that the route names."""

    method: str
    target: Target
    headers: Message
    body: bytes
    peer: str
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> Mapping[str, str]:
        """What stands behind the `?`."""
        return self.target.query

    def header(self, name: str) -> str | None:
        """A header that counts. Raises `Problem` when it is there twice."""
        values: list[str] = self.headers.get_all(name, [])
        if len(values) > 1:
            raise Problem(HTTPStatus.BAD_REQUEST, f"expected {name} once, got it {len(values)} times")
        return str(values[0]).strip() if values else None

    def bearer(self) -> str | None:
        """The token in `Authorization: Bearer TOKEN`; None when there is nothing of the kind."""
        scheme, _, token = (self.header("Authorization") or "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    def cookie(self, name: str) -> str | None:
        """A cookie's value as the browser sent it; None when it is not there, or there twice."""
        pairs = (pair.strip().partition("=") for pair in (self.header("Cookie") or "").split(";"))
        values = [value for key, _, value in pairs if key == name]
        return values[0] if len(values) == 1 else None

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises `Problem`.

        The content type has to say so: a form of another origin can't, without asking first.
        """
        kind = (self.header("Content-Type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected Content-Type application/json")
        try:
            return read_json_object(self.body, what="body")
        except Malformed:
            # The library's message repeats what came.
            raise Problem(HTTPStatus.BAD_REQUEST, "expected one JSON object, with no member twice") from None


def read_target(text: str) -> Target:
    """Rules 1 to 3. Raises `Problem`."""
    if len(text) > MAX_TARGET:
        raise Problem(HTTPStatus.REQUEST_URI_TOO_LONG, f"expected at most {MAX_TARGET} characters of address")
    if not text.startswith("/") or not all("!" <= letter <= "~" for letter in text):
        raise Problem(HTTPStatus.BAD_REQUEST, "expected an address that begins with / and is printable ASCII")
    path, _, query = text.partition("?")
    pieces = path[1:].split("/")
    if pieces[-1] == "":
        pieces.pop()
    return Target(path=tuple(map(_read_piece, pieces)), query=_read_query(query))


def read_length(headers: Message, *, limit: int) -> int:
    """Rule 4: how many bytes of body follow. Raises `Problem`."""
    if headers.get_all("Transfer-Encoding"):
        raise Problem(HTTPStatus.NOT_IMPLEMENTED, "expected a body with a Content-Length, got a Transfer-Encoding")
    values: list[str] = headers.get_all("Content-Length", [])
    if not values:
        return 0
    text = str(values[0]).strip()
    if len(values) > 1 or not (text.isascii() and text.isdigit()):
        raise Problem(HTTPStatus.BAD_REQUEST, "expected one Content-Length, in digits")
    if len(text) > MAX_LENGTH_DIGITS or int(text) > limit:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {limit} bytes of body")
    return int(text)


def _read_piece(raw: str) -> str:
    try:
        piece = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise _nothing_here() from None
    if piece in {"", ".", ".."} or any(letter in "/\\" or unicodedata.category(letter) == "Cc" for letter in piece):
        raise _nothing_here()
    return piece


def _read_query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_NAMES, errors="strict")
    except ValueError:  # too many, or not UTF-8
        raise Problem(HTTPStatus.BAD_REQUEST, f"expected at most {MAX_NAMES} names in the query, in UTF-8") from None
    query = dict(pairs)
    if len(query) != len(pairs):
        raise Problem(HTTPStatus.BAD_REQUEST, "expected each name in the query once")
    return query


def _nothing_here() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "there is nothing at this address")
