"""A user's rate passes the conformance tests in one line; each kind of mistake fails the check that is meant for it."""

import ast
import inspect
import json
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import optax
import pytest

import adaptax
import adaptax.testing
from adaptax.testing.of_devices import mesh_of
from adaptax.testing.subject import subject_of
from adaptax.testing.variants import moved, named, variants

ROOT = Path(__file__).parents[2]


def shy_rate(strength: float = 0.5) -> adaptax.Rate:
    """Make weights that ever saw a large gradient move less."""

    def init(params):
        return jax.tree.map(lambda p: jnp.zeros_like(p, float), params)

    def measure(gradients, peak, params=None, *, direction, **extra_args):
        peak = jax.tree.map(lambda p, g: jnp.fmax(p, jnp.abs(g).astype(p.dtype)), peak, gradients)
        return jax.tree.map(lambda p: 1 / (1 + jnp.asarray(strength, p.dtype) * p), peak), peak

    return adaptax.Rate(init, measure)


def of_the_guide(name: str):
    """Return a rate as the notebook *Your own rate* writes it."""
    cells = json.loads((ROOT / "notebooks" / "your_own_rate.ipynb").read_text())["cells"]
    (source,) = [text for cell in cells if f"def {name}(" in (text := "".join(cell["source"]))]
    (function,) = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name]
    known = {"adaptax": adaptax, "jax": jax, "jnp": jnp, "optax": optax, "__name__": __name__}
    exec(ast.unparse(function), known)
    return known[name]


test_shy_rate = adaptax.testing.conformance(shy_rate, slow=pytest.mark.slow)
test_downhill_rate = adaptax.testing.conformance(of_the_guide("downhill_rate"), slow=pytest.mark.slow)
test_good_signal_rate = pytest.mark.slow(adaptax.testing.conformance(of_the_guide("good_signal_rate")))


def around(init=None, measure=None):
    """Return the constructor of a shy rate of which one half is another."""

    def broken_rate(strength=0.5):
        right = shy_rate(strength)
        return adaptax.Rate(init or right.init, measure or right.measure)

    return broken_rate


def check_of(constructor, name, **arguments):
    return dict(adaptax.testing.checks(constructor, **arguments))[name]


def assert_caught(constructor, name, message=None, error=AssertionError, **arguments):
    with pytest.raises(error, match=message):
        check_of(constructor, name, **arguments)()


def like(number):
    """Return a state of one number per weight."""
    return lambda params: jax.tree.map(lambda p: jnp.full(jnp.shape(p), number), params)


# --- Mistakes of rates -----------------------------------------------------------------------------------------------


def test_a_weak_type_in_the_state_is_caught():
    weak = around(init=like(0.0))
    assert_caught(weak, "state_is_stable_in_scan", "has a weak type: give its dtype")
    assert_caught(weak, "second_call_does_not_trace_again", "three updates were traced 2 times")


def test_a_python_number_in_the_state_is_caught():
    def count(gradients, state, params=None, *, direction, **extra_args):
        return jax.tree.map(lambda g: jnp.float32(1), gradients), state + 1

    assert_caught(around(lambda params: 0, count), "state_is_stable_in_scan", "is a Python number")


def test_a_state_that_changes_its_type_is_caught():
    def grow(gradients, state, params=None, *, direction, **extra_args):
        return jax.tree.map(lambda g: jnp.float32(1), gradients), (*state, jnp.float32(0))

    growing = around(lambda params: (), grow)
    assert_caught(growing, "state_is_stable_in_scan", None, TypeError)
    assert_caught(growing, "second_call_does_not_trace_again", "three updates were traced 3 times")


def test_numbers_that_are_read_in_python_are_caught():
    def rigid_rate(strength: float = 0.5):
        return shy_rate(2.0 if strength > 1 else float(strength))

    for name in ("vmap_over_numbers", "a_sweep_compiles_once", "survives_inject_hyperparams"):
        assert_caught(rigid_rate, name, None, jax.errors.ConcretizationTypeError)
        check_of(shy_rate, name)()


