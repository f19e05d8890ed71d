"""What a column is about, judged by its name alone: a closed vocabulary of names seen in the wild, folded."""

import csv
import re
from enum import StrEnum
from functools import cache
from pathlib import Path

import pyarrow as pa

from adapters.steps import fold_name

_TABLE = Path(__file__).parent.parent / "reference" / "source_field_names.csv"


class Field(StrEnum):
    """What a source's column may be about; the values are those of the reference table, where it has them."""

    KEY = "key"
    ORDINAL = "ordinal"
    PERSON_ID = "person_id"
    CMND = "old_id9"
    FULL_NAME = "full_name"
    FAMILY_NAME = "family_name"
    MIDDLE_NAME = "middle_name"
    GIVEN_NAME = "given_name"
    BIRTH_DATE = "birth_date"
    DEATH_DATE = "death_date"
    SEX = "sex"
    ETHNIC = "ethnic"
    PROVINCE = "province"
    DISTRICT = "district"
    COMMUNE = "commune"
    COMMUNE_NAME = "commune_name"
    HAMLET = "hamlet"
    ADDRESS = "address_text"
    HOUSEHOLD = "household"
    RELATION = "relation"
    MEMBERS = "members"
    INSURANCE = "si_number"
    CARD = "health_card"
    VALID_FROM = "valid_from"
    VALID_TO = "valid_to"
    CLINIC = "first_clinic"
    SCHEME = "scheme"
    SALARY = "contribution_salary"
    FATHER_NUMBER = "father_number"
    FATHER_NAME = "father_name"
    MOTHER_NUMBER = "mother_number"
    MOTHER_NAME = "mother_name"
    SPOUSE_NUMBER = "spouse_number"
    SPOUSE_NAME = "spouse_name"
    CHANGED = "data_time"


# Names beyond the reference table, folded: no accents, case, spaces or punctuation.
_MORE: dict[Field, tuple[str, ...]] = {
    Field.KEY: (
        "id",
        "mank",
        "mahoso",
        "mahs",
        "macongdan",
        "manhankhau",
        "mabanghi",
        "khoa",
        "sourcerecordid",
        "maso",
    ),
    Field.ORDINAL: ("stt", "sothutu", "tt"),
    Field.PERSON_ID: ("sodinhdanhcanhan", "cccdchuho", "sodinhdanhchuho", "socccdcmnd", "socancuoc", "personalnumber"),
    Field.CMND: ("sochungminh", "chungminhnhandan"),
    Field.FULL_NAME: ("hovaten", "chuho", "hotenchuho", "tenchuho", "hovatenchuho", "fullname", "headname"),
    Field.FAMILY_NAME: ("ho",),
    Field.MIDDLE_NAME: ("chudem", "tendem", "dem"),
    Field.GIVEN_NAME: ("ten",),
    Field.BIRTH_DATE: ("birthdate", "sinhngay", "ngaythangnamsinh"),
    Field.DEATH_DATE: ("ngaymat", "ngaychet", "ngaytuvong", "diedon"),
    Field.SEX: ("gt", "sex"),
    Field.ETHNIC: ("ethnicgroup", "tendantoc"),
    Field.COMMUNE: ("maxaphuong", "mapx", "madvhc", "unitcode", "maphuongxa"),
    Field.COMMUNE_NAME: ("tenxa", "xaphuong", "donvihanhchinh", "unitname", "phuongxa", "tendonvihanhchinh", "xa"),
    Field.HAMLET: ("thon", "to", "thonto", "tothon", "thontodanpho", "todanpho", "khomap", "khupho", "hamlet", "ap"),
    Field.ADDRESS: ("address", "sonha", "sonhaduong", "diachithuongtru"),
    Field.HOUSEHOLD: ("sohokhau", "sohosocutru", "soso", "mahogiadinh", "householdnumber", "masoho"),
    Field.RELATION: ("quanhe", "relationtohead", "quanhechuho"),
    Field.MEMBERS: ("sonhankhau", "songuoi", "sothanhvien", "membercount"),
    Field.INSURANCE: ("insurancenumber", "masobhxh"),
    Field.CARD: ("sothe", "healthcard", "sothebhyt"),
    Field.VALID_FROM: ("gtthetu", "tungay", "hieuluctu", "validfrom"),
    Field.VALID_TO: ("gttheden", "denngay", "hieulucden", "validto"),
    Field.CLINIC: ("makcb", "noikcbbandau", "noidkkcb", "cosokcb", "firstclinic"),
    Field.SCHEME: ("loaibh", "loaibaohiem", "scheme"),
    Field.SALARY: ("mucdong", "mucdongbhxh", "tienluong", "luongdong", "tienluongdong", "contributionsalary"),
    Field.CHANGED: ("ngaycapnhat", "capnhat", "capnhatluc", "ngaysua", "changedat", "sourceversion", "ngaylap"),
}

# What relatives are called, folded: the object of a path (cha/ho_ten), or the end of a name ("Họ tên cha", CCCD_ME).
_RELATIVES = {
    "father": ("cha", "bo", "father"),
    "mother": ("me", "mother"),
    "spouse": ("vochong", "vohoacchong", "vc", "spouse"),
}
_OF_A_RELATIVE = {
    Field.PERSON_ID: "number",
    **dict.fromkeys((Field.FULL_NAME, Field.FAMILY_NAME, Field.MIDDLE_NAME, Field.GIVEN_NAME), "name"),
}
_SAID = {
    "number": ("sodinhdanh", "sodinhdanhcua", "socccd", "socccdcua", "cccd"),
    "name": ("hoten", "hovaten", "ten", "hotencua", "hovatencua"),
}


def field_of(name: str) -> Field | None:
    """What a column is about: its whole name counts ("Thôn/Tổ"), then the last part of a path (noi_cu_tru/ma_xa).

    In the object of a relative (cha/ho_ten) it is about the relative, or not known.
    """
    known = _known()
    relative = _relatives().get(folded(name.partition("/")[0])) if "/" in name else None
    if relative is not None:
        said = _OF_A_RELATIVE.get(known.get(folded(name.rpartition("/")[2]), Field.KEY))
        return Field(f"{relative}_{said}") if said else None
    return next((known[key] for key in (folded(name), folded(name.rpartition("/")[2])) if key in known), None)


def folded(name: str) -> str:
    """A name without accents, case, spaces and punctuation."""
    return "".join(one for one in str(fold_name(pa.array([name], pa.string()))[0]) if one.isalnum())


@cache
def _relatives() -> dict[str, str]:
    return {word: relative for relative, words in _RELATIVES.items() for word in words}


@cache
def _known() -> dict[str, Field]:
    known: dict[str, Field] = {}
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["canonical"] in set(Field):
                names = re.sub(r"\{.*?\}", "", row["names_seen"]).split("|")
                known |= {folded(name): Field(row["canonical"]) for name in names if name.strip()}
    known |= {name.replace(" ", ""): one for one, names in _MORE.items() for name in names}
    for word, relative in _relatives().items():
        for said, beginnings in _SAID.items():
            known |= {beginning + word: Field(f"{relative}_{said}") for beginning in beginnings}
            known[word + said] = Field(f"{relative}_{said}")
    return known
