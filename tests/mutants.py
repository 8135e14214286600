"""The tests notice a wrong formula: every one-line error below, made on purpose, must fail them (`make mutants`).

Each mutant is applied to a fresh copy of the library, on which the tests that guard the formula then run. A mutant
that survives is a hole in the tests: add the missing one. One that no longer fits the code stops the run: rewrite it.
Words on the command line select mutants by file, as in `python -m tests.mutants lsalr moments`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    """One wrong edit, and the tests that must notice it."""

    file: str  # below adaptax/
    old: str  # occurs exactly once there
    new: str
    why: str
    tests: str = ""  # a file or node in tests/, "::test" in the file's own tests, or adaptax/… for doctests

    @property
    def argument(self) -> str:
        """What pytest is asked to run; by default all of the file's own tests."""
        if self.tests.startswith("adaptax/"):
            return self.tests
        own = f"test_{Path(self.file).stem.lstrip('_')}.py"
        return f"tests/{own}{self.tests}" if self.tests[:2] in ("", "::") else f"tests/{self.tests}"


def of(file: str, *edits: tuple[str, ...], tests: str = "") -> list[Mutant]:
    """Return the mutants of one file, from (old, new, why) or (old, new, why, tests)."""
    return [Mutant(file, *edit) if len(edit) == 4 else Mutant(file, *edit, tests) for edit in edits]


