"""What can go wrong in the registry, grouped by what the caller should do."""


class ReconciliationError(Exception):
    """Base of all. The message names the place and the next step and never holds personal data."""


class RetryableStoreError(ReconciliationError):
    """The database did not answer or is being restarted: the outcome is unknown, send the same again."""


class StoreFullError(RetryableStoreError):
    """The database has no room left (disk, memory, a limit of its own): nothing was kept, send the same again later."""


class RejectedRequestError(ReconciliationError):
    """The request itself is wrong; sending it again will not help. `reason` is a published code."""

    def __init__(self, reason: str, message: str, *, next_step: str) -> None:
        super().__init__(f"{message} Next: {next_step}")
        self.reason = reason
        self.message = message
        self.next_step = next_step


class FatalStoreError(ReconciliationError):
    """The store is not what this release expects (schema, version): an operator has to act."""
