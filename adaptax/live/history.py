"""A history of observations, which never keeps the device waiting."""

import operator
from collections import deque
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from adaptax._factors import Factors
from adaptax._observe import Observation
from adaptax.live import files, tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console


def quantities_of(observation: Observation) -> dict[str, Any]:
    """Return an observation's numbers by name: "cosine", …, and for rates "rates/lsalr_rate/mean", …"""
    named = {name: value for name, value in vars(observation).items() if name not in ("rates", "layers")}
    for rate, factors in observation.rates.items():
        of_rate = zip(Factors._fields, factors, strict=True)
        named |= {f"rates/{rate}/{name}": value for name, value in of_rate if value is not None}
    return named


@jax.jit
def _packed(observation: Observation) -> jax.Array:
    """Return all numbers in one array, (quantities, layers), so that one small copy leaves the device."""
    return jnp.stack([value.astype(float) for value in quantities_of(observation).values()])


class History:
    """The observations of a training run, step by step.

    `add` returns at once: numbers are copied while the device goes on, and only a read waits for them.

    >>> import optax, adaptax
    >>> from adaptax.live import History
    >>> history, optimizer = History(), optax.sgd(0.1)
    >>> params = {"dense": {"kernel": jnp.full((2, 2), 3.0)}}
    >>> state = optimizer.init(params)
    >>> step = jax.jit(lambda g, state, w: adaptax.observe(optimizer, g, state, w))
    >>> for k in range(3):
    ...     updates, state, seen = step(params, state, params)
    ...     history.add(seen, step=10 * k)
    >>> print(history.steps, history["effective_rate"].round(3)[:, 0])
    [ 0 10 20] [0.1 0.1 0.1]
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.layers: tuple[str, ...] = ()
        self.quantities: tuple[str, ...] = ()
        self._steps: list[int] = []
        self._on_the_way: deque[Any] = deque()  # arrays of the device
        self._here: list[np.ndarray] = []  # (quantities, layers) each
        self._files = files.Files()
        self._screen: tables.Screen | None = None

    def add(self, observation: Observation, step: int | None = None) -> None:
        """Add the observation that a compiled step returned, without waiting for it.

        Args:
            observation: the third result of `adaptax.observe`.
            step: its number, a Python number above the last one; by default the last one plus 1.

        Raises:
            ValueError: an observation of other layers or quantities than the first, a step that does not come after
                the last one, an observation inside `jax.jit`.
        """
        self._check(observation)
        last = self._steps[-1] if self._steps else -1
        step = last + 1 if step is None else operator.index(step)
        if self._steps and step <= last:
            raise ValueError(f"History: step must be above the last one, {last}, got {step}.")
        numbers = _packed(observation)
        numbers.copy_to_host_async()
        self._on_the_way.append(numbers)
        self._steps.append(step)
        if self._screen:
            self._take_in(wait=False)
            self._screen.show(self)

    @property
    def steps(self) -> np.ndarray:
        """The number of every observation's step."""
        return np.array(self._steps, int)

    def __len__(self) -> int:
        """Return the number of observations."""
        return len(self._steps)

    def __getitem__(self, quantity: str) -> np.ndarray:
        """Return a quantity, (observations, layers): "effective_rate", "rates/lsalr_rate/mean", …

        Raises:
            KeyError: naming the quantities that there are.
        """
        if quantity not in self.quantities:
            known = ", ".join(self.quantities) or "none yet"
            raise KeyError(f"History: quantity must be one of {known}, got {quantity!r}.")
        self._take_in()
        return np.stack(self._here)[:, self.quantities.index(quantity)]

    def to_dict(self) -> dict[str, float]:
        """Return the last observation's numbers by "layer/quantity", for any logger."""
        return files.flat(self, len(self) - 1) if len(self) else {}

    def table(self) -> str:
        """Return a printable table of the last observation, a line for each layer."""
        self._take_in()
        return tables.text(self)

    def plot(self, quantity: str = "effective_rate") -> "Figure":
        """Draw a quantity by step, a panel for each layer; for more than twelve layers a map of layers and steps.

        Raises:
            KeyError: no such quantity.
            ImportError: Matplotlib is missing.
        """
        from adaptax.live import picture

        return picture.draw(self, quantity)

    def live(self, console: "Console | None" = None) -> AbstractContextManager["History"]:
        """Show a table in the terminal, `with history.live():`, and update it after every `add`.

        It shows the last observation that has arrived, which may be a few steps old, and at the end the newest.

        Args:
            console: a rich Console, by default the terminal.

        Raises:
            ImportError: rich is missing.
        """
        return self._live(tables.Screen(console))

    @contextmanager
    def _live(self, screen: tables.Screen) -> Any:
        with screen:
            self._screen = screen
            try:
                yield self
                self._take_in()
            finally:
                self._screen = None
                screen.show(self)

    def write_json_lines(self, path: str | Path) -> None:
        """Append the observations that the file lacks, a line for each step and layer; NaN and ∞ become null.

        Raises:
            FileExistsError: the file exists, and this history did not create it.
        """
        self._take_in()
        self._files.json_lines(self, Path(path))

    def write_tensorboard(self, folder: str | Path) -> None:
        """Append the observations that the folder lacks, a curve "layer/quantity" for each, for TensorBoard.

        Raises:
            FileExistsError: events in the folder that this history did not write.
            ImportError: tensorboardX is missing.
        """
        self._take_in()
        self._files.tensorboard(self, Path(folder))

    @property
    def arrived(self) -> int:
        """The number of observations that have arrived on the host: reading these does not wait."""
        return len(self._here)

    def at(self, index: int) -> np.ndarray:
        """Return the numbers of one observation, (quantities, layers), once they have arrived."""
        while len(self._here) <= index:
            self._here.append(np.asarray(self._on_the_way.popleft()))
        return self._here[index]

    def _take_in(self, *, wait: bool = True) -> None:
        """Read the arrays that are being copied, in order; without `wait` only those that have arrived."""
        while self._on_the_way and (wait or self._on_the_way[0].is_ready()):
            self.at(len(self._here))

    def _check(self, observation: Observation) -> None:
        named = quantities_of(observation)
        if any(isinstance(value, Tracer) for value in named.values()):
            raise ValueError("History: add must be called outside the compiled step, got a traced observation.")
        if not self._steps:
            self.layers, self.quantities = observation.layers, tuple(named)
        for what, first, now in (
            ("layers", self.layers, observation.layers),
            ("quantities", self.quantities, tuple(named)),
        ):
            if now != first:
                raise ValueError(f"History: all observations must have the same {what}, {first}, got {now}.")
