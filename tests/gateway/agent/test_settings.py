"""agent.toml is read as it is documented, and a slip of the pen is told with its place."""

import pytest

from gateway.agent import settings
from gateway.agent.errors import FatalAgentSettingError
from gateway.agent.settings import Folder, Query
from tests.gateway.conftest import ROOT
from tests.gateway.terminal import lienthong


def test_what_init_writes_can_be_read_and_is_never_overwritten(tmp_path):
    file = tmp_path / "agent.toml"

    written = lienthong("agent", "init", "yen-bai.population", "--gateway", "cong.example:50551", "--settings", file)
    again = lienthong("agent", "init", "lao-cai.population", "--settings", file)
    read = settings.read(file)

    assert (written.code, again.code) == (0, 1)
    assert (read.gateway, read.sources[0].source_id) == ("cong.example:50551", "yen-bai.population")
    assert read.certificate is not None
    assert read.certificate.key == tmp_path / "agent.key"
    assert read.sources[0].origin == Folder(path=tmp_path / "exports")
    assert read.limits == settings.SpoolSettings()
    assert read.spool_of("yen-bai.population") == tmp_path / "spool" / "yen-bai.population"


def test_the_guide_shows_a_query_that_can_be_read(tmp_path):
    guide = (ROOT / "docs" / "agent.md").read_text(encoding="utf-8")
    shown = guide[guide.index("    [source.query]") :].split("\n\n")[0]
    file = tmp_path / "agent.toml"
    begin = 'gateway = "a:1"\n[[source]]\nsource_id = "a.b"\n'
    file.write_text(begin + "\n".join(line.strip() for line in shown.splitlines()), encoding="utf-8")

    query = settings.read(file).sources[0].origin

    assert isinstance(query, Query)
    assert (query.table, query.watermark, query.format) == ("dbo.nhan_khau", "CAP_NHAT_LUC", "arrow")


QUERY = (
    '[[source]]\nsource_id = "a.b"\n[source.query]\nurl_file = "u"\ntable = "t"\ncolumns = ["a"]\n'
    'watermark = "w"\nkey = "a"\nformat = "csv"\n'
)
FOLDER = '[[source]]\nsource_id = "a.b"\n[source.folder]\npath = "x"\n'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "source"),
        ('gateway = "a:1"\n' + FOLDER + "setle_seconds = 1\n", "setle_seconds"),
        ('gateway = "a:1"\n' + FOLDER + FOLDER, "source"),
        (FOLDER, "gateway"),
        ('gateway = "a:1"\n[limits]\nwindow = 0\n' + FOLDER, "window"),
        ('gateway = "a:1"\n[limits]\nwindow = true\n' + FOLDER, "window"),
        ('gateway = "a:1"\n' + FOLDER.replace("a.b", "../../etc"), "source_id"),
        ('gateway = "a:1"\n[[source]]\nsource_id = "a.b"\n', "folder"),
        ('gateway = "a:1"\n' + FOLDER + 'exported_on = "today"\n', "exported_on"),
        ('gateway = "a:1"\n[certificate]\nkey = "k"\n' + FOLDER, "certificate"),
        ("gateway = \n", "agent.toml"),
        ('gateway = "cong.example"\n' + FOLDER, "gateway"),
        ('gateway = "cong.example:port"\n' + FOLDER, "gateway"),
        ('gateway = "a:1"\n' + QUERY + 'separator = ";;"\n', "separator"),
        ('gateway = "a:1"\n' + QUERY + 'charset = "tcvn3"\n', "charset"),
        ('gateway = "a:1"\n' + QUERY + 'charset = "base64"\n', "charset"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(tmp_path, text, place):
    file = tmp_path / "agent.toml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(FatalAgentSettingError, match=place) as refused:
        settings.read(file)

    assert "Next: " in str(refused.value)


def test_init_warns_of_a_source_that_nobody_has_declared_and_leaves_no_file_it_cannot_read(tmp_path):
    file = tmp_path / "agent.toml"

    without_port = lienthong("agent", "init", "yen-bai.population", "--gateway", "cong.example", "--settings", file)
    was_left = file.exists()
    slip = lienthong("agent", "init", "yen-bai.populaton", "--settings", file)

    assert (without_port.code, was_left) == (1, False)
    assert "Không dùng được agent.toml" in without_port.err
    assert "host:port" in without_port.err
    assert slip.code == 0
    assert "Nearest: yen-bai.population" in slip.err


def test_receipts_of_a_source_that_is_not_in_the_file_are_no_empty_list(tmp_path):
    file = tmp_path / "agent.toml"
    lienthong("agent", "init", "yen-bai.population", "--settings", file)

    said = lienthong("agent", "receipts", "yen-bai.populaton", "--settings", file)

    assert (said.code, said.out) == (2, "")
    assert "yen-bai.population" in said.err
