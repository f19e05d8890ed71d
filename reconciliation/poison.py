"""Which waiting records break a run over a province: found by halving, so that a broken rule costs one record.

Pure: what is tried is given. A run that breaks without any waiting record is nobody's fault, and is left to break.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.errors import ReconciliationError
from reconciliation.standing import Standing

MOST_CULPRITS = 10  # more is a fault of the rules, not of the records

_Ids = np.ndarray[tuple[int], np.dtype[np.int64]]


def culprits(standing: Standing, attempt: Callable[[Standing], object]) -> list[int]:
    """The waiting records (record_id, ascending) without which `attempt` goes well; none when it does not, or too many.

    An error of the registry's own is no record's fault and is raised.
    """
    waiting = np.sort(np.concatenate([_waiting(table) for table in standing.heads.values()]))
    good: list[_Ids] = []

    def breaks(part: _Ids) -> bool:
        removed = np.setdiff1d(waiting, np.concatenate([part, *good]))
        try:
            attempt(without(standing, removed))
        except ReconciliationError:
            raise
        except Exception:  # noqa: BLE001 - whatever a rule may raise is what is looked for
            return True
        return False

    if breaks(waiting[:0]):
        return []
    found: list[int] = []
    parts = [waiting]
    while parts and len(found) <= MOST_CULPRITS:
        part = parts.pop()
        if not breaks(part):
            good.append(part)
        elif len(part) == 1:
            found.append(int(part[0]))
        else:
            parts += [part[len(part) // 2 :], part[: len(part) // 2]]
    return sorted(found) if len(found) <= MOST_CULPRITS else []


def without(standing: Standing, records: _Ids) -> Standing:
    """The province as if these records did not stand."""
    gone = pa.array(records, pa.int64())
    kept = {
        kind: table.filter(pc.invert(pc.is_in(table["record_id"], value_set=gone)))
        for kind, table in standing.heads.items()
    }
    return replace(standing, heads=kept)


def _waiting(heads: pa.Table) -> _Ids:
    return np.asarray(heads.filter(heads["is_pending"])["record_id"].to_numpy(), np.int64)
