"""The database alone: who speaks for a source reads and writes no other's rows, whatever the statement says."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.canonical import RecordKind
from reconciliation.errors import FatalStoreError, RejectedRequestError
from reconciliation.model import State
from reconciliation.store import grants, isolation, landing, lifecycle_moves, registers, status, tables
from reconciliation.store.copying import copy_in, these
from reconciliation.store.engine import connect, migrate
from reconciliation.store.isolation import NotGrantedError, speak_for
from tests import provinces
from tests.database import ship_grants, temporary_database
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

every_server = pytest.mark.every_server

MINE, THEIRS = "yen-bai.population", "ha-noi.population"
REFUSED = (sa.exc.ProgrammingError, psycopg.errors.InsufficientPrivilege)


def land(engine: sa.Engine, source_id: str, key: str):
    table = rows(RecordKind.PERSON, {"source_record_id": key, "full_name": "Lò Thị Mẩy"})
    held = [{"row": 1, "source_record_id": f"{key} held", "codes": ["DATE_INVALID"], "raw": b""}]
    one = batch(source_id=source_id, payload=source_id.encode())
    return landing.land(engine, one, normalised(table, held), source=source(source_id), now=NOW)


@contextmanager
def speaking(engine: sa.Engine, *source_ids: str) -> Iterator[sa.Connection]:
    """A transaction for some sources, rolled back."""
    with engine.connect() as connection:
        speak_for(connection, source_ids)
        yield connection


def new_batch(source_id: str, province_code: str, sequence: int) -> sa.Insert:
    row = {
        "source_id": source_id, "epoch": "e", "sequence": 1 + sequence, "sha256": sa.text("''"), "format": "arrow_ipc",
        "kind": "person", "exported_on": date(2025, 8, 1), "province_code": province_code, "received": 0,
        "accepted": 0, "superseded": 0, "quarantined": 0, "findings": 0, "landed_at": NOW,
    }  # fmt: skip
    return tables.batch.insert().values(row)


def head(source_id: str, province_code: str, record_id: int) -> sa.Insert:
    return tables.record_head.insert().values(
        source_id=source_id,
        source_record_id=f"X{record_id}",
        record_id=record_id,
        source_version=1,
        kind="person",
        province_code=province_code,
    )


def state(source_id: str, province_code: str, record_id: int) -> sa.Insert:
    return tables.update_state.insert().values(
        record_id=record_id,
        kind="person",
        province_code=province_code,
        source_id=source_id,
        state="awaiting_reconciliation",
        cause="LANDED",
        since=NOW,
        owner="gateway/operator",
        deadline=NOW,
    )


def is_refused(connection: sa.Connection, write: Callable[[], object]) -> bool:
    """Whether the database refuses to write; what it took is taken back."""
    attempt = connection.begin_nested()
    try:
        write()
    except REFUSED:
        attempt.rollback()
        return True
    attempt.rollback()
    return False


# Runs a statement with the caller's rights and says whether it was taken; 42501 is what the wall answers.
TRY = """
CREATE FUNCTION try_to(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN false;
END
$$
"""


def literal(statement: sa.Insert) -> str:
    """A statement with its values written out, for the function above."""
    compiled = statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    return str(compiled).split(" RETURNING ")[0]


@every_server
def test_of_all_pairs_of_provinces_only_the_diagonal_is_written(engine):
    """34 sources, one a province; each tries to write for every other and about every other's people."""
    sources = provinces.sources()
    written = {}
    for speaker in sources.values():
        tries = {}
        for number, (code, named) in enumerate(sources.items()):
            for table, make in (("batch", new_batch), ("head", head), ("state", state)):
                tries[code, "as them", table] = literal(make(named.source_id, code, 2 * number))
            tries[code, "about them", "batch"] = literal(new_batch(speaker.source_id, code, 2 * number + 1))
        with engine.connect() as connection:
            connection.execute(sa.text(TRY))
            speak_for(connection, [speaker.source_id])
            statements = sa.func.unnest(sa.cast(list(tries.values()), postgresql.ARRAY(sa.Text))).column_valued("one")
            taken = connection.scalars(sa.select(sa.func.try_to(statements, type_=sa.Boolean))).all()
        written |= {(speaker.province_code, *tried): is_in for tried, is_in in zip(tries, taken, strict=True)}

    assert len(written) == 34 * 34 * 4
    assert {tried for tried, is_in in written.items() if is_in != (tried[0] == tried[1])} == set()


@every_server
def test_rows_of_others_are_not_there_to_be_read_or_changed(engine):
    mine, theirs = land(engine, MINE, "A"), land(engine, THEIRS, "B")
    with engine.begin() as connection:
        every = connection.scalars(sa.select(tables.update_state.c.record_id)).all()
        lifecycle_moves.move(connection, these(every), to=State.SUPERSEDED, cause="X", now=NOW)
    seen = (tables.batch, tables.record_head, tables.update_state, tables.record_tables[RecordKind.PERSON])
    parts = (tables.finding, tables.quarantine, tables.update_move)

    with speaking(engine, MINE) as connection:
        sources = {table.name: set(connection.scalars(sa.select(table.c.source_id))) for table in seen}
        counts = {table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in parts}
        changed = connection.execute(tables.update_state.update().values(cause="X")).rowcount
        moved = connection.execute(
            tables.batch.update().where(tables.batch.c.receipt_id == theirs.receipt_id).values(accepted=0)
        ).rowcount
        given = is_refused(connection, lambda: connection.execute(tables.batch.update().values(source_id=THEIRS)))

    assert sources == {table.name: {MINE} for table in seen}
    assert counts == {table.name: 1 for table in parts}
    assert (changed, moved, given) == (1, 0, True)
    assert mine.received == theirs.received == 2


@every_server
def test_what_copy_brings_has_to_be_of_its_batch_and_its_batch_ones_own(engine):
    land(engine, MINE, "A")
    land(engine, THEIRS, "B")
    with engine.connect() as connection:
        ids = dict(connection.execute(sa.select(tables.batch.c.source_id, tables.batch.c.batch_id)).all())
    target = tables.record_tables[RecordKind.PERSON]

    def record(source_id: str, of_batch: int) -> pa.Table:
        return pa.table(
            {
                "record_id": pa.array([of_batch * tables.ROWS_PER_BATCH + 50], pa.int64()),
                "source_id": [source_id],
                "source_record_id": ["X"],
                "source_version": pa.array([1], pa.int64()),
            }
        )

    def part(of_batch: int) -> pa.Table:
        columns = {"batch_id": pa.array([of_batch], pa.int64()), "row": pa.array([7], pa.int32())}
        return pa.table(columns | {"codes": ["DATE_INVALID"]})

    with speaking(engine, MINE) as connection:
        refused = {
            "own": is_refused(connection, lambda: copy_in(connection, target, record(MINE, ids[MINE]))),
            "as them": is_refused(connection, lambda: copy_in(connection, target, record(THEIRS, ids[THEIRS]))),
            "in their batch": is_refused(connection, lambda: copy_in(connection, target, record(MINE, ids[THEIRS]))),
            "in no batch": is_refused(connection, lambda: copy_in(connection, target, record(MINE, 99))),
            "them in mine": is_refused(connection, lambda: copy_in(connection, target, record(THEIRS, ids[MINE]))),
            "own part": is_refused(connection, lambda: copy_in(connection, tables.quarantine, part(ids[MINE]))),
            "their part": is_refused(connection, lambda: copy_in(connection, tables.quarantine, part(ids[THEIRS]))),
        }
    with engine.connect() as connection:
        mixed = is_refused(connection, lambda: copy_in(connection, target, record(THEIRS, ids[MINE])))

    assert {name for name, is_out in refused.items() if not is_out} == {"own", "own part"}
    assert mixed, "a record of another source than its batch is refused to everybody"


@every_server
def test_after_a_copy_of_several_messages_the_transaction_speaks_for_its_source_again(engine):
    land(engine, MINE, "A")
    with engine.connect() as connection:
        batch_id = connection.scalar(sa.select(tables.batch.c.batch_id))
    held = pa.table(
        {
            "batch_id": pa.array([batch_id] * 900, pa.int64()),
            "row": pa.array(range(100, 1_000), pa.int32()),
            "codes": ["DATE_INVALID"] * 900,
            "raw": pa.array([bytes(1_000)] * 900),
        }
    )

    with speaking(engine, MINE) as connection:
        copy_in(connection, tables.quarantine, held)
        role = connection.scalar(sa.text("SELECT current_user"))
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.quarantine))
        with pytest.raises(psycopg.errors.UniqueViolation):
            copy_in(connection, tables.quarantine, held)
        connection.rollback()
        again = connection.scalar(sa.text("SELECT current_user"))

    assert (role, count) == (isolation.ROLE, 901)
    assert again != isolation.ROLE


