"""`lienthong portals` as somebody types it: granted, listed, shown and revoked; and `status --watch`."""

import json
import os
import signal
import subprocess
import sys

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.model import State
from reconciliation.store import grants
from tests.gateway.conftest import ROOT
from tests.gateway.test_cli import Type, gateway, lines, type_
from tests.gateway.test_cli_units import registry
from tests.gateway.test_watching_updates import SOURCE, all_of, land, move

__all__ = ["gateway", "registry", "type_"]  # fixtures

BY = ("--by", "tester")
WHY = ("--law", "Nghị định 1", "--purpose", "tra cứu")
KINDS = ("--kind", "person", "--kind", "household")


def test_a_portal_is_granted_listed_shown_and_revoked(type_: Type, registry: str, engine: sa.Engine) -> None:
    given = type_(
        "portals", "grant", "national", *BY, *WHY, *KINDS, "--province", "15", "--by-record", "--to", "2099-12-31"
    )
    (listed,) = lines(type_("portals", "list", "--json")[1])
    standing = grants.standing(engine).portals["national"]
    table = type_("portals", "list")[1] + type_("portals", "show", "national")[1]
    revoked = type_("portals", "revoke", "national", *BY)
    again = type_("portals", "revoke", "national", *BY)
    shown = lines(type_("portals", "show", "national", "--json")[1])

    assert given[0] == revoked[0] == 0
    assert listed["identity_uris"] == ["spiffe://lienthong/portal/national"]
    assert (listed["province_codes"], listed["by_record"], listed["granted_until"]) == (["15"], True, "2099-12-31")
    assert standing.kinds == (RecordKind.HOUSEHOLD, RecordKind.PERSON)
    assert "Nghị định 1" in table
    assert again[0] == 2
    assert [(line["recorded_by"], line["is_revoked"]) for line in shown] == [("tester", False), ("tester", True)]
    assert grants.standing(engine).portals == {}


@pytest.mark.parametrize(
    "words",
    [
        ("grant", "national", *BY, *WHY),
        ("grant", "national", *BY, *KINDS, "--law", "x"),
        ("grant", "na tional", *BY, *WHY, *KINDS),
        ("grant", "national", *BY, *WHY, *KINDS, "--province", "77"),
        ("grant", "national", *BY, *WHY, *KINDS, "--from", "2025-08-02", "--to", "2025-08-01"),
        ("grant", "national", *BY, *WHY, *KINDS, "--identity", "spiffe://lienthong/source/lao-cai.population"),
        ("revoke", "national", *BY),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    type_: Type, registry: str, engine: sa.Engine, words: tuple[str, ...]
) -> None:
    code, said, _ = type_("portals", *words)

    assert (code, said) == (2, "")
    assert grants.standing(engine).portals == {}


def test_changes_of_state_are_told_as_they_come_until_somebody_stops_it(gateway: int, engine: sa.Engine) -> None:
    receipt = land(engine, 1, 2)
    script = "from gateway.cli import main; main()"
    command = [sys.executable, "-c", script, "status", "--watch", "--source", SOURCE, "--json"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        move(engine, all_of(receipt), State.AWAITING_MATCH)
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=30)

    assert first["changes"] == []
    assert first["resume_token"] != second["resume_token"]
    assert [(one["row"], one["move"]["to_state"]) for one in second["changes"]] == [
        (0, "awaiting_match"),
        (1, "awaiting_match"),
    ]
    assert code == 0


def test_a_watch_names_a_source_or_a_row_of_a_receipt(type_: Type, registry: str) -> None:
    receipt = "018f6f1c-0000-7000-8000-000000000000"
    wrong = [(), ("--source", SOURCE, "--record", "P1"), ("--source", SOURCE, "--receipt", receipt)]

    assert [type_("status", "--watch", *words)[0] for words in wrong] == [2, 2, 2]
