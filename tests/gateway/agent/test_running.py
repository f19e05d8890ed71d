"""A real agent and a real gateway: files in, receipts out, whatever is cut or killed in between."""

import asyncio
import random
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters import catalogue
from gateway.agent.connecting import channel_to
from gateway.agent.query import RetryableSourceError
from gateway.agent.running import Surroundings, run
from gateway.agent.telling import Event, read_standing
from reconciliation.store.attestations import Heard, hearings
from tests.faults.line import line_to
from tests.gateway.agent.agents import Province, events, running
from tests.gateway.agent.spools import SOURCE, opened
from tests.gateway.batches import people
from tests.gateway.conftest import Serve, Spawn, free_port
from tests.gateway.terminal import lienthong
from tests.gateway.test_resuming import landed_records

FILES = {f"dan-cu 2025-07-{day:02d}.jsonl": people(day * 100, 40) for day in range(1, 21)}
EXPECTED = [f"P{day * 100 + row:07d}" for day in range(1, 21) for row in range(40)]


@pytest.fixture
def province(in_memory):
    return Province(in_memory / "province")


async def run_once(province: Province, gateway: str, **limits: object) -> list[Event]:
    told: list[Event] = []
    settings = province.configure(gateway, **limits)
    await asyncio.wait_for(
        run(settings, Surroundings(connect=lambda: channel_to(settings), tell=told.append, once=True)), 120
    )
    return told


def test_files_go_in_and_receipts_come_out_and_then_silence_is_attested(spawn: Spawn, engine, province) -> None:
    for name, payload in FILES.items():
        province.export(name, payload)
    port = free_port()

    with spawn(port):
        told = asyncio.run(run_once(province, f"127.0.0.1:{port}"))

    assert [event.event for event in told].count("landed") == len(FILES)
    assert landed_records(engine) == EXPECTED
    kept = province.receipts()
    assert [one["sequence"] for one in kept] == list(range(1, 21))
    assert sum(one["accepted"] for one in kept) == len(EXPECTED)
    assert len(list((province.exports / "done").iterdir())) == 20
    standing = read_standing(province.spool)
    assert (standing["batches_landed"], standing["seconds_left"], standing["is_connected"]) == (20, 0.0, True)
    assert told[-1].event == "silence"
    with engine.connect() as connection:
        noted = connection.execute(sa.text("SELECT source_id, up_to_sequence FROM source_attestation")).all()
    assert noted == [("ha-noi.population", 20)]


def test_a_line_that_is_cut_again_and_again_costs_less_than_a_third_more(spawn: Spawn, engine, province) -> None:
    files = [people(number * 100, 40) for number in range(1, 61)]
    for number, payload in enumerate(files):
        province.export(f"{number:02d} 2025-07-10.jsonl", payload)
    payload_bytes = sum(map(len, files))
    port = free_port()
    sent = 0
    standings: list[int] = []

    async def cut_and_mend() -> list[Event]:
        nonlocal sent
        async with line_to(port) as line:
            agent = asyncio.create_task(run_once(province, f"127.0.0.1:{line.port}", window=2))
            for _ in range(3):
                allowed = payload_bytes // 4
                line.allow(request_bytes=allowed)
                await asyncio.wait_for(line.is_cut.wait(), 60)
                sent += allowed
                standings.append(read_standing(province.spool).get("bytes_landed", 0))
            line.allow(request_bytes=10 * payload_bytes)
            told = await agent
            assert line.requests.limit_bytes is not None
            sent += 10 * payload_bytes - line.requests.limit_bytes
            return told

    with spawn(port):
        told = asyncio.run(cut_and_mend())

    assert landed_records(engine) == [f"P{number * 100 + row:07d}" for number in range(1, 61) for row in range(40)]
    assert [one["sequence"] for one in province.receipts()] == list(range(1, 61))
    assert payload_bytes < sent <= 1.3 * payload_bytes
    assert standings == sorted(standings)
    assert [event.facts["sequence"] for event in told if event.event == "landed"] == list(range(1, 61))