@every_server
def test_moves_of_others_updates_are_refused(engine):
    land(engine, MINE, "A")
    land(engine, THEIRS, "B")
    with engine.connect() as connection:
        ids = dict(
            connection.execute(sa.select(tables.update_state.c.source_id, tables.update_state.c.record_id)).all()
        )

    with speaking(engine, MINE) as connection:
        refused = {
            source_id: is_refused(
                connection,
                lambda record_id=record_id: connection.execute(
                    tables.update_move.insert().values(record_id=record_id, moved_at=NOW, to_state="x", cause="X")
                ),
            )
            for source_id, record_id in ids.items()
        }

    assert refused == {MINE: False, THEIRS: True}


def test_the_role_has_no_right_beyond_the_guarded_tables(engine):
    guarded = {
        "batch", "person_record", "household_record", "insurance_record", "record_head", "finding", "quarantine",
        "stream_form", "update_state", "update_move", "kept_version", "submission",
        "update_escalation",
    }  # fmt: skip
    rights = sa.text(
        "SELECT relname, relrowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        " AND has_table_privilege(:role, oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')"
    )
    with engine.connect() as connection:
        found = dict(connection.execute(rights, {"role": isolation.ROLE}).all())
        login = connection.scalar(
            sa.text("SELECT rolcanlogin OR rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = :role"),
            {"role": isolation.ROLE},
        )

    assert found == dict.fromkeys(guarded, True) | {"source_grant": False}
    assert login is False


@every_server
def test_a_source_without_a_standing_grant_is_spoken_for_by_nobody(engine):
    registers.sources.revoke(engine, THEIRS, by="tester", now=NOW)

    with engine.connect() as connection, pytest.raises(NotGrantedError) as refused:
        speak_for(connection, [MINE, THEIRS, "atlantis.population"])
    with pytest.raises(RejectedRequestError) as landing_refused:
        land(engine, THEIRS, "B")

    assert refused.value.source_ids == ("atlantis.population", THEIRS)
    assert landing_refused.value.reason == "NOT_ENTITLED"
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.batch)) == 0


