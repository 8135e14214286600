"""A history keeps what was observed, waits only where it is read, and writes nothing twice or over."""

import builtins
import importlib
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import x64

import adaptax
from adaptax import Factors, Observation
from adaptax.live import History
from adaptax.live import history as module

ROOT = Path(__file__).parents[2]
LAYERS = ("conv", "head[0]")
NAMES = ("gradient_norm", "update_norm", "param_norm", "effective_rate", "relative_update", "cosine", "climbing")
OF_RATES = [f"rates/lsalr_rate/{name}" for name in Factors._fields[:-1]]
OF_RATES += [f"rates/own_rate 2/{name}" for name in Factors._fields]


def seen(at=0.0, layers=LAYERS, **others):
    """Return an observation whose numbers are all different: quantity k of layer l at time t is t + 10 k + l."""
    ladder = [jnp.float32(at + 10 * k + np.arange(len(layers))) for k in range(len(NAMES) + len(OF_RATES))]
    numbers = dict(zip(NAMES, ladder, strict=False)) | others
    of_rates = ladder[len(NAMES) :]
    rates = {"lsalr_rate": Factors(*of_rates[:6], None), "own_rate 2": Factors(*of_rates[6:])}
    return Observation(**numbers, rates=rates, layers=layers)


def filled(count=3, **options):
    history = History()
    for k in range(count):
        history.add(seen(0.5 * k, **options), step=20 * k)
    return history


# --- Adding and reading ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wide", [False, True])
def test_what_was_added_is_read(wide):
    with x64(wide):
        history = filled()
        assert len(history) == 3
        assert history.layers == LAYERS
        assert history.steps.tolist() == [0, 20, 40]
        assert np.issubdtype(history.steps.dtype, np.integer)
        assert list(history.quantities) == [*NAMES, *OF_RATES]
        for k, name in enumerate(history.quantities):
            expected = 0.5 * np.arange(3)[:, None] + 10 * k + np.arange(2)
            np.testing.assert_array_equal(history[name], expected)


def test_steps_count_on_from_the_last():
    history = History()
    for step in (None, None, 7, None):
        history.add(seen(), step)
    assert history.steps.tolist() == [0, 1, 7, 8]


def test_nothing_is_known_before_the_first():
    history = History()
    assert (len(history), history.layers, history.steps.tolist(), history.to_dict()) == (0, (), [], {})
    assert history.table().startswith("layer  gradient norm")
    with pytest.raises(KeyError, match="quantity must be one of none yet, got 'cosine'"):
        history["cosine"]


def test_an_unknown_quantity_is_named_with_those_there_are():
    with pytest.raises(KeyError, match=r"one of gradient_norm, .*rates/lsalr_rate/mean.*, got 'cosines'"):
        filled()["cosines"]


class Slow:
    """An array that is on its way, and fails whoever reads it."""

    arrived = asked = False

    def __init__(self, numbers):
        """Hold what will arrive."""
        self.numbers = numbers

    def copy_to_host_async(self):
        self.asked = True

    def is_ready(self):
        return self.arrived

    def __array__(self, dtype=None, copy=None):
        """Fail instead of waiting."""
        assert self.arrived, "this would wait"
        return np.asarray(self.numbers)


@pytest.fixture
def slowly(monkeypatch):
    """What is on its way, to arrive when a test says so."""
    sent, packed = [], module._packed

    def slow(observation):
        sent.append(Slow(packed(observation)))
        return sent[-1]

    monkeypatch.setattr(module, "_packed", slow)
    return sent


def test_adding_waits_for_nothing(slowly):
    history = filled()
    assert all(numbers.asked for numbers in slowly)
    assert history.arrived == 0
    with pytest.raises(AssertionError, match="this would wait"):
        history["cosine"]


def test_numbers_are_one_array_from_one_program():
    """However often, and with no second trace."""
    module._packed.clear_cache()
    history = filled(4)
    assert module._packed._cache_size() == 1
    assert history.at(0).shape == (len(history.quantities), 2)


def test_another_layering_is_refused():
    with pytest.raises(ValueError, match=r"the same layers, \('conv', 'head\[0\]'\), got \('a', 'b'\)"):
        filled().add(seen(layers=("a", "b")))


def test_other_quantities_are_refused():
    history = filled()
    other = Observation(**{name: jnp.zeros(2) for name in NAMES}, rates={}, layers=LAYERS)
    with pytest.raises(ValueError, match=r"History: all observations must have the same quantities, .*, got "):
        history.add(other)
    assert len(history) == 3


