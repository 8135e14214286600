"""Every command that a page names is one: the command line can read it, and the Makefile has the target."""

import functools
import importlib.util
import re
import shlex

import pytest

from tests.pages import ROOT

PAGES = [
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("notebooks/*.ipynb")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]
PLACEHOLDERS = {"SLUG": "lsalr_digits", "TASK": "digits", "SURFACE": "ripple", "…": ""}


def named(start: str) -> set[str]:
    """Return what follows the start of a command in all pages, in a line of a block or between backticks."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = re.findall(rf"^(?:srun )?{start} ([^#`\n]+)", text, re.MULTILINE)
        found |= {" ".join(words.split()) for words in lines + re.findall(rf"`{start}\s+([^`]+)`", text)}
    return found


def commands() -> list[str]:
    """Return what pages give to `python -m experiments`."""
    alternatives = {part.strip() for words in named("python -m experiments") for part in words.split("|")}
    for word, value in PLACEHOLDERS.items():
        alternatives = {words.replace(word, value) for words in alternatives}
    return sorted(alternatives)


@pytest.fixture
def read(monkeypatch):
    """Read a command by the real command line, and return what it would have performed."""
    command_line = pytest.importorskip(
        "experiments.engine.command_line", reason="the commands need all packages that `make test` installs"
    )
    registry = pytest.importorskip("experiments.engine.registry")
    performed, find = [], registry.Command.find
    names = {command: name for name, command in registry.COMMANDS.items()}

    def noted(of):
        return functools.wraps(find(of))(lambda *args, **settings: performed.append(names[of]))

    def read(words: str) -> list[str]:
        performed.clear()
        command_line.main(shlex.split(words))
        return performed

    monkeypatch.setattr(registry.Command, "find", noted)
    monkeypatch.setattr(command_line, "join", lambda *args: None)
    monkeypatch.setattr(command_line, "perform", lambda *args: performed.append("run"))
    return read


@pytest.mark.parametrize("words", commands())
def test_a_command_that_a_page_names_can_be_read(words, read):
    assert read(words) == [words.split()[0]]


def test_a_wrong_command_cannot_be_read(read):
    for words in ("compare --task digits", "run lsalr_digits --learning-rates", "explore", "run lsalr_digit"):
        with pytest.raises(SystemExit):
            read(words)


def test_many_commands_were_found():
    assert len(commands()) > 20


def test_targets_and_modules_that_a_page_names_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {words.split()[0] for words in named("make")}
    assert {"test", "slow", "docs", "browser"} <= targets
    made = {target for line in re.findall(r"^([\w -]+):", makefile, re.MULTILINE) for target in line.split()}
    assert targets <= made
    modules = {words.split()[0] for words in named("python -m")}
    assert len(modules) > 2
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
