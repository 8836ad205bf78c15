"""A file of entries or facts, imported in two steps: a look that changes nothing, and then the import.

1. who may import what is `runs.MAY`, as for the command; columns, the rules of rows and the import itself are those of
   `bulk`, and nobody else's
2. nothing of a request is read before it is known that its sender may; the file goes to disk as it comes
3. a file is imported once, however often the form is sent: by its SHA-256 (`runs`), and of two at the same moment one
   goes on. What was begun and broken off is gone on with, by who began it
"""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from waypass_server.api.access import ServicesHere
from waypass_server.api.bases import proposer_of
from waypass_server.api.forms import IdInPath
from waypass_server.api.limits import UPLOADS
from waypass_server.bulk import runs, waiting
from waypass_server.bulk.errors import FileRefused
from waypass_server.bulk.formats import BY_NAME
from waypass_server.bulk.lines import columns_of, needed_columns
from waypass_server.bulk.runs import Importer
from waypass_server.bulk.waiting import MAX_FILE, MOST_ROWS, Brought, Seen
from waypass_server.console.access import FileBringer, Form, Posted, check_form, read_form_with_file
from waypass_server.console.forms import Filled, FormRefused
from waypass_server.console.import_words import tell_file, tell_row
from waypass_server.console.pages.entry_form import bases_for
from waypass_server.console.people import names_of_scopes, names_of_staff
from waypass_server.console.rendering import go, rendering, show
from waypass_server.console.sessions import SignedIn
from waypass_server.console.words import Speech, mark
from waypass_server.models.bulk import Batch, BatchState, Import, ImportKind, ImportState
from waypass_server.models.console import WaitingFile
from waypass_server.refusals import Conflict, Forbidden, NotFound
from waypass_server.services import Services
from waypass_server.worsening import PastLimit

router = APIRouter(prefix="/import")