# fmt: off
MUTANTS = [
    # --- Gains -------------------------------------------------------------------------------------------------------
    *of("_agreement.py",
        ('if zero == "decay" else product', 'if zero == "hold" else product', "conventions at zero swapped"),
        ("& known, -1.0, product)", "& known, 1.0, product)", "wrong branch at zero: it earns the bonus"),
        ("(product == 0) & known", "product == 0", "the first step is judged"),
        ("jnp.sign(current) * jnp.sign(previous)", "jnp.sign(current * previous)", "a product that underflows",
         "test_delta_bar_delta.py::test_gains_ignore_one_positive_scale_and_sign"),
        ("agreed > 0, clip(gain + bonus), jnp.where(agreed < 0", "agreed < 0, clip(gain + bonus), jnp.where(agreed > 0",
         "penalty on agreement"),
        ("clip(gain + bonus)", "clip(gain * (1 + bonus))", "bonus multiplied instead of added"),
        ("clip(gain * penalty)", "clip(gain - penalty)", "penalty subtracted instead of multiplied"),
        ("jnp.where(agreed < 0,", "jnp.where(agreed <= 0,", "what is unknown pays the penalty"),
        ("jnp.minimum(jnp.maximum(gain, low), high)", "jnp.maximum(gain, low)", "upper clip lost"),
        ("jnp.minimum(jnp.maximum(gain, low), high)", "jnp.minimum(gain, high)", "lower clip lost"),
        tests="test_local_gains.py"),
    *of("_agreement.py",
        ("jnp.where(slope < 0, -gain, gain)", "jnp.where(slope < 0, gain, -gain)", "the stored sign flipped",
         "adaptax/_agreement.py"),
        ("jnp.where(slope == 0, hidden,", "jnp.where(slope == 0, gain,", "a zero slope stored as positive"),
        ("jnp.where(jnp.isnan(slope), -hidden,", "jnp.where(jnp.isnan(slope), hidden,", "NaN stored as a zero"),
        ("magnitude * scalar(1 / HIDDEN, packed)", "magnitude", "a hidden gain is not restored"),
        ("jnp.where(hidden, 0.0, packed)", "packed", "a hidden gain's sign taken for a slope's"),
        ("scalar(1 / PACKED / 2, packed)", "scalar(1, packed)", "small gains taken for hidden ones"),
        ("if len(found) != 1:", "if not found:", "several gain methods, the first one read",
         "test_local_gains.py::test_gains_are_read_from_anywhere_in_a_state"),
        tests="test_local_gains.py"),
    *of("_agreement.py",
        ("lambda v: 0 <= v <= 1", "lambda v: 0 <= v", "a lower bound above the start is accepted"),
        ("if zero not in get_args(Zero):", "if not zero:", "an unknown convention is accepted"),
        tests="test_local_gains.py"),
    *of("methods/local_gains.py",
        ("high), gradient)", "high), previous)", "the sign of the wrong gradient is stored"),
        ("full_like(params, -HIDDEN)", "full_like(params, HIDDEN)", "the first step pays for a zero"),
        ("return unpack(packed)[0], packed", "return unpack(before)[0], packed", "gains one step stale"),
        tests="::test_follows_the_lecture"),
    *of("methods/delta_bar_delta.py",
        ("kappa, 1 - phi, low", "kappa, phi, low", "decay swapped with its complement"),
        ("delta_bar_gain(gain, delta, average,", "delta_bar_gain(gain, delta, ema(average, delta, theta),",
         "average updated before it is compared"),
        ("ema(average, delta, theta), average)", "delta, average)", "compared with one gradient, not the average"),
        ('agreement(delta, average, "hold")', 'agreement(delta, average, "decay")', "wrong branch at zero"),
        ("ema(average, delta, theta), average)", "ema(delta, average, theta), average)",
         "average and sample swapped", "::test_follows_other_settings"),
        ("jnp.isfinite(delta) &", "~jnp.isnan(delta) &", "an infinite gradient enters the average",
         "::test_infinite_gradient_does_not_stop_adaptation"),
        tests="::test_follows_jacobs"),
    *of("methods/velocity_gains.py",
        ("agreement(gradient, -velocity", "agreement(gradient, velocity", "sign flipped: uphill agreement is rewarded"),
        ("accelerate(u, gain * g,", "accelerate(u, g,", "gain not applied"),
        ('zero: Zero = "decay",', 'zero: Zero = "hold",', "default at zero is not scikit-learn's",
         "::test_follows_other_settings"),
        ("value_at(momentum, state.count)", "value_at(momentum, state.count + 1)", "momentum of the wrong step",
         "::test_schedules_are_read_at_their_step"),
        tests="::test_follows_the_rule"),
    # --- LSALR and the norm of a layer -------------------------------------------------------------------------------
    *of("methods/lsalr.py",
        ("1 + (jnp.log1p(safe) - jnp.log(safe))", "jnp.log1p(safe) - jnp.log(safe)", "the leading 1 dropped"),
        ("jnp.log1p(safe) - jnp.log(safe)", "(jnp.log1p(safe) - jnp.log(safe)) / 0.6931", "log to base 2"),
        ("optax.trace(momentum, nesterov)", "optax.trace(momentum)", "Nesterov's form lost"),
        ('(scale_by_rate(lsalr_rate()), scale_by_descent("lsalr", learning_rate), inertia)',
         '(inertia, scale_by_rate(lsalr_rate()), scale_by_descent("lsalr", learning_rate))',
         "rate outside the momentum buffer"),
        ('(scale_by_rate(lsalr_rate()), scale_by_descent("lsalr", learning_rate), inertia)',
         '(scale_by_rate(lsalr_rate()), inertia, scale_by_descent("lsalr", learning_rate))',
         "learning rate outside the momentum buffer", "test_lsalr.py"),
        ("(norm > 0) & (norm < jnp.inf)", "norm > 0", "guard at an infinite norm dropped",
         "::test_rate_is_finite_whatever_the_norm"),
        ("jnp.log(safe)), 1)", "jnp.log(safe)), 0)", "wrong branch at a zero norm",
         "::test_rate_is_finite_whatever_the_norm"),
        tests="::test_follows_the_paper"),
    *of("_layers.py",
        ("{name: jnp.sqrt(s) for", "{name: s for", "norm squared"),
        ("_reduce, jnp.sum, jnp.add,", "_reduce, jnp.mean, jnp.add,", "mean for sum within a leaf"),
        ("jnp.sum, jnp.add,", "jnp.sum, jnp.maximum,", "max for sum over the leaves of a layer"),
        tests="::test_a_layer_is_kernel_and_bias"),
    *of("_layers.py",
        ("unit[name] * jnp.sqrt(total)", "jnp.sqrt(total)", "unit lost where squares over- or underflow"),
        ("(s < 2.0**-60) | (s == jnp.inf)", "s == jnp.inf", "underflow goes unseen"),
        ("(s < 2.0**-60) | (s == jnp.inf)", "s < 2.0**-60", "overflow goes unseen"),
        ("reduce(jnp.logical_or,", "reduce(jnp.logical_and,", "all for any"),
        ("_largest, jnp.maximum,", "_largest, jnp.minimum,", "min for max over the leaves of a layer"),
        tests="::test_squares_out_of_range_do_not_spoil_the_norm"),
    *of("_layers.py",
        ('path.rpartition("/")[0]', 'path.partition("/")[0]', "a layer is the outermost module", "test_layers.py"),
        ('"/".join(filter(None, match.groups())) or pattern', "pattern", "a pattern's groups tell nothing apart",
         "adaptax/_layers.py"),
        ("jnp.where((m > 0) & (m < jnp.inf), m, 1)", "m", "guard of the unit dropped", "::test_zero_infinite_and_nan"),
        ("x.real**2 + x.imag**2 if", "x.real**2 if", "imaginary part lost",
         "::test_norms_are_float32_whatever_the_leaf"),
        ("(layers[name].dtype, part.dtype, key=lambda d: d.itemsize)",
         "(layers[name].dtype, part.dtype, key=lambda d: -d.itemsize)", "mixed layers summed in the narrower dtype",
         "test_layers.py"),
        ("value.reshape((stack,)", "value[::-1].reshape((stack,)", "slices in reverse order",
         "::TestStacked::test_equals_the_layers_one_by_one")),
    *of("_layers.py",
        ("jnp.maximum, jax.lax.pmax,", "jnp.maximum, jax.lax.pmin,", "min for max over devices",
         "::TestMesh::test_equals_it_also_where_squares_do_not_fit"),
        ("jnp.add, jax.lax.psum,", "jnp.add, jax.lax.pmean,", "mean for sum over devices",
         "::TestMesh::test_equals_the_unsharded_norm"),
        ("tuple(axis for axis in named if axis in varying)", "tuple(named)", "replicated leaf counted per device",
         "::TestMesh::test_a_replicated_layer_counts_once"),
        ("sorted(varying - set(named))", "sorted(varying - varying)", "an axis not named is ignored",
         "::TestMesh::test_an_axis_nobody_named_is_an_error")),
    *of("_mesh.py",
        ("bool(axes) and not varying_axes(jax.lax.axis_index(axes[0]))", "False", "blind types taken for telling ones",
         "test_layers.py::TestMesh::test_blind_types_are_an_error")),
    # --- The algebra -------------------------------------------------------------------------------------------------
    *of("_rate.py",
        ("rate.measure(gradients, rate_state,", "rate.measure(updates, rate_state,",
         "rates see the direction's output"),
        ("_multiply(measured, updates)", "_multiply(measured, gradients)", "only the last rate counts"),
        ("measured, rate_state = rate", "measured, _ = rate", "a rate's state is never kept"),
        ("direction=direction_state", "direction=state.direction", "the direction's state is never kept"),
        ("wide(update) * scalar(rate, update)", "wide(update) * wide(narrow(scalar(rate, update), update))",
         "rates rounded to half precision"),
        ("state.direction, params, **extra_args", "state.direction, None, **extra_args",
         "the direction does not see the params"),
        ('check_floating("rescale", gradients)', "pass", "integer gradients are accepted")),
    # --- Ahead of the parameters -------------------------------------------------------------------------------------
    *of("_lookahead.py",
        ("momentum * velocity - learning_rate", "momentum * velocity + learning_rate", "sign flipped"),
        ("momentum * velocity - learning_rate * gradient", "learning_rate * (momentum * velocity - gradient)",
         "learning rate outside the buffer"),
        ("state.reach[-1]", "value_at(momentum, state.count + 1)", "momentum of the wrong step"),
        ("reach=reach_at(count), velocity=velocity", "reach=reach_at(state.count), velocity=velocity",
         "reach one step stale"),
        ("count = optax.safe_increment(state.count)", "count = state.count", "steps are not counted"),
        ("wide(x) + scalar(reach, v) * v", "wide(x) + 0 * scalar(reach, v) * v", "look-ahead at x"),
        tests="test_nesterov.py::test_follows_the_textbook_with_changing_rate_and_momentum"),
    *of("_lookahead.py",
        ("sum(g[1:], g[0]) / len(points)", "sum(g[1:], g[0])", "sum for mean of the gradients"),
        ("return sum(values) / len(points)", "return sum(values)", "sum for mean of the losses"),
        ("auxes[-1]", "auxes[0]", "the nearest point's aux"),
        ("point = _ahead(point,", "point = _ahead(params,", "only the last group looks ahead",
         "::test_two_groups_each_with_their_own_reach"),
        ("jnp.arange(1, points + 1, dtype", "jnp.arange(0, points, dtype", "points start at k = 0",
         "test_smoothed_nesterov.py::test_points_lie_on_the_way_and_exclude_x"),
        tests="::test_value_gradient_and_aux_at_the_points"),
    *of("methods/nesterov.py",
        ("momentum, points=1", "momentum, points=2", "the smoothed method by another name",
         "::test_follows_the_textbook_with_changing_rate_and_momentum")),
    *of("methods/smoothed_nesterov.py",
        ("momentum, points)", "momentum, 4)", "points not passed on", "::test_follows_the_article"),
        ("points: int = 4", "points: int = 3", "the article has four points",
         "test_lookahead.py::test_states_without_one_method_are_refused")),
    # --- Moving averages ---------------------------------------------------------------------------------------------
    *of("_moments.py",
        ("scalar(decay, average) * average + scalar(1 - decay, average) * sample",
         "scalar(1 - decay, average) * average + scalar(decay, average) * sample", "decay swapped with its complement"),
        ("scalar(1 - decay, average) * sample", "sample", "sum for mean"),
        ("average / scalar(weight, average)", "average", "bias correction dropped"),
        ("state.log_decay_1 + log_decay(b1_t)", "log_decay(b1_t)", "first average corrected for one step only"),
        ("state.log_decay_2 + log_decay(b2_t)", "state.log_decay_2 + log_decay(b1_t)",
         "second average corrected with the first one's decay"),
        ("debias(ahead, weight_ahead)", "debias(ahead, weight_1)", "correction ahead one step stale"),
        ("divide(ahead, size + scalar(eps, size))", "divide(ahead, jnp.sqrt(size**2 + scalar(eps, size)))",
         "eps moved inside the root"),
        ("return magnitude ** scalar(power, x)", "return magnitude", "general power dropped",
         "::test_follows_the_formula[3.5-False-False]"),
        tests="::test_follows_the_formula"),
    *of("_moments.py",
        ("value_at(b1, state.count + 1)", "value_at(b1, state.count)", "momentum ahead of the wrong step"),
        ("jnp.log1p(-jnp.asarray(1 - decay, jnp.result_type(float)))",
         "jnp.log(jnp.asarray(decay, jnp.result_type(float)))", "1 - decay lost to rounding",
         "::test_correction_is_exact_from_the_first_step"),
        ("return jnp.sqrt(x)", "return x", "missing square root",
         "test_adam.py::test_follows_the_paper_with_its_defaults"),
        tests="::test_scheduled_decays_are_corrected_exactly"),
    *of("_moments.py",
        ("jnp.maximum(scalar(b2_t, s) * s,", "jnp.minimum(scalar(b2_t, s) * s,", "min for max"),
        ("jnp.maximum(scalar(b2_t, s) * s,", "jnp.maximum(s,", "the maximum never decays"),
        ("ahead, size = m, s", "ahead, size = m, debias(s, weight_2)", "the maximum is corrected, too"),
        tests="test_adamax.py::test_follows_other_settings"),
    *of("methods/adam.py",
        ("scale_by_moments(b1, b2, eps)", "scale_by_moments(b2, b1, eps)", "b1 and b2 swapped"),
        tests="::test_follows_the_paper_with_its_defaults"),
    *of("methods/adamax.py",
        ("learning_rate: optax.ScalarOrSchedule = 2e-3", "learning_rate: optax.ScalarOrSchedule = 1e-3",
         "not the paper's default"),
        tests="::test_follows_the_paper_with_its_defaults"),
    *of("methods/nadam.py",
        ("(1 - 0.5 * 0.96 **", "(1 - 0.96 **", "momentum starts at 0 instead of one half"),
        ("warm_momentum(count + 1,", "warm_momentum(count,", "count off by one"),
        ("(b1, b2, eps, nesterov=True)", "(b1, b2, eps, nesterov=False)", "no look ahead at constant momentum",
         "::test_follows_constant_momentum_and_other_settings"),
        tests="::test_follows_dozat"),
    # --- Histories ---------------------------------------------------------------------------------------------------
    *of("_history.py",
        ("exponent = 1 / power", "exponent = 1 / 2", "always the square root"),
        ("s = s + sample if decay", "s = jnp.maximum(s, sample) if decay", "max for sum"),
        ("over_history(g, s.astype", "over_history(g, (s - sample).astype", "history one step stale"),
        ("full_like(params, initial, real_dtype)", "full_like(params, 0, real_dtype)", "start ignored"),
        ("jnp.sqrt(history) if", "jnp.sqrt(s) + scalar(eps, s) if", "eps moved outside the root",
         "test_adagrad.py::test_follows_the_article"),
        ("jnp.sqrt(history) if", "history if", "missing square root", "test_adagrad.py::test_follows_the_article"),
        tests="::test_follows_the_formula"),
    *of("methods/adagrad.py",
        ("scale_by_history(eps=eps", "scale_by_history(decay=0.9, eps=eps", "mean for sum"),
        tests="::test_follows_the_article"),
    *of("methods/rmsprop.py",
        ("decay=decay, eps", "decay=1 - decay, eps", "decay swapped with its complement"),
        tests="::test_follows_the_article"),
    *of("methods/adadelta.py",
        ("jnp.sqrt(divide(steps + eps, squares + eps))", "divide(steps + eps, squares + eps)", "missing square root"),
        ("jnp.sqrt(divide(steps + eps, squares + eps))", "divide(jnp.sqrt(steps) + eps, jnp.sqrt(squares) + eps)",
         "eps moved outside the root"),
        ("ema(steps, abs_power(step, 2)", "ema(steps, abs_power(g, 2)", "gradients for steps in the average"),
        ("squares=full_like(params, 0, real_dtype), steps=full_like(params, initial, real_dtype)",
         "squares=full_like(params, initial, real_dtype), steps=full_like(params, 0, real_dtype)",
         "the start given to the wrong average"),
        ('(scale_by_adadelta(rho, eps, initial=initial), scale_by_descent("adadelta", learning_rate))',
         '(scale_by_descent("adadelta", learning_rate), scale_by_adadelta(rho, eps, initial=initial))',
         "learning rate inside the averages"),
        tests="::test_follows_the_article"),
    # --- Numbers and checks ------------------------------------------------------------------------------------------
    *of("_numbers.py",
        ("jnp.where(denominator == 0, 0,", "jnp.where(denominator == 0, 1,", "wrong branch at zero",
         "test_adamax.py::test_follows_the_paper_with_its_defaults"),
        ("jnp.where(denominator == 0, 0, numerator / jnp.where(denominator == 0, 1, denominator))",
         "numerator / denominator", "zero guard dropped", "test_adamax.py::test_follows_the_paper_with_its_defaults"),
        ("dtype.itemsize < 4", "dtype.itemsize < 2", "half precision is not widened",
         "test_moments.py::test_second_moment_of_half_precision_params_does_not_stall"),
        ("return leaf.astype(jnp.result_type(like))", "return leaf", "updates leave in the wide dtype",
         "test_lookahead.py::test_points_keep_the_dtype_of_params"),
        ("isinstance(number, numbers.Real) and number == value", "bool(number == value)", "a branch on traced values",
         "test_conformance.py::test_survives_inject_hyperparams[lsalr]")),
    *of("_checks.py",
        ("return optax.scale_by_learning_rate(learning_rate)",
         "return optax.scale_by_learning_rate(learning_rate, flip_sign=False)", "ascent for descent",
         "test_rmsprop.py::test_follows_the_article"),
        ("check_learning_rate(method, learning_rate)", "pass", "a negative rate is accepted",
         "test_conformance.py::test_a_negative_rate_is_named[adam]"),
        ("if learning_rate is None:", "if False:", "a missing rate is accepted", "test_adam.py"),
        ("lambda v: 0 <= v < 1", "lambda v: 0 <= v <= 1", "a decay of 1 is accepted",
         "test_nesterov.py::test_bad_momentum_is_named"),
        ("lambda v: v >= 0", "lambda v: not v < 0", "NaN is accepted",
         "test_local_gains.py::test_bad_settings_are_named"),
        ('(jnp.floating, "real floating")', '(jnp.inexact, "real floating")', "complex leaves are accepted",
         "test_velocity_gains.py::test_complex_is_refused"),
        ("for path in (*got, *seen)", "for path in got", "a missing gradient goes unseen",
         "test_conformance.py::test_mismatched_trees_are_named[adam]")),
]
# fmt: on


