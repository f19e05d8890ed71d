"""`lienthong users` as somebody types it: added, listed, given roles and passwords, removed; and who did it."""

import sqlalchemy as sa

from gateway.console import passwords
from reconciliation.store import users
from tests.gateway.test_cli import Type, gateway, lines, type_
from tests.gateway.test_cli_units import registry

__all__ = ["gateway", "registry", "type_"]  # fixtures

BY = ("--by", "tester")


def test_a_user_is_added_listed_changed_and_removed(type_: Type, registry: str, engine: sa.Engine) -> None:
    added = type_("users", "add", "Thao", "--name", "Nguyễn Thị Thảo", "--role", "steward:15:doubtful_match", *BY)
    again = type_("users", "add", "thao", "--name", "x", "--role", "viewer", *BY)
    (listed,) = lines(type_("users", "list", "--json")[1])
    hashed = users.password_hash(engine, "thao")
    renewed = type_("users", "password", "thao", *BY)
    changed = type_("users", "roles", "thao", "--role", "viewer", "--role", "supervisor:01", *BY)
    table = type_("users", "list")[1]
    removed = type_("users", "remove", "thao", *BY)
    gone = type_("users", "remove", "thao", *BY)

    assert added[0] == renewed[0] == changed[0] == removed[0] == 0
    assert again[0] == gone[0] == 2
    assert listed == {
        "user_id": "thao", "name": "Nguyễn Thị Thảo", "issuer": None, "roles": ["steward:15:doubtful_match"],
    }  # fmt: skip
    (password,) = [word for word in added[1].split() if word.count("-") == 4]
    assert passwords._verify(hashed or "", password)
    assert users.password_hash(engine, "thao") is None
    assert "supervisor:01:*" in table
    assert [one.kind for one in users.events(engine)] == [
        "user_removed", "roles_changed", "password_set", "user_added",
    ]  # fmt: skip
    assert type_("users", "list", "--json")[1] == ""


def test_what_is_no_role_is_refused(type_: Type, registry: str) -> None:
    for role in ("king", "steward:99", "steward:15:gossip"):
        assert type_("users", "add", "an", "--name", "An", "--role", role, *BY)[0] == 2
    assert type_("users", "add", "an", "--name", "An", "--role", "viewer", "--issuer", "https://x", *BY)[0] == 2
