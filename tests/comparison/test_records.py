"""The committed comparison is of today's tasks and methods, and the pages made of it say what it says."""

import json
import re
from pathlib import Path

import pytest

from adaptax.comparison import methods, protocol, record, results
from adaptax.comparison.report import groups, tables
from adaptax.comparison.report.markup import to_markdown
from adaptax.comparison.report.pairs import pairs
from adaptax.comparison.run import plans
from adaptax.comparison.task import config_of
from experiments.engine import finder
from experiments.engine.places import DOCS, RECORDS

COMMITTED = sorted(path.parent for path in RECORDS.glob("compare/*/config.json"))
FIGURE = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]\d+)? ± \d+(?:\.\d+)?(?:e[+-]\d+)?")


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_committed_comparison_is_of_todays_task_and_methods(folder: Path):
    of = results.read(folder)
    known = methods.choose(of.config["contenders"])
    assert of.config["task"] == json.loads(json.dumps(config_of(finder.task(folder.name))))
    today = json.loads(json.dumps({name: methods.describe_method(known[name]) for name in of.config["contenders"]}))
    assert of.config["contenders"] == today
    assert set(of.results) == set(of.timings) == {path.stem for path in folder.glob("*.jsonl")}
    assert of.meta["uncommitted_changes"] is False


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_committed_comparison_is_complete(folder: Path):
    of = results.read(folder)
    settings = of.config["protocol"]
    rules = protocol.Protocol(**settings | {"rates": protocol.Grid(**settings["rates"])})
    seeds = rules.tuning_seeds or of.config["task"]["tuning_seeds"]
    planned = plans(methods.choose(of.results), rules)
    for name, done in of.results.items():
        assert protocol.next_group(rules, seeds, planned[name], done) is None, name


@pytest.mark.slow
@pytest.mark.skipif(not COMMITTED, reason="nothing was compared yet")
def test_the_pages_say_what_the_records_say_and_agree_where_they_speak_of_the_same():
    of = results.read_all(RECORDS / "compare")
    report = (DOCS / "report.md").read_text(encoding="utf-8")
    evidence = (DOCS / "evidence.md").read_text(encoding="utf-8")
    assert report == to_markdown(tables.sections(of))
    shared = [section for section in pairs(groups.constant(of)) if section.table.rows]
    assert shared
    for section in shared:
        titles = {f"{section.title}: {tables.AT}": report, section.title: evidence}
        parts = [page.partition(f"## {title}\n")[2].partition("\n## ")[0] for title, page in titles.items()]
        figures = [FIGURE.findall(part) for part in parts]
        assert figures[0] == figures[1] != []


def test_tasks_have_the_fastest_layouts_of_the_speed_record():
    """Give or take a sixth: these times are of a machine that is shared."""
    of = record.read(RECORDS / "sweep_speed" / "cpu")
    assert of.meta["uncommitted_changes"] is False
    steps = [row for row in of.lines["rows"] if row["kind"] == "step"]
    recorded = {row["task"] for row in steps}
    assert len(recorded) >= 9
    for slug in recorded:
        times = {row["how"]: row["microseconds"] for row in steps if row["task"] == slug}
        assert times[finder.task(slug).layout_on_cpu] <= 7 / 6 * min(times.values()), slug
