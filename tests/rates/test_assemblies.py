"""Known optimizers as one line: each line of the page's table is run, and equals its paper or Optax over 200 steps."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import x64
from walking import MODERATE, assert_walks, relaxed, walks

import adaptax

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rates.md"
ROWS = re.findall(r"^\| ([\w -]+) \| (.*) \| .* \|$", PAGE.read_text(), re.MULTILINE)
LINES = {name: code[-1] for name, cell in ROWS if (code := re.findall(r"`(chain\(.*?)`", cell))}
SHORT = "chain scale trace add_decayed_weights scale_by_learning_rate scale_by_sign".split()  # as imported from Optax
ETA, LAMBDA = 0.05, 0.3
START = [3.0, -0.2, 0.7, -1.0, 0.5, 2.0]
SHAPE = (2, 3)
MATRICES = {name: np.concatenate([signal, 0.7 - signal[:, ::-1]], axis=1) for name, signal in MODERATE.items()}


def assembled(name):
    """Return the optimizer of a line of the page, η and λ filled in."""
    names = vars(adaptax) | {name: getattr(optax, name) for name in SHORT} | {"optax": optax, "η": ETA, "λ": LAMBDA}
    return eval(LINES[name], names)


def adam_directions(g, b1=0.9, b2=0.999, eps=1e-8):
    m = v = 0.0
    for t, x in enumerate(g, 1):
        m, v = b1 * m + (1 - b1) * x, b2 * v + (1 - b2) * x**2
        yield m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)


def cautious_adamw(w, g):
    for x, u in zip(g, adam_directions(g), strict=True):
        mask = np.sign(u) * np.sign(x) > 0
        w = w - ETA * (LAMBDA * w + u * mask / max(mask.mean(), 1e-3))
        yield w


def cautious_decay(w, g):
    for u in adam_directions(g):
        w = w - ETA * (u + LAMBDA * w * (np.sign(u) * np.sign(w) >= 0))
        yield w


def held(w, directions):
    """Hyperball: w = R Normalize(w - η R u / ‖u‖)."""
    radius = np.linalg.norm(w)
    for u in directions:
        length = np.linalg.norm(u)
        x = w - ETA * radius * u / length if length > 0 else w
        w = radius * x / np.linalg.norm(x)
        yield w


def l_dog(w, g, start=1e-6):
    first, far, squares = w, start * (1 + np.linalg.norm(w)), 1e-8
    for x in g:
        far, squares = max(far, np.linalg.norm(w - first)), squares + np.sum(x * x)
        w = w - far / np.sqrt(squares) * x
        yield w


PAPERS = {
    "cautious AdamW": cautious_adamw,
    "cautious weight decay": cautious_decay,
    "AdamH": lambda w, g: held(w, adam_directions(g)),
}


@pytest.mark.parametrize("name", PAPERS)
def test_equals_its_paper(name):
    assert_walks(lambda: assembled(name), lambda w, g: list(PAPERS[name](w, g)), START, MATRICES, shape=SHAPE)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("AdamW", lambda: optax.adamw(ETA, weight_decay=LAMBDA)),
        ("LARS", lambda: optax.lars(ETA, weight_decay=LAMBDA)),
        ("LAMB", lambda: optax.lamb(ETA, weight_decay=LAMBDA)),
    ],
)
def test_equals_optax(name, theirs):
    """Over 50 steps: longer walks amplify float32's rounding."""
    signals = {signal: values[:50] for signal, values in MATRICES.items()}
    ours, expected = (walks(o, START, signals, "float32", SHAPE) for o in (assembled(name), relaxed(theirs())))
    for signal in signals:
        np.testing.assert_allclose(ours[signal], expected[signal], rtol=1e-4, atol=1e-5, err_msg=signal)


@pytest.mark.parametrize("name", ["AdamW", "LARS", "LAMB", "Rprop"])
def test_equals_the_method_of_its_name(name):
    given = {} if name == "Rprop" else {"weight_decay": LAMBDA}
    method = getattr(adaptax, name.lower())(ETA, **given)
    ours, expected = (walks(o, START, MATRICES, "float64", SHAPE) for o in (assembled(name), method))
    for signal in MATRICES:
        np.testing.assert_allclose(ours[signal], expected[signal], rtol=1e-12, err_msg=signal)


def test_muon_h_turns_along_muons_direction():
    signal = MATRICES["noise"]
    with x64(True):
        muon = relaxed(optax.contrib.muon(-1.0))
        gradients = jnp.asarray(signal).reshape(-1, *SHAPE)
        _, directions = jax.lax.scan(lambda s, g: muon.update(g, s, g)[::-1], muon.init(gradients[0]), gradients)
    expected = list(held(np.array(START), np.asarray(directions).reshape(-1, 6)))
    got = walks(relaxed(assembled("MuonH")), START, {"noise": signal}, "float64", SHAPE)["noise"]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_magma_is_adam_times_score_times_coin():
    """The coins are those of the mask alone; scores follow the paper."""
    signal, w, mu, score = MATRICES["zeros"], np.array(START), np.zeros(6), 0.5
    mask, expected = adaptax.random_mask_rate(), []
    tossed = mask.init({"w": jnp.zeros(SHAPE)})
    for x, u in zip(signal, adam_directions(signal), strict=True):
        with x64(True):  # as the walk: other coins are drawn in float32
            coin, tossed = mask.measure({"w": jnp.zeros(SHAPE)}, tossed)
        mu = 0.9 * mu + 0.1 * x
        lengths = np.linalg.norm(mu) * np.linalg.norm(x)
        score = 0.9 * score + 0.1 / (1 + np.exp(-(np.sum(mu * x) / lengths if lengths > 0 else 0.0) / 2))
        w = w - ETA * score * float(coin["w"]) * u
        expected.append(w)
    got = walks(assembled("Magma"), START, {"zeros": signal}, "float64", SHAPE)["zeros"]
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def test_l_dog_moves_from_a_millionth():
    """In float64: float32 rounds the first distances, which are a millionth of the weights."""
    got = walks(assembled("L-DoG"), START, MATRICES, "float64", SHAPE)
    for name, signal in MATRICES.items():
        expected = list(l_dog(np.array(START), signal))
        np.testing.assert_allclose(got[name], expected, rtol=1e-6, atol=1e-9, err_msg=name)


def test_every_line_of_the_page_is_tested():
    assert set(LINES) == {*PAPERS, "AdamW", "LARS", "LAMB", "Rprop", "MuonH", "L-DoG", "Magma"}
