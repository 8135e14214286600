"""The view of a running comparison: which method, at which rates, and the best that was tuned so far."""

import io

from rich.console import Console

from adaptax.comparison.curve import Curve
from adaptax.comparison.live import View
from adaptax.comparison.protocol import Group, Result
from adaptax.comparison.trials import at_rates


def tuned(rate: float, *ends: float | None) -> list[Result]:
    return [
        Result("tune", Curve(rate, seed, (0.0,), () if end is None else (end,), None, 1 if end is None else None))
        for seed, end in enumerate(ends)
    ]


def test_it_says_what_is_trained_and_the_best_mean_of_those_that_did_not_diverge():
    with View(Console(file=io.StringIO())) as view:
        shown = view.task("digits", 100)
        shown.begin("optax_adam", Group("tune", tuple(at_rates((0.1, 0.01))), (0, 1)))
        (bar,) = view._bars.tasks
        assert bar.description == "digits | optax.adam: tuning, rates 0.01 to 0.1"
        shown.know("optax_adam", [*tuned(0.01, 1.0, 5.0), *tuned(0.1, 2.0, 3.0), *tuned(1.0, 0.1, None)])
        assert bar.description.endswith("| best so far 2.5: optax.adam at 0.1")
        shown.begin("lsalr", Group("final", tuple(at_rates((0.3,))), (1000,)))
        shown.know("lsalr", tuned(0.3, 4.0))
        assert bar.description == "digits | lsalr: new seeds, rate 0.3 | best so far 2.5: optax.adam at 0.1"
        shown.skip(40)
        assert bar.completed == 40
        shown.end()
        assert bar.completed == bar.total
