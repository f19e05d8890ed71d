"""No file says where it was written or where its parts were fetched, and what a page points to is there."""

import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from gateway.cli import COMMANDS
from tests.architecture.tree import ROOT, files, is_generated, shown

TEXTS = (
    *(
        ".py",
        ".pyi",
        ".md",
        ".toml",
        ".lock",
        ".proto",
        ".csv",
        ".json",
        ".jsonl",
        ".yaml",
        ".yml",
        ".service",
        ".html",
    ),
    *(".cfg", ".ini", ".env", ".sh", ".txt", ".mako", "Makefile", ".gitignore"),
)
# Put together here, as this file is looked through as well.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "crates" + ".io",
    "goproxy" + ".",
    "arti" + "factory",
]


def written() -> list[tuple[str, str]]:
    """Every text file of ours with what it says."""
    return [(shown(path), path.read_text(encoding="utf-8", errors="replace")) for path in files(*TEXTS)]


def test_no_file_names_a_path_of_this_machine():
    here = {str(ROOT), str(Path.home()), sys.prefix, sys.base_prefix} - {"/", "/usr", "/usr/local", "/root"}

    guilty = [(name, place) for name, text in written() for place in sorted(here) if place in text]

    assert guilty == []


def test_no_file_names_a_home_or_a_workplace():
    # Documentation may speak of /home/<somebody>, tests of folders they make; neither of a person's own.
    personal = re.compile(r"(?<![\w.}])/(?:home|Users|root|work|workspace|mnt|media)/[A-Za-z0-9_.-]+")

    guilty = [(name, found[0]) for name, text in written() for found in personal.finditer(text)]

    assert guilty == []


def test_no_file_names_a_registry_of_packages():
    guilty = [(name, host) for name, text in written() for host in REGISTRIES if host in text]

    assert guilty == []


@pytest.mark.parametrize("name", ["requirements.lock", "bootstrap.lock"])
def test_a_lock_has_a_hash_for_every_package_and_no_address(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.strip().startswith("#")
    ]

    unpinned = [line[:60] for line in lines if not re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^]]+\])?==[^\s;]+", line)]
    unhashed = [line[:60] for line in lines if not re.search(r"--hash=sha256:[0-9a-f]{64}(\s|$)", line)]

    assert lines
    assert (unpinned, unhashed) == ([], [])
    assert "://" not in text
    assert [
        option for option in ("--index-url", "--extra-index-url", "--find-links", "--trusted-host") if option in text
    ] == []


def test_every_dependency_that_is_named_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [one for extra in project["optional-dependencies"].values() for one in extra]
    locked = {line.split("==")[0].split("[")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}

    names = [re.split(r"[\[<>=!~; ]", one)[0].lower().replace("_", "-") for one in named]

    assert [name for name in names if name not in {*locked, "lienthong"}] == []


def links(text: str) -> list[str]:
    """The targets of Markdown links that stay in the project."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [unquote(target.split("#")[0]) for target in found if not re.match(r"[a-z]+:|#", target)]


def test_every_link_of_a_page_leads_somewhere():
    pages = list(files(".md"))
    dead = [
        (shown(page), target)
        for page in pages
        for target in links(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert len(links((ROOT / "README.md").read_text(encoding="utf-8"))) > 5
    assert dead == []


def test_every_command_that_a_text_advises_exists():
    advised = {
        (name, command)
        for name, text in written()
        if not is_generated(ROOT / name)
        for command in re.findall(r"`lienthong ([a-z]+)", text)
    }

    assert {command for _, command in advised} >= {"migrate"}
    assert [one for one in sorted(advised) if one[1] not in COMMANDS] == []


def test_every_make_target_that_a_text_advises_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    advised = {
        (name, target)
        for name, text in written()
        if name.endswith(".md")
        for target in re.findall(r"`make ([a-z]+)", text)
    }

    assert advised
    assert [one for one in sorted(advised) if one[1] not in targets] == []