def test_a_nan_that_spreads_is_caught():
    def spread(gradients, state, params=None, *, direction, **extra_args):
        nothing = sum(0 * jnp.sum(g) for g in jax.tree.leaves(gradients))
        return jax.tree.map(lambda g: 1 + nothing, gradients), state

    spreading = around(measure=spread)
    assert_caught(spreading, "no_bad_gradient_reaches_another_layer", "beside a layer whose gradient is nan")
    assert_caught(spreading, "no_gradient_leaves_a_nan_in_a_rate-nan", "a rate at .* is not finite")


def test_one_number_for_the_whole_model_is_no_spread():
    """Without `layer_of` a rate may be of all leaves at once; with it, its layers must not see each other."""

    def whole_rate():
        return adaptax.lsalr_rate(adaptax.by_tree)

    def mixed_rate(layer_of=adaptax.by_parent):
        return adaptax.lsalr_rate(adaptax.by_tree)

    check_of(whole_rate, "no_bad_gradient_reaches_another_layer")()
    assert_caught(mixed_rate, "no_bad_gradient_reaches_another_layer", "beside a layer whose gradient is nan")


def test_a_negative_rate_is_caught():
    def negative(gradients, state, params=None, *, direction, **extra_args):
        return jax.tree.map(lambda g: jnp.float32(-1), gradients), state

    assert_caught(around(measure=negative), "no_gradient_leaves_a_nan_in_a_rate-inf", "a rate is negative: -1")
    assert_caught(around(measure=negative), "points_the_right_way_first", "not uphill")


def test_extra_arguments_that_are_not_taken_are_caught():
    def closed(gradients, state, params=None, *, direction):
        return jax.tree.map(lambda g: jnp.float32(1), gradients), state

    assert_caught(around(measure=closed), "takes_extra_arguments_it_does_not_know", "unexpected keyword", TypeError)
    plain = adaptax.testing.checks(lambda: optax.scale(1.0))
    with pytest.raises(AssertionError, match=r"must make an optax[.]GradientTransformationExtraArgs"):
        dict(plain)["takes_extra_arguments_it_does_not_know"]()


def norms_of_whole_leaves(**accepted):
    """Return the rate 1 / (1 + norm) of a leaf, whatever is said of stacks and shards."""

    def measure(gradients, state, params=None, *, direction, **extra_args):
        return jax.tree.map(lambda g: 1 / (1 + jnp.sqrt(jnp.sum(g * g))), gradients), state

    return adaptax.Rate(lambda params: (), measure)


def test_a_stack_that_is_taken_for_one_layer_is_caught():
    def coarse_rate(layer_of=adaptax.by_leaf, *, stacked=None):
        return norms_of_whole_leaves()

    assert_caught(coarse_rate, "stacked_layers_are_separate_leaves", "an update of a stack")
    check_of(adaptax.lsalr_rate, "stacked_layers_are_separate_leaves")()


def test_a_shard_that_is_taken_for_a_layer_is_caught():
    def local_rate(layer_of=adaptax.by_leaf, *, axis_name=None):
        return norms_of_whole_leaves()

    for name in ("sharded_inside_shard_map_is_unsharded", "an_unnamed_axis_changes_nothing_or_is_named"):
        assert_caught(local_rate, name, "an update of shards")
        check_of(adaptax.lsalr_rate, name)()


def test_a_refused_axis_without_its_name_is_caught():
    def terse_rate(*, axis_name=None):
        def measure(gradients, state, params=None, *, direction, **extra_args):
            if axis_name is None:
                raise ValueError("cannot")
            return gradients, state

        return adaptax.Rate(lambda params: (), measure)

    assert_caught(terse_rate, "an_unnamed_axis_changes_nothing_or_is_named", "must name the mesh axis 'x', got cannot")


