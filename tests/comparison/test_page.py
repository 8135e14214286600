"""A page opens with conclusion, chart and table, and the rest waits, closed; lines differ without color; no pyplot."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from adaptax.comparison import methods
from adaptax.comparison.outcome import Comparison
from adaptax.comparison.report import lines, page, pictures, tables
from adaptax.comparison.report.markup import Cell, Section, Table, to_markdown
from adaptax.comparison.report.show import label
from adaptax.comparison.results import TaskRecord
from tests.comparison.test_conclusion import at_combination
from tests.comparison.test_report import RECORDS, Page, at, final, judged, method, reruns, tuning

OWN = judged(
    "yours",
    "My net",
    lsalr_adam=method(2.0, 1),
    mine=[*tuning(1.0, 2), *reruns("final", 1.0, 2)],
    optax_sgd=[*at_combination(tuning(3.0, 3), "linear"), *tuning(4.0, 4), *reruns("final", 3.0, 5)],
    rmsprop=at(0.1, None, None),
)
EXPRESSION = "rescale(scale_by_moments(), lsalr_rate())"


def written(records: list[TaskRecord]) -> str:
    return page.to_html(tables.sections(records))


def test_a_page_opens_with_its_conclusion_then_a_chart_then_a_table_and_the_rest_is_closed():
    """Of several tasks, the table of what to use stands before the chart."""
    for records, order in (([OWN], ["h1", "p", "svg", "table"]), (RECORDS, ["h1", "p", "table", "svg"])):
        counted = ("h1", "p", "svg", "table", "details")
        tags = [(tag, attributes) for tag, attributes in Page(written(records)).elements if tag in counted]
        first = [tag for tag, _ in tags].index("details")
        before = [tag for tag, _ in tags[:first]]
        assert list(dict.fromkeys(before)) == order
        assert before.count("svg") == 1
        assert before.count("table") == (2 if records is RECORDS else 1)
        folded = [attributes for tag, attributes in tags if tag == "details"]
        assert len(folded) > 5
        assert not any("open" in attributes for attributes in folded)


def test_of_one_task_the_title_and_its_own_conclusion_open_the_page():
    opening, *others = tables.sections([OWN])
    assert opening.title == "My net"
    assert opening.paragraphs[0].startswith("`mine` is best: 1.1")
    assert f"`{EXPRESSION}` ends" in opening.paragraphs[0]
    assert opening.paragraphs[0].endswith("`rmsprop` diverged at every learning rate.")
    assert all(part.is_folded for part in others)
    assert [part.title for part in others] == [
        "How it was judged",
        "Every schedule and choice of settings",
        "How much the rate matters",
        "Curves by step",
        "Against the lowest, seed by seed",
        "What it cost",
    ]


def test_the_best_score_of_each_schedule_is_told():
    section = {part.title: part for part in tables.sections([OWN])}["Every schedule and choice of settings"]
    rows = {(row[0].text, row[1].text): row[2:] for row in section.table.rows}
    assert [name for name, _ in rows] == ["mine", EXPRESSION, "optax.sgd", "optax.sgd", "rmsprop"]
    assert rows["optax.sgd", "linear"][1].text.startswith("3.")
    assert rows["optax.sgd", "linear"][1].kind == "best"
    assert rows["optax.sgd", "constant"][1].text.startswith("4.")
    assert rows["optax.sgd", "constant"][1].kind == ""
    assert [cell.text for cell in rows["rmsprop", "constant"]] == ["none", "–"]


def test_how_much_was_tried_is_told_once_or_of_each():
    header = tables.sections([OWN])[0].table.header
    assert list(header) == ["method", "test score", "best rate", "schedule", "spread", "untuned", "trials"]
    alike = tables.sections([judged(a=[*at(0.1, 1.0), *final(1.0, 2.0)], b=[*at(0.1, 1.0), *final(1.0, 2.0)])])[0]
    assert alike.table.header == ["method", "test score", "best rate", "spread"]
    assert "Every method had one trial." in alike.notes[0]


def test_seconds_are_told_by_what_they_went_to_where_the_record_has_them():
    of = judged(a=[*at(0.1, 1.0), *final(1.0, 2.0)])
    of.timings["a"]["seconds"] = {"compile": 1.0, "batches": 2.0, "steps": 30.0, "scoring": 4.0}
    table = {part.title: part.table for part in tables.sections([of])}["What it cost"]
    assert table.header[-3:] == ["batches, s", "steps, s", "scoring, s"]
    assert [cell.text for cell in table.rows[0][-3:]] == ["2.0", "30.0", "4.0"]


@pytest.mark.slow
def test_every_known_method_is_shown_by_the_expression_that_makes_it():
    """In every table, sentence and legend; what it is called in records stands nowhere."""
    different = {name: methods.shown(name) for name in methods.find_all() if methods.shown(name) != name}
    assert len(different) > 15
    every = {
        name: [*tuning(level, level), *reruns("final", 1.0 * level, level)] for level, name in enumerate(different, 1)
    }
    records = [judged("x", "One", **every), judged("y", "Other", **every)]
    for of in (records, records[:1]):
        texts = [to_markdown(tables.sections(of)), written(of).replace("<wbr>", "")]
        for text, (name, expression) in itertools.product(texts, different.items()):
            assert not re.search(rf"(?<![\w.]){name}(?![\w(])", text), name
            assert expression.replace("'", "&#x27;") in text or expression in text


def drawn(record: TaskRecord) -> Figure:
    return Comparison(Path(), record).plot()


def test_lines_are_told_apart_without_color():
    many = judged(
        **{name: [*tuning(level, level), *reruns("final", 1.0, level)] for level, name in enumerate("abcdefghijk")}
    )
    found = [(line.get_marker(), str(line._dash_pattern)) for line in drawn(many).axes[0].lines]
    assert len(found) == lines.MOST == 8
    for each in zip(*found, strict=True):
        assert len(set(each)) == 8


def test_the_opening_chart_has_scores_by_rate_with_bands_and_the_chosen_rates():
    picture = drawn(OWN)
    (panel,) = picture.axes
    assert panel.get_xscale() == "log"
    labels = [text.get_text() for legend in picture.legends for text in legend.get_texts()]
    assert labels == [label(OWN, "mine"), EXPRESSION, "optax.sgd", "rmsprop: diverged"]
    rings = [
        tuple(one.get_offsets()[0])
        for one in panel.collections
        if len(one.get_offsets()) == 1 and one.get_linewidth()[0]
    ]
    assert [rate for rate, _ in rings] == [0.1, 0.1, 0.1]
    assert len(panel.collections) == len(rings) + 4  # bands
    sizes = {text.get_fontsize() for text in picture.findobj(lambda one: hasattr(one, "get_fontsize"))}
    assert min(sizes) >= 8


@pytest.mark.parametrize("levels", [(1.0, 2.0), (1.0, 1.0001)])
def test_short_names_stand_at_the_ends_of_their_lines_or_in_a_legend(levels: tuple[float, float]):
    """At the ends where they do not collide."""
    apart = levels == (1.0, 2.0)
    of = {name: [*at(0.1, 3.0, 3.1), *at(1.0, level, level)] for name, level in zip("ab", levels, strict=True)}
    picture = drawn(judged(**of))
    texts = {text.get_text() for text in picture.axes[0].texts}
    assert texts == ({"a", "b"} if apart else set())
    assert len(picture.legends) == (not apart)


def test_a_method_of_which_every_trial_diverged_breaks_no_picture():
    assert drawn(judged(a=at(0.1, None), b=at(0.1, None, None))).legends
    assert "<svg" not in written([judged(a=at(0.1, None), b=at(0.1, None, None))])  # there is nothing to see


def test_what_blew_up_has_no_band_over_the_others():
    of = judged(a=[*at(0.01, 1.0, 2.0), *at(0.1, 1.0, 1.5), *at(1.0, 1.0, 1e9), *reruns("final", 1.0, 1)])
    picture = drawn(of)
    high = picture.axes[0].get_ylim()[1]
    band = np.concatenate([path.vertices for path in picture.axes[0].collections[0].get_paths()])
    assert high < 100
    assert band[:, 0].max() < 1.0


def test_scores_that_span_a_decade_have_a_logarithmic_axis():
    def scale(low: float) -> str:
        return drawn(judged(a=[*at(0.1, 5.0, 5.0), *at(1.0, low, low)])).axes[0].get_yscale()

    assert [scale(0.1), scale(1.0), scale(-1.0)] == ["log", "linear", "linear"]


def test_pictures_say_what_they_are_and_have_short_numbers():
    (svg,) = pictures.opening(OWN)
    assert 'role="img" aria-label="Validation score by learning rate: My net"' in svg
    assert not re.search(r' d="[^"]*\.\d{3}', svg)
    assert ">0.001<" in svg


def test_no_backend_is_chosen_for_a_user():
    """To import the comparison and to draw leave pyplot alone."""
    code = """if True:
        import sys
        import adaptax.comparison
        from adaptax.comparison.report import pictures, starts
        assert "matplotlib.pyplot" not in sys.modules, "imported"
        import matplotlib
        assert matplotlib.rcParams._get_backend_or_none() is None, "chosen"
    """
    subprocess.run([sys.executable, "-c", code], check=True)
    files = Path(pictures.__file__).parents[1].rglob("*.py")
    assert not [path for path in files if re.search(r"pyplot|matplotlib\.use", path.read_text(encoding="utf-8"))]


def test_a_sentence_marks_code_and_nothing_in_it():
    (text,) = [page.to_html([Section("t", ["*Bold* `a*b*c` <i>"])]).partition("</h1>")[2].partition("</body>")[0]]
    assert text == "<p><em>Bold</em> <code>a*b*c</code> &lt;i&gt;</p>"


def test_a_name_is_broken_where_a_programmer_would_break_it():
    text = page.to_html_table(Table(["method", "x"], [[Cell("optax.sgd(momentum=0.9)"), Cell("1.0, 1 of 3 diverged")]]))
    assert "optax.<wbr>sgd(<wbr>momentum=0.9)" in text
    assert "1.0, <wbr>1 of 3 diverged" in text


@pytest.fixture
def opened(browser, tmp_path: Path, request: pytest.FixtureRequest):
    path = tmp_path / "report.html"
    path.write_text(written([OWN] if request.param[1] else RECORDS), encoding="utf-8")
    context = browser.new_context(viewport={"width": request.param[0], "height": 860})
    shown = context.new_page()
    shown.goto(path.as_uri())
    yield shown
    context.close()


@pytest.mark.parametrize("opened", [*itertools.product((400, 1280), (True, False))], indirect=True)
def test_a_page_is_as_wide_as_its_screen_and_its_letters_can_be_read(opened):
    """Wide tables are pushed sideways by themselves; letters of the chart are eight points high, or more."""
    opened.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    assert opened.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    scales = "all => all.map(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width)"
    assert lines.LETTERS * min(opened.eval_on_selector_all("svg", scales)) >= 8 * 96 / 72