@pytest.mark.parametrize("step", [40, 3])
def test_a_step_that_does_not_come_after_the_last_is_refused(step):
    history = filled()
    with pytest.raises(ValueError, match=f"History: step must be above the last one, 40, got {step}."):
        history.add(seen(), step)
    assert history["cosine"].shape == (3, 2)


def test_an_observation_inside_jit_is_refused():
    with pytest.raises(ValueError, match="History: add must be called outside the compiled step"):
        jax.jit(lambda observation: History().add(observation))(seen())


def test_to_dict_is_the_last_observation():
    numbers = filled().to_dict()
    assert len(numbers) == 2 * (len(NAMES) + len(OF_RATES))
    assert numbers["conv/gradient_norm"] == 1.0
    assert numbers["head[0]/update_norm"] == 12.0
    assert numbers["conv/rates/lsalr_rate/mean"] == 71.0
    assert {type(number) for number in numbers.values()} == {float}


TABLE = """\
layer    gradient norm  update/weights  effective rate  cosine  climbing  lsalr_rate  own_rate 2
conv                 1              41              31      51        61          71         131
head[0]              2              42              32     nan        62          72         132"""


def test_a_table_is_aligned():
    history = filled()
    history.add(seen(1.0, cosine=jnp.float32([51, jnp.nan])))
    assert history.table() == TABLE


# --- In the terminal -------------------------------------------------------------------------------------------------


def console():
    from rich.console import Console

    return Console(file=io.StringIO(), force_terminal=True, width=140)


def test_a_live_table_shows_what_has_arrived_and_at_the_end_the_last(slowly):
    history, screen = History(), console()
    with history.live(screen) as shown:
        assert shown is history
        history.add(seen(1.0), step=11)
        assert "step 11" not in screen.file.getvalue()
        slowly[0].arrived = True
        history.add(seen(2.0), step=22)
        text = screen.file.getvalue()
        assert "step 11" in text
        assert "head[0]" in text
        assert "step 22" not in text
        slowly[1].arrived = True
    assert "step 22" in screen.file.getvalue()
    before = screen.file.getvalue()
    history.add(seen(3.0), step=33)
    assert screen.file.getvalue() == before


def test_an_error_in_training_is_not_hidden_by_waiting(slowly):
    def train(history):
        with history.live(console()):
            history.add(seen(1.0), step=11)
            raise RuntimeError("of the training")

    with pytest.raises(RuntimeError, match="of the training"):
        train(History())


# --- Pictures --------------------------------------------------------------------------------------------------------


def test_few_layers_are_panels_with_the_same_axes():
    history = filled()
    figure = history.plot("rates/lsalr_rate/median")
    assert [axes.get_title() for axes in figure.axes if axes.get_visible()] == list(LAYERS)
    for layer, axes in enumerate(figure.axes[:2]):
        assert axes.get_yscale() == "log"
        np.testing.assert_array_equal(axes.lines[0].get_xydata()[:, 0], history.steps)
        np.testing.assert_array_equal(axes.lines[0].get_xydata()[:, 1], history["rates/lsalr_rate/median"][:, layer])
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure._supylabel.get_text() == "rates/lsalr_rate/median"


def test_a_scale_is_linear_where_some_numbers_are_not_positive():
    history = filled()
    history.add(seen(cosine=jnp.float32([-0.5, np.inf])))
    axes = history.plot("cosine").axes[0]
    assert axes.get_yscale() == "linear"
    assert history.plot().axes[0].get_ylabel() == ""
    assert np.isnan(history.plot("cosine").axes[1].lines[0].get_ydata()[-1])


def test_many_layers_are_a_map():
    layers = tuple(f"block_{k}" for k in range(13))
    history = filled(layers=layers)
    figure = history.plot()
    axes, bar = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(layers)
    (mesh,) = axes.collections
    np.testing.assert_array_equal(mesh.get_array(), history["effective_rate"].T)
    assert type(mesh.norm).__name__ == "LogNorm"
    assert bar.get_ylabel() == "effective_rate"
    assert axes.get_xlim() == (0, 60)
    top, bottom = (axes.transData.transform((0, y))[1] for y in (0, 12))
    assert top > bottom, "the first layer stands at the top"


def test_the_last_panel_of_every_column_has_numbers_below():
    figure = filled(layers=tuple("abcde")).plot()
    figure.canvas.draw()
    below = [
        bool(any(t.get_text() for t in axes.get_xticklabels(which="major") if t.get_visible())) for axes in figure.axes
    ]
    assert below[:5] == [False, True, True, True, True]


