"""`lienthong migrate`: the database's schema, and the registries with their grants."""

from gateway.__main__ import prepare
from gateway.cli.saying import say
from gateway.databases import database
from gateway.settings import read


def command() -> None:
    """Cập nhật cơ sở dữ liệu lên phiên bản này. Bring the database to this release."""
    settings = read()
    with database(settings) as url:
        prepare(url, trust_domain=settings.trust_domain)
    say("Cơ sở dữ liệu đã đúng phiên bản", "The database is of this release")
