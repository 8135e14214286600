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
        name, *node = (f"{own}{self.tests}" if self.tests[:2] in ("", "::") else self.tests).split("::")
        (file,) = ROOT.glob(f"tests/*/{name}")
        return "::".join([str(file.relative_to(ROOT)), *node])


def of(file: str, *edits: tuple[str, ...], tests: str = "") -> list[Mutant]:
    """Return the mutants of one file, from (old, new, why) or (old, new, why, tests)."""
    return [Mutant(file, *edit) if len(edit) == 4 else Mutant(file, *edit, tests) for edit in edits]


# fmt: off
MUTANTS = [
    # --- What is inside ----------------------------------------------------------------------------------------------
    *of("_history.py",
        ("jnp.sqrt(s + scalar(eps, s))", "jnp.sqrt(s) + scalar(eps, s)", "eps of the rate outside the root"),
        ('settings.get("decay") is None', "True", "a mean called a sum"),
        tests="test_rmsprop.py::test_the_rate_inside_makes_the_steps"),
    *of("_moments.py",
        ("leaf / scalar(total_weight(log_decays), leaf)", "leaf", "moments not corrected"),
        ('(jnp.sqrt(v) + scalar(settings["eps"], v))', 'jnp.sqrt(v + scalar(settings["eps"], v))',
         "eps of the rate inside the root"),
        ("jnp.where(v > 0, scalar(s", "jnp.where(v >= 0, scalar(s", "a rate where no gradient was seen"),
        tests="test_adam.py::test_steps_are_made_of_what_is_inside"),
    *of("_lookahead.py",
        ("jax.tree.map(jnp.negative, farthest)", "farthest", "uphill for downhill"),
        ("full_like(gradients, 0), state)[-1]", "full_like(gradients, 0), state)[0]", "the nearest for the farthest"),
        tests="test_nesterov.py::test_inside_is_the_reach_of_the_next_gradient"),
    *of("methods/adamax.py",
        ("divide(scalar(eta, u)", "divide(u * scalar(eta, u)", "the rate not divided by the maximum",
         "::test_steps_are_made_of_what_is_inside")),
    *of("methods/adadelta.py",
        ("divide(D + scalar(eps, D), E + scalar(eps, E))", "divide(D, E + scalar(eps, E))", "eps lost in the rate",
         "::test_the_rate_inside_makes_the_next_step"),
        ("E, D, _ = find", "D, E, _ = find", "both mean squares swapped",
         "::test_the_rate_inside_makes_the_next_step")),
    *of("methods/delta_bar_delta.py",
        ("find(state, DeltaBarDeltaState).average}", "gains(state)}", "the gain for the average",
         "::test_inside_are_gain_and_average")),
    *of("methods/eve.py",
        ("find(state, EveState).d, real_dtype)", "find(state, EveState).previous, real_dtype)", "the loss for d",
         "::test_inside_are_d_and_what_it_divides")),
    *of("methods/learned_lstm.py",
        ("find(state, ScaleByLearnedLstmState).hidden)", "find(state, ScaleByLearnedLstmState).cells)",
         "cells for hidden units", "::test_inside_are_the_lengths_of_hidden_states")),
    *of("methods/lsalr.py",
        ("lsalr_rate(**options).measure", "lsalr_rate().measure", "another layer_of ignored",
         "::test_the_rate_inside_makes_the_steps_of_each_layer")),
    # --- Gains -------------------------------------------------------------------------------------------------------
    *of("_agreement.py",
        ('if zero == "decay" else product', 'if zero == "hold" else product', "conventions at zero swapped"),
        ("& known, -1.0, product)", "& known, 1.0, product)", "wrong branch at zero: it earns the bonus"),
        ("(product == 0) & known", "product == 0", "the first step is judged"),
        ("jnp.sign(current) * jnp.sign(previous)", "jnp.sign(current * previous)", "a product that underflows",
         "test_delta_bar_delta.py::test_gains_ignore_one_positive_scale_and_sign"),
        ("agreed > 0, raised, jnp.where(agreed < 0", "agreed < 0, raised, jnp.where(agreed > 0",
         "penalty on agreement"),
        ("gain + bonus, high", "gain * (1 + bonus), high", "bonus multiplied instead of added"),
        ("gain * penalty, low", "gain - penalty, low", "penalty subtracted instead of multiplied"),
        ("jnp.where(agreed < 0,", "jnp.where(agreed <= 0,", "what is unknown pays the penalty"),
        tests="test_local_gains.py::test_follows_the_lecture"),
    *of("_agreement.py",
        ("jnp.minimum(gain + bonus, high)", "gain + bonus", "upper bound lost"),
        ("jnp.maximum(gain * penalty, low)", "gain * penalty", "lower bound lost"),
        ("jnp.minimum(gain + bonus, high), jnp.maximum(gain * penalty, low)",
         "jnp.maximum(gain + bonus, low), jnp.minimum(gain * penalty, high)", "bounded on the sides not moved to"),
        tests="test_local_gains.py::test_follows_other_settings"),
    *of("_agreement.py",
        ("jnp.where(slope >= 0, magnitude, -magnitude)", "jnp.where(slope >= 0, -magnitude, magnitude)",
         "the stored sign flipped", "adaptax/_agreement.py"),
        ("jnp.where(slope >= 0, magnitude, -magnitude)", "jnp.where(slope < 0, -magnitude, magnitude)",
         "NaN stored as a zero", "test_local_gains.py::test_packing_keeps_gain_and_sign_exactly"),
        ("jnp.abs(slope) > 0", "jnp.abs(slope) >= 0", "a zero slope stored as positive"),
        ("jnp.abs(slope) > 0", "slope > 0", "a negative slope hidden"),
        ("magnitude * scalar(1 / HIDDEN, packed)", "magnitude", "a hidden gain is not restored"),
        ("jnp.where(hidden, 0.0, packed)", "packed", "a hidden gain's sign taken for a slope's"),
        ("~hidden | (packed > 0)", "~hidden", "a zero slope forgotten"),
        ("scalar(1 / PACKED / 2, packed)", "scalar(1, packed)", "small gains taken for hidden ones"),
        ("if len(found) != 1:", "if not found:", "several gain methods, the first one read",
         "test_local_gains.py::test_gains_are_read_from_anywhere_in_a_state"),
        tests="test_local_gains.py::test_follows_the_lecture"),
    *of("_agreement.py",
        ("lambda v: 0 <= v <= 1", "lambda v: 0 <= v", "a lower bound above the start is accepted",
         "test_local_gains.py::test_bad_settings_are_named"),
        ("zero, get_args(Zero))", "zero, (zero,))", "an unknown convention is accepted",
         "test_local_gains.py::test_unknown_convention_is_named")),
    *of("methods/local_gains.py",
        ("high), gradient)", "high), previous)", "the sign of the wrong gradient is stored"),
        ("full_like(params, -HIDDEN,", "full_like(params, HIDDEN,", "the first step pays for a zero"),
        ("return unpack(wide(packed))[0], packed", "return unpack(before)[0], packed", "gains one step stale"),
        ("return unpack(wide(packed))[0], packed", "return wide(packed), packed", "the rate carries the slope's sign"),
        ("lambda packed: unpack(wide(packed))[0]", "lambda packed: wide(packed)", "gains shown with the slope's sign",
         "adaptax/_agreement.py::adaptax._agreement.gains"),
        ("high, zero), seed", "high, zero), None", "gains not rounded",
         "test_rounding.py::TestEveryMethod::test_halves_the_state_and_keeps_its_types[local_gains]"),
        ("low, high, zero, state_dtype)),", "low, high, zero)),", "state_dtype not passed on",
         "test_rounding.py::TestEveryMethod::test_halves_the_state_and_keeps_its_types[local_gains]"),
        ("dither=next_dither(state.dither)", "dither=state.dither", "the same noise in every step",
         "test_rounding.py::TestLocalGains::test_trajectories_stay_with_the_exact_ones"),
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
        ("adapted(delta, gain, average)), after", "adapted(delta, gain, after)), after",
         "on accelerators compared with the average after it",
         "test_platform.py::test_spellings_of_delta_bar_delta_agree_to_the_bit"),
        ("jnp.isnan(after), gain,", "jnp.isfinite(after), gain,", "on accelerators gains stand still",
         "test_platform.py::test_spellings_of_delta_bar_delta_agree_to_the_bit"),
        tests="::test_follows_jacobs"),
    *of("_platform.py",
        ("cpu=cpu, default=accelerator", "cpu=accelerator, default=cpu", "spellings swapped"),
        ("cpu=cpu, default=accelerator", "cpu=cpu, tpu=accelerator, default=cpu", "GPUs get what is meant for CPUs")),
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
        ('trace("lsalr", momentum, nesterov)', 'trace("lsalr", momentum, False)', "Nesterov's form lost"),
        ('(scale_by_rate(rate), scale_by_descent("lsalr", learning_rate), inertia)',
         '(inertia, scale_by_rate(rate), scale_by_descent("lsalr", learning_rate))',
         "rate outside the momentum buffer"),
        ('(scale_by_rate(rate), scale_by_descent("lsalr", learning_rate), inertia)',
         '(scale_by_rate(rate), inertia, scale_by_descent("lsalr", learning_rate))',
         "learning rate outside the momentum buffer", "::test_learning_rate_stands_inside_the_buffer"),
        ("(norm > 0) & (norm < jnp.inf)", "norm > 0", "guard at an infinite norm dropped",
         "::test_rate_is_finite_whatever_the_norm"),
        ("jnp.log(safe)), 1)", "jnp.log(safe)), 0)", "wrong branch at a zero norm",
         "::test_rate_is_finite_whatever_the_norm"),
        tests="::test_follows_the_paper"),
    *of("methods/lsalr.py",
        ("of_norms(log_norm_rate, gradients, layer_of,", "of_norms(log_norm_rate, gradients, by_parent,",
         "layer_of not passed on", "::test_kernel_and_bias_share_a_rate_unless_by_leaf"),
        ("gradients, layer_of, stacked=stacked,", "gradients, layer_of, stacked=None,", "stacked not passed on",
         "test_layers.py::TestStacked::test_rate_scales_slices_apart"),
        ("axis_name=axis_name), state", "axis_name=None), state", "axis_name not passed on",
         "test_layers.py::TestMesh::test_lsalr_steps_as_on_one_device"),
        ("momentum is None or is_exactly(momentum, 0)", "momentum is None", "a dead buffer is kept",
         "::test_no_momentum_keeps_no_buffer"),
        ("by_parent if layer_of is None else layer_of", "by_parent", "the method's layer_of not passed on",
         "::test_layer_of_stacked_and_axis_name_are_those_of_the_rate"),
        ("else layer_of, stacked=stacked,", "else layer_of, stacked=None,", "the method's stacked not passed on",
         "::test_layer_of_stacked_and_axis_name_are_those_of_the_rate"),
        ("axis_name=axis_name)\n    # A buffer", "axis_name=None)\n    # A buffer",
         "the method's axis_name not passed on",
         "::test_axis_name_reaches_the_norms"),
        ("layer_of: LayerOf | None = None", "layer_of: LayerOf | None = by_parent",
         "Optax takes the default for a schedule",
         "::test_needs_no_static_arguments_under_inject_hyperparams")),
    *of("_trace.py",
        ("full_like(params, 0)", "optax.tree.zeros_like(params)", "a buffer in the dtype of the params",
         "test_lsalr.py::test_a_buffer_of_half_precision_does_not_stall"),
        ("full_like(params, 0)", "optax.tree.zeros_like(params, jnp.float32)", "one dtype for all buffers",
         "test_lsalr.py::test_each_leaf_has_a_buffer_of_its_own_dtype"),
        ("jnp.asarray(wide(incoming), v.dtype)", "wide(incoming)", "the gradient's dtype moves the buffer's",
         "test_lsalr.py::test_each_leaf_has_a_buffer_of_its_own_dtype"),
        ("scalar(momentum, v)", "momentum", "a momentum of another dtype promotes",
         "test_lsalr.py::test_needs_no_static_arguments_under_inject_hyperparams"),
        ("return update + momentum * velocity", "return (1 - momentum) * update + momentum * velocity",
         "an average for a sum", "test_lsalr.py::test_follows_the_paper"),
        ("narrow(accumulate(u, v, mu) if nesterov else v, incoming), v",
         "narrow(accumulate(u, v, mu) if nesterov else v, incoming), accumulate(u, v, mu) if nesterov else v",
         "Nesterov's look-ahead kept as the buffer", "test_lsalr.py::test_follows_the_paper"),
        ("check_fraction(method, momentum=momentum)", "pass", "a momentum of 1 is accepted",
         "test_lsalr.py::test_bad_momentum_is_named")),
    *of("_layers.py",
        ('[path.rpartition("/")[0] for', '[path.partition("/")[0] for', "a layer is the outermost module",
         "::test_a_layer_is_the_innermost_parent"),
        ('"/".join(filter(None, match.groups())) or pattern', "pattern", "a pattern's groups tell nothing apart",
         "adaptax/_layers.py"),
        ("if pattern not in used:", "if not used:", "a pattern that matches nothing is accepted",
         "::test_patterns_and_paths_must_meet"),
        ("if known != node:", "if False:", "keys that read alike make one layer",
         "::test_keys_that_read_alike_are_named"),
        ('(("paths", path, keys), ("parents"', '(("parents"', "leaves that read alike make one layer",
         "::test_an_integer_key_is_not_its_string"),
        ('("paths", path, keys), ("parents", path.rpartition("/")[0], keys[:-1])', '("paths", path, keys),',
         "parents that read alike make one layer", "::test_keys_that_read_alike_are_named"),
        ('"/")[0], keys[:-1])', '"/")[0], keys)', "a layer of two leaves is refused",
         "::test_a_layer_is_kernel_and_bias"),
        ("if len(names) != len(paths):", "if len(names) > len(paths):", "too few names are accepted",
         "::test_a_layer_of_that_returns_too_few_or_too_many_names_is_named")),
    *of("_norms.py",
        ("unit * safe_sqrt(by_platform", "unit * (by_platform", "norm squared"),
        ("sums.append(jnp.sum(squares,", "sums.append(jnp.mean(squares,", "mean for sum within a leaf"),
        ("jnp.sum(jnp.pad(values, (0, 1))", "jnp.max(jnp.pad(values, (0, 1))",
         "max for sum over the leaves of a layer"),
        tests="test_layers.py::test_a_layer_is_kernel_and_bias"),
    *of("_norms.py",
        ("unit * safe_sqrt(by_platform", "safe_sqrt(by_platform", "unit not multiplied back"),
        ("jnp.where(sums < tiny, tiny, 1)", "1", "underflow goes unseen"),
        ("jnp.where(sums == jnp.inf, huge, jnp.where(sums < tiny, tiny, 1))", "jnp.where(sums < tiny, tiny, 1)",
         "overflow goes unseen"),
        ("huge, jnp.where(sums < tiny, tiny, 1)", "tiny, jnp.where(sums < tiny, huge, 1)",
         "units of the two ends swapped"),
        ("maxexp * 5 // 16", "maxexp * 1 // 16", "a unit too near to 1"),
        ("jnp.any(unit != 1)", "jnp.all(unit != 1)", "all for any"),
        ("unit[jnp.array(rows_of(group), jnp.int32)]", "unit[jnp.array(rows_of(group)[:1], jnp.int32)]",
         "the first layer's unit for a group", "test_layers.py::test_numbers_far_apart"),
        ("zero = len(rows)", "zero = 0", "a sum for the zero that pads short layers"),
        tests="test_layers.py::test_squares_out_of_range_do_not_spoil_the_norm"),
    *of("_norms.py",
        ("jnp.where(unit == tiny, of_small, sums)", "sums", "small numbers not rescaled on accelerators"),
        ("jnp.where(unit == huge, of_large, jnp.where(unit == tiny, of_small, sums))",
         "jnp.where(unit == tiny, of_small, sums)", "large numbers not rescaled on accelerators"),
        ("jnp.abs(x) > 1, x / huge, 0)", "jnp.abs(x) > 1, x, 0)", "large numbers left as they are"),
        ("jnp.abs(x) < small, x / tiny, 0)", "jnp.abs(x) < tiny, x / tiny, 0)", "small numbers left out"),
        tests="test_layers.py::test_numbers_far_apart"),
    *of("_norms.py",
        ("jnp.where(jnp.abs(x) < small, x / tiny, 0)", "x / tiny", "numbers that overflow in the small unit",
         "test_layers.py::test_the_derivative_of_a_norm_is_the_unit_vector"),
        ("unit * safe_sqrt(by_platform", "unit * jnp.sqrt(by_platform",
         "a norm of 0 without a derivative", "test_layers.py::test_the_derivative_of_a_norm_is_the_unit_vector"),
        ("unit * safe_sqrt(by_platform", "unit * jnp.sqrt(by_platform",
         "a rate at a norm of 0 without a derivative", "test_lsalr.py::test_derivatives_through_updates_are_finite"),
        ("by_platform(second_pass, same_pass,", "by_platform(same_pass, second_pass,", "spellings swapped",
         "test_costs.py::test_costs_do_not_grow[lsalr]"),
        ("part * part", "part**2", "a square whose derivative overflows before it is multiplied by 0",
         "test_layers.py::test_the_derivative_at_the_largest_number")),
    *of("_members.py",
        ("return max((jnp.finfo", "return min((jnp.finfo", "mixed layers summed in the narrower dtype"),
        (".astype(member.dtype)", ".astype(jnp.finfo(member.leaf.dtype).dtype)",
         "a layer's norm in each leaf's own dtype"),
        ("kind = (jax.typeof(member.leaf), member.is_stacked)", "kind = (member.leaf.shape, member.is_stacked)",
         "dtypes mixed in one group"),
        tests="test_layers.py::test_a_layer_of_two_precisions_is_summed_in_the_wider"),
    *of("_norms.py",
        ("4.0**-exponent, 4.0**exponent", "4.0**-40, 4.0**40", "float32's unit for float64",
         "test_layers.py::test_the_smallest_layers_of_two_precisions_keep_their_norm"),
        ("(x.real, x.imag) if", "(x.real,) if", "imaginary part lost",
         "test_layers.py::test_norms_are_float32_whatever_the_leaf[1.0-complex64]"),
        ("[row for group in groups for row in rows_of(group)]",
         "sorted(row for group in groups for row in rows_of(group))",
         "sums of groups taken in the order of leaves",
         "test_layers.py::test_many_small_leaves_are_each_in_their_own_layer"),
        ("jax.lax.psum(", "jax.lax.pmean(", "mean for sum over devices",
         "test_layers.py::TestMesh::test_equals_the_unsharded_norm"),
        ("if group[0].axes == axes]", "if group[0].axes]", "every leaf summed over all leaves' axes",
         "test_layers.py::TestMesh::test_equals_the_unsharded_norm"),
        ("jax.lax.optimization_barrier(x / units)", "x / units",
         "the squares of constants divided by the square of the unit",
         "test_layers.py::test_the_norm_of_a_constant_survives_the_compiler")),
    *of("_members.py",
        ("for member in members for row in member.rows", "for member in members[::-1] for row in member.rows",
         "a group's sums in reverse order"),
        ("members[start : start + GROUP]", "members[start : start + GROUP - 1]", "every sixteenth leaf left out"),
        ("names = layer_names(layer_of, paths)", "names = list(paths)", "every leaf a layer of its own"),
        tests="test_layers.py::test_many_small_leaves_are_each_in_their_own_layer"),
    *of("_members.py",
        ("piece.reshape(shape)", "piece[::-1].reshape(shape)", "slices in reverse order"),
        ("(1 if length is None else length)", "1", "a stack's layers counted as one"),
        ("return 2 if self.is_stacked else 1", "return 1", "one sum for a whole stack"),
        tests="test_layers.py::TestStacked::test_equals_the_layers_one_by_one"),
    *of("_members.py",
        ("if found and leaf.ndim == 0:", "if False:", "a scalar is accepted as a stack"),
        ("if all(length is None for length in lengths):", "if False:", "a pattern that matches nothing is accepted"),
        ("if layers.setdefault(name, length) != length:", "if False:", "a layer of unlike stacks is accepted"),
        tests="test_layers.py::TestStacked::test_stacks_that_make_no_sense_are_named"),
    *of("_members.py",
        ("tuple(axis for axis in named if axis in varying)", "tuple(named)", "replicated leaf counted per device",
         "test_layers.py::TestMesh::test_a_replicated_layer_counts_once"),
        ("sorted(varying - set(named))", "sorted(varying - varying)", "an axis not named is ignored",
         "test_layers.py::TestMesh::test_an_axis_nobody_named_is_an_error"),
        ("if types_are_blind() and axis_name != ():", "if types_are_blind():", "nobody may vouch for blind types",
         "test_layers.py::TestMesh::test_blind_types_can_be_vouched_for"),
        ("all(isinstance(size, int) for size in leaf.shape) and ", "", "the size of a symbol is asked",
         "test_layers.py::TestExport::test_symbolic_sizes"),
        ("if found and not isinstance(leaf.shape[0], int):", "if False:", "a stack of unknown length is not named",
         "test_layers.py::TestExport::test_a_stack_of_symbolic_length_is_named"),
        ("kind = (jax.typeof(member.leaf), member.is_stacked)",
         "kind = (member.leaf.shape, member.leaf.dtype, member.is_stacked)", "sharded and whole leaves in one group",
         "test_layers.py::test_leaves_of_one_local_shape_but_sharded_otherwise"),
        ("kind = (jax.typeof(member.leaf), member.is_stacked)", "kind = jax.typeof(member.leaf)",
         "stacked and plain leaves in one group",
         "test_layers.py::test_a_stack_is_not_summed_with_a_plain_leaf_of_its_shape"),
        ("if _is_small(member.leaf) else index", "if _is_small(member.leaf) else 0",
         "large leaves of any shape in one group", "test_layers.py::test_two_large_leaves_of_different_shapes")),
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
         "test_lookahead.py::test_methods_of_different_reach_are_refused")),
    # --- Moving averages ---------------------------------------------------------------------------------------------
    *of("_moments.py",
        ("scalar(decay, average) * average + scalar(1 - decay, average) * sample",
         "scalar(1 - decay, average) * average + scalar(decay, average) * sample", "decay swapped with its complement"),
        ("scalar(1 - decay, average) * sample", "sample", "sum for mean"),
        ("if bias_correction:", "if False:", "bias correction dropped"),
        ("Corrections(m=unit / weight,", "Corrections(m=unit,", "first average not corrected"),
        ("unit = 1.0 if math.isinf(power) else root(total_weight(logs_2), power)", "unit = 1.0",
         "second average not corrected"),
        ("state.log_decay_1 + log_decay(b1_t)", "log_decay(b1_t)", "first average corrected for one step only"),
        ("state.log_decay_2 + log_decay(b2_t)", "log_decay(b2_t)", "second average corrected for one step only"),
        ("state.log_decay_2 + log_decay(b2_t)", "state.log_decay_2 + log_decay(b1_t)",
         "second average corrected with the first one's decay"),
        ("root(total_weight(logs_2), power)", "root(total_weight(logs_1), power)",
         "second average corrected with the first one's weight"),
        ("root(total_weight(logs_2), power)", "abs_power(total_weight(logs_2), power)", "power for root of the weight"),
        ("Corrections(m=unit / weight,", "Corrections(m=1 / weight,", "the unit not in the mean"),
        ("scalar(scalar(eps, unit) * unit, s)", "scalar(eps, s)", "the unit not in eps"),
        ("(s if math.isinf(power) else root(s, power)) + scalar(scalar(eps, unit) * unit, s)",
         "(s if math.isinf(power) else root(s + scalar(scalar(eps, unit) * unit, s), power))",
         "eps moved inside the root"),
        ("root(s, power)) +", "s) +", "missing root"),
        tests="::test_follows_the_formula[2.0-False-True]"),
    *of("_moments.py",
        ("g=(1 - b1) * unit / weight", "g=(1 - b1) / weight", "the unit not in the gradient ahead"),
        ("g=(1 - b1) * unit / weight", "g=(1 - b1) * unit", "the gradient ahead not corrected"),
        ("weight_next = total_weight(logs_1 + log_decay(b1_next))", "weight_next = weight",
         "correction ahead one step stale"),
        ("g=(1 - b1) * unit", "g=(1 - b1_next) * unit", "the gradient ahead with the next momentum",
         "::test_scheduled_decays_are_corrected_exactly[True]"),
        ("m=b1_next * unit", "m=b1 * unit", "the average ahead with this step's momentum",
         "::test_scheduled_decays_are_corrected_exactly[True]"),
        ("Corrections(b1_next, 1 - b1_t, 1.0) if", "Corrections(b1_t, 1 - b1_next, 1.0) if",
         "without correction: this step's and the next one's momentum swapped",
         "::test_scheduled_decays_look_ahead_without_correction"),
        ("value_at(b1, state.count + 1)", "value_at(b1, state.count)", "momentum ahead of the wrong step",
         "::test_scheduled_decays_are_corrected_exactly[True]"),
        tests="::test_follows_the_formula[2.0-True-True]"),
    *of("_moments.py",
        ("finite = jnp.log1p(-jnp.where(everything, 0.5, forgotten))",
         "finite = jnp.log(jnp.asarray(decay, forgotten.dtype))", "1 - decay lost to rounding",
         "::test_correction_is_exact_from_the_first_step"),
        ("1e30 * (1 - forgotten)", "0 * forgotten", "the correction of a decay of 0 has no derivative",
         "test_derivatives.py::test_a_decay_of_zero_has_the_derivative_of_a_small_one"),
        ("-jnp.exp(logs) * d_logs", "-(jnp.expm1(logs) + 1) * d_logs", "JAX's derivative of expm1",
         "test_derivatives.py::test_a_decay_of_zero_has_the_derivative_of_a_small_one"),
        ("is_positive(eps) and float(power) >= 1", "True", "no guard at a zero history without eps",
         "test_adamax.py::test_follows_the_paper_with_its_defaults")),
    *of("_moments.py",
        ("jnp.maximum(scalar(decay, s) * s,", "jnp.minimum(scalar(decay, s) * s,", "min for max"),
        ("jnp.maximum(scalar(decay, s) * s,", "jnp.maximum(s,", "the maximum never decays"),
        ("* s, jnp.abs(g))", "* s, g)", "maximum of the signed gradient"),
        ("unit = 1.0 if math.isinf(power) else", "unit = total_weight(logs_2) if math.isinf(power) else",
         "the maximum is corrected, too"),
        tests="test_adamax.py::test_follows_other_settings"),
    *of("_moments.py",
        ("keep(ema(m, g, b1_t), seed, 0)", "ema(m, g, b1_t)", "first average not rounded"),
        ("keep(absolute_moment(s, g, b2_t, power), seed, 1)", "absolute_moment(s, g, b2_t, power)",
         "second average not rounded"),
        ("next_dither(state.dither)", "state.dither", "the same noise in every step",
         "test_rounding.py::test_a_second_moment_of_unit_gradients_arrives"),
        ("real=state_dtype is not None", "real=False", "complex averages are rounded",
         "test_rounding.py::TestEveryMethod::test_complex_leaves_are_refused[adam]"),
        tests="test_rounding.py::TestEveryMethod::test_halves_the_state_and_keeps_its_types[adam]"),
    *of("methods/adam.py",
        ("scale_by_moments(b1, b2, eps,", "scale_by_moments(b2, b1, eps,", "b1 and b2 swapped",
         "::test_follows_the_paper_with_its_defaults"),
        ("eps, state_dtype=state_dtype)", "eps)", "state_dtype not passed on",
         "test_rounding.py::TestEveryMethod::test_halves_the_state_and_keeps_its_types[adam]")),
    *of("methods/adamax.py",
        ("learning_rate: optax.ScalarOrSchedule = 2e-3", "learning_rate: optax.ScalarOrSchedule = 1e-3",
         "not the paper's default", "::test_follows_the_paper_with_its_defaults"),
        ("math.inf, state_dtype=state_dtype)", "math.inf)", "state_dtype not passed on",
         "test_rounding.py::TestEveryMethod::test_halves_the_state_and_keeps_its_types[adamax]")),
    *of("methods/nadam.py",
        ("(1 - 0.5 * 0.96 **", "(1 - 0.96 **", "momentum starts at 0 instead of one half"),
        ("warm_momentum(count + 1,", "warm_momentum(count,", "count off by one"),
        ("eps, nesterov=True,", "eps, nesterov=False,", "no look ahead at constant momentum",
         "::test_follows_constant_momentum_and_other_settings"),
        ("nesterov=True, state_dtype=state_dtype)", "nesterov=True)", "state_dtype not passed on",
         "test_rounding.py::TestEveryMethod::test_halves_the_state_and_keeps_its_types[nadam]"),
        tests="::test_follows_dozat"),
    *of("methods/learned_lstm.py",
        ("sigmoid(z_f + 1)", "sigmoid(z_f)", "nothing added to the forget gate"),
        ("z_i, z_f, z_g, z_o = jnp.split", "z_i, z_g, z_f, z_o = jnp.split", "gates in Sonnet's order"),
        ("sigmoid(z_i) * jnp.tanh(z_g)", "sigmoid(z_g) * jnp.tanh(z_i)", "input gate and new input swapped"),
        ("jax.nn.sigmoid(z_o) * jnp.tanh(c), c", "jax.nn.sigmoid(z_o) * c, c", "no tanh of the cell"),
        ("jnp.concatenate([x, h], axis=-1)", "jnp.concatenate([h, x], axis=-1)", "hidden units read as input"),
        ("lstm(h_1, h_2, c_2,", "lstm(c_1, h_2, c_2,", "the second layer reads cells"),
        ("hidden=(h_1, h_2)", "hidden=(h_2, h_1)", "the layers' hidden units swapped"),
        ("cells=(c_1, c_2)", "cells=(c_2, c_1)", "the layers' cells swapped"),
        ("narrow(-linear(", "narrow(linear(", "uphill for downhill"),
        ("jnp.where(large, jnp.abs(g), 1)) / p", "jnp.where(large, jnp.abs(g), 1))", "the logarithm not divided by p"),
        ("jnp.exp(p) * g", "jnp.exp(-p) * g", "small gradients made smaller"),
        ("jnp.abs(g) >= jnp.exp(-p)", "jnp.abs(g) >= 1", "the branch changes at 1"),
        ("jnp.sign(g), jnp.exp(p)", "g, jnp.exp(p)", "gradient for its sign"),
        ("preprocess(g, p) if inputs == 2", "preprocess(g, 10.0) if inputs == 2", "p ignored",
         "::test_follows_the_paper_with_20_units_and_another_p"),
        tests="::test_follows_the_paper"),
    *of("methods/eve.py",
        ("return 1 / d, EveState", "return d, EveState", "ratio inverted: faster where the loss jumps"),
        ("jnp.abs(jnp.minimum(f, previous))", "jnp.abs(jnp.maximum(f, previous))", "max for min in the denominator"),
        ("jnp.abs(f - previous) + tiny", "jnp.abs(f) - jnp.abs(previous) + tiny", "falling losses change by nothing"),
        ("ema(state.d, jnp.clip(relative_change(now, before), k, K), b3)",
         "jnp.clip(relative_change(now, before), k, K)", "b3's average missing"),
        ("jnp.clip(relative_change(now, before), k, K), b3", "relative_change(now, before), b3", "clip missing"),
        ("else (1 / clip, clip)", "else (1e-30, clip)", "no lower bound"),
        ("d=jnp.ones([], float)", "d=jnp.zeros([], float)", "d_1 is 0"),
        ("jnp.where(good & known, d, state.d)", "jnp.where(good, d, state.d)", "the first loss is judged"),
        tests="::test_follows_the_final_version[every kind]"),
    *of("methods/eve.py",
        ("f = f - scalar(target, f)", "f = jnp.abs(f) - scalar(target, f)", "losses taken for positive"),
        ("f = f - scalar(target, f)", "f = f + 0 * scalar(target, f)", "f* ignored"),
        tests="::test_negative_losses_and_a_target_above_them"),
    *of("methods/eve.py",
        ("jnp.where(known, now, f)", "f", "the previous loss for the proxy of it"),
        ("rises = f > proxy", "rises = f < proxy", "thresholds of rise and fall swapped"),
        ("jnp.where(rises, 1 + k, 1 / (1 + K))", "jnp.where(rises, 1 + k, 1 / (1 + k))", "a fall is never more than k"),
        ("jnp.where(rises, 1 + K, 1 / (1 + k))", "jnp.where(rises, 1 + K, 1 + K)", "a fall may be less than k"),
        ('follow(f, before, k, K) if version == "first" else f', "f", "the final version by the first one's name"),
        tests="::test_follows_the_first_version[every kind]"),
    *of("methods/eve.py",
        ("jnp.isfinite(x) & ((x > 0)", "((x == x) & (x > 0)", "an infinite loss is judged",
         "::test_a_loss_that_is_no_number_is_passed_over"),
        ("jnp.where(good, jnp.where(known, now, f), state.previous)", "jnp.where(known, now, f)",
         "a NaN is remembered", "::test_a_loss_that_is_no_number_is_passed_over"),
        ('(x > 0) | (version == "final")', "x == x", "a loss of 0 divides the first version's proxy",
         "::test_first_version_passes_over_losses_that_are_not_positive"),
        ("scale_by_moments(b1, b2, eps)", "scale_by_moments(b2, b1, eps)", "b1 and b2 swapped",
         "::test_follows_the_final_version[falling]")),
    *of("_checks.py",
        ("if value is None:", "if False:", "a missing loss is not named", "test_eve.py::test_a_missing_loss_is_named"),
        ("None if is_one else", "None if True else", "any array is taken for a loss",
         "test_eve.py::test_a_loss_that_is_no_real_scalar_is_named")),
    # --- Histories ---------------------------------------------------------------------------------------------------
    *of("_history.py",
        ("exponent = 1 / power", "exponent = 1 / 2", "always the square root"),
        ("keep(s + sample if decay", "keep(s.clip(sample) if decay", "max for sum"),
        ("over_history(g, s.astype", "over_history(g, (s - sample).astype", "history one step stale"),
        ("full_like(params, initial,", "full_like(params, 0,", "start ignored"),
        ("history = s + scalar(eps, s)", "history = s", "eps dropped"),
        ("safe_power(history, scalar(exponent, s))", "history", "general exponent dropped"),
        tests="::test_follows_the_formula"),
    *of("_history.py",
        ("safe_sqrt(history),", "safe_sqrt(s) + scalar(eps, s),", "eps moved outside the root"),
        ("safe_sqrt(history),", "history,", "missing square root"),
        tests="test_adagrad.py::test_follows_the_article"),
    *of("_history.py",
        ("keep(s + sample if decay is None else ema(s, sample, decay), seed)",
         "s + sample if decay is None else ema(s, sample, decay)", "history not rounded"),
        ("real=state_dtype is not None", "real=False", "a complex leaf's history is rounded",
         "test_rounding.py::TestEveryMethod::test_complex_leaves_are_refused[adagrad]"),
        tests="test_rounding.py::TestEveryMethod::test_halves_the_state_and_keeps_its_types[adagrad]"),
    *of("methods/adagrad.py",
        ("scale_by_history(eps=eps", "scale_by_history(decay=0.9, eps=eps", "mean for sum",
         "::test_follows_the_article"),
        ("initial=initial, state_dtype=state_dtype)", "initial=initial)", "state_dtype not passed on",
         "test_rounding.py::TestEveryMethod::test_halves_the_state_and_keeps_its_types[adagrad]")),
    *of("methods/rmsprop.py",
        ("decay=decay, eps", "decay=1 - decay, eps", "decay swapped with its complement",
         "::test_follows_the_article"),
        ("initial=initial, state_dtype=state_dtype)", "initial=initial)", "state_dtype not passed on",
         "test_rounding.py::TestEveryMethod::test_halves_the_state_and_keeps_its_types[rmsprop]")),
    *of("methods/adadelta.py",
        ("scalar(rho, squares) * (squares + scalar(eps, squares)) +", "squares + scalar(eps, squares) +",
         "line 6 not undone: E_t without rho"),
        ("(squares + scalar(eps, squares))", "squares", "line 6 not undone: E_t without eps"),
        (" + scalar(1 - rho, squares) * abs_power(g, 2)", "", "line 6 not undone: without (1 - rho) g²"),
        ("scalar(rho * eps, steps)", "scalar(eps, steps)", "line 6 not undone: eps for rho eps"),
        ("safe_sqrt(weight), is_positive(rho * eps))",
         "safe_sqrt(squares + scalar(eps, squares)), is_positive(rho * eps))", "D after the step for D before"),
        ("divide(g, safe_sqrt(weight),", "divide(g, weight,", "missing square root"),
        ("(steps + eps_t) * share", "square", "gradients for steps in the average"),
        ("(steps + eps_t) * share", "steps * share", "eps lost in the step that D takes in"),
        ("wide(squares) + eps_t, is_positive(eps))", "wide(squares))", "eps lost in the gradient's part of the step"),
        ("ema(steps, (steps + eps_t) * share, rho)", "steps", "D never takes in a step"),
        ("for start in (0, initial)", "for start in (initial, initial)", "the start given to both averages"),
        ("for start in (0, initial)", "for start in (0, 0)", "start ignored"),
        ("""scale_by_adadelta(rho, eps, initial=initial, state_dtype=state_dtype),
        scale_by_descent("adadelta", learning_rate),""", """scale_by_descent("adadelta", learning_rate),
        scale_by_adadelta(rho, eps, initial=initial, state_dtype=state_dtype),""", "learning rate inside the averages"),
        tests="::test_follows_the_article"),
    *of("methods/adadelta.py",
        ("keep(ema(squares, square, rho), seed, 0)", "ema(squares, square, rho)", "E not rounded"),
        ("keep(ema(steps, (steps + eps_t) * share, rho), seed, 1)", "ema(steps, (steps + eps_t) * share, rho)",
         "D not rounded"),
        ("real=state_dtype is not None", "real=False", "complex leaves' averages are rounded",
         "test_rounding.py::TestEveryMethod::test_complex_leaves_are_refused[adadelta]"),
        ("initial=initial, state_dtype=state_dtype)", "initial=initial)", "state_dtype not passed on"),
        tests="test_rounding.py::TestEveryMethod::test_halves_the_state_and_keeps_its_types[adadelta]"),
    *of("methods/adadelta.py",
        ("normalized = divide(g, safe_sqrt(weight), is_positive(rho * eps))\n"
         "    return normalized * safe_sqrt(steps + scalar(rho * eps, steps))",
         "return g * safe_sqrt(divide(steps + scalar(rho * eps, steps), weight, is_positive(rho * eps)))",
         "the quotient of both averages, which underflows", "::test_large_gradients_keep_their_step"),
        ("bounded(wide(gradient))", "wide(gradient)", "squares that overflow"),
        ("maxexp // 2", "maxexp // 3", "gradients shortened too early", "::test_large_gradients_keep_their_step"),
        ("0.98 * 2.0", "1.5 * 2.0", "gradients shortened too late"),
        tests="::test_a_gradient_whose_square_overflows_counts_as_the_largest_whose_square_does_not"),
    # --- Powers and roots --------------------------------------------------------------------------------------------
    *of("_powers.py",
        ("return jnp.sqrt(x)", "return x", "missing square root",
         "test_adam.py::test_follows_the_paper_with_its_defaults"),
        ("return safe_power(magnitude, scalar(power, x))", "return magnitude", "general power dropped",
         "test_moments.py::test_follows_the_formula[3.5-False-False]"),
        ("scalar(1 / power, x)", "scalar(power, x)", "power for root",
         "test_moments.py::test_follows_the_formula[3.5-False-False]"),
        ("return x.real**2 + x.imag**2 if", "return x.real**2 if", "imaginary part lost",
         "test_conformance.py::test_complex_turns_with_its_phase_or_is_refused[adam]")),
    *of("_powers.py",
        ("dx * jnp.where(zero, 0, 0.5 / jnp.where(zero, 1, y))", "dx * 0.5 / y", "an infinite slope at 0"),
        ("dx * jnp.where(zero, 0, 0.5 / jnp.where(zero, 1, y))", "dx * jnp.where(zero, 0, 0.5 / y)",
         "an infinite slope at 0 in the second derivative"),
        ("jnp.where(zero, 0, 0.5 /", "jnp.where(zero, 0, 1 /", "twice the slope of a root"),
        ("steep = (x == 0) & (q < 1)", "steep = x < 0", "an infinite slope of a power at 0"),
        ("steep = (x == 0) & (q < 1)", "steep = x == 0", "no slope of a first power at 0"),
        ("jnp.where(steep, 0, q * safe_power", "jnp.where(steep, 0, safe_power", "slope of a power without its factor"),
        ("y * jnp.log(jnp.where(x == 0, 1, x)) * dq", "y * jnp.log(x) * dq", "NaN by the exponent at 0"),
        ("y * jnp.log(jnp.where(x == 0, 1, x)) * dq", "jnp.log(jnp.where(x == 0, 1, x)) * dq",
         "slope by the exponent without the power"),
        tests="test_powers.py"),
    # --- Two bytes per number ----------------------------------------------------------------------------------------
    *of("_rounding.py",
        (" + ((position * jnp.uint32(GOLDEN) + hashed(seed)) >> 16)", "", "plain truncation"),
        ("hashed(seed)) >> 16)", "hashed(seed)) >> 15)", "a bit too many added"),
        ("hashed(seed)) >> 16)", "hashed(seed)) >> 17)", "a bit too few added"),
        ("KEPT = 0xFFFF0000", "KEPT = 0xFFFE0000", "a bit too many cut"),
        ("KEPT = 0xFFFF0000", "KEPT = 0xFFFF8000", "a bit too few cut"),
        ("(position * jnp.uint32(GOLDEN) + hashed(seed))", "(position + hashed(seed))", "all weights share their bits"),
        tests="::test_goes_to_a_neighbor_and_is_right_on_average"),
    *of("_rounding.py",
        ("jnp.where(jnp.isnan(x), x, rounded)", "rounded", "NaN guard dropped", "::test_keeps_nan_of_any_payload"),
        ("hashed(dither) + jnp.uint32(index", "jnp.uint32(index", "steps share their bits"),
        ("hashed(dither) + jnp.uint32(index * GOLDEN % 2**32)", "hashed(dither)", "leaves share their bits"),
        ("seed + jnp.uint32(slot)", "seed", "slots share their bits"),
        tests="::test_steps_leaves_and_slots_are_rounded_independently"),
    *of("_rounding.py",
        ("round_stochastically(x, seed + jnp.uint32(slot))", "x.astype(jnp.bfloat16)", "a plain cast",
         "::test_a_second_moment_of_unit_gradients_arrives"),
        ("dither + jnp.uint32(1)", "dither", "the same noise in every step",
         "::test_a_second_moment_of_unit_gradients_arrives"),
        ("lambda leaf: jnp.dtype(jnp.bfloat16)", "lambda leaf: jnp.dtype(jnp.float32)", "four bytes after all",
         "::TestEveryMethod::test_halves_the_state_and_keeps_its_types[adam]"),
        ("jnp.dtype(state_dtype) != jnp.bfloat16", "False", "any dtype is accepted",
         "::TestEveryMethod::test_takes_nothing_but_bfloat16[adam]")),
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
         "test_conformance.py::test_survives_inject_hyperparams[lsalr-momentum=0.8]")),
    *of("_numbers.py",
        ("float(number) >= 1e-30", "float(number) >= 0", "an eps of 0 taken for a guard",
         "test_adamax.py::test_follows_the_paper_with_its_defaults")),
    *of("_learning_rate.py",
        ("return optax.scale_by_learning_rate(learning_rate)",
         "return optax.scale_by_learning_rate(learning_rate, flip_sign=False)", "ascent for descent",
         "test_rmsprop.py::test_follows_the_article"),
        ("check_learning_rate(method, learning_rate)", "pass", "a negative rate is accepted",
         "test_conformance.py::test_a_negative_rate_is_named[adam]"),
        ("if learning_rate is None:", "if False:", "a missing rate is accepted", "test_adam.py")),
    *of("_checks.py",
        ("lambda v: 0 <= v < 1", "lambda v: 0 <= v <= 1", "a decay of 1 is accepted",
         "test_nesterov.py::test_bad_momentum_is_named"),
        ("lambda v: v >= 0", "lambda v: not v < 0", "NaN is accepted",
         "test_local_gains.py::test_bad_settings_are_named"),
        ('(jnp.floating, "real floating")', '(jnp.inexact, "real floating")', "complex leaves are accepted",
         "test_velocity_gains.py::test_complex_is_refused"),
        ("for path in (*got, *seen)", "for path in got", "a missing gradient goes unseen",
         "test_conformance.py::test_mismatched_trees_are_named[adam]")),
    # --- What two-byte state and guards rest on ----------------------------------------------------------------------
    *of("methods/local_gains.py",
        ("lambda packed: unpack(wide(packed))[0]",
         "lambda packed: unpack(packed)[0]",
         "two-byte gains not widened",
         "test_rounding.py::test_gains_are_read_from_two_bytes")),
    *of("_moments.py",
        ("is_positive(eps) and float(power) >= 1",
         "is_positive(eps)",
         "no guard where eps underflows at a small power",
         "test_history.py::test_zero_moves_nothing_at_a_small_power")),
    *of("_history.py",
        ("safe_sqrt(history), is_positive(eps)",
         "safe_sqrt(history), True",
         "no guard at a zero history without eps",
         "test_history.py::test_zero_moves_nothing_whatever_eps")),
    *of("methods/adadelta.py",
        ("safe_sqrt(weight), is_positive(rho * eps)",
         "safe_sqrt(weight), True",
         "no guard without eps",
         "test_history.py::test_zero_moves_nothing_whatever_eps")),
    *of("methods/adadelta.py",
        ("eps_t, is_positive(eps))",
         "eps_t, True)",
         "no guard of the share without eps",
         "test_history.py::test_adadelta_starts_after_zeros_without_eps")),
    *of("_numbers.py",
        ("float(number) >= 1e-30",
         "float(number) > 0",
         "an eps that float32 takes for 0 taken for a guard",
         "test_history.py::test_zero_moves_nothing_whatever_eps")),
    *of("_moments.py",
        ("power), seed, 1)",
         "power), seed, 0)",
         "both averages rounded alike",
         "test_rounding.py::test_both_moments_are_rounded_differently")),
    *of("methods/adadelta.py",
        ("rho), seed, 1)",
         "rho), seed, 0)",
         "E and D rounded alike",
         "test_rounding.py::test_both_averages_of_adadelta_are_rounded_differently")),
    *of("_moments.py",
        ("m, s = map(wide, stored)",
         "m, s = ema(m, g, b1_t), absolute_moment(s, g, b2_t, power)",
         "the update is made of averages not rounded",
         "test_rounding.py::test_the_update_is_made_of_what_was_stored")),
    *of("_history.py",
        ("next_dither(state.dither)",
         "state.dither",
         "the same noise in every step",
         "test_rounding.py::test_noise_moves_on_with_the_steps")),
    *of("methods/adadelta.py",
        ("next_dither(state.dither)",
         "state.dither",
         "the same noise in every step",
         "test_rounding.py::test_noise_moves_on_with_the_steps")),
    *of("_leaves.py",
        ("leaf_seed(dither, index)",
         "leaf_seed(dither, 0)",
         "all leaves share their noise",
         "test_rounding.py::test_equal_leaves_are_rounded_differently")),
    *of("_rounding.py",
        ("jnp.uint32(GOLDEN) + hashed(seed)",
         "jnp.uint32(GOLDEN) + seed",
         "leaves and slots a weight apart",
         "test_rounding.py::test_no_two_leaves_or_slots_share_their_bits")),
    # --- The comparison ----------------------------------------------------------------------------------------------
    *of("comparison/schedules.py",
        ("_share(count + 1, first)", "_share(count, first)", "warmup begins at 0"),
        ("then(count - first)", "then(count)", "the decay does not wait for the warmup",
         "::test_schedule_is_its_formula_at_every_step")),
    *of("comparison/trials.py",
        ("rates * common // count", "rates", "methods with fewer settings tried less often")),
    *of("comparison/protocol.py",
        ("if curve.combination == combination]", "]", "settings extended together", "test_trials.py"),
        ("BEYOND * round((grid.count - 1) / (protocol.rates.count - 1))", "BEYOND", "fine grids hardly extended",
         "test_trials.py")),
    *of("comparison/program.py",
        ("CHANCE), step)", "CHANCE), 0 * step)", "one key for all steps",
         "test_own.py::test_a_loss_with_a_key_sees_another_one_at_every_step_and_seed_and_the_same_ones_again")),
    *of("comparison/module.py",
        ("judged_by(merged(\"eval\"", "judged_by(merged(\"train\"", "scored in training mode"),
        ("return value, nnx.split(module, nnx.Param, ...)[2]", "return value, rest", "statistics not carried on"),
        tests="test_modules.py::test_an_nnx_module_is_what_flax_itself_makes_of_it"),
    *of("comparison/blocks.py",
        ("count = count * 9 // 10", "break", "what was estimated is not measured",
         "test_devices.py::test_as_many_members_as_fit_by_the_compilers_account")),
    *of("comparison/rates.py",
        ("np.any(of > start)", "np.isinf(of).any()", "the edge only where numbers end")),
    *of("comparison/streams.py",
        ('"train"), first, None)', '"train"), 0, None)', "a stream read from its start again",
         "::test_a_stream_is_read_in_pieces")),
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
        (folder / "docs").symlink_to(ROOT / "docs")  # a test runs the forms that a page shows
        if mutant:
            (folder / "adaptax" / mutant.file).write_text(mutated(mutant))
        else:  # an installed adaptax must not stand in for the copy
            claim = f"import adaptax\n\n\ndef test_place():\n    assert adaptax.__file__.startswith({str(folder)!r})\n"
            (folder / "tests" / "house" / "test_place.py").write_text(claim)
        return run(arguments, folder)


def check_unmutated(arguments: list[str]) -> None:
    """Raise unless tests pass as things stand, on a copy that is the one imported."""
    outcome = in_a_copy([*arguments, "tests/house/test_place.py"])
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
