"""Rows of a province's own database are read once each, in the order of their watermark, whenever the agent ends."""

import json
import sys
from datetime import date

import pyarrow as pa
import pytest
import sqlalchemy as sa

from gateway.agent import query as queries
from gateway.agent.errors import FatalAgentSettingError, RejectedFileError
from gateway.agent.settings import Query
from tests.gateway.agent.spools import opened

TODAY = date(2025, 7, 10)


@pytest.fixture
def database(tmp_path):
    url = f"sqlite:///{tmp_path / 'province.db'}"
    (tmp_path / "database.url").write_text(url + "\n")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE nguoi (id INTEGER PRIMARY KEY, ten TEXT, cap_nhat TEXT)"))
    yield engine
    engine.dispose()


def put(database, *rows):
    with database.begin() as connection:
        for number, name, at in rows:
            row = {"i": number, "n": name, "a": at}
            connection.execute(sa.text("INSERT OR REPLACE INTO nguoi VALUES (:i, :n, :a)"), row)


def settings(tmp_path, **changes):
    given = {
        "url_file": tmp_path / "database.url",
        "url_variable": "",
        "table": "nguoi",
        "columns": ("id", "ten"),
        "watermark": "cap_nhat",
        "key": "id",
        "chunk": 2,
        "format": "jsonl",
    }
    return Query(**given | changes)


def take_all(tmp_path, watched):
    """Open the spool anew for every batch, as after a crash each time."""
    taken = []
    while True:
        with opened(tmp_path / "spool") as spool:
            rows = watched.read(spool.mark)
            if not rows:
                return taken
            entry = watched.take(rows, spool, today=TODAY, made_at="2025-07-10T00:00:00+00:00")
            taken.append((entry.sequence, spool.read(entry)))


def names(taken):
    return [json.loads(line)["ten"] for _, payload in taken for line in payload.splitlines()]


def test_every_row_is_read_once_even_where_watermarks_are_equal(database, tmp_path):
    put(database, *((number, f"n{number}", "2025-07-01") for number in range(1, 6)), (6, "n6", None))
    with queries.opened(settings(tmp_path)) as watched:
        first = take_all(tmp_path, watched)
        put(database, (2, "n2 again", "2025-07-02"), (7, "n7", "2025-07-02"))
        second = take_all(tmp_path, watched)

    assert [sequence for sequence, _ in first + second] == [1, 2, 3, 4]
    assert names(first) == ["n1", "n2", "n3", "n4", "n5"]  # one without a watermark is not there yet
    assert names(second) == ["n2 again", "n7"]


def test_a_crash_before_the_batch_is_durable_reads_its_rows_again(database, tmp_path):
    put(database, (1, "n1", "2025-07-01"), (2, "n2", "2025-07-01"), (3, "n3", "2025-07-01"))
    with queries.opened(settings(tmp_path)) as watched:
        with opened(tmp_path / "spool") as spool:
            assert len(watched.read(spool.mark)) == 2  # and the process ends here
        assert names(take_all(tmp_path, watched)) == ["n1", "n2", "n3"]


def test_rows_come_as_arrow_or_csv_in_the_sources_own_columns(database, tmp_path):
    put(database, (1, "Nguyễn Văn An", "2025-07-01"), (2, None, "2025-07-01"))
    forms = {}
    for form, charset in (("arrow", "utf-8"), ("csv", "utf-8-sig")):
        with queries.opened(settings(tmp_path, format=form, charset=charset, separator=";")) as watched:
            forms[form] = watched.fit(watched.read(None))

    table = pa.ipc.open_stream(forms["arrow"]).read_all()
    assert table.to_pydict() == {"id": ["1", "2"], "ten": ["Nguyễn Văn An", None]}
    assert forms["csv"].decode("utf-8-sig") == "id;ten\r\n1;Nguyễn Văn An\r\n2;\r\n"


def test_a_query_of_the_engineers_own_is_read_like_a_table(database, tmp_path):
    put(database, (1, "an", "2025-07-01"), (2, "bình", "2025-07-02"))
    query = "SELECT id, upper(ten) AS ten, cap_nhat FROM nguoi"
    with queries.opened(settings(tmp_path, table="", query=query)) as watched:
        assert names(take_all(tmp_path, watched)) == ["AN", "BìNH"]


def test_rows_larger_than_a_batch_are_cut_smaller_and_one_row_alone_is_told(database, tmp_path):
    put(database, (1, "a" * 3_000_000, "2025-07-01"), (2, "b" * 3_000_000, "2025-07-01"), (3, "c", "2025-07-01"))
    with queries.opened(settings(tmp_path, chunk=10)) as watched:
        with opened(tmp_path / "spool") as spool:
            rows = watched.read(spool.mark)
            watched.take(rows, spool, today=TODAY, made_at="2025-07-10T00:00:00+00:00")
            assert [row[0] for row in watched.read(spool.mark)] == [2, 3]
        put(database, (9, "d" * 5_000_000, "2025-07-01"))
        with pytest.raises(RejectedFileError, match="One row"):
            watched.fit([(1, "d" * 5_000_000, "2025-07-01", 1)])


def test_a_database_that_is_away_says_no_value_and_no_password(tmp_path, monkeypatch):
    monkeypatch.setenv("LIENTHONG_TEST_URL", "postgresql+psycopg://agent:matkhau@127.0.0.1:1/x")
    with queries.opened(settings(tmp_path, url_file=None, url_variable="LIENTHONG_TEST_URL")) as watched:
        with pytest.raises(queries.RetryableSourceError) as away:
            watched.read(None)
    assert "matkhau" not in str(away.value)

    (tmp_path / "broken.url").write_text("khong phai url: matkhau")
    with pytest.raises(FatalAgentSettingError) as unusable:
        with queries.opened(settings(tmp_path, url_file=tmp_path / "broken.url")):
            pass
    assert "matkhau" not in str(unusable.value)


def test_text_that_a_charset_cannot_write_is_told_and_not_shown(database, tmp_path):
    put(database, (1, "Nguyễn", "2025-07-01"))
    with queries.opened(settings(tmp_path, format="csv", charset="ascii")) as watched:
        with pytest.raises(RejectedFileError, match="ascii") as refused:
            watched.fit(watched.read(None))

    assert "ễ" not in f"{refused.value} {refused.value.vi}"
    assert refused.value.__context__ is None or refused.value.__suppress_context__


def test_a_driver_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    monkeypatch.setenv("LIENTHONG_TEST_URL", "postgresql+psycopg2://agent:matkhau@127.0.0.1:1/x")

    with pytest.raises(FatalAgentSettingError, match="psycopg2") as missing:
        with queries.opened(settings(tmp_path, url_file=None, url_variable="LIENTHONG_TEST_URL")):
            pass

    assert "matkhau" not in str(missing.value)
