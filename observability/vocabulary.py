"""The closed vocabulary of what may be seen: every field of a span, a metric or a log line, and the shape of its value.

A field that is not listed, or whose value does not have the listed shape, is dropped and counted. Shapes admit ids of
ours, codes and counts; text that could carry a name, an address or a number of a person fits none of them.
"""

import math
import re
from collections.abc import Mapping
from enum import StrEnum

Value = str | int | float | bool


class Shape(StrEnum):
    """What a value may look like."""

    COUNT = "a whole number from 0 to 999,999,999"
    SERIAL = "a whole number of ours, from −1"
    SECONDS = "a finite number from 0"
    FLAG = "true or false"
    SLUG = "a lower-case word or words, as in yen-bai.population"
    TOKEN = "lower-case words joined by _"  # noqa: S105 - a shape, no secret
    OWNER = "a province, perhaps with a commune, a source or a consumer, a stroke and a role, as in 15/02647/steward"
    REASON = "an upper-case code, as in UNKNOWN_COLUMN"
    PROVINCE = "2 digits"
    UNIT = "5 digits"
    UUID = "a UUID"
    METHOD = "a gRPC method"
    IDENTIFIER = "the name of a Python class"
    PLACE = "file:line function, outermost first, joined by >"
    RUN = "a run id of Airflow"
    VERSION = "digits and dots"


_SLUG = r"[a-z][a-z0-9]*(?:[-._:/][a-z0-9]+)*"
_FRAME = r"[A-Za-z_][\w.]*:\d{1,6} [\w<>]+"

_PATTERNS: dict[Shape, re.Pattern[str]] = {
    Shape.SLUG: re.compile(_SLUG),
    Shape.TOKEN: re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"),
    Shape.OWNER: re.compile(r"(?:[0-9]{2}(?:/[0-9]{5})?|[a-z][a-z0-9-]*(?:\.[a-z]+)?)/[a-z]+"),
    Shape.REASON: re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*"),
    Shape.PROVINCE: re.compile(r"[0-9]{2}"),
    Shape.UNIT: re.compile(r"[0-9]{5}"),
    Shape.UUID: re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    Shape.METHOD: re.compile(r"/?[A-Za-z][A-Za-z0-9_.]*/[A-Za-z]+"),
    Shape.IDENTIFIER: re.compile(r"[A-Za-z_][A-Za-z0-9_.]*"),
    Shape.PLACE: re.compile(rf"{_FRAME}(?: > {_FRAME})*", re.ASCII),
    Shape.RUN: re.compile(r"[a-z_]+__[0-9T:.+\-]+[A-Za-z0-9_]{0,12}"),
    Shape.VERSION: re.compile(r"[0-9]+(?:\.[0-9]+){0,3}"),
}
_LONGEST = {Shape.PLACE: 800}
_LONGEST_DEFAULT = 80
# A personal number has 12 digits, an insurance number 10, a CMND 9. UUIDs are ours and random.
_NUMBER_OF_A_PERSON = re.compile(r"[0-9]{9,}")

FIELDS: dict[str, Shape] = {
    # whose, and which one
    "source_id": Shape.SLUG,
    "consumer_id": Shape.SLUG,
    "province_code": Shape.PROVINCE,
    "unit_code": Shape.UNIT,
    "receipt_id": Shape.UUID,
    "request_id": Shape.UUID,
    "subject_id": Shape.UUID,
    "sequence": Shape.SERIAL,
    "update_id": Shape.SERIAL,
    "case_id": Shape.SERIAL,
    "judgement_id": Shape.SERIAL,
    "feed_epoch": Shape.SERIAL,
    "feed_seq": Shape.SERIAL,
    "row": Shape.SERIAL,
    # codes of closed sets
    "record_kind": Shape.TOKEN,
    "case_kind": Shape.TOKEN,
    "state": Shape.TOKEN,
    "owner": Shape.OWNER,
    "cause": Shape.REASON,
    "decision": Shape.TOKEN,
    "outcome": Shape.TOKEN,
    "severity": Shape.TOKEN,
    "batch_format": Shape.TOKEN,
    "dialect": Shape.SLUG,
    "code": Shape.REASON,
    "reason": Shape.REASON,
    "status_code": Shape.REASON,
    "method": Shape.METHOD,
    "job": Shape.TOKEN,
    "stage": Shape.TOKEN,
    "read_from": Shape.TOKEN,
    "component": Shape.SLUG,
    "exporter": Shape.TOKEN,
    "certificate": Shape.TOKEN,
    "dag_id": Shape.TOKEN,
    "task_id": Shape.TOKEN,
    "run_id": Shape.RUN,
    # how many, how long
    "received": Shape.COUNT,
    "accepted": Shape.COUNT,
    "quarantined": Shape.COUNT,
    "superseded": Shape.COUNT,
    "findings": Shape.COUNT,
    "records": Shape.COUNT,
    "batches": Shape.COUNT,
    "updates": Shape.COUNT,
    "changes": Shape.COUNT,
    "published": Shape.COUNT,
    "applied": Shape.COUNT,
    "refused": Shape.COUNT,
    "pairs": Shape.COUNT,
    "links": Shape.COUNT,
    "clusters": Shape.COUNT,
    "cases": Shape.COUNT,
    "stuck": Shape.COUNT,
    "bytes": Shape.COUNT,
    "count": Shape.COUNT,
    "attempt": Shape.COUNT,
    "port": Shape.COUNT,
    "seconds": Shape.SECONDS,
    "replayed": Shape.FLAG,
    # what went wrong, without its message
    "error_type": Shape.IDENTIFIER,
    "place": Shape.PLACE,
    "version": Shape.VERSION,
}

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[._][a-z0-9]+)*")
UNNAMED = "unnamed"


def fits(field: str, value: object) -> bool:
    """Whether `value` may be shown under `field`."""
    shape = FIELDS.get(field)
    if shape is None:
        return False
    match shape:
        case Shape.COUNT:
            return type(value) is int and 0 <= value < 1_000_000_000
        case Shape.SERIAL:
            return type(value) is int and -1 <= value < 1 << 63
        case Shape.SECONDS:
            return type(value) in (int, float) and isinstance(value, int | float) and 0 <= value < math.inf
        case Shape.FLAG:
            return type(value) is bool
        case _:
            return isinstance(value, str) and _is_text_of(shape, value)


def _is_text_of(shape: Shape, text: str) -> bool:
    if len(text) > _LONGEST.get(shape, _LONGEST_DEFAULT) or not _PATTERNS[shape].fullmatch(text):
        return False
    return shape is Shape.UUID or not _NUMBER_OF_A_PERSON.search(text)


def admit(fields: Mapping[str, object]) -> tuple[dict[str, Value], int]:
    """The fields that may be shown, as plain values, and how many were dropped. A null is left out and not counted."""
    admitted: dict[str, Value] = {}
    dropped = 0
    for field, value in fields.items():
        if value is None:
            continue
        plain = str(value) if FIELDS.get(field) is Shape.UUID else value
        if not fits(field, plain):
            dropped += 1
        elif isinstance(plain, str):
            admitted[field] = str(plain)  # a StrEnum becomes its value
        elif isinstance(plain, bool | int | float):
            admitted[field] = plain
    return admitted, dropped


def admit_name(name: str) -> str:
    """`name` if it is words joined by dots or underscores, `UNNAMED` if it could be anything else."""
    if len(name) <= 60 and _NAME.fullmatch(name) and not _NUMBER_OF_A_PERSON.search(name):
        return name
    return UNNAMED
