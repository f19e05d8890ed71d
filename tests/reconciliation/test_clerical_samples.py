"""Pairs drawn for stewards: what they say of them bears out a threshold or does not, and binds like any judgement."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciliation import jobs
from reconciliation.errors import RejectedRequestError
from reconciliation.model import CaseKind, Decision
from reconciliation.pooling import pooled
from reconciliation.promising import Promise
from reconciliation.sampling import (
    STRATA_OF_DOUBTS,
    STRATA_OF_LINKS,
    draw,
    draw_sample,
    judge_thresholds,
    with_threshold,
)
from reconciliation.weights import load_model, model_of, save_model
from tests.reconciliation.people import made_up
from tests.reconciliation.province import LAO_CAI, YEN_BAI, Province, person

MODEL = load_model()


def test_a_sample_is_the_same_for_the_same_seed_and_every_stratum_is_drawn_from() -> None:
    records, _ = made_up(250, seed=5)
    with pooled(records) as pool:
        one, again, other = (draw(pool, model=MODEL, pairs=30, seed=seed) for seed in (1, 1, 2))

    assert one.equals(again)
    assert not one.equals(other)
    rows = one.to_pylist()
    links = {row["stratum"] for row in rows if row["weight"] >= MODEL.upper}
    assert links == set(range(STRATA_OF_DOUBTS + 1, STRATA_OF_DOUBTS + STRATA_OF_LINKS + 1))
    assert all(row["stratum_weight"] <= row["weight"] for row in rows)
    assert all(row["stratum_weight"] >= MODEL.upper - 0.001 for row in rows if row["stratum"] > STRATA_OF_DOUBTS)


def test_what_was_said_of_a_sample_counts_binds_and_survives_a_run(engine: sa.Engine, tmp_path: Path) -> None:
    province = Province(engine)
    province.push(YEN_BAI, person("A"))
    province.push(LAO_CAI, person("B"))
    province.run()
    assert len(province.published()) == 1

    said = {"province_code": "15", "models": tmp_path}
    drawn = draw_sample(engine, pairs=6, seed=1, by="op1", now=province.now, **said)
    province.run()
    case = province.case(CaseKind.DOUBTFUL_MATCH)
    assert (drawn, case.evidence["reason"]) == (1, "sample")
    promise = Promise(precision=0.6)
    assert judge_thresholds(engine, promise=promise, **said).judged.judged == 0

    judgement = province.judge(case, Decision.SAME)
    sampled = judge_thresholds(engine, promise=promise, **said)
    assert [(one.pairs, one.judged, one.matches) for one in sampled.strata] == [(1, 1, 1)]
    assert sampled.judged.needed > 0
    with pytest.raises(RejectedRequestError):
        with_threshold(MODEL, sampled, promise=promise)

    province.reverse(judgement)
    province.judge(province.case(CaseKind.DOUBTFUL_MATCH), Decision.NOT_SAME)
    province.run()
    assert judge_thresholds(engine, promise=promise, **said).strata[0].matches == 0
    assert len({row["subject_id"] for row in province.published().values()}) == 2


def test_without_a_sample_nothing_is_said(engine: sa.Engine) -> None:
    with pytest.raises(RejectedRequestError) as refused:
        judge_thresholds(engine, province_code="15", promise=Promise())
    assert refused.value.reason == "CASE_UNKNOWN"


def test_a_run_links_by_the_model_of_its_own_province(engine: sa.Engine, tmp_path: Path) -> None:
    stern = replace(MODEL, name="stern", upper=190.0, keep=190.0)
    save_model(stern, tmp_path / "15.json")
    province = Province(engine)
    province.push(YEN_BAI, person("A"))
    province.push(LAO_CAI, person("B"))

    counts = jobs.reconcile_records(engine, province_code="15", now=province.now, models=tmp_path)

    assert counts["links"] == 0
    assert model_of("15", tmp_path) == stern
    assert model_of("01", tmp_path) == model_of("15", None) == MODEL