class Outcome(NamedTuple):
    """How a run of pytest ended: its exit code, the first test that failed, and all it printed."""

    code: int
    failed: str
    output: str


def mutated(mutant: Mutant) -> str:
    """Return the file's text with the edit in it, or raise where the edit no longer fits."""
    path = ROOT / "adaptax" / mutant.file
    text = path.read_text()
    if (found := text.count(mutant.old)) != 1:
        raise SystemExit(f"{mutant.file}: {mutant.old!r} occurs {found} times, not once. Rewrite this mutant.")
    text = text.replace(mutant.old, mutant.new)
    compile(text, str(path), "exec")
    return text


def run(arguments: list[str], folder: Path) -> Outcome:
    """Run pytest in a copy of the library."""
    command = [sys.executable, "-m", "pytest", "-xq", "--tb=no", "-pno:cacheprovider", "-pno:nbmake", *arguments]
    search = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": search, "COLUMNS": "300"}  # columns, lest the summary is cut short
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    failed = re.search(r"^FAILED (.+?)(?: - |$)", done.stdout, re.MULTILINE)
    return Outcome(done.returncode, failed[1] if failed else "", done.stdout + done.stderr)


def in_a_copy(arguments: list[str], mutant: Mutant | None = None) -> Outcome:
    """Run tests on a copy of the library that holds the mutant's error, or none."""
    with tempfile.TemporaryDirectory(prefix="mutant_") as name:
        folder = Path(name).resolve()
        for part in ("adaptax", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        if mutant:
            (folder / "adaptax" / mutant.file).write_text(mutated(mutant))
        else:  # an installed adaptax must not stand in for the copy
            claim = f"import adaptax\n\n\ndef test_place():\n    assert adaptax.__file__.startswith({str(folder)!r})\n"
            (folder / "tests" / "test_place.py").write_text(claim)
        return run(arguments, folder)


def check_unmutated(arguments: list[str]) -> None:
    """Raise unless tests pass as things stand, on a copy that is the one imported."""
    outcome = in_a_copy([*arguments, "tests/test_place.py"])
    if outcome.code:
        raise SystemExit(f"The tests must pass before mutants count for anything.\n{outcome.output}")


def killer(mutant: Mutant) -> str:
    """Return the test that fails on a mutant, "" if none does; anything but a failed test is an error."""
    outcome = in_a_copy([mutant.argument], mutant)
    if outcome.code == 0:
        return ""
    # With -x an import error exits with 1, too, but no test has failed then.
    if outcome.code != 1 or not outcome.failed or "NameError" in outcome.output:
        raise SystemExit(f"{mutant.file}, {mutant.why}: not a wrong formula but a broken run.\n{outcome.output}")
    return outcome.failed


def in_parallel(function: Callable, items: Sequence, done: Callable[[], None]) -> list:
    """Return the function of each item, as many at a time as there are cores; the first error stops all."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            for future in as_completed(futures):
                future.result()
                done()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [future.result() for future in futures]


def main(words: list[str]) -> int:
    """Run every mutant and print what killed it; return 1 if any survives."""
    from rich.console import Console  # here, since pytest looks for doctests in this file also where rich is missing
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
    from rich.table import Column, Table

    mutants = [m for m in MUTANTS if not words or any(word in m.file for word in words)]
    for mutant in mutants:
        mutated(mutant)
    tests = sorted({mutant.argument for mutant in mutants})
    shares = [share for n in range(os.cpu_count() or 1) if (share := tests[n :: os.cpu_count() or 1])]
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        for_tests = progress.add_task("the tests as they are", total=len(shares))
        for_mutants = progress.add_task("mutants", total=len(mutants))
        in_parallel(check_unmutated, shares, lambda: progress.advance(for_tests))
        killers = in_parallel(killer, mutants, lambda: progress.advance(for_mutants))

    table = Table("", "file", "error", Column("killed by", overflow="fold"))
    for number, (mutant, test) in enumerate(zip(mutants, killers, strict=True), start=1):
        name = re.sub(r".*::|\[.*", "", test)
        table.add_row(str(number), mutant.file, mutant.why, name or "[bold red]survives")
    survivors = killers.count("")
    console = Console(width=None if sys.stdout.isatty() else 140)  # a log has no width of its own
    console.print(table, f"{len(mutants) - survivors} of {len(mutants)} mutants killed.")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
