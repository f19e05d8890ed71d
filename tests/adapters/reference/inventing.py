"""Events that never happened, written as an operator would write them."""

from pathlib import Path

HEADS = {
    "ends": "level,code",
    "begins": "level,code,name,type,province_code,district_code,clause",
    "changes": "level,code,name,type,district_code,province_code,clause",
    "crosswalk": "from_code,to_code,relation,residents,clause",
    "provinces": "from_code,to_code,relation",
}


def write_event(
    folder: Path, *, on: str = "2027-01-01", kind: str = "complex", abolishes: str | None = None, **rows: list[str]
) -> Path:
    """An event's folder, named by its id; `rows` are the lines of each of its files, under the headings above."""
    folder.mkdir()
    head = {"id": folder.name, "title": "Thử", "instrument": "9/NQ-TEST", "kind": kind, "abolishes": abolishes}
    said = [f'{key} = "{value}"' for key, value in head.items() if value is not None]
    (folder / "event.toml").write_text("\n".join([*said, f"effective_on = {on}\n"]), "utf-8")
    for name, lines in rows.items():
        (folder / f"{name}.csv").write_text("\n".join([HEADS[name], *lines, ""]), "utf-8")
    return folder
