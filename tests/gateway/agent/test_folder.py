"""Files of a folder become batches once, whatever they are called and whenever the agent ends."""

import os

import pytest

from gateway.agent.errors import RetryableSpoolFullError
from gateway.agent.folder import WatchedFolder
from gateway.agent.holdings import Settings
from gateway.agent.settings import Folder
from tests.gateway.agent.spools import SMALL, opened

MADE_AT = "2025-07-10T08:00:00+00:00"
HOSTILE = [
    "2025-07-01 có dấu cách.csv",
    "2025-07-02\nhai dòng.csv",
    "2025-07-03 ../../etc/passwd".replace("/", "\N{FRACTION SLASH}"),
    "CON 2025-07-04",
    "2025-07-05 \x1b[31mđỏ.csv",
    "2025-07-06 " + "d" * 230,
    "-rf 2025-07-07.csv",
    "2025-07-08 \udcff\udcfe.csv",  # bytes that are no UTF-8
]


@pytest.fixture
def folder(in_memory):
    settings = Folder(path=in_memory / "exports", settle_seconds=2.0)
    watched = WatchedFolder.open(settings)
    yield watched
    watched.close()


def take(folder, spool, *, now=100.0):
    return list(folder.take_settled(spool, now=now, made_at=MADE_AT))


def settled(folder, spool):
    """What is taken once everything has kept still."""
    return take(folder, spool, now=0.0) + take(folder, spool, now=10.0)


def test_a_file_is_taken_when_it_has_kept_still(folder, in_memory):
    path = folder.settings.path / "2025-07-01.csv"
    path.write_bytes(b"one")
    with opened(in_memory / "spool") as spool:
        assert take(folder, spool, now=0.0) == []
        path.write_bytes(b"one and more")
        assert take(folder, spool, now=2.0) == []
        assert take(folder, spool, now=3.9) == []
        (taken,) = take(folder, spool, now=4.0)

        assert (taken.sequence, taken.name) == (1, "2025-07-01.csv")
        assert [spool.read(entry) for entry in spool.pending()] == [b"one and more"]
        assert str(spool.pending()[0].exported_on) == "2025-07-01"
    assert not path.exists()
    (done,) = (folder.settings.path / "done").iterdir()
    assert done.read_bytes() == b"one and more"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_escaped_and_never_leads_anywhere(folder, in_memory, name):
    (folder.settings.path / name).write_bytes(b"content")
    with opened(in_memory / "spool") as spool:
        (taken,) = settled(folder, spool)

        assert taken.sequence == 1
        assert taken.name.isprintable()
        assert len(taken.name) <= 120
        (done,) = (folder.settings.path / "done").iterdir()
        assert done.name.split(".")[0] == f"{spool.epoch}-000000000001"
        assert spool.pending()[0].origin == taken.name
    assert sorted(path.name for path in in_memory.iterdir()) == ["exports", "spool"]


def test_links_pipes_and_folders_are_no_files(folder, in_memory):
    secret = in_memory / "secret"
    secret.write_bytes(b"not for sending")
    (folder.settings.path / "2025-07-01.csv").symlink_to(secret)
    os.mkfifo(folder.settings.path / "2025-07-02.csv")
    (folder.settings.path / "2025-07-03").mkdir()
    (folder.settings.path / ".hidden 2025-07-04").write_bytes(b"x")
    (folder.settings.path / "2025-07-05.csv.part").write_bytes(b"x")
    with opened(in_memory / "spool") as spool:
        taken = settled(folder, spool)

        assert [one.sequence for one in taken] == [None, None]
        assert spool.pending() == []
    assert secret.read_bytes() == b"not for sending"
    told = [path.read_text() for path in (folder.settings.path / "refused").glob("*.txt")]
    assert len(told) == 2
    assert all("ordinary file" in one and "tệp thường" in one for one in told)


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        ("dan-cu.csv", 3, "no day of export"),
        ("2025-13-45.csv", 3, "no day of export"),
        ("2025-07-01.csv", 0, "empty"),
        ("2025-07-01.csv", 4 * 1024 * 1024 + 1, "larger than"),
    ],
)
def test_what_cannot_be_a_batch_is_set_aside_with_its_reason_and_the_next_goes_on(
    folder, in_memory, name, size, reason
):
    (folder.settings.path / name).write_bytes(bytes(size))
    (folder.settings.path / "z 2025-07-09.csv").write_bytes(b"good")
    with opened(in_memory / "spool", Settings(reserve_bytes=0)) as spool:
        refused, good = settled(folder, spool)

    assert refused.error is not None
    assert reason in refused.error.en
    assert good.sequence == 1
    (text,) = (folder.settings.path / "refused").glob("*.txt")
    assert name in text.read_text()


def test_an_agent_that_ends_between_taking_and_moving_takes_the_file_once(folder, in_memory, monkeypatch):
    """The batch is durable and its file is still there: killed in between."""
    (folder.settings.path / "2025-07-01.csv").write_bytes(b"one")
    with opened(in_memory / "spool") as spool:
        take(folder, spool, now=0.0)
        monkeypatch.setattr(WatchedFolder, "_move", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            take(folder, spool, now=10.0)
    monkeypatch.undo()

    with opened(in_memory / "spool") as spool:
        (again,) = take(folder, spool, now=20.0)
        assert again.sequence == 1
        assert [entry.sequence for entry in spool.pending()] == [1]
        (folder.settings.path / "2025-07-02.csv").write_bytes(b"one")  # the same content in a file of its own
        assert [one.sequence for one in take(folder, spool, now=30.0) + take(folder, spool, now=40.0)] == [2]


def test_a_full_spool_leaves_the_file_where_it_is(folder, in_memory):
    (folder.settings.path / "2025-07-01.csv").write_bytes(bytes(50_000))
    with opened(in_memory / "spool", Settings(quota_bytes=40_000, reserve_bytes=0)) as spool:
        with pytest.raises(RetryableSpoolFullError):
            settled(folder, spool)
    assert (folder.settings.path / "2025-07-01.csv").stat().st_size == 50_000
    with opened(in_memory / "spool", SMALL) as spool:
        assert [one.sequence for one in take(folder, spool, now=99.0)] == [1]


def test_a_correction_has_to_name_a_refused_batch(folder, in_memory):
    corrected = folder.settings.path / "corrected"
    (folder.settings.path / "2025-07-01.csv").write_bytes(b"bad")
    with opened(in_memory / "spool") as spool:
        settled(folder, spool)
        spool.refuse(spool.pending()[0], reason="UNREADABLE", vi="…", en="…")
        (corrected / "1 2025-07-01.csv").write_bytes(b"good")
        (corrected / "7 2025-07-01.csv").write_bytes(b"which?")
        taken = settled(folder, spool)

        assert [one.sequence for one in taken] == [1, None]
        assert [(entry.sequence, spool.read(entry)) for entry in spool.pending()] == [(1, b"good")]
