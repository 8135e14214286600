"""The learned optimizer is a net of Andrychowicz et al. 2016: two LSTM layers, the same for every weight."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, by_weight, look_inside, run, x64
from sklearn.datasets import load_digits

import adaptax
from adaptax._learned_weights import shapes
from adaptax.methods.learned_lstm import preprocess


def net(inputs, units=20, seed=3):
    """Draw a net of which every gate works: weights so large that nothing is linear, biases too."""
    random = np.random.default_rng(seed)
    drawn = jax.tree.map(
        lambda shape: random.normal(0.0, 0.5, shape),
        shapes(units, inputs),
        is_leaf=lambda node: isinstance(node, tuple),
    )
    return drawn | {"linear": jax.tree.map(lambda leaf: 0.1 * leaf, drawn["linear"])}


def oracle(gradients, phi, p=10.0, eta=1.0):
    """θ_{t+1} = θ_t + η g_t, [g_t, h_{t+1}] = m(∇_t, h_t, φ): one weight, unit by unit, gate by gate."""

    def sigma(z):
        return (1 + np.tanh(z / 2)) / 2  # 1 / (1 + e^-z), which would overflow

    units = len(phi["linear"]["kernel"])
    hidden, cell, steps = np.zeros((2, units)), np.zeros((2, units)), []
    raw = len(phi["lstm_1"]["kernel"]) == 1 + units
    for nabla in gradients:
        if raw:
            x = [nabla]
        elif abs(nabla) >= np.exp(-p):
            x = [np.log(abs(nabla)) / p, np.sign(nabla)]
        else:
            x = [-1.0, np.exp(p) * nabla]
        for layer, name in enumerate(("lstm_1", "lstm_2")):
            W, b = phi[name]["kernel"], phi[name]["bias"]
            read = [*x, *hidden[layer]]
            new_h, new_c = np.zeros(units), np.zeros(units)
            for k in range(units):
                i, f, g, o = (
                    sum(read[j] * W[j, gate * units + k] for j in range(len(read))) + b[gate * units + k]
                    for gate in range(4)
                )
                new_c[k] = sigma(f + 1) * cell[layer, k] + sigma(i) * np.tanh(g)
                new_h[k] = sigma(o) * np.tanh(new_c[k])
            hidden[layer], cell[layer], x = new_h, new_c, new_h
        steps.append(eta * (sum(x[k] * phi["linear"]["kernel"][k, 0] for k in range(units)) + phi["linear"]["bias"][0]))
    return steps


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("name", ["noise", "zeros", "tiny", "huge", "decaying"])
def test_follows_the_paper(inputs, name):
    """Of 4 units, in full; the tolerance is a rounding error of the largest step, since steps pass through zero."""
    phi = net(inputs, units=4)
    for dtype, atol in (("float64", 1e-12), ("float32", 2e-5)):
        signal = np.asarray(SIGNALS[name][:40], dtype)
        with x64(dtype == "float64"):
            got = run(adaptax.learned_lstm(0.7, phi), {name: signal}, dtype)[name]
        expected = np.stack([oracle(map(float, column), phi, eta=0.7) for column in signal.T], axis=1)
        np.testing.assert_allclose(got, expected, rtol=0, atol=atol * np.abs(expected).max())


def test_inside_are_the_lengths_of_hidden_states():
    """With one unit a layer the step is a straight line of the second layer's."""
    phi, g = net(2, units=1), SIGNALS["noise"][:40]
    _, inside = look_inside(adaptax.learned_lstm(weights=phi), adaptax.methods.learned_lstm.inner, {}, g)
    steps, linear = by_weight(lambda g: oracle(g, phi), g), phi["linear"]
    h = (steps - linear["bias"]) / linear["kernel"]
    np.testing.assert_allclose(inside["length of layer 2's h"], np.abs(h), rtol=1e-9)
    silent = phi | {"lstm_1": jax.tree.map(np.zeros_like, phi["lstm_1"])}
    _, inside = look_inside(adaptax.learned_lstm(weights=silent), adaptax.methods.learned_lstm.inner, {}, g)
    assert not inside["length of layer 1's h"].any()


def test_follows_the_paper_with_20_units_and_another_p():
    phi, signal = net(2), SIGNALS["decaying"][::20]
    got = run(adaptax.learned_lstm(weights=phi, p=3.0), {"s": signal})["s"]
    expected = np.stack([oracle(column, phi, p=3.0) for column in signal.T], axis=1)
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
    assert not np.allclose(run(adaptax.learned_lstm(weights=phi), {"s": signal})["s"], expected, rtol=1e-2)


