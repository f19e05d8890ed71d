"""Places in the feed as registries hold them: sealed, and good for one registry only."""

from dataclasses import dataclass, field

from gateway.errors import Reason, RejectedCallError
from gateway.tokens import Purpose, open_token, seal
from reconciliation.model import Cursor


@dataclass(frozen=True)
class Cursors:
    """Seals and opens cursors with the secret of this database."""

    secret: bytes = field(repr=False)

    def seal(self, cursor: Cursor, consumer_id: str) -> str:
        """The cursor for a registry."""
        numbers = (cursor.epoch, cursor.sequence)
        return seal(numbers, secret=self.secret, purpose=Purpose.FEED_CURSOR, bound_to=consumer_id)

    def open(self, cursor: str, consumer_id: str) -> Cursor:
        """The place that a registry was given. Raises RejectedCallError CURSOR_INVALID for anything else."""
        numbers = open_token(cursor, secret=self.secret, purpose=Purpose.FEED_CURSOR, bound_to=consumer_id)
        if numbers is None:
            raise RejectedCallError(
                Reason.CURSOR_INVALID,
                "The cursor is none that this consumer was given.",
                field_path="cursor",
                facts={"field": "cursor"},
            )
        return Cursor(epoch=numbers[0], sequence=numbers[1])