def test_a_state_of_two_bytes_is_caught():
    half = around(init=lambda params: jax.tree.map(jnp.zeros_like, params))
    assert_caught(half, "updates_keep_the_dtype_of_gradients-bfloat16", "a state of {.*'bfloat16'")


def test_a_state_that_is_measured_in_init_is_caught():
    def first(params):
        return jax.tree.map(lambda p: p + jnp.zeros_like(p), params)

    assert_caught(around(init=first), "init_needs_only_shapes", None, TypeError)


def test_a_state_that_is_the_params_is_caught():
    same = around(init=lambda params: params)
    assert_caught(same, "params_and_state_may_be_donated", "donate", (ValueError, RuntimeError))


def test_a_largest_weight_of_an_empty_tree_is_caught():
    def largest(gradients, state, params=None, *, direction, **extra_args):
        top = jnp.max(jnp.stack([jnp.max(jnp.abs(g)) for g in jax.tree.leaves(gradients)]))
        return jax.tree.map(lambda g: 1 / (1 + top), gradients), state

    assert_caught(around(measure=largest), "survives_an_empty_tree-dict", "Need at least one array")


def test_a_steep_root_is_caught():
    def steep(gradients, state, params=None, *, direction, **extra_args):
        return jax.tree.map(lambda g: 1 / (1 + jnp.sqrt(jnp.abs(g))), gradients), state

    assert_caught(around(measure=steep), "derivatives_are_finite", "a derivative by the gradients at .* not finite")


# --- Mistakes of methods ---------------------------------------------------------------------------------------------


def method(*, sign=-1.0, at=None, floor=0.0, init=lambda params: jnp.int32(0)):
    """Return descent, with a mistake where an argument is given."""

    def descent(learning_rate):
        def update(gradients, count, params=None, **extra_args):
            step = count if at is None else at
            rate = learning_rate(step) if callable(learning_rate) else learning_rate
            return jax.tree.map(lambda g: sign * jnp.asarray(rate, float) * (g + floor), gradients), count + 1

        return optax.GradientTransformationExtraArgs(init, update)

    return descent


@pytest.mark.parametrize(
    ("mistake", "name", "message"),
    [
        ({"sign": 1.0}, "points_the_right_way_first", "not downhill"),
        ({"sign": 1.0}, "converges_on_a_bowl", "the loss on a bowl is"),
        ({"at": 1}, "a_schedule_is_read_at_its_step", "the first update, at a rate of 0"),
        ({"at": 0}, "a_schedule_is_read_at_its_step", "the second update, at a rate of .1, is 0"),
        ({"floor": 1e-6}, "a_zero_gradient_moves_nothing-float32", "the update of a zero gradient"),
        ({}, "what_is_no_floating_number_is_named-integers", "must be named, by its path"),
    ],
)
def test_mistakes_of_methods_are_caught(mistake, name, message):
    assert_caught(method(**mistake), name, message)
    if mistake:
        check_of(method(), name)()


def test_a_method_that_forgets_its_dtype_is_caught():
    def wide(learning_rate):
        inner = optax.with_extra_args_support(optax.sgd(learning_rate))

        def update(gradients, state, params=None, **extra_args):
            gradients = jax.tree.map(lambda g: g.astype(jnp.float32), gradients)
            return inner.update(gradients, state, params)

        return optax.GradientTransformationExtraArgs(inner.init, update)

    for name in ("updates_keep_the_dtype_of_gradients-float16", "mixed_precision_keeps_the_state"):
        assert_caught(wide, name, "give updates of {'float32'}")


# --- Which arguments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("default", "expected"),
    [(0.0, 0.01), (1e-8, 0.01), (0.9, 0.45), (1.0, 2.0), (1.2, 1.1), (2.0, 4.0), (float("inf"), 4.0)],
)
def test_a_number_moves_within_its_kind(default, expected):
    assert moved(default) == pytest.approx(expected)


