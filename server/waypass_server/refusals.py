"""What the server refuses, one class for each thing that a caller does differently.

A refusal knows its stable name, its title and the HTTP status that it is answered with; `problems` writes the answer.
The message is the detail: what was expected and what came, without a token, a code, a pass or a person.
"""

from waypass_server.errors import ServerError


class Problem(ServerError):
    """A request that is refused. Subclasses set `status`, `name` and `title`; the message is the detail."""

    status = 400
    name = "bad-request"
    title = "The request cannot be used"


class BadInput(Problem):
    """The request is well-formed and asks for what cannot be."""

    status = 422
    name = "bad-input"
    title = "The input is not acceptable"


class UnknownScope(BadInput):
    """A scope number that the network does not define."""

    name = "unknown-scope"
    title = "The network has no such scope"


class OutsideBasis(BadInput):
    """An entry that its basis does not cover."""

    name = "outside-basis"
    title = "The entry is outside its basis"


class Unauthenticated(Problem):
    """No token, or one that is not known."""

    status = 401
    name = "unauthenticated"
    title = "A valid token is needed"


class Forbidden(Problem):
    """The token's holder may not do this."""

    status = 403
    name = "forbidden"
    title = "This is for others to do"


class SamePerson(Forbidden):
    """A step that needs a second person, taken by the first."""

    name = "same-person"
    title = "Another person is needed"


class NotFound(Problem):
    """What the request names is not there, or not for this caller to see."""

    status = 404
    name = "not-found"
    title = "There is no such record"


class Gone(NotFound):
    """What the request names was there, and never will be again."""

    status = 410
    name = "gone"
    title = "The record has ended"


class Conflict(Problem):
    """What the request asks for does not fit the present state."""

    status = 409
    name = "conflict"
    title = "It does not fit the present state"


class TooMany(Problem):
    """A limit on how often is reached; `seconds` until it may be tried again, where that is known."""

    seconds: int | None = None

    status = 429
    name = "too-many"
    title = "Too many attempts"
