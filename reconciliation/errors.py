"""What can go wrong in the registry, grouped by what the caller should do."""

from datetime import datetime


class ReconciliationError(Exception):
    """Base of all. The message names the place and the next step and never holds personal data."""


class RetryableStoreError(ReconciliationError):
    """The database did not answer or is being restarted: the outcome is unknown, send the same again."""


class UnreachableStoreError(RetryableStoreError):
    """The database cannot be had at a start: who runs it has to act. The message names the place; `vi` says it too."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi = vi

    @classmethod
    def not_reached(cls, place: str, cause: str) -> "UnreachableStoreError":
        """Nobody answers at `place`, or who answers does not let us in; `cause` in the driver's words."""
        return cls(
            f"Không vào được cơ sở dữ liệu {place}. Kiểm tra máy chủ có chạy không, và LIENTHONG_DATABASE_URL có nêu "
            "đúng máy chủ, người dùng và cơ sở dữ liệu không.",
            f"The database {place} cannot be had: {cause}. "
            "Next: see that it runs, and that LIENTHONG_DATABASE_URL names the server, a user and a database there is.",
        )

    @classmethod
    def only_read(cls, place: str) -> "UnreachableStoreError":
        """The database at `place` takes no writes: a standby, or one that is kept from writing."""
        return cls(
            f"Cơ sở dữ liệu {place} chỉ cho đọc. Nêu máy chủ ghi được (target_session_attrs=read-write).",
            f"The database {place} can only be read. Next: name the server that takes writes "
            "(target_session_attrs=read-write, docs/operating-database.md).",
        )


class StoreFullError(RetryableStoreError):
    """The database has no room left (disk, memory, a limit of its own): nothing was kept, send the same again later."""


class RejectedRequestError(ReconciliationError):
    """The request itself is wrong; sending it again will not help. `reason` is a published code."""

    def __init__(self, reason: str, message: str, *, next_step: str) -> None:
        super().__init__(f"{message} Next: {next_step}")
        self.reason = reason
        self.message = message
        self.next_step = next_step


class LeftAloneError(RejectedRequestError):
    """A work leaves a case alone. `reason` is noted beside it, and is no published code."""


class CaseTakenError(RejectedRequestError):
    """Somebody else was first: who, since when or until when, with what (a decision, or none yet), and the case now.

    `judgement_id` is that of the decision, and `stage` what the case waits for now (desk.Stage).
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        next_step: str,
        steward: str,
        at: datetime,
        decision: str | None = None,
        judgement_id: int | None = None,
        stage: str = "",
    ) -> None:
        super().__init__(reason, message, next_step=next_step)
        self.steward = steward
        self.at = at
        self.decision = decision
        self.judgement_id = judgement_id
        self.stage = stage


class FatalStoreError(ReconciliationError):
    """The store is not what this release expects (schema, version): an operator has to act."""
