"""What a case is about stands on its page, with names instead of codes, and what is masked stays masked."""

from dataclasses import replace
from datetime import date

import pytest
import sqlalchemy as sa

from adapters.canonical import RecordKind
from adapters.reference.units import load_units
from gateway.console import evidence
from gateway.console.surroundings import NOTHING_BESIDE
from gateway.console.words import Words
from reconciliation import showing
from reconciliation.lifecycle import VIETNAM
from reconciliation.model import Case, CaseKind
from reconciliation.showing import Beside, Published
from reconciliation.store import landing, unit_events
from tests.gateway.test_queue_walk import raise_in_one_run
from tests.reconciliation.province import BOOKS, HOUSES, LAO_CAI, YEN_BAI, Province, book, household, person
from tests.reconciliation.questions import OPENED, case_of
from tests.reconciliation.store.landings import batch, normalised, rows, source

DIED = date(2025, 7, 20)
EVERYWHERE = frozenset({"01", "15"})


def told(province: Province, case: Case, *, sees: frozenset[str] = EVERYWHERE, language: str = "vi") -> dict[str, str]:
    """The lines of a case's page, as somebody who may look at such cases of `sees` reads them."""
    engine, today = province.engine, province.now.astimezone(VIETNAM).date()
    with engine.connect() as connection:
        units = unit_events.read_tables(connection)
    found = evidence.of(
        case,
        Words(language),
        units=units,
        now=province.now,
        beside=showing.beside(engine, case.record_keys),
        around=showing.around(engine, case, sees=sees, on=today),
    )
    lines: dict[str, str] = {}
    for label, text in found.facts:
        lines[label] = f"{lines[label]}; {text}" if label in lines else text
    return lines


@pytest.fixture
def province(engine: sa.Engine) -> Province:
    return Province(engine)


def test_a_death_that_is_taken_back_is_told_with_its_year_and_who_said_it(province: Province) -> None:
    province.push(YEN_BAI, person("A", died_on=DIED, event_date=DIED))
    province.push(YEN_BAI, person("A", source_version=2, event_date=date(2025, 8, 2)))

    lines = told(province, case_of(CaseKind.DEATH_THEN_UPDATE, f"{YEN_BAI}|A", reason="resurrected", sides=[0]))

    assert lines["Vì sao"] == "phiên bản mới rút lại việc báo mất"
    said = lines["Ngày mất đã khai"]
    assert said.startswith("**/**/2025: Dân cư, Yên Bái cũ, ")
    assert said.endswith("chưa có chữ ký hộ tịch")
    assert "20/07" not in str(lines)


def test_a_dead_head_is_told_with_who_said_the_death(province: Province) -> None:
    head = {"household_number": "7", "relation_to_head": "chủ hộ"}
    province.push(YEN_BAI, person("A", died_on=DIED, event_date=DIED, **head))
    province.push(HOUSES, household("H", "7", head_personal_number="015180000017", member_count=2))
    province.run()

    lines = told(province, province.case(CaseKind.HOUSEHOLD_CLASH))

    assert lines["Vì sao"] == "chủ hộ đã mất"
    assert lines["Chủ hộ đã mất"].startswith("**/**/2025: Dân cư, Yên Bái cũ, ")
    assert "015180000017" not in str(lines)


def test_overlapping_periods_stand_side_by_side_with_what_they_share(province: Province) -> None:
    first = {"valid_from": date(2020, 1, 1), "valid_to": date(2021, 1, 1)}
    province.push(BOOKS, book("K", **first), book("L", valid_from=date(2020, 6, 1)))

    lines = told(province, case_of(CaseKind.OVERLAPPING_PERIODS, f"{BOOKS}|K", f"{BOOKS}|L", scheme="BHXH_BB"))

    assert lines["Chế độ"] == "BHXH bắt buộc"
    assert lines["Thời hạn, bản ghi 1"] == "01/01/2020 đến 01/01/2021"
    assert lines["Thời hạn, bản ghi 2"] == "01/06/2020 đến nay"
    assert lines["Trùng nhau"] == "01/06/2020 đến 01/01/2021"


def test_hamlets_of_one_name_are_told_with_their_former_communes(province: Province) -> None:
    raise_in_one_run(province)

    lines = told(province, next(one for one in province.cases() if one.kind is CaseKind.DUPLICATE_HAMLET))

    assert lines["Xã, phường hiện nay"].startswith("02647 ")
    hamlets = lines["Thôn, tổ cùng tên"].split("; ")
    assert len(hamlets) == 2
    assert all(one.startswith("TDP 2, xã cũ 0") for one in hamlets)


