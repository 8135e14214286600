"""README, recipes, coming from elsewhere: their code runs as pasted, what they name exists, and the README is short."""

import re

import pytest

from tests.pages import ROOT, typed

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_WORDS = 700  # code included


def test_it_is_short():
    assert len(TEXT.split()) < MOST_WORDS


@pytest.mark.slow
def test_recipes_run_as_pasted(tmp_path):
    pytest.importorskip("orbax.checkpoint", reason="a recipe needs all packages that `make test` installs")
    *_, losses = typed(ROOT / "docs" / "recipes.md", tmp_path).splitlines()
    small, _, large = map(float, re.findall(r"\d\.\d+", losses))
    assert large < small < 1.6


@pytest.mark.slow
@pytest.mark.parametrize("page", ["coming_from", "stability"])
def test_what_is_said_to_be_the_same_is(page, tmp_path):
    assert typed(ROOT / "docs" / f"{page}.md", tmp_path) == ""


@pytest.mark.slow
def test_its_code_runs_as_pasted_and_the_net_learns(tmp_path):
    pytest.importorskip("flax", reason="the example needs all packages that `make test` installs")
    pytest.importorskip("rich", reason="the example needs all packages that `make test` installs")
    pytest.importorskip("sklearn", reason="the example needs all packages that `make test` installs")
    assert int(re.search(r"(\d+)% right", typed(ROOT / "README.md", tmp_path))[1]) > 85


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
