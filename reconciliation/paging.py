"""A stretch of the feed, parted into pages."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from reconciliation.model import Cursor, FeedPage


def parted(page: FeedPage, *, after: int, size: int) -> Iterator[FeedPage]:
    """The changes of (after, page.upto], `size` places a page; what lies between two pages is in neither twice.

    Pages share the memory of the whole. A page of nothing is one page.
    """
    numbers = {kind: table["feed_seq"].to_numpy() for kind, table in page.tables.items()}
    last = page.upto.sequence
    for begin in range(after, max(last, after + 1), max(1, size)):
        end = min(last, begin + max(1, size))
        tables = {}
        for kind, table in page.tables.items():
            first, beyond = (int(place) for place in np.searchsorted(numbers[kind], [begin, end], side="right"))
            tables[kind] = table.slice(first, beyond - first)
        yield replace(
            page,
            tables=tables,
            upto=Cursor(epoch=page.upto.epoch, sequence=end),
            changes=sum(table.num_rows for table in tables.values()),
        )


def bytes_a_place(page: FeedPage, *, after: int) -> float:
    """How much memory a place of the feed takes on this page."""
    return float(sum(table.nbytes for table in page.tables.values())) / max(1, page.upto.sequence - after)
