"""The version of a record, from the moment of its change as its source writes it."""

from datetime import date

import pyarrow as pa

from adapters.declaration import Dialect
from adapters.steps import STEPS
from adapters.steps.fewer import run_steps
from adapters.steps.model import Context


def read_versions(moments: pa.Array, *, dialect: Dialect, today: date) -> pa.Array:
    """source_version (int64) of `moments` (string) as the dialect reads them; null where it cannot, or has no such."""
    mapping = dialect.mapping_to("source_version")
    if mapping is None:
        return pa.nulls(len(moments), pa.int64())
    context = Context(today, mapping.styles, mapping.code_list, mapping.is_number)
    stepped = run_steps(moments, [STEPS[name] for name in mapping.steps], context)
    return stepped.values[mapping.targets.index("source_version")]
