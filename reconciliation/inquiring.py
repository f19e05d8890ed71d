"""Questions about two records of the store: why they are one person or not, and what joining them would change."""

from datetime import datetime

from reconciliation.entitlements import read_grants
from reconciliation.errors import RejectedRequestError
from reconciliation.lifecycle import VIETNAM
from reconciliation.pipeline import linkage_pool
from reconciliation.previewing import Preview, preview
from reconciliation.standing import Standing
from reconciliation.store import reconciling, rehearsals
from reconciliation.store.engine import Engine
from reconciliation.weighing import RecordPair, Weighed, weigh
from reconciliation.weights import load_model


def why(engine: Engine, pair: RecordPair, *, now: datetime) -> Weighed:
    """The pair, weighed in the pool of its province. Reads only.

    Raises RejectedRequestError UPDATE_UNKNOWN when the two do not stand in one province or are no records of people.
    """
    province_code, standing = _standing(engine, pair)
    as_of = now.astimezone(VIETNAM).date()
    records = linkage_pool(standing, province_code=province_code, as_of=as_of)
    weighed = weigh(records, pair, model=load_model())
    if weighed is None:
        raise _apart()
    return weighed


def preview_merge(engine: Engine, pair: RecordPair, *, now: datetime) -> Preview:
    """What it would change to hold the two for one person; nothing is written. Raises as `why`."""
    province_code, standing = _standing(engine, pair)
    as_of = now.astimezone(VIETNAM).date()
    return preview(standing, pair, province_code=province_code, model=load_model(), as_of=as_of, grants=read_grants())


def _standing(engine: Engine, pair: RecordPair) -> tuple[str, Standing]:
    with rehearsals.reading(engine) as connection:
        provinces = reconciling.provinces_of(connection, [pair.left, pair.right])
        if len(provinces) != 1 or pair.left == pair.right:
            raise _apart()
        return provinces[0], reconciling.read(connection, provinces[0])


def _apart() -> RejectedRequestError:
    return RejectedRequestError(
        "UPDATE_UNKNOWN",
        "These are not two records of people in one province.",
        next_step="name them as in the evidence of a case: source_id|source_record_id.",
    )
