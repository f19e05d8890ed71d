"""A small registry to reconcile, and everything in it as values, for comparing two ways to the same state."""

from datetime import datetime

import sqlalchemy as sa

from reconciliation.store import landing, tables
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

LAO_CAI = "15"
# When a row was written and in which order rows of one batch got their numbers say nothing about the state.
VOLATILE_TABLES = {"run", "installation"}


def land_two_sources(engine: sa.Engine) -> None:
    """One person in two former provinces, and one more: a link, and three people's records."""
    person = {
        "personal_number": "015080000017",
        "full_name": "Lò Thị Mẩy",
        "birth_year": 1980,
        "birth_month": 5,
        "birth_day": 17,
        "sex": "female",
        "unit_code": "02647",
    }
    other = person | {"personal_number": "015080000025", "full_name": "Vàng A Sử", "birth_day": 18, "sex": "male"}
    _land(engine, "yen-bai.population", {"source_record_id": "A", **person}, {"source_record_id": "C", **other})
    _land(engine, "lao-cai.population", {"source_record_id": "B", **person})


def _land(engine: sa.Engine, source_id: str, *records: dict[str, object]) -> None:
    where = source(source_id)
    one = batch(source_id=source_id, payload=source_id.encode())
    landing.land(engine, one, normalised(rows(where.kind, *records)), source=where, now=NOW)


def state_of(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, without the columns that say when."""
    with engine.connect() as connection:
        return {
            name: sorted(
                (
                    tuple(value for value in row if not isinstance(value, datetime))
                    for row in connection.execute(sa.select(table))
                ),
                key=repr,
            )
            for name, table in tables.metadata.tables.items()
            if name not in VOLATILE_TABLES
        }


# What is drawn or counted anew: where a run was killed, the next one takes the numbers after those that are lost.
_DRAWN = {"change_id", "previous_change_id", "receipt_id", "xid", "move_id", "case_id", "figures_sha256", "content"}
_OF_DRAWN = {"change_record", "change", "feed_head", "balance_statement"}


def settled_state(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    """As `state_of`, without what says in which attempt something was done: what two ways to one end have in common."""
    with engine.connect() as connection:
        return {
            name: sorted(
                (
                    tuple(value for value in row if not isinstance(value, datetime))
                    for row in connection.execute(sa.select(*(one for one in table.c if one.name not in _DRAWN)))
                ),
                key=repr,
            )
            for name, table in tables.metadata.tables.items()
            if name not in VOLATILE_TABLES | _OF_DRAWN
        }
