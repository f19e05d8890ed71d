"""The database that the settings name, or our own while somebody works with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.settings import Settings
from reconciliation.store import embedded


@contextmanager
def database(settings: Settings, *, may_borrow: bool = False) -> Iterator[str]:
    """The URL of the database of `settings`; our own one runs while the context does, unless a gateway lends its."""
    given = {"LIENTHONG_DATABASE_URL": settings.database_url} if settings.database_url else {}
    with embedded.database_url(settings.data_folder, given, may_borrow=may_borrow) as url:
        yield url
