"""The comparison under schedules: its contenders, and the command that makes its committed records."""

from rich.console import Console

from adaptax.comparison import methods, results
from adaptax.comparison.protocol import Protocol
from adaptax.comparison.run import judge
from experiments.decade.searching import ALL, RIVALS, SCHEDULE
from experiments.engine import finder
from experiments.engine.places import RESULTS, Data, Out

# On the transformer a step takes so long that only these are tried, with 1 tuning seed and 8 new ones.
ON_TEXT = ("adam", "cautious_adam", "alignment_adam", "adam_mini", "update_floor_muon", "optax_ademamix", "lsalr_adam")
OTHERS = (
    *("optax_momentum", "optax_nadam", "optax_lion", "optax_prodigy", "nesterov", "velocity_gains", "lamb", "lars"),
    *("lsalr", "lsalr_nag", "local_gains", "local_gains_nag", "local_gains_adam"),
    *("cautious_momentum", "cautious_muon", "trust_ratio_muon", "update_floor_adam", "alignment_momentum"),
    *("adagc_adam", "hypergradient_momentum", "hypergradient_adam", "dog_sgd"),
    *("cautious+lsalr_momentum", "cautious+lsalr_adam", "cautious+lsalr_muon"),
)
TEXT = Protocol(tuning_seeds=1, final_seeds=8)


def contenders(names: tuple[str, ...]) -> list[str]:
    """Name the rivals and others under the schedule; schedule-free AdamW has its authors'."""
    return [name if "@" in name else f"{name}@{SCHEDULE}" for name in (*RIVALS, *names)]


def scheduled(out: Out = RESULTS / "compare", data: Data = None) -> None:
    """Compare methods under a schedule on ten tasks; records in OUT are kept, and missing ones added.

    It takes many hours of two cores; the same command continues an interrupted comparison.
    """
    console = Console()
    for slug in (*ALL, "text_transformer"):
        names, protocol = (ON_TEXT, TEXT) if slug == "text_transformer" else ((*ON_TEXT, *OTHERS), Protocol())
        tasks, chosen = {slug: finder.task(slug)}, methods.choose(contenders(names))
        # A record goes on with its own layout, also where another one is faster by now.
        layout = results.read(out / slug).config["layout"] if (out / slug).exists() else None
        judge(tasks, chosen, protocol, out, console, folder=data, layout=layout, resume=True)
