"""The README is short, and what it names exists; tests/house/test_docs.py runs its code."""

import re

import pytest

from tests.pages import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_WORDS = 700  # code included


def test_it_is_short():
    assert len(TEXT.split()) < MOST_WORDS


def test_its_targets_and_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\w+)", TEXT, re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    command_line = pytest.importorskip(
        "experiments.engine.command_line", reason="the commands need all packages that `make test` installs"
    )
    named = re.findall(r"`(?:python -m experiments )?(\w+)(?: SLUG)?`[,:]", TEXT.partition("## More")[2])
    assert {"list", "run", "compare", "tasks"} <= set(named)
    assert set(named) <= set(command_line.COMMANDS)


def test_its_links_lead_to_files():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert len(links) > 25
    for link in links:
        assert (ROOT / link).exists(), link
