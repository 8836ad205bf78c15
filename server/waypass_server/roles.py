"""What members of staff may do."""

from enum import StrEnum


class Role(StrEnum):
    """One kind of work. Somebody may have several; the rules about two people hold all the same."""

    ADMIN = "admin"
    PROPOSER = "proposer"
    APPROVER = "approver"
    REVIEWER = "reviewer"
    OPS = "ops"
    DESK = "desk"
