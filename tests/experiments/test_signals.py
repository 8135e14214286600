"""The signals are the article's, and every method follows a plain transcription of the article's program."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import x64

from experiments.gallery import along, pictures, responses
from experiments.gallery.methods import METHODS, ON_SIGNALS
from experiments.tasks.signals import SIGNALS, read_at

pytestmark = pytest.mark.slow


def article_signals():
    """The article's lines, one number at a time: sin, noise and all."""
    random = np.random.RandomState(413)
    X = range(300)
    noisy = [np.sin(x / 20) + random.random_sample() - 0.5 for x in X]
    very_noisy = [np.sin(x / 20) / 5 + random.random_sample() - 0.5 for x in X]
    return {
        "spikes": [int(x % 60 == 0) for x in X],
        "rectangles": [2 * int(x % 40 < 20) - 1 for x in X],
        "noisy_sin": noisy,
        "very_noisy_sin": very_noisy,
        "uneven_sawtooth": [x % 20 / (15 * int(x > 80) + 5) for x in X],
        "saturation": [int(x % 80 < 40) for x in X],
    }


def between(X, position):
    """The article's linear interpolation without its two slips: 0 outside, and the slope times the difference."""
    if position < 0 or position > len(X) - 1:
        return 0.0
    low = min(int(position), len(X) - 2)
    return X[low] + (position - low) * (X[low + 1] - X[low])


def momentum(X, gamma, lr=0.25):
    v, Y = 0.0, []
    for x in X:
        v = gamma * v + lr * x
        Y.append(v)
    return Y


def nesterov(X, gamma, lr=0.25, points=1):
    v, Y = 0.0, []
    for i in range(len(X)):
        ahead = [between(X, i + gamma * v * k / points) for k in range(1, points + 1)]
        v = gamma * v + lr * sum(ahead) / points
        Y.append(v)
    return Y


def adagrad(X, eps, lr=2.5):
    G, Y = 0.0, []
    for x in X:
        G += x * x
        Y.append(lr / np.sqrt(G + eps) * x)
    return Y


def rmsprop(X, gamma, lr=0.25, eps=1e-5):
    E, Y = 0.0, []
    for x in X:
        E = gamma * E + (1 - gamma) * x * x
        Y.append(lr / np.sqrt(E + eps) * x)
    return Y


def adadelta(X, gamma, D=0.0, eps=1e-3):
    E, Y = 0.0, []
    for x in X:
        E = gamma * E + (1 - gamma) * x * x
        v = np.sqrt(D + eps) / np.sqrt(E + eps) * x
        Y.append(v)
        D = gamma * D + (1 - gamma) * v * v
    return Y


def adam(X, b1, b2=0.999, lr=0.25, eps=1e-7):
    """As published: eps outside the root, where the article has it inside."""
    m, v, Y = 0.0, 0.0, []
    for i, x in enumerate(X):
        m = b1 * m + (1 - b1) * x
        v = b2 * v + (1 - b2) * x * x
        Y.append(lr * (m / (1 - b1 ** (i + 1))) / (np.sqrt(v / (1 - b2 ** (i + 1))) + eps))
    return Y


TWINS = {
    "momentum": momentum,
    "nesterov": nesterov,
    "smoothed_nesterov": lambda X, gamma: nesterov(X, gamma, points=4),
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adadelta": adadelta,
    "adadelta_big_start": lambda X, gamma: adadelta(X, gamma, D=50.0),
    "adam": adam,
}


@pytest.fixture(scope="module")
def traces():
    return {slug: along.trace_sweep(method, SIGNALS) for slug, method in ON_SIGNALS.items()}


@pytest.fixture(scope="module")
def filters():
    return responses.respond_all()


def test_signals_are_the_articles():
    expected = article_signals()
    assert list(SIGNALS) == list(expected)
    for name, signal in expected.items():
        np.testing.assert_allclose(SIGNALS[name], signal, rtol=0, atol=1e-15)
    assert not np.array_equal(SIGNALS["noisy_sin"], SIGNALS["very_noisy_sin"])


