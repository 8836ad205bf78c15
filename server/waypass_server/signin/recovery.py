"""Recovery codes: ten, of 80 random bits each, shown once, each good once in the place of the app's code."""

from sqlalchemy import CursorResult, delete
from sqlalchemy.orm import Session

from waypass_server.database import RandomBytes
from waypass_server.models.sign_in import RecoveryCode
from waypass_server.tokens import hash_secret, make_code, read_code

HOW_MANY = 10


def renew(session: Session, staff_id: int, random_bytes: RandomBytes) -> list[str]:
    """Codes in place of those that there were, to be shown once."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    codes = [f"{make_code(random_bytes)}-{make_code(random_bytes)}" for _ in range(HOW_MANY)]
    session.add_all(RecoveryCode(staff_id=staff_id, code_hash=hash_secret(code)) for code in codes)
    return codes


def as_code(typed: str) -> str | None:
    """A recovery code as it was meant, or None when it cannot be one."""
    text = "".join(each for each in typed if each not in "- ")
    first, second = read_code(text[:8]), read_code(text[8:])
    return f"{first}-{second}" if first and second else None


def use(session: Session, staff_id: int, code: str) -> bool:
    """Whether it is one of this person's; it is none from then on."""
    theirs = RecoveryCode.staff_id == staff_id, RecoveryCode.code_hash == hash_secret(code)
    done = session.execute(delete(RecoveryCode).where(*theirs))
    assert isinstance(done, CursorResult)
    return done.rowcount > 0
