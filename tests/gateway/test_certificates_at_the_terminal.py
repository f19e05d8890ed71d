"""The terminal with certificates: shown when they are good, explained when they are not."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import pki
from gateway.client import Credentials
from gateway.identity import Identity, Role
from tests.gateway.batches import JSONL_SOURCE, people
from tests.gateway.certificates import HOSTS, Certified
from tests.gateway.conftest import Spawn, free_port
from tests.gateway.terminal import lienthong

URI = f"spiffe://lienthong/source/{JSONL_SOURCE}"


@pytest.fixture
def demanding(
    spawn: Spawn, certified: Certified, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> Iterator[Certified]:
    """A gateway with certificates, by whose settings the terminal goes too."""
    port = free_port()
    variables = certified.variables() | {"LIENTHONG_DATABASE_URL": database_url, "LIENTHONG_PORT": str(port)}
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with spawn(port, **certified.variables()):
        yield certified


def options(credentials: Credentials) -> list[object]:
    paths = (credentials.certificate_path, credentials.key_path, credentials.authorities_path)
    return [word for pair in zip(("--cert", "--key", "--ca"), paths, strict=True) for word in pair]


def test_the_terminal_shows_a_certificate_or_says_what_is_missing(
    demanding: Certified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, registry = demanding.source(JSONL_SOURCE), demanding.consumer("population")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "2025-07-01.jsonl").write_bytes(people(0, 3))
    push = ("push", JSONL_SOURCE, "--epoch", "e1", "--give-up", "0.5", tmp_path / "out")

    without = lienthong(*push)
    half = lienthong(*push, "--cert", source.certificate_path)
    late = lienthong(*push, *options(demanding.forge(URI, begins=timedelta(days=-2), ends=timedelta(days=-1))))
    pushed = lienthong(*push, *options(source))
    for variable, path in zip(("CERTIFICATE", "KEY", "AUTHORITIES"), options(source)[1::2], strict=True):
        monkeypatch.setenv(f"LIENTHONG_CLIENT_{variable}", str(path))
    asked = lienthong("status", "--source", JSONL_SOURCE, "--record", "P0000000", "--json")
    pulled = lienthong("pull", "population", tmp_path / "feed", "--json", *options(registry))
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"source_record_id": "T1"}), encoding="utf-8")
    submitted = lienthong("submit", JSONL_SOURCE, record, "--validate-only", *options(source))

    assert (without.code, "--cert, --key and --ca" in without.err) == (1, True)
    assert (half.code, "--key --ca" in half.err) == (1, True)
    assert (late.code, "chứng thư đã hết hạn" in late.err) == (1, True)
    assert "Socket closed. Next: " in without.err
    assert [one.code for one in (pushed, asked, pulled, submitted)] == [0, 0, 0, 0]


def test_the_doctor_looks_at_the_certificates(demanding: Certified, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*words: object) -> dict[str, dict[str, Any]]:
        said = lienthong("doctor", "--json", *words)
        return {check["name"]: check for check in map(json.loads, said.out.splitlines())}

    well = looked(*options(demanding.source(JSONL_SOURCE)))
    without = looked()
    refused = looked(*options(demanding.forge(URI, URI)))
    short = pki.issue(
        demanding.authority,
        Identity(trust_domain="lienthong", role=Role.GATEWAY, name="short"),
        now=datetime.now(UTC),
        days=10,
        hosts=HOSTS,
    )
    pki.write_private(demanding.gateway.key_path, short.key or b"")
    pki.write_public(demanding.gateway.certificate_path, short.certificate)
    soon = looked()
    monkeypatch.setenv("LIENTHONG_TLS_KEY", str(demanding.operator.key_path))
    mixed = looked()

    assert [check["found"] for check in well.values() if not check["is_well"]] == []
    assert well["certificates"]["found"].startswith("89 days left, authority 3651; 0 revoked, next list by ")
    assert well["own certificate"]["found"].startswith("until ")
    assert (without["gateway"]["is_well"], "--cert" in without["gateway"]["found"]) == (False, True)
    assert "IDENTITY_INVALID" in refused["gateway"]["found"]
    assert "runs out in 9 days" in soon["certificates"]["found"]
    assert "the key is not the certificate's" in mixed["certificates"]["found"]