@pytest.mark.parametrize(("inputs", "count"), [(1, 5061), (2, 5141)])
def test_has_as_many_weights_as_the_authors_net(inputs, count):
    """Four gates of 20 units read the layer's input, 20 hidden units and a bias; then 20 units and a bias give one."""
    assert count == 4 * 20 * (inputs + 20 + 1) + 4 * 20 * (20 + 20 + 1) + 1 * (20 + 1)
    assert sum(leaf.size for leaf in jax.tree.leaves(net(inputs))) == count


def test_preprocessing_has_two_branches_that_meet():
    """Appendix A: (log|g| / p, sign g) from |g| = e^-p on, (-1, e^p g) below."""
    g = jnp.array([np.e, 1.0, -np.exp(-5.0), 0.0, np.exp(-10.0) / 4, -np.exp(-12.0)])
    expected = [[0.1, 1], [0, 1], [-0.5, -1], [-1, 0], [-1, 0.25], [-1, -np.exp(-2.0)]]
    np.testing.assert_allclose(preprocess(g, 10.0), expected, rtol=1e-5, atol=1e-7)
    for sign in (1.0, -1.0):
        edge = sign * np.exp(-10.0) * np.array([1 - 1e-4, 1 + 1e-4])
        below, above = np.asarray(preprocess(jnp.asarray(edge), 10.0))
        np.testing.assert_allclose(below, above, atol=2e-4)
        np.testing.assert_allclose(above, [-1.0, sign], atol=2e-4)


def test_no_gradient_is_lost_to_preprocessing():
    """Between 1e-30 and 1e30 two sizes that differ by a factor of 2 stay apart, above the edge by log 2 / p."""
    sizes = 2.0 ** np.arange(-14.0, 100.0)
    np.testing.assert_allclose(np.diff(preprocess(jnp.asarray(sizes), 10.0)[:, 0]), np.log(2) / 10, rtol=1e-3)


@pytest.mark.parametrize("inputs", [1, 2])
def test_weights_do_not_see_each_other_and_are_all_treated_alike(inputs):
    """To permute weights, over leaves too, is to permute steps; each alone takes the same."""
    optimizer, signal = adaptax.learned_lstm(weights=net(inputs)), SIGNALS["noise"][:30]
    steps = run(optimizer, {"s": signal})["s"]
    permuted = run(optimizer, {"a": signal[:, [2]], "b": signal[:, [1, 0]]})
    np.testing.assert_allclose(np.concatenate([permuted["a"], permuted["b"]], axis=1), steps[:, [2, 1, 0]], rtol=1e-5)


@pytest.mark.slow
def test_any_tree_keeps_its_shapes():
    """Scalars, stacks and empty leaves; every weight has the 80 numbers of two layers."""
    params = {"w": jnp.ones((3, 2)), "deep": [jnp.ones((2, 1, 2)), (jnp.float32(1.0), jnp.zeros((0, 4)))]}
    optimizer = adaptax.learned_lstm(weights=net(1))
    state = optimizer.init(params)
    updates, state = optimizer.update(jax.tree.map(lambda p: 0.5 * p, params), state)
    assert jax.tree.map(jnp.shape, updates) == jax.tree.map(jnp.shape, params)
    assert sum(leaf.size for leaf in jax.tree.leaves(state)) == 80 * (6 + 4 + 1)
    flat = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(updates)])
    np.testing.assert_allclose(flat, flat[0], rtol=1e-5)


@pytest.mark.slow
def test_a_net_under_training_is_an_argument_like_any_other():
    """Its weights may be traced, differentiated and mapped over."""

    def first_step(phi):
        optimizer = adaptax.learned_lstm(weights=phi)
        return optimizer.update(jnp.array([2.0]), optimizer.init(jnp.zeros(1)))[0][0]

    phi = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), net(1, units=3))
    slope = jax.jit(jax.grad(first_step))(phi)
    np.testing.assert_allclose(slope["linear"]["bias"], 1.0, rtol=1e-6)
    assert all(jnp.any(leaf != 0) for leaf in jax.tree.leaves(slope))
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), phi)
    both = jax.vmap(first_step)(stack)
    np.testing.assert_allclose(both, [first_step(phi), first_step(jax.tree.map(lambda w: 2 * w, phi))], rtol=1e-5)


