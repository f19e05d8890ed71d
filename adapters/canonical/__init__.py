"""The columns every source must end in: one explicit Arrow schema per record kind.

A canonical row says what a source claims, on the source's own unit codes and with the precision the
source gave; nothing is guessed, defaulted or recoded here. Every column but those of `KEY` may be null.
"""

from enum import StrEnum

import pyarrow as pa


class RecordKind(StrEnum):
    """What a source's rows are about. One source holds one kind."""

    PERSON = "person"
    HOUSEHOLD = "household"
    INSURANCE = "insurance"


# Present in every kind, in this order, before the kind's own columns.
KEY = (
    pa.field("row", pa.int32(), nullable=False),  # position in the batch, from 0
    pa.field("source_record_id", pa.string(), nullable=False),  # the source's own key, theirs, not ours
    pa.field("source_version", pa.int64(), nullable=False),  # rises with every change of the record
    pa.field("event_date", pa.date32()),  # the day the record speaks of; null when the source does not say
    pa.field("follows_version", pa.int64()),  # the version it changes; null when the source does not say
)

# Where a record says somebody or something lives. `unit_code` is as sent, 5 digits; its meaning is
# (`unit_code`, `unit_vintage`): the vintage is the date of the code list, null when the source gives none.
PLACE = (
    pa.field("unit_code", pa.string()),
    pa.field("unit_vintage", pa.date32()),
    pa.field("unit_name", pa.string()),  # as sent: "Xã Tả Phìn", or with its district and province behind commas
    pa.field("hamlet", pa.string()),  # a name: "TDP 2", "Thôn Nậm Rịa"; no code exists
    pa.field("address", pa.string()),
)

# Who somebody is. A birth date keeps its precision: month and day are null when not stated.
IDENTITY = (
    pa.field("personal_number", pa.string()),  # 12 digits
    pa.field("cmnd", pa.string()),  # 9 digits, not unique
    pa.field("insurance_number", pa.string()),  # 10 digits, or the personal number that replaces it
    pa.field("full_name", pa.string()),  # NFC, as written; never title-cased
    pa.field("birth_year", pa.int16()),
    pa.field("birth_month", pa.int8()),
    pa.field("birth_day", pa.int8()),
    pa.field("sex", pa.string()),  # "male" | "female"
)

# Who somebody comes from and is married to, as the record itself says (Law on Identification 2023, art. 9).
RELATIVES = tuple(
    pa.field(f"{relative}_{said}", pa.string())
    for relative in ("father", "mother", "spouse")
    for said in ("number", "name")  # 12 digits; NFC, as written
)

PERSON = pa.schema(
    [
        *KEY,
        *IDENTITY,
        pa.field("ethnic_group", pa.string()),  # 2 digits of the 1979 list (QĐ 121-TCTK/PPCĐ)
        pa.field("died_on", pa.date32()),  # null while alive, or where the source does not say
        *PLACE,
        pa.field("household_number", pa.string()),
        pa.field("relation_to_head", pa.string()),  # words of Circular 55/2021, lower case
        *RELATIVES,
    ]
)

HOUSEHOLD = pa.schema(
    [
        *KEY,
        pa.field("household_number", pa.string()),  # paper book (9 digits) or residence record number
        pa.field("head_personal_number", pa.string()),
        pa.field("head_name", pa.string()),
        pa.field("member_count", pa.int16()),
        *PLACE,
    ]
)

INSURANCE = pa.schema(
    [
        *KEY,
        *IDENTITY,
        pa.field("health_card", pa.string()),  # 15 or 10 characters
        pa.field("scheme", pa.string()),  # codes of the list social_insurance_scheme
        pa.field("valid_from", pa.date32()),
        pa.field("valid_to", pa.date32()),
        pa.field("first_clinic", pa.string()),
        *PLACE,
        pa.field("household_number", pa.string()),
        pa.field("contribution_salary", pa.int64()),  # đồng a month: what contributions are reckoned on
    ]
)

SCHEMAS: dict[RecordKind, pa.Schema] = {
    RecordKind.PERSON: PERSON,
    RecordKind.HOUSEHOLD: HOUSEHOLD,
    RecordKind.INSURANCE: INSURANCE,
}
