"""Pairs drawn for stewards to judge ──► what the links of a model are worth, and the threshold that keeps a promise.

A sample is drawn by weight: links and doubts are cut into strata of equally many pairs, and equally many are drawn of
each. A drawn pair is a case of the queue like any other doubtful match; what is said of it binds, and counts here.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from reconciliation.deciding import PAIRS, link_pool
from reconciliation.errors import RejectedRequestError, RetryableStoreError
from reconciliation.lifecycle import VIETNAM
from reconciliation.pipeline import linkage_pool
from reconciliation.pooling import Pool, pooled
from reconciliation.promising import Judged, Promise, Stratum, judged_threshold
from reconciliation.relations import select
from reconciliation.store import reconciling, samples
from reconciliation.store.engine import Engine
from reconciliation.weights import Model, model_of

STRATA_OF_LINKS, STRATA_OF_DOUBTS = 4, 2

# A drawn pair. `stratum` counts from the lightest; `stratum_pairs` are all that it was drawn from.
DRAWN = pa.schema(
    [
        *PAIRS,
        pa.field("fingerprint", pa.string(), nullable=False),  # of its case, as detecting.doubtful gives it
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("stratum", pa.int16(), nullable=False),
        pa.field("stratum_weight", pa.float64(), nullable=False),  # of its lightest pair
        pa.field("stratum_pairs", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """The newest sample of a province under a model, and what it says."""

    sample_id: int
    model: str
    drawn: int
    strata: tuple[Stratum, ...]
    judged: Judged


def draw(pool: Pool, *, model: Model, pairs: int, seed: int) -> pa.Table:
    """DRAWN: about `pairs` of those that the model links or doubts by their weight alone, ordered by their keys.

    Pairs that a veto or an equal number made a case are none of them: their threshold is not what is asked.
    """
    decided = link_pool(pool, model=model).decisions
    by_weight = pc.and_(pc.equal(decided["decided_by"], "weight"), pc.is_null(decided["veto"]))
    population = decided.filter(by_weight).select([*PAIRS.names, "weight", "decision"])
    share = math.ceil(pairs / (STRATA_OF_LINKS + STRATA_OF_DOUBTS))
    return select(_DRAW, DRAWN, population=population, given={"seed": str(seed), "share": share})


def draw_sample(
    engine: Engine, *, province_code: str, pairs: int, seed: int, by: str, now: datetime, models: Path | None = None
) -> int:
    """Draw a sample of a province for its stewards, as cases of their queue; return how many pairs it has.

    Raises RetryableStoreError while a run holds the province.
    """
    model = model_of(province_code, models)
    with reconciling.province_lock(engine, province_code) as connection:
        if connection is None:
            message = f"province {province_code}: a run holds it. Next: ask again when it has ended."
            raise RetryableStoreError(message)
        standing = reconciling.read(connection, province_code)
        records = linkage_pool(standing, province_code=province_code, as_of=now.astimezone(VIETNAM).date())
        with pooled(records) as pool:
            drawn = draw(pool, model=model, pairs=pairs, seed=seed)
        samples.keep(
            connection, drawn, province_code=province_code, model=_weighed_by(model), seed=seed, by=by, now=now
        )
    return int(drawn.num_rows)


def judge_thresholds(engine: Engine, *, province_code: str, promise: Promise, models: Path | None = None) -> Sampled:
    """What the judgements on the newest sample say of the model in use, and which threshold would keep the promise.

    Raises RejectedRequestError CASE_UNKNOWN where none was drawn under its weights.
    """
    model = model_of(province_code, models)
    found = samples.read(engine, province_code=province_code, model=_weighed_by(model))
    if found is None:
        raise RejectedRequestError(
            "CASE_UNKNOWN",
            f"No sample was drawn of province {province_code} under the model {model.name}.",
            next_step="draw one with `lienthong model sample` and have it judged.",
        )
    strata = tuple(Stratum(**row) for row in select(_STRATA, _STRATUM, judged=found.pairs).to_pylist())
    return Sampled(
        sample_id=found.sample_id,
        model=model.name,
        drawn=found.pairs.num_rows,
        strata=strata,
        judged=judged_threshold(strata, promise=promise, upper=model.upper),
    )


def with_threshold(model: Model, sampled: Sampled, *, promise: Promise) -> Model:
    """The model under the threshold that its sample bears out; its weights are the same, and its name tells the sample.

    Raises RejectedRequestError DECISION_INVALID where the sample bears none out.
    """
    judged = sampled.judged
    if not judged.is_kept:
        raise RejectedRequestError(
            "DECISION_INVALID",
            f"The sample does not bear out a precision of {promise.precision}.",
            next_step=f"have at least {judged.needed} more pairs judged, or promise less.",
        )
    return replace(
        model,
        name=f"{_weighed_by(model)}+{sampled.sample_id}",
        upper=judged.upper,
        keep=min(model.keep, judged.upper),
        lower=min(model.lower, judged.upper),
        training=replace(
            model.training,
            promised_precision=promise.precision,
            confidence=promise.confidence,
            interval=(round(judged.interval[0], 5), round(judged.interval[1], 5)),
            sampled=judged.judged,
            mates=None,  # it was judged on the province itself
        ),
    )


def _weighed_by(model: Model) -> str:
    """The name of the model whose weights these are: another threshold leaves them as they are."""
    return model.name.partition("+")[0]


_STRATUM = pa.schema(
    [
        pa.field("weight", pa.float64()),
        pa.field("pairs", pa.int64()),
        pa.field("judged", pa.int64()),
        pa.field("matches", pa.int64()),
    ]
)

_DRAW = f"""
with cut as (
    select *, case decision when 'case' then ntile({STRATA_OF_DOUBTS}) over lighter
              else {STRATA_OF_DOUBTS} + ntile({STRATA_OF_LINKS}) over lighter end as stratum
    from population window lighter as (partition by decision order by weight, left_key, right_key)
), counted as (
    select *, floor(1000 * min(weight) over of_stratum) / 1000 as stratum_weight,
        count(*) over of_stratum as stratum_pairs,
        row_number() over (
            partition by stratum order by md5(concat_ws('|', $seed, left_key, right_key)), left_key, right_key
        ) as place
    from cut window of_stratum as (partition by stratum)
)
select left_key, right_key, sha256(concat_ws('|', 'pair', left_key, right_key)) as fingerprint, weight, stratum,
    stratum_weight, stratum_pairs
from counted where place <= $share order by left_key, right_key
"""

_STRATA = """
select any_value(stratum_weight) as weight, any_value(stratum_pairs) as pairs, count(is_match) as judged,
    count(*) filter (is_match) as matches
from judged group by stratum order by weight
"""