@pytest.mark.parametrize("seed", [1, 2])
def test_an_agent_that_is_killed_at_any_moment_loses_and_doubles_nothing(spawn: Spawn, engine, province, seed) -> None:
    """kill -9 of a real process at random moments, while files go on coming."""
    random_moments = random.Random(seed)
    port = free_port()
    province.configure(f"127.0.0.1:{port}")
    names = list(FILES)

    with spawn(port):
        kills = 0
        for begin in range(0, 20, 10):
            for name in names[begin : begin + 10]:
                province.export(name, FILES[name])
            with running(province) as process:
                wanted = random_moments.choice(["taken", "landed"])
                events(process, wanted)
                time.sleep(random_moments.uniform(0, 0.3))  # not for luck: a kill may come at any time
                process.send_signal(signal.SIGKILL)
                assert process.wait(30) == -signal.SIGKILL
                kills += 1
        with running(province, "--once") as process:
            _, said = process.communicate(timeout=120)
            assert (process.returncode, said) == (0, "")

    assert kills == 2
    assert landed_records(engine) == EXPECTED
    done = sorted((province.exports / "done").iterdir())
    assert [int(path.stem.split("-")[-1]) for path in done] == list(range(1, 21))
    assert [path.read_bytes() for path in done] == [FILES[name] for name in names]
    assert sorted({one["sequence"] for one in province.receipts()}) == list(range(1, 21))


def test_a_refused_file_blocks_nobody_and_its_correction_goes_in_its_place(spawn: Spawn, engine, province) -> None:
    names = list(FILES)[:3]
    for name in names:
        province.export(name, b"no json at all\n" if name == names[1] else FILES[name])
    port = free_port()

    with spawn(port):
        told = asyncio.run(run_once(province, f"127.0.0.1:{port}"))
        refused = [event for event in told if event.event == "refused"]
        assert [(event.facts["sequence"], event.facts["reason"]) for event in refused] == [(2, "MISSING_COLUMN")]
        assert refused[0].vi != refused[0].en
        assert [one["sequence"] for one in province.receipts()] == [1, 3]
        assert "silence" not in [event.event for event in told]  # a source with a refused batch is not quiet
        compared = lienthong("agent", "compare", "--settings", province.file)
        assert (compared.code, "refused by the gateway" in compared.out, "corrected/: 2" in compared.out) == (
            1,
            True,
            True,
        )
        (set_aside,) = (province.spool / "refused").glob("*.jsonl")
        assert set_aside.read_bytes() == b"no json at all\n"

        again = asyncio.run(run_once(province, f"127.0.0.1:{port}"))
        assert "differs" not in [event.event for event in again]  # what lacks is not sent again, nor told as such
        (province.exports / "empty 2025-07-01.jsonl").touch()
        cron = lienthong("agent", "run", "--once", "--settings", province.file)
        assert (cron.code, "It was set aside in refused/." in cron.out) == (1, True)

        (province.exports / "corrected" / "2 2025-07-02.jsonl").write_bytes(FILES[names[1]])
        told = asyncio.run(run_once(province, f"127.0.0.1:{port}"))

    assert [one["sequence"] for one in province.receipts()] == [1, 3, 2]
    assert landed_records(engine) == EXPECTED[:120]
    assert [event.event for event in told][-1] == "silence"


def test_what_the_gateway_lost_is_found_and_sent_again(spawn: Spawn, engine, province) -> None:
    """As after a restore from a backup that is older than the newest receipts."""
    for name in list(FILES)[:6]:
        province.export(name, FILES[name])
    port = free_port()
    with spawn(port):
        asyncio.run(run_once(province, f"127.0.0.1:{port}"))
        with engine.begin() as connection:
            for table in ("update_move", "update_state", "record_head", "person_record", "finding", "quarantine"):
                connection.execute(sa.text(f"DELETE FROM {table}"))
            connection.execute(sa.text("DELETE FROM stream_form"))
            connection.execute(sa.text("DELETE FROM batch WHERE sequence IN (2, 5, 6)"))

        told = asyncio.run(run_once(province, f"127.0.0.1:{port}"))

    (differs,) = [event for event in told if event.event == "differs"]
    assert differs.facts["missing"] == [2, 5, 6]
    assert [event.facts["sequence"] for event in told if event.event == "landed"] == [2, 5, 6]
    assert [event.event for event in told][-1] == "silence"
    with engine.connect() as connection:
        assert list(connection.scalars(sa.text("SELECT sequence FROM batch ORDER BY 1"))) == [1, 2, 3, 4, 5, 6]


def test_a_receipt_that_was_lost_on_the_way_is_asked_for_again(spawn: Spawn, engine, province) -> None:
    for name in list(FILES)[:3]:
        province.export(name, FILES[name])
    port = free_port()
    with spawn(port):
        asyncio.run(run_once(province, f"127.0.0.1:{port}"))
        before = province.receipts()
        (province.spool / "receipts.jsonl").write_text("")
        asyncio.run(run_once(province, f"127.0.0.1:{port}"))

    after = province.receipts()
    assert [one["receipt_id"] for one in after] == [one["receipt_id"] for one in before]
    assert all(one["replayed"] for one in after)
    assert landed_records(engine) == EXPECTED[:120]
    with opened(province.spool) as spool:
        assert len(spool.epochs) == 1