def test_speaking_for_nobody_sees_nothing_and_ends_with_the_transaction(engine):
    receipt = land(engine, MINE, "A")

    unseen = status.status_by_receipt(engine, receipt_id=receipt.receipt_id, row=0, now=NOW, own=())
    unlisted = landing.list_findings(engine, receipt.receipt_id, after=0, limit=10, source_ids=[])

    assert (unseen, unlisted) == (None, [])
    assert status.status_by_receipt(engine, receipt_id=receipt.receipt_id, row=0, now=NOW) is not None
    assert len(landing.list_findings(engine, receipt.receipt_id, after=0, limit=10)) == 1


def test_a_source_reads_only_what_became_of_its_own(engine):
    receipts = {one: land(engine, one, "A") for one in (MINE, THEIRS)}

    for reader, named in itertools.product(receipts, repeat=2):
        receipt_id = receipts[named].receipt_id
        by_receipt = status.status_by_receipt(engine, receipt_id=receipt_id, row=0, now=NOW, own=[reader])
        by_record = status.status_by_record(engine, source_id=named, source_record_id="A", now=NOW, own=[reader])
        findings = landing.list_findings(engine, receipt_id, after=0, limit=10, source_ids=[reader])

        assert {by_receipt is not None, by_record is not None, bool(findings)} == {reader == named}


def test_records_held_back_are_a_security_event_of_their_landing(engine):
    held = [
        {"row": row, "source_record_id": f"H{row}", "codes": codes, "raw": None}
        for row, codes in enumerate([["NOT_ENTITLED"], ["DATE_INVALID"], ["DATE_INVALID", "NOT_ENTITLED"]])
    ]

    receipt = landing.land(engine, batch(), normalised(rows(RecordKind.PERSON), held), source=source(MINE), now=NOW)
    landing.land(engine, batch(), normalised(rows(RecordKind.PERSON), held), source=source(MINE), now=NOW)

    (event,) = grants.events(engine, limit=10)
    assert (event.kind, event.source_id, event.records) == ("RECORDS_NOT_ENTITLED", MINE, 2)
    assert (event.receipt_id, event.occurred_at) == (receipt.receipt_id, NOW)


def as_admin(url: sa.URL) -> str:
    return url.set(drivername="postgresql", username="postgres").render_as_string(hide_password=False)


@pytest.fixture
def owned_url(server_url: sa.URL, template: str) -> Iterator[sa.URL]:
    """A new database whose owner is an ordinary one, on a server that has the role already."""
    with temporary_database(server_url) as made:
        url = sa.make_url(made)
        name = f"owner_of_{url.database}"
        with psycopg.connect(as_admin(url), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN")
            connection.execute(f"ALTER DATABASE {url.database} OWNER TO {name}")
        yield url.set(username=name)
        with psycopg.connect(as_admin(url), autocommit=True) as connection:
            connection.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
            connection.execute(f"DROP OWNED BY {name}")
            connection.execute(f"DROP ROLE {name}")


def test_an_owner_who_may_not_make_roles_is_told_what_to_run_and_then_it_holds(owned_url):
    with pytest.raises(FatalStoreError, match=rf"GRANT {isolation.ROLE} TO {owned_url.username}"):
        migrate(owned_url.render_as_string(hide_password=False))
    with psycopg.connect(as_admin(owned_url), autocommit=True) as connection:
        connection.execute(f"GRANT {isolation.ROLE} TO {owned_url.username}")

    migrate(owned_url.render_as_string(hide_password=False))

    engine = connect(owned_url.render_as_string(hide_password=False), pool_size=2)
    ship_grants(engine)
    for source_id in (MINE, THEIRS):
        land(engine, source_id, "A")
    with speaking(engine, MINE) as connection:
        assert set(connection.scalars(sa.select(tables.update_state.c.source_id))) == {MINE}
        assert is_refused(connection, lambda: connection.execute(head(THEIRS, "01", 5)))
    engine.dispose()
