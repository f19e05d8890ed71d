"""Samples of pairs for stewards to judge: drawn once, kept for ever, read together with the judgements in force."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from reconciliation import lifecycle
from reconciliation.detecting import HOLDS
from reconciliation.model import CaseKind, Decision
from reconciliation.store import cases, judgements
from reconciliation.store.copying import copy_out, staged
from reconciliation.store.engine import Engine
from reconciliation.store.tables import case, clerical_pair, clerical_sample

# A pair of a sample and what was said of it: null while nobody has.
JUDGED_PAIRS = pa.schema(
    [
        pa.field("stratum", pa.int16(), nullable=False),
        pa.field("stratum_weight", pa.float64(), nullable=False),
        pa.field("stratum_pairs", pa.int64(), nullable=False),
        pa.field("is_match", pa.bool_()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A sample as it stands. `pairs` are JUDGED_PAIRS."""

    sample_id: int
    pairs: pa.Table


def keep(
    connection: sa.Connection, drawn: pa.Table, *, province_code: str, model: str, seed: int, by: str, now: datetime
) -> int:
    """Keep a sample (sampling.DRAWN) and open a case for each of its pairs that has none; return its id."""
    sample_id = connection.execute(
        clerical_sample.insert()
        .values(province_code=province_code, model=model, seed=seed, drawn_by=by, drawn_at=now)
        .returning(clerical_sample.c.sample_id)
    ).scalar_one()
    pairs = staged(connection, "drawn", drawn)
    _open_cases(connection, pairs, province_code=province_code, now=now)
    named = ("fingerprint", "weight", "stratum", "stratum_weight", "stratum_pairs")
    rows = sa.select(sa.literal(sample_id, sa.BigInteger), *(pairs.c[name] for name in named))
    connection.execute(clerical_pair.insert().from_select(["sample_id", *named], rows))
    return int(sample_id)


def read(engine: Engine, *, province_code: str, model: str) -> Kept | None:
    """The newest sample of a province under a model, None where there is none."""
    with engine.connect() as connection:
        sample_id = connection.scalar(
            sa.select(sa.func.max(clerical_sample.c.sample_id)).where(
                clerical_sample.c.province_code == province_code, clerical_sample.c.model == model
            )
        )
        if sample_id is None:
            return None
        said = judgements.standing_decisions()
        is_match = sa.case(
            (said.c.decision == str(Decision.SAME), sa.true()), (said.c.decision == str(Decision.NOT_SAME), sa.false())
        )
        query = (
            sa.select(*(clerical_pair.c[name] for name in JUDGED_PAIRS.names[:-1]), is_match.label("is_match"))
            .outerjoin(said, said.c.fingerprint == clerical_pair.c.fingerprint)
            .where(clerical_pair.c.sample_id == sample_id)
            .order_by(clerical_pair.c.fingerprint)
        )
        return Kept(sample_id=int(sample_id), pairs=copy_out(connection, query, JUDGED_PAIRS))


def _open_cases(connection: sa.Connection, pairs: sa.Table, *, province_code: str, now: datetime) -> None:
    """A question that is open already stays as it is; one that no record raises any more is open again."""
    state = HOLDS[CaseKind.DOUBTFUL_MATCH]
    evidence = sa.func.jsonb_build_object(
        "weight", sa.func.round(sa.cast(pairs.c.weight, sa.Numeric), 2), "reason", cases.SAMPLED, "sides",
        sa.func.jsonb_build_array(0, 1),
    )  # fmt: skip
    asked = pg.insert(case).from_select(
        ["fingerprint", "kind", "province_code", "owner", "opened_at", "deadline", "record_keys", "evidence"],
        sa.select(
            pairs.c.fingerprint,
            sa.literal_column(f"'{CaseKind.DOUBTFUL_MATCH}'"),
            sa.cast(sa.literal(province_code), sa.Text),
            sa.cast(sa.literal(lifecycle.owner(state, province_code=province_code)), sa.Text),
            sa.literal(now, sa.DateTime(timezone=True)),
            sa.literal(lifecycle.deadline(state, since=now), sa.DateTime(timezone=True)),
            pg.array([pairs.c.left_key, pairs.c.right_key]),
            evidence,
        ).order_by(pairs.c.fingerprint),
    )
    again = {name: asked.excluded[name] for name in ("opened_at", "deadline", "evidence")}
    connection.execute(
        asked.on_conflict_do_update(
            index_elements=["fingerprint"],
            set_={"obsolete_since": None, **again},
            where=case.c.obsolete_since.is_not(None),
        )
    )
