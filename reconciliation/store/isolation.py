"""The second wall: a transaction that speaks for some sources reads and writes their rows only, whatever it says.

The database holds it, by the role and the policies of migration 0009: a faulty statement is refused or finds nothing.
It is no wall against who may write statements of their own.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation.errors import RejectedRequestError
from reconciliation.store.tables import record_tables

ROLE: Final = "lienthong_source"

# COPY is refused under a policy; these tables check what it brings by a trigger instead.
_CHECKED_BY_TRIGGER = {
    *("batch", "record_head", "update_state", "finding", "quarantine", "stream_form", "update_move", "submission"),
    *(table.name for table in record_tables.values()),
}
# One round trip. Whoever may call this has every right; what follows in the transaction has those of the role only.
_SPEAK = sa.text(
    """
    WITH standing AS (
        SELECT source_id, province_codes FROM (
            SELECT DISTINCT ON (source_id) source_id, province_codes, is_revoked FROM source_grant
            WHERE source_id = ANY (:wanted) ORDER BY source_id, entry_id DESC
        ) AS newest WHERE NOT is_revoked
    ), spoken AS (
        SELECT (SELECT coalesce(array_agg(source_id), '{}') FROM standing) AS sources,
            (SELECT coalesce(array_agg(source_id || '/' || code), '{}') FROM standing, unnest(province_codes) AS code)
            AS scopes
    )
    SELECT sources, set_config('lienthong.sources', sources::text, true),
        set_config('lienthong.scopes', scopes::text, true), set_config('role', :role, true)
    FROM spoken
    """
).bindparams(sa.bindparam("wanted", type_=pg.ARRAY(sa.Text)))
LEAVE: Final = b"SET LOCAL role TO DEFAULT"
RETURN: Final = f"SET LOCAL ROLE {ROLE}".encode()
_SPEAKING = "speaking"  # under which a connection notes the transaction in which it speaks


class NotGrantedError(RejectedRequestError):
    """Some of the sources have no grant that stands; `source_ids` are those."""

    def __init__(self, source_ids: Sequence[str]) -> None:
        super().__init__(
            "NOT_ENTITLED",
            "There is no grant for it, or it does not exist.",
            next_step="check the name, then ask the operator for the grant.",
        )
        self.source_ids = tuple(source_ids)


def speak_for(connection: sa.Connection, source_ids: Sequence[str]) -> None:
    """Bind the rest of the transaction to the rows of some sources and to the provinces of their grants.

    Call it first in a transaction. The days of a grant are the caller's to check. Raises NotGrantedError when one of
    them has no grant that stands; the transaction is then bound to the others. No source at all sees nothing.
    """
    granted = connection.scalar(_SPEAK, {"wanted": sorted(set(source_ids)), "role": ROLE})
    connection.info[_SPEAKING] = connection.get_transaction()
    if missing := sorted(set(source_ids) - set(granted)):
        raise NotGrantedError(missing)


def has_to_step_out(connection: sa.Connection, target: sa.Table) -> bool:
    """Whether COPY into `target` has to leave the role for as long as it lasts: LEAVE before it, RETURN after it.

    Tables that no trigger checks are not opened so: PostgreSQL then refuses the COPY.
    """
    is_speaking = connection.info.get(_SPEAKING) is connection.get_transaction() is not None
    return is_speaking and target.name in _CHECKED_BY_TRIGGER
