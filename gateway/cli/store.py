"""The database for commands that work on it directly."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.databases import database
from gateway.settings import read
from reconciliation.store.engine import Engine, connect, require_schema


@contextmanager
def open_store() -> Iterator[Engine]:
    """An engine on the database of this environment, also beside a gateway that runs on our own one.

    Raises FatalStoreError when its schema is not this release's.
    """
    with database(read(), may_borrow=True) as url:
        engine = connect(url, pool_size=2)
        try:
            require_schema(engine)
            yield engine
        finally:
            engine.dispose()
