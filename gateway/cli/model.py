"""`lienthong model`: what a linkage model weighs, what another would change, and Splink's file of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.cli.store import open_store
from gateway.settings import read
from reconciliation import jobs, sampling
from reconciliation.exchanging import export_model, import_model
from reconciliation.model_changes import ModelChange, compare_models
from reconciliation.numerals import ENGLISH, VIETNAMESE, counted
from reconciliation.promising import Promise
from reconciliation.weights import Model, load_model, model_of, save_model

app = typer.Typer(no_args_is_help=True)

ModelFile = Annotated[Path | None, typer.Option(help="Tệp mô hình; mặc định: của bản phát hành · Default: the shipped")]
_SHOWN = 15


@app.command("export")
def export(
    to: Annotated[Path, typer.Argument(help="Tệp Splink sẽ ghi · Splink's file to write")],
    *,
    model: ModelFile = None,
) -> None:
    """Ghi mô hình cho Splink. Write a model as Splink reads it."""
    settings = export_model(load_model(model))
    to.write_text(json.dumps(settings, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    say(f"Đã ghi {to.name}", f"{to.name} is written; vetoes and thresholds stay here")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Tệp của Splink · Splink's file")],
    to: Annotated[Path, typer.Argument(help="Tệp mô hình sẽ ghi · The model file to write")],
    *,
    like: ModelFile = None,
) -> None:
    """Đọc mô hình của Splink. Read a model of Splink; thresholds are those of `--like`."""
    settings = json.loads(file.read_text(encoding="utf-8"))
    save_model(import_model(settings, like=load_model(like), name=to.stem), to)
    say(f"Đã ghi {to.name}", f"{to.name} is written; ask `lienthong model compare {to.name}` before it is used")


@app.command("compare")
def compare(
    after: Annotated[Path, typer.Argument(help="Mô hình mới · The new model")],
    *,
    model: ModelFile = None,
    province: Annotated[
        str | None, typer.Option(help="Mã tỉnh: so trên dữ liệu đang có · On what stands there")
    ] = None,
    as_json: Json = False,
) -> None:
    """So hai mô hình trước khi dùng. Say what a new model would change before it is used."""
    before, new = load_model(model), load_model(after)
    change = _on_what_stands(before, new, province) if province else compare_models(before, new)
    if as_json:
        json_line(change)
    else:
        _show(change, is_on_records=province is not None)


_Province = Annotated[str, typer.Option(help="Mã tỉnh · The code of a province")]


@app.command("sample")
def sample(
    *,
    province: _Province,
    by: Annotated[str, typer.Option(help="Ai rút mẫu · Who draws it")],
    pairs: Annotated[int, typer.Option(min=6, help="Bao nhiêu cặp · How many pairs")] = 300,
    seed: Annotated[int, typer.Option(help="Hạt giống · What chooses them")] = 1,
) -> None:
    """Rút mẫu cặp hồ sơ cho cán bộ phán quyết. Draw pairs for stewards to judge, as cases of their queue."""
    with open_store() as engine:
        drawn = sampling.draw_sample(
            engine,
            province_code=province,
            pairs=pairs,
            seed=seed,
            by=by,
            now=datetime.now(UTC),
            models=read().model_folder,
        )
    told = counted(drawn, "pair is", "pairs are")
    say(f"{VIETNAMESE.count(drawn)} cặp đã vào hàng đợi", f"{told} in the queue; next: lienthong model thresholds")


@app.command("thresholds")
def thresholds(
    *,
    province: _Province,
    precision: Annotated[float, typer.Option(help="Độ chính xác hứa · The promised precision")] = Promise().precision,
    confidence: Annotated[float, typer.Option(help="Độ tin cậy · One-sided confidence")] = Promise().confidence,
    to: Annotated[Path | None, typer.Option(help="Ghi mô hình với ngưỡng này · Write the model under it")] = None,
    as_json: Json = False,
) -> None:
    """Ngưỡng giữ lời hứa theo mẫu đã phán quyết. The threshold that keeps a promise, by what stewards judged."""
    if not 0.5 < precision < 1 or not 0.5 < confidence < 1:
        raise typer.BadParameter("0,5 < … < 1")
    promise = Promise(precision=precision, confidence=confidence)
    models = read().model_folder
    with open_store() as engine:
        sampled = sampling.judge_thresholds(engine, province_code=province, promise=promise, models=models)
    if as_json:
        json_line(sampled)
    else:
        _show_sampled(sampled)
    if to is not None:
        save_model(sampling.with_threshold(model_of(province, models), sampled, promise=promise), to)
        say(f"Đã ghi {to.name}", f"{to.name} is written; runs use it as CODE.json in LIENTHONG_MODEL_FOLDER")


def _show_sampled(sampled: sampling.Sampled) -> None:
    rows(
        ("từ trọng số · from weight", "cặp · pairs", "đã phán quyết · judged", "cùng người · one person"),
        [(VIETNAMESE.figure(one.weight, ".2f"), one.pairs, one.judged, one.matches) for one in sampled.strata],
    )
    judged = sampled.judged
    low, high = judged.interval
    say(
        f"Từ {VIETNAMESE.figure(judged.upper, '.2f')}: độ chính xác {VIETNAMESE.figure(low, '.4f')}–"
        f"{VIETNAMESE.figure(high, '.4f')} theo {VIETNAMESE.count(judged.judged)} cặp",
        "from there on the precision lies between the two",
    )
    if not judged.is_kept:
        say(
            f"Chưa đủ để giữ lời hứa: cần thêm ít nhất {judged.needed} cặp",
            "too little to keep the promise; at least so many more pairs have to be judged",
        )


def _on_what_stands(before: Model, after: Model, province_code: str) -> ModelChange:
    with open_store() as engine:
        return jobs.compare_model(engine, before, after, province_code=province_code, now=datetime.now(UTC))


def _show(change: ModelChange, *, is_on_records: bool) -> None:
    say(f"{change.before} thành {change.after}", f"{change.before} becomes {change.after}")
    rows(("", "trước · before", "sau · after"), [(name, *values) for name, values in change.thresholds.items()])
    rows(
        ("so sánh · comparison", "mức · level", "trước · before", "sau · after"),
        [(one.comparison, one.level, one.before, one.after) for one in change.levels[:_SHOWN]],
    )
    if not is_on_records:
        return
    rows(
        ("trước · before", "sau · after", "cặp · pairs"),
        [(one.before, one.after, one.pairs) for one in change.pairs],
    )
    say(
        f"{VIETNAMESE.count(change.records_moved)} hồ sơ đổi người; "
        f"{VIETNAMESE.count(change.subjects_before)} thành {VIETNAMESE.count(change.subjects_after)} người",
        f"{counted(change.records_moved, 'record', 'records')} would have another subject; "
        f"{counted(change.subjects_before, 'subject becomes', 'subjects become')} "
        f"{ENGLISH.count(change.subjects_after)}",
    )
