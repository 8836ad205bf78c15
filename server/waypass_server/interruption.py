"""The end of a process in the middle of a change, as by a power cut or a kill: a stand-in for tests and drills.

An `Interruption` counts the points at which a process may end: before each statement that writes, before each commit,
and after each change that was committed, before anybody hears of it. At the chosen one it raises `ProcessEnded`, which
nothing in the server catches. Whoever catches it makes `Services` anew, as the next process does.
"""

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

from waypass_server.services import Services

_WRITES = ("INSERT", "UPDATE", "DELETE")


class ProcessEnded(BaseException):
    """The process is no more. `committed`: the change that it was about is in the database all the same."""

    def __init__(self, *, committed: bool) -> None:
        super().__init__("the process ended")
        self.committed = committed


class Interruption:
    """Ends the process that works with `services`, once it was told when."""

    def __init__(self, services: Services) -> None:
        self._left: int | None = None
        event.listen(services.database.engine, "before_cursor_execute", self._before_statement)
        event.listen(services.database.engine, "commit", self._before_commit)
        services.nudge.listen(self._after_commit)

    def after(self, points: int) -> None:
        """End it after so many points; 0 is the next one."""
        self._left = points

    def never(self) -> None:
        """Let it live."""
        self._left = None

    def _before_statement(
        self,
        _connection: Connection,
        _cursor: DBAPICursor,
        statement: str,
        _parameters: object,
        _context: ExecutionContext | None,
        _many: bool,
    ) -> None:
        if statement.lstrip().startswith(_WRITES):
            self._reach(committed=False)

    def _before_commit(self, _connection: Connection) -> None:
        self._reach(committed=False)

    def _after_commit(self) -> None:
        self._reach(committed=True)

    def _reach(self, *, committed: bool) -> None:
        if self._left is None:
            return
        if self._left == 0:
            self._left = None
            raise ProcessEnded(committed=committed)
        self._left -= 1