@pytest.mark.parametrize("layers", [1, 5, 12, 13, 60])
@pytest.mark.parametrize("count", [1, 3])
def test_every_number_of_layers_is_drawn(layers, count):
    history = filled(count, layers=tuple(map(str, range(layers))))
    history.plot().savefig(file := io.BytesIO(), dpi=40)
    assert file.tell() > 1000


def test_jupyter_shows_the_picture():
    formatters = pytest.importorskip("IPython.core.formatters")
    assert formatters.PNGFormatter()(filled().plot()).startswith(b"\x89PNG")


def test_pyplot_stays_unknown():
    code = (
        "from tests.live.test_live_history import filled; filled().plot(); import sys; "
        "assert 'matplotlib.pyplot' not in sys.modules; assert 'matplotlib.figure' in sys.modules"
    )
    paths = [str(ROOT), str(ROOT / "tests")]
    code = f"import sys; sys.path[:0] = {paths}; {code}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# --- Files -----------------------------------------------------------------------------------------------------------


def test_json_lines_are_read_back_and_written_once(tmp_path):
    history = filled(2)
    history.add(seen(1.0, cosine=jnp.float32([np.nan, -np.inf])), step=40)
    path = tmp_path / "seen.jsonl"
    history.write_json_lines(path)
    history.write_json_lines(str(path))
    history.add(seen(1.5), step=60)
    history.write_json_lines(path)
    lines = [json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines()]
    assert [(line["step"], line["layer"]) for line in lines] == [(s, n) for s in (0, 20, 40, 60) for n in LAYERS]
    for name in history.quantities:
        expected = [x if math.isfinite(x) else None for x in history[name].ravel().tolist()]
        assert [line[name] for line in lines] == expected
    assert [line["cosine"] for line in lines[4:6]] == [None, None]


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    path = tmp_path / "seen.jsonl"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        filled().write_json_lines(path)
    assert path.read_text() == "mine"


def test_tensorboard_reads_it_back(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    history = filled(2)
    history.write_tensorboard(tmp_path / "run")
    history.write_tensorboard(str(tmp_path / "run"))
    history.add(seen(1.0, cosine=jnp.float32([np.nan, -np.inf])), step=40)
    history.write_tensorboard(tmp_path / "run")
    events = accumulator.EventAccumulator(str(tmp_path / "run")).Reload()
    assert sorted(events.Tags()["scalars"]) == sorted(history.to_dict())
    for name in history.quantities:
        for layer, numbers in zip(history.layers, history[name].T, strict=True):
            scalars = events.Scalars(f"{layer}/{name}")
            assert [scalar.step for scalar in scalars] == [0, 20, 40]
            np.testing.assert_array_equal([scalar.value for scalar in scalars], numbers)


def test_events_of_another_training_are_not_mixed_with(tmp_path):
    filled().write_tensorboard(tmp_path)
    (events,) = tmp_path.iterdir()
    with pytest.raises(FileExistsError, match=r"History: folder must hold no events, got .*tfevents"):
        filled().write_tensorboard(tmp_path)
    assert list(tmp_path.iterdir()) == [events]


# --- Packages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "ask"),
    [
        ("matplotlib", lambda history: history.plot()),
        ("rich", lambda history: history.live()),
        ("tensorboardX", lambda history: history.write_tensorboard("nowhere")),
    ],
)
def test_a_missing_package_is_one_sentence(package, ask, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **settings):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **settings)

    def not_that_one(name, *args):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return sys.modules.get(name) or __import__(name, fromlist=["_"])

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(importlib, "import_module", not_that_one)
    with pytest.raises(
        ImportError, match=rf"^History: {package} is missing, install it by pip install 'adaptax\[live\]'\.$"
    ):
        ask(filled())
    assert not Path("nowhere").exists()


def test_what_needs_no_package_of_the_extra_loads_none():
    code = (
        "import adaptax.live, sys; found = {name.partition('.')[0] for name in sys.modules}; "
        "assert not found & {'matplotlib', 'rich', 'tensorboardX'}, found"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_real_observation_is_kept():
    optimizer = adaptax.local_gains(0.1)
    params = {"a": jnp.ones(3), "b": {"c": jnp.ones((2, 2))}}
    history, state = History(), optimizer.init(params)
    for _ in range(2):
        _, state, observed = adaptax.observe(optimizer, params, state, params)
        history.add(observed)
    assert history.layers == ("(root)", "b")
    np.testing.assert_allclose(history["rates/local_gains_rate/mean"], [[1, 1], [1.05, 1.05]], rtol=1e-6)
    np.testing.assert_array_equal(history["rates/local_gains_rate/at_bound"], 0)