def test_every_choice_is_varied_with_all_numbers_away():
    def many_rate(
        a: float = 0.5,
        b: int = 2,
        decay: float | None = 0.5,
        maybe: float | None = None,
        text: str | None = None,
        kind: Literal["x", "y"] = "x",
        on: bool = False,
        layer_of=adaptax.by_parent,
    ):
        return shy_rate()

    away = {"a": 0.25, "b": 3, "decay": 0.25, "maybe": 0.8}
    others = [
        {"decay": None, "kind": "y", "on": True, "layer_of": adaptax.by_leaf},
        {"layer_of": adaptax.by_tree},
    ]
    found = list(variants(subject_of(many_rate)))
    assert found == [{}, *(away | other for other in others)]
    assert named(found[-1]) == "-a=0.25-b=3-decay=0.25-maybe=0.8-layer_of=by_tree"


def test_bounds_stay_in_order():
    def bounded_rate(low: float = 1.0, high: float = 1.5):
        return shy_rate()

    assert list(variants(subject_of(bounded_rate))) == [{}, {"high": 1.25}]


def test_a_subject_is_known_by_what_it_makes():
    assert subject_of(shy_rate).is_rate
    assert not subject_of(shy_rate).descends
    assert subject_of(adaptax.adam).descends
    assert not subject_of(adaptax.scale_by_moments).descends
    assert subject_of(adaptax.adam).numbers["learning_rate"] == 0.05
    assert subject_of(adaptax.adam, {"learning_rate": 0.2}).numbers["learning_rate"] == 0.2


@pytest.mark.parametrize(
    ("constructor", "required", "message"),
    [
        (adaptax.velocity_gains, {}, "velocity_gains has no default for 'momentum': give required={'momentum': …}"),
        (shy_rate, {"beta": 1.0}, "required names 'beta', which shy_rate has no argument for"),
        (lambda: 3.0, {}, "must make a Rate or an optax.GradientTransformation, got 3.0"),
    ],
)
def test_what_cannot_be_tested_is_named(constructor, required, message):
    with pytest.raises(ValueError, match=message):
        adaptax.testing.conformance(constructor, required=required)


def test_a_rate_goes_around_the_direction_that_is_given():
    seen = []

    def direction():
        seen.append(1)
        return optax.identity()

    check_of(shy_rate, "init_needs_only_shapes", direction=direction)()
    assert seen


# --- How it is run ---------------------------------------------------------------------------------------------------


def test_too_few_devices_skip_with_a_reason(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    with pytest.raises(unittest.SkipTest, match="needs 8 devices, there are 1; XLA_FLAGS"):
        mesh_of(jax.sharding.AxisType.Auto)
    with pytest.warns(UserWarning, match="skipped: needs 8 devices"):
        check_of(shy_rate, "sharded_is_unsharded-Auto")()


ONE_LINE = "\ntest_my_rate = adaptax.testing.conformance(shy_rate)\n"


def test_one_line_is_a_test_that_pytest_finds(tmp_path):
    """In a file of a user's, on one device, without this library's marks and plugins."""
    imports = "import adaptax, adaptax.testing, jax, jax.numpy as jnp\n"
    (tmp_path / "test_mine.py").write_text(imports + inspect.getsource(inspect.unwrap(shy_rate)) + ONE_LINE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "-k", "init_needs or sharded_is"]
    environment = {"PATH": "", "JAX_PLATFORMS": "cpu", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "2 passed, 3 skipped" in done.stdout, done.stdout + done.stderr
    assert "needs 8 devices, there are 1" in done.stdout


def test_without_pytest_checks_are_called():
    code = "import sys; sys.modules['pytest'] = None; import adaptax, adaptax.testing as t; "
    code += "print(len(dict(t.checks(adaptax.lsalr_rate))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40
