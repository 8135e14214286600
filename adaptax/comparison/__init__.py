"""Compare methods on a model: one protocol judges all, and all rates and seeds of a method train together.

>>> from adaptax.comparison import compare

The names below are stable. The rest of the modules serves the experiments of this repository, and may change:

task        what is minimized, on which data, for how long; problem: as pure functions; streams: data in pieces
methods     the optimizers, each a function of its learning rate; schedules of it; trials: what is tried of each
protocol    the grid, its extension, the choice on validation, the rerun with new seeds
step        one training step; program: one member, that is one trial and one seed; blocks: many of them at once
record      what stays on the disk: the same format for whatever is run; results: that of a comparison
analysis    intervals, targets, profiles
report      tables and pictures of it
starts      the best of many starts; gain: what it is worth
"""

from importlib.util import find_spec

if _missing := [name for name in ("matplotlib", "rich") if find_spec(name) is None]:
    raise ModuleNotFoundError(
        f"adaptax.comparison needs {_missing[0]}, which is not installed: pip install 'adaptax[comparison]'",
        name=_missing[0],
    )

from adaptax.comparison.errors import InputError as InputError
from adaptax.comparison.methods import Method as Method
from adaptax.comparison.outcome import Best as Best
from adaptax.comparison.outcome import Comparison as Comparison
from adaptax.comparison.protocol import Grid as Grid
from adaptax.comparison.protocol import Protocol as Protocol
from adaptax.comparison.rates import FoundRate as FoundRate
from adaptax.comparison.rates import find_rate as find_rate
from adaptax.comparison.starts import multistart as multistart
from adaptax.comparison.task import Task as Task
from adaptax.comparison.user import compare as compare