def test_reading_between_epochs():
    with x64(True):
        signal = jnp.asarray([1.0, 4.0, -2.0])
        got = [float(read_at(signal, p)) for p in (-0.1, 0.0, 0.25, 1.5, 2.0, 2.1)]
    np.testing.assert_allclose(got, [0.0, 1.0, 1.75, 1.0, -2.0, 0.0])


@pytest.mark.parametrize("slug", TWINS)
def test_methods_follow_the_article(slug, traces):
    for setting, of_setting in zip(ON_SIGNALS[slug].values, traces[slug].steps, strict=True):
        for (name, signal), steps in zip(SIGNALS.items(), of_setting, strict=True):
            twin = np.array(TWINS[slug](list(signal), setting))
            scale = np.abs(twin).max()
            np.testing.assert_allclose(steps, twin, rtol=1e-9, atol=1e-11 * scale, err_msg=f"{name}, {setting}")


def test_every_method_is_there_at_three_settings(traces):
    assert set(traces) == {*METHODS, "adadelta_big_start"} == set(ON_SIGNALS)
    for trace in traces.values():
        for values in (trace.steps, *trace.quantities.values()):
            assert values.shape == (3, 6, 300)
            assert np.isfinite(values).all()
        assert not np.array_equal(trace.steps[0], trace.steps[1])


def test_quantities_are_what_the_steps_are_made_of(traces):
    """Rates, gains and moments are read from states; times gradient or moment they must give the steps."""
    signals = np.stack(list(SIGNALS.values()))

    def agree(slug, step):
        np.testing.assert_allclose(traces[slug].steps, step, rtol=1e-9, atol=1e-12)

    agree("adagrad", traces["adagrad"].quantities["rate η/√(G + ε)"] * signals)
    agree("rmsprop", traces["rmsprop"].quantities["rate η/√(E + ε)"] * signals)
    for slug, rate in (("adam", "rate η/(√v̂ + ε)"), ("adamax", "rate η/u")):
        inner = traces[slug].quantities
        agree(slug, inner[rate] * inner["corrected moment m̂"])
    for slug in ("local_gains", "delta_bar_delta"):
        agree(slug, 0.25 * traces[slug].quantities["gain c"] * signals)


def test_adadelta_quantities_give_the_next_step(traces):
    for slug in ("adadelta", "adadelta_big_start"):
        inner = traces[slug].quantities
        E, D = inner["gradients' mean square E"], inner["steps' mean square D"]
        step = np.sqrt((D[..., :-1] + 1e-3) / (E[..., 1:] + 1e-3)) * np.stack(list(SIGNALS.values()))[:, 1:]
        np.testing.assert_allclose(traces[slug].steps[..., 1:], step, rtol=1e-9)
    assert ON_SIGNALS["adadelta_big_start"].on_signals["initial"] == 50


@pytest.mark.parametrize("slug", ["nesterov", "smoothed_nesterov"])
def test_reach_is_momentum_times_velocity(slug, traces):
    momentum = np.array([0.25, 0.9, 0.975])[:, None, None]
    np.testing.assert_allclose(traces[slug].quantities["look-ahead μ v"], momentum * traces[slug].steps, rtol=1e-12)


def test_layer_rate_and_velocity_give_the_step(traces):
    signals = np.stack(list(SIGNALS.values()))
    inputs = 0.25 * traces["lsalr"].quantities["layer's rate 1 + log(1 + 1/|g|)"] * signals
    for steps, mu in zip(traces["lsalr"].steps, (0.25, 0.9, 0.975), strict=True):
        np.testing.assert_allclose(steps[:, 1:], mu * steps[:, :-1] + inputs[0][:, 1:], atol=1e-12)