def test_a_gateway_that_is_away_costs_nothing_but_time(spawn: Spawn, engine, province) -> None:
    port = free_port()
    province.configure(f"127.0.0.1:{port}")
    province.export("dan-cu 2025-07-01.jsonl", FILES["dan-cu 2025-07-01.jsonl"])
    with running(province) as process:
        assert next(one["event"] for one in events(process, "lost_line")) == "taken"
        with spawn(port):
            landed = events(process, "silence")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0

    assert [one["event"] for one in landed] == ["landed", "silence"]
    assert landed_records(engine) == EXPECTED[:40]


def test_nothing_is_landed_for_a_source_nobody_declared(spawn: Spawn, province) -> None:
    port = free_port()
    province.configure(f"127.0.0.1:{port}")
    province.file.write_text(province.file.read_text().replace("ha-noi.population", "atlantis.population"))
    province.export("dan-cu 2025-07-01.jsonl", b"{}\n")
    with spawn(port), running(province, "--once") as process:
        out, err = process.communicate(timeout=60)

    assert process.returncode == 1
    assert '"held"' in out
    assert "SOURCE_UNKNOWN" in err


@pytest.mark.parametrize("offset", ["-2h", "+10y"])
def test_a_wrong_clock_changes_nothing_and_is_told(spawn: Spawn, engine, province, offset) -> None:
    libfaketime = pytest.importorskip("libfaketime")
    for name in list(FILES)[:2]:
        province.export(name, FILES[name])
    port = free_port()
    province.configure(f"127.0.0.1:{port}")
    library = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    environment = {"LD_PRELOAD": str(library), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    with spawn(port), running(province, "--once", environment=environment) as process:
        told = events(process, "silence")

    (clock,) = [one for one in told if one["event"] == "clock"]
    assert abs(clock["skew_seconds"]) > 7_000
    assert "Đồng hồ" in clock["vi"]
    assert [one["sequence"] for one in province.receipts()] == [1, 2]
    assert landed_records(engine) == EXPECTED[:80]
    standing = read_standing(province.spool)
    assert standing["clock_is_wrong"] is True


def test_the_terminal_says_how_it_stands(spawn: Spawn, engine, province) -> None:
    port = free_port()
    province.configure(f"127.0.0.1:{port}")
    province.export("dan-cu 2025-07-01.jsonl", FILES["dan-cu 2025-07-01.jsonl"])
    assert '"batches_owed": 0' in lienthong("agent", "status", "--json", "--settings", province.file).out
    with spawn(port):
        assert lienthong("agent", "run", "--once", "--settings", province.file).code == 0
        assert lienthong("agent", "compare", "--settings", province.file).code == 0

    status = lienthong("agent", "status", "--settings", province.file)
    assert status.code == 0
    assert "không còn nợ lô nào · owes nothing" in status.out
    assert "last receipt: batch 1" in status.out
    assert '"sequence": 1' in lienthong("agent", "receipts", "--json", "--settings", province.file).out
    (heard,) = hearings(engine, [catalogue.load().sources[SOURCE]], now=datetime.now(UTC))
    assert heard.state is Heard.SENT


def test_once_ends_when_the_database_cannot_be_read_and_attests_nothing(serve: Serve, province, tmp_path) -> None:
    (province.folder / "database.url").write_text(f"sqlite:///{tmp_path / 'empty.db'}", encoding="utf-8")
    table = '[source.query]\nurl_file = "database.url"\ntable = "none"\ncolumns = ["a"]\nwatermark = "a"\nkey = "a"\n'
    told: list[Event] = []

    async def ran() -> None:
        async with serve(port=(port := free_port())):
            settings = province.configure(f"127.0.0.1:{port}", origin=table)
            around = Surroundings(connect=lambda: channel_to(settings), tell=told.append, once=True)
            await asyncio.wait_for(run(settings, around), 60)

    with pytest.raises(RetryableSourceError, match="names of table and columns"):
        asyncio.run(ran())

    assert "source_away" in [one.event for one in told]
    assert "silence" not in [one.event for one in told]


def test_a_second_agent_on_the_same_spool_ends_at_once(province) -> None:
    province.configure("127.0.0.1:1")
    with opened(province.spool), running(province) as process:
        _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "writes to this spool" in said
