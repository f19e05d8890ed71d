import re
from pathlib import Path

import pytest

from gateway.errors import FatalSettingError
from gateway.settings import ArmedFailpoint, Failpoint, Settings, as_markdown, read, unknown
from tests.golden import Golden

ROOT = Path(__file__).parents[2]


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read({}) == read({"LIENTHONG_PORT": ""}) == Settings()


def test_the_default_address_is_loopback() -> None:
    assert Settings().host == "127.0.0.1"


def test_every_value_is_read_in_its_own_type() -> None:
    settings = read(
        {
            "LIENTHONG_DATABASE_URL": "postgresql+psycopg://postgres@/x",
            "LIENTHONG_DATA_FOLDER": "here",
            "LIENTHONG_PORT": "0",
            "LIENTHONG_REFLECTION": "1",
            "LIENTHONG_SEQUENCE_SECONDS": "1.5",
            "LIENTHONG_FAILPOINT": "after_commit_before_receipt:3",
        }
    )

    assert settings.database_url == "postgresql+psycopg://postgres@/x"
    assert settings.data_folder == Path("here")
    assert (settings.port, settings.reflection, settings.sequence_seconds) == (0, True, 1.5)
    assert settings.failpoint == ArmedFailpoint(Failpoint.AFTER_COMMIT_BEFORE_RECEIPT, 3)


def test_a_failpoint_may_pause_instead() -> None:
    armed = read({"LIENTHONG_FAILPOINT": "before_commit:2:pause"}).failpoint

    assert armed == ArmedFailpoint(Failpoint.BEFORE_COMMIT, 2, pauses=True)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LIENTHONG_PORT", "65536"),
        ("LIENTHONG_PORT", "x"),
        ("LIENTHONG_REFLECTION", "yes"),
        ("LIENTHONG_PUSH_STREAMS", "0"),
        ("LIENTHONG_DRAIN_SECONDS", "nan"),
        ("LIENTHONG_TLS_LOOK_SECONDS", "61"),
        ("LIENTHONG_FAILPOINT", "before_commit:0"),
        ("LIENTHONG_FAILPOINT", "now"),
        ("LIENTHONG_FAILPOINT", "before_commit:1:sleep"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(variable: str, text: str) -> None:
    with pytest.raises(FatalSettingError, match=variable):
        read({variable: text})


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("LIENTHONG_PROT", "LIENTHONG_PORT"),
        ("LIENTHONG_TLS_CERT", "LIENTHONG_TLS_CERTIFICATE"),
        ("LIENTHONG_FOO", ""),
    ],
)
def test_a_name_that_is_no_setting_is_told_with_the_one_that_may_be_meant(variable: str, meant: str) -> None:
    (said,) = unknown({variable: "1", "LIENTHONG_CLIENT_KEY": "key.pem", "LIENTHONG_PORT": "1", "HOME": "/"})

    assert said.startswith(f"{variable}: ")
    assert ("?" in said) == bool(meant)
    assert meant in said


def test_the_page_of_settings_is_the_code(golden: Golden) -> None:
    golden.check(ROOT / "docs/settings.md", as_markdown())


def test_only_the_settings_and_the_terminal_read_the_environment() -> None:
    readers = {
        path.relative_to(ROOT / "gateway").as_posix()
        for path in (ROOT / "gateway").rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text())
    }

    # An agent's settings name the variable that holds the address of its province's database.
    assert {path for path in readers if not path.startswith("cli/")} == {"settings.py", "agent/query.py"}