def test_filters_of_known_response(filters):
    """Momentum: last step 1 / (1 - μ), mean delay μ / (1 - μ), lag from its transfer function 1 / (1 - μ e^{-iω})."""
    table, steps = filters
    momentum = table[0]
    omega = 2 * np.pi / responses.PERIOD
    lag = np.angle(1 - 0.9 * np.exp(-1j * omega)) / omega
    np.testing.assert_allclose(
        [
            momentum["first"],
            momentum["last"],
            momentum["overshoot"],
            momentum["memory"],
            momentum["lag"],
            momentum["tenfold"],
        ],
        [1, 10, 1, 9, lag, 10],
        rtol=1e-6,
    )
    assert momentum["rise"] == 21  # 1 - .9^(t + 1) reaches .9
    np.testing.assert_allclose(steps["momentum"]["impulse"], 0.25 * 0.9 ** np.arange(responses.EPOCHS), atol=1e-15)
    by_method = {row["method"]: row for row in table}
    assert by_method["Adam"]["tenfold"] == pytest.approx(1, abs=1e-5)  # the gradient's unit cancels
    assert by_method["RMSProp"]["memory"] == 0
    assert by_method["AdaMax"]["lag"] > 5 > abs(by_method["Nadam"]["lag"])


@pytest.mark.parametrize("slug", ["momentum", "nesterov", "adadelta", "lsalr"])
def test_a_methods_picture_has_a_row_per_quantity_and_a_line_per_setting(slug, traces):
    method, trace = ON_SIGNALS[slug], traces[slug]
    rows = {"step": trace.steps} | ({"gradient read ahead": trace.slopes} if slug == "nesterov" else {})
    rows |= along.in_order(trace.quantities)
    figure = along.draw_method(method, trace)
    panels = np.array(figure.axes).reshape(len(rows), len(SIGNALS))
    assert [panel.get_ylabel() for panel in panels[:, 0]] == list(rows)
    assert [panel.get_title() for panel in panels[0]] == [name.replace("_", " ") for name in SIGNALS]
    for of_row, (label, values) in zip(panels, rows.items(), strict=True):
        assert of_row[0].get_yscale() == ("log" if label.startswith(("rate", "layer")) else "linear")
        for column, panel in enumerate(of_row):
            np.testing.assert_array_equal([line.get_ydata() for line in panel.lines], values[:, column])
            assert [line.get_color() for line in panel.lines][1] == method.style.color
            assert len(panel.collections) == (label in ("step", "gradient read ahead")), "the signal itself, in gray"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["the gradient signal", *(f"{method.symbol} = {value:g}" for value in method.values)]


def test_the_overview_has_a_row_per_method_at_its_middle_setting(traces):
    figure = along.draw_overview(traces)
    panels = np.array(figure.axes).reshape(len(ON_SIGNALS), len(SIGNALS))
    for of_row, (slug, method) in zip(panels, ON_SIGNALS.items(), strict=True):
        assert of_row[0].get_ylabel().split("\n") == [method.style.label, f"{method.symbol} = {method.values[1]:g}"]
        for panel, steps in zip(of_row, traces[slug].steps[1], strict=True):
            (line,) = panel.lines
            assert line.get_color() == method.style.color
            np.testing.assert_array_equal(line.get_ydata(), steps)


def test_filters_are_drawn_over_their_largest_step_with_their_figures(filters):
    table, steps = filters
    figure = responses.draw(table, steps)
    panels = np.array(figure.axes).reshape(len(ON_SIGNALS), 3)
    for of_row, (slug, method), row in zip(panels, ON_SIGNALS.items(), table, strict=True):
        assert of_row[0].get_ylabel() == f"{row['method']}\n{row['setting']}"
        for panel, name in zip(of_row, ("step", "impulse", "sine"), strict=True):
            (line,) = panel.lines
            x, y = line.get_data()
            assert line.get_color() == method.style.color
            shown = steps[slug][name] / np.abs(steps[slug][name]).max()
            np.testing.assert_allclose(y, np.where(x < 0, 0, shown[np.maximum(x, 0)]))
    adam = [panel.texts[0].get_text() for panel in panels[list(ON_SIGNALS).index("adam")]]
    assert adam == ["1 η at first, 1 η at last", "mean delay 8.2", "lag +8.0 epochs"]


def test_tables_come_back(tmp_path):
    row = {"setting": "μ = 0.9", "first": 1.0, "rise": 3, "memory": 1 / 3, "tenfold": None}
    pictures.write_table(tmp_path / "t.csv", [row])
    (back,) = pictures.read_table(tmp_path / "t.csv")
    assert list(back) == list(row)
    assert tuple(back.values()) == ("μ = 0.9", "1", "3", "0.3333333333", "")