def test_an_unsigned_death_is_told_with_who_has_to_sign(province: Province) -> None:
    signing = replace(source(LAO_CAI), officers_sign=True)
    said = normalised(rows(signing.kind, person("A", died_on=DIED)))
    landing.land(province.engine, batch(1, source_id=LAO_CAI), said, source=signing, now=province.now)

    lines = told(province, case_of(CaseKind.UNSIGNED_EVENT, f"{LAO_CAI}|A", due="2025-09-10", version=2))

    assert lines["Ngày mất đã khai"].startswith("**/**/2025: Dân cư, Lào Cai cũ, ")
    assert lines["Ai phải ký"] == "Phòng Hành chính tư pháp, Sở Tư pháp tỉnh Lào Cai"
    assert lines["Hạn ký số"] == "10/09/2025"


def test_what_another_province_published_is_told_to_who_may_see_it_and_else_whom_to_ask(province: Province) -> None:
    province.push(YEN_BAI, person("A"))
    province.run()
    subjects, label = list(province.published()), "Tỉnh Lào Cai đã công bố"
    about = {"provinces": ["15"], "subjects": subjects}
    case = case_of(CaseKind.TWO_PROVINCES_ONE_PERSON, "ha-noi.population|B", province_code="01", **about)

    seen, unseen = told(province, case), told(province, case, sees=frozenset({"01"}))

    assert seen[label].startswith("Lò Thị Mẩy, nữ, sinh **/**/1980, 02647 ")
    assert "Bản của Tỉnh Lào Cai" not in seen
    assert label not in unseen
    assert "Lò Thị Mẩy" not in str(unseen)
    assert unseen["Bản của Tỉnh Lào Cai"].endswith("hỏi Tổ đối soát dữ liệu, Sở Khoa học và Công nghệ tỉnh Lào Cai")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"birth_year": 1980, "sex": "female"}, "số định danh khớp với giới tính và năm sinh"),
        ({"birth_year": 1981, "sex": "female"}, "số định danh không khớp với giới tính hoặc năm sinh"),
        ({"birth_year": 1980, "sex": "male"}, "số định danh không khớp với giới tính hoặc năm sinh"),
        ({"birth_year": None, "sex": "male"}, None),
    ],
)
def test_of_a_refusal_the_gateway_says_what_it_finds_itself(said: dict[str, object], found: str | None) -> None:
    values = {"personal_number": "015180000017"} | said
    published = Published(subject_id="s", kind=RecordKind.PERSON, change_id=1, values=values)

    lines = read(case_of(CaseKind.REFUSED_BY_REGISTRY), beside=Beside(sides=(), published=published, further=0))

    assert lines.get("Cổng tự đối chiếu") == found


def read(case: Case, language: str = "vi", *, beside: Beside = NOTHING_BESIDE) -> dict[str, str]:
    """The lines of a case around which nothing is."""
    return dict(evidence.of(case, Words(language), units=load_units(), now=OPENED, beside=beside).facts)


def test_the_reason_of_a_refusal_is_told_in_words_with_its_code() -> None:
    lines = read(case_of(CaseKind.REFUSED_BY_REGISTRY, reason="FIELDS_INCONSISTENT", registry="social-insurance"))
    other = read(case_of(CaseKind.REFUSED_BY_REGISTRY, reason="X17", registry="somebody"))

    assert lines["Vì sao"].startswith("các trường trong thay đổi không khớp nhau")
    assert lines["Vì sao"].endswith("(FIELDS_INCONSISTENT)")
    assert lines["Bên nhận"] == "Cơ sở dữ liệu quốc gia về bảo hiểm"
    assert (other["Vì sao"], other["Bên nhận"]) == ("X17", "somebody")


def test_columns_of_a_birth_are_one_field_with_its_name() -> None:
    case = case_of(CaseKind.BOOK_AGAINST_REGISTER, fields=["full_name", "birth_year", "birth_day"])

    assert read(case)["Các trường khác nhau"] == "Họ và tên, Ngày sinh"
    assert "Name, Date of birth" in read(case, "en").values()


def test_versions_are_told_as_moments_or_as_the_sources_own_numbers() -> None:
    lines = read(case_of(CaseKind.MISSING_VERSION, missing=1751916780, followed_by=7))

    assert lines["Phiên bản còn thiếu"] == "bản lúc 08/07/2025 02:33"
    assert lines["Phiên bản đến sau"] == "phiên bản 7 của nguồn"
