"""`lienthong sources`: the provinces, their former provinces, the systems and the dialects they speak."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from adapters import catalogue
from adapters.canonical import RecordKind
from adapters.catalogue import Catalogue, Province, Source
from adapters.declaration import Dialect
from gateway.cli.options import Json
from gateway.cli.saying import json_line, rows, say
from gateway.errors import GatewayError

Listed = list[dict[str, Any]]


def command(
    *,
    province: Annotated[
        str, typer.Option(help="Mã hoặc tên không dấu của tỉnh, nay hoặc cũ · A province's code or slug, former too")
    ] = "",
    kind: Annotated[RecordKind | None, typer.Option(help="Loại bản ghi · A kind of record")] = None,
    as_json: Json = False,
) -> None:
    """Liệt kê tỉnh, tỉnh cũ, hệ thống, phương ngữ. List provinces, former provinces, systems and dialects."""
    listed = listing(catalogue.load(), province=province, kind=kind)
    if as_json:
        json_line(listed)
        return
    _show(listed)


def listing(known: Catalogue, *, province: str = "", kind: RecordKind | None = None) -> dict[str, Listed]:
    """What `--json` prints: provinces, former_provinces, systems, dialects; of one province or kind if asked.

    Raises GatewayError for a province that is not known.
    """
    provinces = [one for one in known.provinces.values() if not province or province in _names(one)]
    if not provinces:
        codes = ", ".join(f"{one.code} {one.slug}" for one in known.provinces.values())
        raise GatewayError(f"Không có tỉnh này · no such province. One of: {codes}.")
    systems = [one for each in provinces for one in each.systems if kind in {None, one.kind}]
    registers = [one for each in known.provinces.values() for one in each.systems]
    is_whole = not province and kind is None
    spoken = {one.dialect.name for one in systems}
    dialects = [one for one in known.dialects.values() if is_whole or one.name in spoken]
    return {
        "provinces": [_province(one) for one in provinces],
        "former_provinces": [former for one in provinces for former in _formers(one)],
        "systems": [_system(one) for one in systems],
        "dialects": [_dialect(one, registers) for one in dialects],
    }


def _names(province: Province) -> set[str]:
    formers = {name for one in province.formers for name in (one.slug, one.name)}
    # Not the former codes: 15 was Yên Bái and is Lào Cai.
    return {province.code, province.slug, province.name, *formers}


def _province(one: Province) -> dict[str, Any]:
    return {
        "code": one.code,
        "slug": one.slug,
        "name": one.name,
        "units": one.counts.total,
        "communes": one.counts.communes,
        "wards": one.counts.wards,
        "special_zones": one.counts.special_zones,
        "former_provinces": [former.code for former in one.formers],
        "systems": len(one.systems),
        "steward_office": one.steward_office.name,
        "residence_office": one.residence_office.name,
    }


def _formers(province: Province) -> Listed:
    return [
        {
            "code": one.code,
            "slug": one.slug,
            "name": one.name,
            "communes": one.communes,
            "province_code": province.code,
            "systems": [source.source_id for source in province.systems if source.former_province_code == one.code],
        }
        for one in province.formers
    ]


def _system(one: Source) -> dict[str, Any]:
    return {
        "source_id": one.source_id,
        "kind": one.kind.value,
        "province_code": one.province_code,
        "former_province_code": one.former_province_code,
        "dialect": one.dialect.name,
        "format": one.dialect.file.format.value,
        "charset": one.charset.value,
        "unit_codes": [
            {"from": rule.from_date.isoformat(), "vintage": rule.vintage.isoformat()} for rule in one.unit_codes
        ],
        "ethnic_list": one.ethnic_list,
        "date_styles": {name: list(styles) for name, styles in one.date_styles.items()},
        "cadence": one.cadence.value,
        "office": one.office.name,
    }


def _dialect(one: Dialect, sources: Iterable[Source]) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "kind": one.kind.value,
        "format": one.file.format.value,
        "charset": one.file.charset.value,
        "columns": len(one.source_columns),
        "systems": sum(source.dialect.name == one.name for source in sources),
    }


def _show(listed: dict[str, Listed]) -> None:
    say(
        "{} tỉnh, {} tỉnh cũ, {} hệ thống, {} phương ngữ".format(*map(len, listed.values())),
        "{} provinces, {} former provinces, {} systems, {} dialects".format(*map(len, listed.values())),
    )
    typer.echo()
    rows(
        ("mã · code", "tỉnh · province", "đơn vị · units", "từ · from", "hệ thống · systems"),
        [
            (one["code"], one["name"], one["units"], _from(one, listed["former_provinces"]), one["systems"])
            for one in listed["provinces"]
        ],
    )
    typer.echo()
    rows(
        ("nguồn · source", "loại · kind", "tỉnh · province", "phương ngữ · dialect", "bảng mã · charset",
         "danh mục mã · unit codes", "kỳ · cadence"),
        [
            (one["source_id"], one["kind"], one["province_code"], one["dialect"], one["charset"], _vintages(one),
             one["cadence"])
            for one in listed["systems"]
        ],
    )  # fmt: skip
    typer.echo()
    rows(
        ("phương ngữ · dialect", "loại · kind", "dạng · format", "bảng mã · charset", "cột · columns",
         "hệ thống · systems", "là · is"),
        [
            (one["name"], one["kind"], one["format"], one["charset"], one["columns"], one["systems"], one["title"])
            for one in listed["dialects"]
        ],
    )  # fmt: skip


def _from(province: dict[str, Any], formers: Listed) -> str:
    return ", ".join(one["name"] for one in formers if one["province_code"] == province["code"])


def _vintages(system: dict[str, Any]) -> str:
    rules = [f"{rule['vintage']} (từ · from {rule['from']})" for rule in system["unit_codes"]]
    return "; ".join(rules[-1:]) or "không khai báo · undeclared"
