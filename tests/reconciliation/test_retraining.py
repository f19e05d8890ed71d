"""A province's model is taught anew from what stands, and compared before it takes the old one's place."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciliation import jobs, teaching
from reconciliation.weights import Model, load_model, save_model
from tests.reconciliation.store.landings import NOW
from tests.reconciliation.test_jobs import LAO_CAI, person, push


@pytest.fixture
def landed(engine: sa.Engine) -> sa.Engine:
    push(engine, "lao-cai.population", 1, person("A1"), person("A2", personal_number=None))
    push(engine, "yen-bai.population", 1, person("B1"))
    jobs.reconcile_records(engine, province_code=LAO_CAI, now=NOW)
    return engine


def retrained(engine: sa.Engine, folder: Path) -> dict[str, int]:
    return jobs.retrain_model(engine, province_code=LAO_CAI, folder=folder, seed=1, now=NOW)


def test_a_province_that_teaches_nothing_keeps_the_shipped_weights(landed: sa.Engine, tmp_path: Path) -> None:
    counts = retrained(landed, tmp_path)

    assert (counts["replaced"], counts["levels_changed"], counts["records_moved"]) == (1, 0, 0)
    assert load_model(tmp_path / "15.json").comparisons == load_model().comparisons


def test_a_model_that_parts_people_waits_beside_the_one_in_use(
    landed: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(load_model(), tmp_path / "15.json")

    def stern(*_: object, name: str, **__: object) -> Model:
        return replace(load_model(), name=name, upper=90.0, keep=80.0)

    monkeypatch.setattr(jobs, "teach_pool", stern)
    counts = retrained(landed, tmp_path)

    beside = sorted(path.name for path in tmp_path.iterdir())
    assert counts["replaced"] == 0
    assert load_model(tmp_path / "15.json") == load_model()
    assert len(beside) == 3
    change = next(tmp_path.glob("*.change.json"))
    assert json.loads(change.read_text(encoding="utf-8"))["thresholds"]["upper"][1] == 90.0
    assert teaching.teach_pool is not stern


def test_asking_what_a_model_would_change_writes_nothing(landed: sa.Engine) -> None:
    change = jobs.compare_model(
        landed, load_model(), replace(load_model(), name="new", upper=90.0, keep=80.0), province_code=LAO_CAI, now=NOW
    )

    assert change.links_lost == change.links_before > 0
    assert change.records == 3
