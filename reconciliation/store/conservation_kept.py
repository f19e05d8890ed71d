"""The balances that are kept: made after a run, chained to the one before, signed by the gateway when it sees them."""

import hashlib
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from reconciliation.statement import Statement, figures_sha256, to_bytes
from reconciliation.store import balance, conservation, conservation_losses
from reconciliation.store.reconciling import STATEMENT_SECONDS
from reconciliation.store.tables import balance_statement


def take(engine: sa.Engine, province_code: str, *, now: datetime) -> Statement | None:
    """Make the balance of a province from one snapshot and keep it if it says anything new; return it.

    None while another one is being made for the province.
    """
    with engine.begin() as guard:
        key = sa.func.hashtextextended(f"balance {province_code}", 0)
        if not guard.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(key))):
            return None
        # Its snapshot begins after the lock is held, so that two made at once cannot both be the first.
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
            connection.execute(sa.text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))
            return _take(connection, province_code, now=now)


def _take(connection: sa.Connection, province_code: str, *, now: datetime) -> Statement:
    last = balance.newest(connection, province_code)
    before = last.statement if last else None
    ledger = conservation.ledger(connection, province_code)
    found = conservation_losses.find(connection, province_code, before=before, now=ledger)
    statement = Statement(
        province_code=province_code,
        made_at=now,
        previous=hashlib.sha256(last.content).hexdigest() if last else None,
        sources=conservation.sources(connection, province_code),
        ledger=ledger,
        former_units=conservation.former_units(connection, province_code),
        current_units=conservation.current_units(connection, province_code),
        lost=found.lost,
        losses=found.losses,
    )
    said = figures_sha256(statement)
    if before is not None and figures_sha256(before) == said:
        return before
    row = {
        "province_code": province_code,
        "made_at": now,
        "content": to_bytes(statement),
        "figures_sha256": said,
        "is_closed": statement.is_closed,
    }
    connection.execute(balance_statement.insert().values(row))
    return statement


def sign_unsigned(engine: sa.Engine, sign: Callable[[bytes], str], *, most: int = 100) -> int:
    """Put a signature under each balance that has none, at most `most` of them; return how many.

    Two gateways that sign at once sign the same: the first signature stays.
    """
    unsigned = (
        sa.select(balance_statement.c.statement_id, balance_statement.c.content)
        .where(balance_statement.c.signature.is_(None))
        .order_by(balance_statement.c.statement_id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    with engine.begin() as connection:
        found = connection.execute(unsigned).all()
        for statement_id, content in found:
            signed = balance_statement.update().where(balance_statement.c.statement_id == statement_id)
            connection.execute(signed.values(signature=sign(content)))
    return len(found)
