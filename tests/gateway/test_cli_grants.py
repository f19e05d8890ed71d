"""`lienthong grants` as somebody types it: granted, shown, revoked, and what was tried."""

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from reconciliation.store import grants, landing
from tests.gateway.test_cli import Type, lines, type_
from tests.gateway.test_cli_units import registry
from tests.reconciliation.store.landings import NOW, batch, normalised, rows, source

__all__ = ["registry", "type_"]  # fixtures

SOURCE = "lao-cai.insurance"
BY = ("--by", "tester")
LAW = ("--law", "Quyết định 1/QĐ")


def test_a_grant_is_given_listed_shown_and_revoked(type_: Type, registry: str, engine: sa.Engine) -> None:
    given = type_(
        "grants", "grant", SOURCE, *BY, *LAW, "--province", "25", "--signed", "--to", "2099-12-31",
        "--identity", "spiffe://lienthong/province/15",
    )  # fmt: skip
    listed = lines(type_("grants", "list", "--province", "25", "--json")[1])
    revoked = type_("grants", "revoke", SOURCE, *BY)
    again = type_("grants", "revoke", SOURCE, *BY)
    shown = lines(type_("grants", "show", SOURCE, "--json")[1])

    assert given[0] == revoked[0] == 0
    one = next(line for line in listed if line.get("source_id") == SOURCE)
    assert one["province_codes"] == ["15", "25"], "its own province is always among them"
    assert one["identity_uris"] == ["spiffe://lienthong/province/15"]
    assert (one["signature_required"], one["granted_until"]) == (True, "2099-12-31")
    assert one["legal_reference"] == "Quyết định 1/QĐ"
    assert again[0] == 2
    assert [(line["recorded_by"], line["is_revoked"]) for line in shown] == [
        ("lienthong", False),
        ("tester", False),
        ("tester", True),
    ]
    assert SOURCE not in grants.standing(engine).sources


def test_tables_for_people_name_sources_registries_and_history(type_: Type, registry: str) -> None:
    listed = type_("grants", "list", "--province", "15")[1]
    shown = type_("grants", "show", SOURCE)[1]

    assert SOURCE in listed
    assert "ha-noi.population" not in listed
    assert "social-insurance" in listed
    assert "spiffe://lienthong/source/lao-cai.insurance" in shown


@pytest.mark.parametrize(
    "words",
    [
        ("grant", "atlantis.population", *BY, *LAW),
        ("grant", SOURCE, *BY, *LAW, "--province", "77"),
        ("grant", SOURCE, *BY, *LAW, "--from", "2025-08-02", "--to", "2025-08-01"),
        ("grant", SOURCE, *BY, *LAW, "--to", "tomorrow"),
        ("grant", SOURCE, *BY, *LAW, "--identity", "lao-cai"),
        ("grant", SOURCE, *BY),
        ("revoke", "atlantis.population", *BY),
        ("revoke", SOURCE),
        ("show", "atlantis.population"),
    ],
    ids=lambda words: " ".join(words[:2] + words[-2:]),
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    type_: Type, registry: str, engine: sa.Engine, words: tuple[str, ...]
) -> None:
    before = grants.standing(engine)

    code, said, _ = type_("grants", *words)

    assert (code, said) == (2, "")
    assert grants.standing(engine) == before


def test_what_was_tried_is_told_without_a_word_of_the_people(type_: Type, registry: str, engine: sa.Engine) -> None:
    held = [{"row": 0, "source_record_id": "SECRET", "codes": ["NOT_ENTITLED"], "raw": b"SECRET"}]
    empty = rows(RecordKind.PERSON)
    receipt = landing.land(engine, batch(), normalised(empty, held), source=source(), now=NOW)

    told = type_("grants", "events", "--json")[1]
    table = type_("grants", "events")[1]

    (event,) = lines(told)
    assert (event["source_id"], event["records"]) == ("yen-bai.population", 1)
    assert event["receipt_id"] == str(receipt.receipt_id)
    assert "RECORDS_NOT_ENTITLED" in table
    assert "SECRET" not in told + table
