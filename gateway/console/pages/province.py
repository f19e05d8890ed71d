"""A province's page: what its systems sent, what became of it, and a dry run of a file before it is sent."""

from datetime import date
from pathlib import PurePath
from threading import BoundedSemaphore

from starlette.datastructures import UploadFile
from starlette.responses import Response

from adapters.catalogue import Province, Source
from adapters.findings import CATALOGUE
from gateway.console import sights
from gateway.console.doors import Page, Visit
from gateway.console.words import later
from gateway.file_names import day_named
from gateway.reports import words as report_words
from gateway.reports.checking import check_stream
from gateway.reports.figures import Checked, by_code
from reconciliation.duties import DUTIES
from reconciliation.lifecycle import VIETNAM
from reconciliation.store import attestations, late, sending
from reconciliation.users import UserRole

READERS = frozenset({UserRole.VIEWER, UserRole.OPERATOR})
CHECKS_AT_ONCE = 2  # reading a file takes a processor for seconds
_checking = BoundedSemaphore(CHECKS_AT_ONCE)
HEARD = {
    "sent": later("gửi đúng hạn"),
    "quiet": later("báo không có gì để gửi"),
    "late": later("quá hạn gửi"),
    "never": later("chưa từng gửi"),
}


def index(visit: Visit) -> Response:
    """The provinces one may look at."""
    return visit.show("province/index.html", {"provinces": sights.listed(visit)})


def province(visit: Visit) -> Response:
    """One province: its systems, their last batches, what was found in them, what is stuck."""
    return _show(visit, sights.province(visit, visit.path("code")))


def check(visit: Visit) -> Response:
    """What would become of the file that was sent; nothing of it is kept."""
    page = sights.province(visit, visit.path("code"))
    source = next((one for one in page.sources if one.source_id == visit.filled("source")), None)
    file = visit.form.get("file")
    if source is None:
        return _show(visit, page, mistakes={"source": visit.say("Chọn hệ thống đã xuất tệp.")})
    if not isinstance(file, UploadFile) or not file.filename:
        return _show(visit, page, mistakes={"file": visit.say("Chọn một tệp.")})
    exported_on = _exported_on(visit.filled("exported_on"), file.filename)
    if exported_on is None:
        return _show(visit, page, mistakes={"exported_on": visit.say("Cho ngày xuất: không thấy trong tên tệp.")})
    if not _checking.acquire(blocking=False):
        return _show(visit, page, mistakes={"file": visit.say("Đang kiểm tra tệp khác; thử lại sau ít phút.")})
    try:
        figures = check_stream(_checked(visit, source, file.filename, *exported_on), file.file)
    finally:
        _checking.release()
    shown = {"province": page, "figures": figures, "by_code": by_code(figures["findings"]), "words_of": report_words,
             "day_of": lambda text: visit.words.day(date.fromisoformat(text))}  # fmt: skip
    return visit.show("province/checked.html", shown)


def _show(visit: Visit, page: Province, *, mistakes: dict[str, str] | None = None) -> Response:
    codes, ids = frozenset({page.code}), [source.source_id for source in page.sources]
    batches = sending.last(visit.engine, ids)
    sent = sending.by_source(visit.engine, ids, now=visit.now)
    heard = {one.source_id: one for one in attestations.hearings(visit.engine, page.sources, now=visit.now)}
    stuck = late.groups(visit.engine, now=visit.now, province_codes=codes)
    values = {
        "province": page,
        "systems": [
            {"source": source, "name": sights.system_name(visit.words, source.source_id),
             "sent": sent.get(source.source_id), "heard": heard[source.source_id],
             "state": HEARD[heard[source.source_id].state.value]}
            for source in page.systems
        ],
        "batches": batches,
        "findings": [
            {"code": one.code, "severity": one.severity, "records": one.records, "fix": _fix(visit, one.code)}
            for one in sending.findings(visit.engine, batches)
        ],
        "stuck": [
            {"task": visit.words.pick(DUTIES[one.state].task), "person": sights.office(one.owner),
             "updates": one.updates, "deadline": one.deadline, "state": str(one.state), "owner": one.owner}
            for one in stuck
        ],
        "days": sending.DAYS,
        "mistakes": mistakes or {},
        "chosen": visit.filled("source"),
        "most_megabytes": 32,
    }  # fmt: skip
    return visit.show("province/province.html", values, status=422 if mistakes else 200)


def _fix(visit: Visit, code: str) -> str:
    """What a code means and how it is mended, in the visitor's language."""
    meaning = CATALOGUE.get(code)
    if meaning is None:
        return ""
    return visit.words.pick((f"{meaning.vi} → {meaning.fix_vi}", f"{meaning.en} → {meaning.fix_en}"))


def _checked(visit: Visit, source: Source, name: str, day: date, day_from: str) -> Checked:
    return Checked(
        file=PurePath(PurePath(name.replace("\\", "/")).name),
        source=source,
        exported_on=day,
        exported_on_from=day_from,
        as_of=visit.now.astimezone(VIETNAM).date(),
    )


def _exported_on(given: str, name: str) -> tuple[date, str] | None:
    """The day as given (yyyy-mm-dd, as browsers send it), else as the file's name says it."""
    try:
        if given:
            return date.fromisoformat(given), "option"
    except ValueError:
        return None
    named = day_named(name)
    return None if named is None else (named, "file name")


ROUTES = (
    Page(path="/provinces", answer=index, roles=READERS, label=later("Tỉnh, thành phố")),
    Page(path="/provinces/{code}", answer=province, roles=READERS),
    Page(path="/provinces/{code}", answer=check, method="POST", roles=READERS, takes_files=True),
)