def test_the_state_survives_a_checkpoint(tmp_path):
    """Through a file and back, steps go on as if nothing had been."""
    optimizer, signal = adaptax.learned_lstm(), [jnp.asarray(g, jnp.float32) for g in SIGNALS["noise"][:8]]
    state = optimizer.init(jnp.zeros(3))
    for g in signal[:4]:
        _, state = optimizer.update(g, state)
    leaves, structure = jax.tree.flatten(state)
    np.savez(tmp_path / "state.npz", *leaves)
    with np.load(tmp_path / "state.npz") as arrays:
        read = structure.unflatten([jnp.asarray(arrays[name]) for name in arrays])
    for g in signal[4:]:
        expected, state = optimizer.update(g, state)
        got, read = optimizer.update(g, read)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.slow
def test_weights_for_nets_come_with_the_library():
    """On digits of 8 x 8 pixels, which are not MNIST's, 100 small batches bring the loss to less than a tenth."""
    pictures, classes = (jnp.asarray(part) for part in load_digits(return_X_y=True))
    keys, optimizer = jax.random.split(jax.random.key(0), 102), adaptax.learned_lstm(weights="mnist")
    inner, outer = 0.01 * jax.random.normal(keys[100], (65, 20)), 0.01 * jax.random.normal(keys[101], (21, 10))

    def loss(params, batch):
        units = jax.nn.sigmoid(pictures[batch].astype(jnp.float32) / 16 @ params[0][:64] + params[0][64:])
        logits = units @ params[1][:20] + params[1][20:]
        return optax.softmax_cross_entropy_with_integer_labels(logits, classes[batch]).mean()

    def step(carry, key):
        params, state = carry
        value, gradients = jax.value_and_grad(loss)(params, jax.random.randint(key, (128,), 0, len(classes)))
        updates, state = optimizer.update(gradients, state)
        return (optax.apply_updates(params, updates), state), value

    params = (inner, outer)
    _, losses = jax.lax.scan(step, (params, optimizer.init(params)), keys[:100])
    assert losses[0] == pytest.approx(2.3, abs=0.05)
    assert losses[-10:].mean() < 0.23


@pytest.mark.parametrize("name", [None, "quadratic"])
def test_weights_come_with_the_library(name):
    """On a quadratic that nobody has seen, 100 steps bring the loss far down."""
    random = np.random.default_rng(5)
    W, y = jnp.asarray(random.normal(size=(10, 10)), jnp.float32), jnp.asarray(random.normal(size=10), jnp.float32)

    def loss(theta):
        return jnp.sum((W @ theta - y) ** 2)

    optimizer = adaptax.learned_lstm(weights=name)
    theta = jnp.asarray(random.normal(size=10), jnp.float32)

    def step(carry, _):
        theta, state = carry
        updates, state = optimizer.update(jax.grad(loss)(theta), state)
        return (theta + updates, state), None

    (end, _), _ = jax.lax.scan(step, (theta, optimizer.init(theta)), length=100)
    assert loss(end) < 0.01 * loss(theta)


def broken(**changes):
    """Return the net with parts of its layers replaced."""
    phi = net(1)
    return phi | {layer: phi.get(layer, {}) | parts for layer, parts in changes.items()}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("imagenet", r"weights must be one of \('quadratic'.*\) or a dict of arrays, got 'imagenet'\."),
        (
            broken(lstm_1={"kernel": np.ones((23, 80))}),
            r"weights\['lstm_1'\]\['kernel'\] must have shape \(21, 80\), got",
        ),
        (broken(lstm_2={"bias": np.ones(20)}), r"weights\['lstm_2'\]\['bias'\] must have shape \(80,\), got \(20,\)"),
        (
            broken(linear={"kernel": np.ones((20, 2))}),
            r"weights\['linear'\]\['kernel'\] must have shape \(20, 1\), got",
        ),
        (broken(lstm_3={"bias": np.ones(80)}), r"weights\['lstm_3'\]\['bias'\] must have shape None, got \(80,\)"),
        ({}, r"weights\['linear'\]\['bias'\] must have shape \(1,\), got None"),
        (np.ones(5061), r"weights\['linear'\]\['bias'\] must have shape \(1,\), got None"),
        (broken(linear={"bias": np.ones(1, int)}), r"leaves must be real floating numbers, got int64 at"),
    ],
    ids=["name", "first", "bias", "outputs", "extra", "empty", "flat", "integers"],
)
def test_malformed_weights_are_named(weights, message):
    with pytest.raises(ValueError, match=f"^learned_lstm: {message}"):
        adaptax.learned_lstm(weights=weights)


def test_bad_p_is_named():
    with pytest.raises(ValueError, match=r"^learned_lstm: p must be above 0, got 0\."):
        adaptax.learned_lstm(p=0)