_MIB = 1 << 20
_NO_FILE = mark("Choose a file.")
_NO_KIND = mark("Choose one of these.")
_NO_FORM = mark("Expected a name that ends with %(known)s; this one is called %(name)s.")
_TOO_LARGE = mark(
    "Expected at most %(most)s MiB here; this one has %(size)s MiB. Divide it, or import it with the command "
    "waypass-server import."
)
_PAST_LIMIT = mark(
    "With this file %(people)s people would be made yellow, where a limit allows %(limit)s. Record fewer for now, or "
    "propose a higher limit."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    """How far a file is: `earlier` is its import, if it was ever begun, and `batch` what that made."""

    earlier: Import | None
    batch: Batch | None

    @property
    def done(self) -> bool:
        """Whether it was imported to its end."""
        return self.earlier is not None and self.earlier.state is ImportState.DONE

    @property
    def down(self) -> bool:
        """Whether somebody has turned its batch down while it was being read."""
        return not self.done and self.batch is not None and self.batch.state is not BatchState.READING


@router.get("")
def show_form(request: Request, me: FileBringer, here: ServicesHere) -> Response:
    """Which file, and what it may hold."""
    return _show_form(request, me, here, Filled())


@router.post("")
async def bring(request: Request, me: FileBringer, here: ServicesHere) -> Response:
    """Look at every row and change nothing; whatever is wrong with the file as such is said at its field."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > UPLOADS["/ops/import"]:
        return await run_in_threadpool(_refuse_size, request, me, here, int(announced))
    form = await read_form_with_file(request)
    try:
        check_form(form, me.secret)
        return await run_in_threadpool(_bring, request, me, here, form)
    finally:
        await request.close()


@router.get("/{file_id}")
def show_file(file_id: IdInPath, request: Request, me: FileBringer, here: ServicesHere) -> Response:
    """What is in a file that one has brought, and what can be done with it."""
    return _show_file(file_id, request, me, here)


@router.post("/{file_id}")
def take_in(file_id: IdInPath, request: Request, _form: Posted, me: FileBringer, here: ServicesHere) -> Response:
    """Import it: entries become a batch of proposals, facts count."""
    importer = _importer(me, here)
    with here.database.reading() as session:
        file = waiting.find(session, me.member.staff_id, file_id)
        _check_may(me, file.kind)
        stage = _stage(session, me, file)
    if not stage.done:
        try:
            result = waiting.take_in(importer, file)
        except PastLimit as error:
            return _show_file(file_id, request, me, here, past=error, status=error.status)
        except (Conflict, NotFound, IntegrityError):
            return go(f"/ops/import/{file_id}")  # the page says how far another request, or person, has brought it
        if result.import_id is None:
            return _show_file(file_id, request, me, here, changed=True, status=Conflict.status)
        here.nudge()
        with here.database.reading() as session:
            stage = _stage(session, me, file)
    if stage.batch is None:
        return go(f"/ops/import/{file_id}", done="facts-imported")
    if not stage.batch.entries:
        return go(f"/ops/import/{file_id}")
    return go(f"/ops/batches/{stage.batch.id}", done="imported")


def _bring(request: Request, me: SignedIn, here: Services, form: Form) -> Response:
    speech = rendering(request).speech(request)
    try:
        brought, upload = _read(form, me, speech), form.file("file")
        assert upload is not None
        try:
            file_id = waiting.bring(_importer(me, here), upload.file, brought)
        except FileRefused as error:
            raise FormRefused({"file": tell_file(str(error), speech)}) from None
        except PastLimit as error:
            raise FormRefused({"file": _tell_limit(error, speech)}) from None
    except FormRefused as refused:
        filled = Filled.of(form, texts=("kind", "whole"), errors=refused.errors)
        return _show_form(request, me, here, filled, status=422)
    return go(f"/ops/import/{file_id}")


def _read(form: Form, me: SignedIn, speech: Speech) -> Brought:
    """What is said of a file. Raises `FormRefused` with everything that is wrong, and `Forbidden`."""
    errors: dict[str, str] = {}
    kinds = {kind.value: kind for kind in ImportKind}
    kind = kinds.get(form.text("kind"))
    if kind is None:
        errors["kind"] = speech(_NO_KIND)
    else:
        _check_may(me, kind)
    upload = form.file("file")
    name = _plain(upload.filename or "") if upload else ""
    written = next((one for end, one in BY_NAME.items() if name.lower().endswith(end)), None)
    if upload is None:
        errors["file"] = speech(_NO_FILE)
    elif written is None:
        errors["file"] = speech(_NO_FORM) % {"known": ", ".join(BY_NAME), "name": name}
    elif (upload.size or 0) > MAX_FILE:
        errors["file"] = _too_large(upload.size or 0, speech)
    if errors or kind is None or written is None:
        raise FormRefused(errors)
    return Brought(kind=kind, form=written, whole=bool(form.text("whole")))


def _refuse_size(request: Request, me: SignedIn, here: Services, size: int) -> Response:
    """Before anything of it is read; so nothing is known of what else the form said."""
    errors = {"file": _too_large(size, rendering(request).speech(request))}
    return _show_form(request, me, here, Filled(errors=errors), status=413)


def _too_large(size: int, speech: Speech) -> str:
    return speech(_TOO_LARGE) % {"most": MAX_FILE // _MIB, "size": f"{size / _MIB:.1f}"}


def _tell_limit(error: PastLimit, speech: Speech) -> str:
    return speech(_PAST_LIMIT) % {"people": error.passed.people, "limit": error.passed.limit}


def _plain(name: str) -> str:
    """A file's name as it can be shown, its end kept."""
    return "".join(letter for letter in name if letter.isprintable())[-100:]


def _show_form(request: Request, me: SignedIn, here: Services, filled: Filled, *, status: int = 200) -> Response:
    kinds = [kind for kind, roles in runs.MAY.items() if me.member.roles.intersection(roles)]
    with here.database.reading() as session:
        return show(
            request,
            "import.html",
            status=status,
            filled=filled,
            kinds=kinds,
            names=list(BY_NAME),
            most=MAX_FILE // _MIB,
            most_rows=f"{MOST_ROWS:,}",
            columns={kind.value: columns_of(kind) for kind in kinds},
            needed={kind.value: needed_columns(kind) for kind in kinds},
            versions=bases_for(session, me) if ImportKind.ENTRIES in kinds else [],
            scopes=names_of_scopes(session, me.member.network_id),
        )


def _show_file(
    file_id: int,
    request: Request,
    me: SignedIn,
    here: Services,
    *,
    changed: bool = False,
    past: PastLimit | None = None,
    status: int = 200,
) -> Response:
    speech = rendering(request).speech(request)
    with here.database.reading() as session:
        file = waiting.find(session, me.member.staff_id, file_id)
        _check_may(me, file.kind)
        seen = Seen.of(file)
        return show(
            request,
            "import_file.html",
            status=status,
            file=file,
            seen=seen,
            told=[tell_row(row, speech) for row in seen.bad],
            stage=_stage(session, me, file),
            changed=changed,
            past=_tell_limit(past, speech) if past else "",
            staff=names_of_staff(session, me.member.network_id),
        )


def _stage(session: Session, me: SignedIn, file: WaitingFile) -> _Stage:
    earlier = waiting.import_of(session, me.member.network_id, file)
    return _Stage(earlier=earlier, batch=runs.batch_of(session, earlier) if earlier else None)


def _check_may(me: SignedIn, kind: ImportKind) -> None:
    """Rule 1. Raises `Forbidden`."""
    if not me.member.roles.intersection(runs.MAY[kind]):
        needed = " or ".join(role.value for role in runs.MAY[kind])
        raise Forbidden(f"import of {kind.value}: expected somebody with the role {needed}")


def _importer(me: SignedIn, here: Services) -> Importer:
    return Importer(database=here.database, by=proposer_of(me.member), now=here.now)
