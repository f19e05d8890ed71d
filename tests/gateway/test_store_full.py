"""F11: the disk of the database is full. Sources are told to keep what they have; it goes on when there is room."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import grpc
import psycopg
import pytest
import sqlalchemy as sa

from gateway.client import IntakeClient, Landed, RetryableGatewayError
from reconciliation.errors import StoreFullError
from tests.gateway.batches import JSONL_SOURCE, json_lines, outgoing, person
from tests.gateway.conftest import Serve

BALLAST = "ballast"


@contextmanager
def small_disk(connection: psycopg.Connection[Any], size: str) -> Iterator[Path]:
    """A disk of `size` that the server of `connection` may write to; skips the test where none can be mounted."""
    data = connection.execute("SHOW data_directory").fetchone()
    assert data is not None
    owner = Path(data[0]).stat()
    with tempfile.TemporaryDirectory(prefix="lienthong-test-") as folder:
        Path(folder).chmod(0o755)
        disk = Path(folder) / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        mounted = subprocess.run(command, capture_output=True, check=False)
        if mounted.returncode:
            pytest.skip("needs the right to mount a small disk")
        try:
            inside = disk / "inside"
            inside.mkdir(mode=0o700)
            os.chown(inside, owner.st_uid, owner.st_gid)
            yield disk
        finally:
            subprocess.run(["umount", disk], check=True)


@contextmanager
def batches_on_a_small_disk(server_url: sa.URL, engine: sa.Engine) -> Iterator[Path]:
    """The table of batches, payloads and all, lies on a disk of 8 MiB."""
    dsn = server_url.set(drivername="postgresql", database=engine.url.database)
    with psycopg.connect(dsn.render_as_string(hide_password=False), autocommit=True) as connection:
        with small_disk(connection, "8m") as disk:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{disk / 'inside'}'")
            try:
                connection.execute("ALTER TABLE batch SET TABLESPACE small")
                connection.execute("VACUUM (FULL) batch")  # earlier tests' rows left room in it
                yield disk
            finally:
                connection.execute("ALTER TABLE batch SET TABLESPACE pg_default")
                connection.execute("DROP TABLESPACE small")


def fill(disk: Path) -> None:
    """Leave no room on a disk."""
    with (disk / BALLAST).open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4_096))


def test_a_full_disk_sends_sources_back_and_is_used_again_when_there_is_room(
    serve: Serve, engine: sa.Engine, server_url: sa.URL
) -> None:
    dice = Random(11)
    noise = ["".join(chr(dice.randrange(0x4E00, 0x9FFF)) for _ in range(300)) for _ in range(300)]
    payload = json_lines([person(number, ho_ten=f"Lò {text}") for number, text in enumerate(noise)])
    batch = outgoing(1, payload)

    async def run(disk: Path) -> tuple[Any, list[Any], int]:
        async with serve() as channel:
            fill(disk)
            client = IntakeClient(channel, give_up_seconds=0.1)
            with pytest.raises(RetryableGatewayError) as refused:
                await anext(client.push([batch], source_id=JSONL_SOURCE, epoch="e1"))
            with engine.connect() as connection:
                landed = connection.scalar(sa.text("SELECT count(*) FROM batch"))
            (disk / BALLAST).unlink()
            answers = [one async for one in client.push([batch], source_id=JSONL_SOURCE, epoch="e1")]
            return refused.value.fault, answers, landed

    with batches_on_a_small_disk(server_url, engine) as disk:
        fault, answers, landed = asyncio.run(run(disk))

    assert (fault.code, fault.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
    assert 30 <= fault.retry_seconds <= 45
    assert landed == 0
    assert isinstance(answers[0], Landed)


def test_a_limit_of_the_servers_own_is_a_full_store_too(engine: sa.Engine) -> None:
    with pytest.raises(StoreFullError) as caught, engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL temp_file_limit = '64kB'"))
        connection.execute(sa.text("SET LOCAL work_mem = '64kB'"))
        connection.execute(sa.text("SELECT count(*) FROM (SELECT n FROM generate_series(1, 300000) n ORDER BY -n) s"))

    assert "300000" not in str(caught.value)
