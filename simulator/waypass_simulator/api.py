"""The server's HTTP API as the simulator's people use it: a base address, a token, JSON in and out.

A refusal (RFC 9457 problem) becomes `Refused` with the server's own words, and a server that does not answer becomes
`Unanswered`. Nothing is retried: a story wants to see what happened.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from waypass_simulator.errors import SimulatorError


class Refused(SimulatorError):
    """The server said no. `status` is the HTTP status, the message is its `detail`."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail


class Unanswered(SimulatorError):
    """The server could not be reached, or did not answer in time."""


class Api:
    """One caller of the server. `token` is a member of staff's or a wallet's; without one only open doors open."""

    def __init__(self, address: str, *, token: str | None = None, timeout: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Loopback only: a proxy from the environment has no business here.
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout, trust_env=False)

    def get(self, path: str) -> Any:
        """The decoded JSON. Raises `Refused` or `Unanswered`."""
        return self._decoded(self._asked("GET", path))

    def get_bytes(self, path: str, *, accept: str = "*/*") -> bytes:
        """The body as it is. Raises `Refused` or `Unanswered`."""
        return self._asked("GET", path, headers={"Accept": accept}).content

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The decoded JSON, None where the answer is empty. Raises `Refused` or `Unanswered`."""
        return self._decoded(self._asked("POST", path, json=dict(body or {})))

    def close(self) -> None:
        """Give up the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def _decoded(response: httpx.Response) -> Any:
        return response.json() if response.content else None

    def _asked(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise Unanswered(
                f"{method} {path}: expected an answer from {self._http.base_url}, got {error!r}"
            ) from error
        if response.is_success:
            return response
        try:
            detail = str(response.json().get("detail", response.text))
        except (ValueError, AttributeError):
            detail = response.text
        raise Refused(response.status_code, detail)
