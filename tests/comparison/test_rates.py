"""`find_rate` on bowls whose best rate and edge of stability are known."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from adaptax.comparison import InputError, find_rate
from adaptax.comparison.rates import _choose

CURVATURES = np.array([[4.0, 1.0]], np.float32)
GRID = np.array([float(f"{10 ** (-2 + k / 8):.3g}") for k in range(17)])  # 0.01:1:17


def bowl(w, batch):
    return 0.5 * jnp.sum(batch * w[None] ** 2)


def found(method=optax.sgd, **changes):
    settings = {"rates": "0.01:1:17", "steps": 30} | changes
    return find_rate(bowl, lambda key: jnp.ones(2), {"train": CURVATURES}, method, **settings)


def ends(rate: float, momentum: float = 0.0) -> float:
    w, v = np.ones(2), np.zeros(2)
    for _ in range(30):
        v = momentum * v + CURVATURES[0] * w
        w = w - rate * v
    return 0.5 * float((CURVATURES[0] * w**2).sum())


@pytest.mark.parametrize("momentum", [0.0, 0.4])
def test_the_rate_is_the_best_of_the_grid_and_the_edge_where_theory_has_it(momentum: float):
    """Descent is stable below 2 / λ, with momentum below 2 (1 + μ) / λ; λ is 4."""
    of = found(lambda learning_rate: optax.sgd(learning_rate, momentum))
    expected = np.array([ends(rate, momentum) for rate in GRID])
    assert of.rates == tuple(GRID)
    np.testing.assert_allclose(of.losses, np.repeat(expected[:, None], 3, 1), rtol=1e-3, atol=1e-12)
    assert of.rate == GRID[expected.argmin()]
    assert of.edge == GRID[2 * (1 + momentum) / 4 < GRID].min()
    np.testing.assert_allclose(of.start, [2.5] * 3)


def test_where_nothing_is_unstable_there_is_no_edge():
    assert found(rates="0.01:0.2:5").edge is None


def test_a_rate_with_which_one_seed_diverged_is_not_chosen_and_is_the_edge():
    ends = np.array([[3.0, 3.0], [2.0, 2.0], [1.0, np.inf], [9.0, 9.0]])
    of = _choose([0.1, 0.2, 0.4, 0.8], ends, np.array([4.0, 4.0]))
    assert (of.rate, of.edge) == (0.2, 0.4)
    of = _choose([0.1, 0.2, 0.4, 0.8], np.minimum(ends, 5.0), np.array([4.0, 4.0]))
    assert (of.rate, of.edge) == (0.2, 0.4)  # the second seed ended above its start
    assert len(of.plot().axes[0].get_lines()) == 4


def test_what_cannot_be_found_is_said():
    with pytest.raises(
        InputError, match=r"^The method diverged with every rate from 1e\+30 to 1e\+32; take lower ones"
    ):
        found(rates="1e30:1e32:3")
    with pytest.raises(InputError, match=r"^data must have a split 'train', got \['test'\]\.$"):
        find_rate(bowl, lambda key: jnp.ones(2), {"test": CURVATURES})
    with pytest.raises(InputError, match=r"^seeds must be at least 1, got 0\.$"):
        found(seeds=0)
    with pytest.raises(InputError, match=r"^The method 'method' must return an optax\.GradientTransformation"):
        found(lambda learning_rate: None)
