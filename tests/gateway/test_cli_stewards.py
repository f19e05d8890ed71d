"""`lienthong stewards` as somebody types it: granted, listed, shown and revoked."""

import pytest
import sqlalchemy as sa

from reconciliation.model import CaseKind
from reconciliation.store import grants
from tests.gateway.test_cli import Type, lines, type_
from tests.gateway.test_cli_units import registry

__all__ = ["registry", "type_"]  # fixtures

BY = ("--by", "tester")
WHY = ("--law", "Nghị định 1", "--purpose", "quyết định hồ sơ")


def test_a_steward_is_granted_listed_shown_and_revoked(type_: Type, registry: str, engine: sa.Engine) -> None:
    given = type_(
        "stewards", "grant", "lan", *BY, *WHY, "--province", "15", "--kind", "unknown_unit", "--kind", "doubtful_match",
        "--may-approve", "--to", "2099-12-31",
    )  # fmt: skip
    (listed,) = lines(type_("stewards", "list", "--json")[1])
    standing = grants.standing(engine).stewards["lan"]
    table = type_("stewards", "list")[1] + type_("stewards", "show", "lan")[1]
    narrower = type_("stewards", "grant", "lan", *BY, *WHY, "--province", "15")
    replaced = grants.standing(engine).stewards["lan"]
    revoked = type_("stewards", "revoke", "lan", *BY)
    again = type_("stewards", "revoke", "lan", *BY)
    shown = lines(type_("stewards", "show", "lan", "--json")[1])

    assert given[0] == narrower[0] == revoked[0] == 0
    assert listed["identity_uris"] == ["spiffe://lienthong/steward/lan"]
    assert (listed["province_codes"], listed["may_approve"], listed["granted_until"]) == (["15"], True, "2099-12-31")
    assert standing.kinds == (CaseKind.DOUBTFUL_MATCH, CaseKind.UNKNOWN_UNIT)
    assert (replaced.kinds, replaced.may_approve, replaced.granted_until) == ((), False, None)
    assert "Nghị định 1" in table
    assert "spiffe://lienthong/steward/lan" in table
    assert again[0] == 2
    assert [(line["recorded_by"], line["is_revoked"]) for line in shown] == [("tester", False)] * 2 + [("tester", True)]
    assert grants.standing(engine).stewards == {}


def test_an_office_may_speak_for_its_stewards(type_: Type, registry: str, engine: sa.Engine) -> None:
    office = "spiffe://lienthong/steward/so-khcn"

    done = type_("stewards", "grant", "Nguyễn Thị Lan", *BY, *WHY, "--identity", office)

    assert done[0] == 0
    standing = grants.standing(engine).stewards["Nguyễn Thị Lan"]
    assert (standing.identity_uris, standing.province_codes, standing.kinds) == ((office,), (), ())


@pytest.mark.parametrize(
    "words",
    [
        ("grant", "lan", *BY, "--law", "x"),
        ("grant", "lan", *BY, "--purpose", "x"),
        ("grant", "lan", *WHY),
        ("grant", "", *BY, *WHY),
        ("grant", "x" * 81, *BY, *WHY),
        ("grant", "Nguyễn Thị Lan", *BY, *WHY),
        ("grant", "lan", *BY, *WHY, "--province", "77"),
        ("grant", "lan", *BY, *WHY, "--kind", "nonsense"),
        ("grant", "lan", *BY, *WHY, "--from", "2025-08-02", "--to", "2025-08-01"),
        ("grant", "lan", *BY, *WHY, "--identity", "spiffe://lienthong/source/lao-cai.population"),
        ("grant", "lan", *BY, *WHY, "--identity", "lan"),
        ("revoke", "lan", *BY),
        ("revoke", "lan"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    type_: Type, registry: str, engine: sa.Engine, words: tuple[str, ...]
) -> None:
    code, said, _ = type_("stewards", *words)

    assert (code, said) == (2, "")
    assert grants.standing(engine).stewards == {}
