"""What a comparison came to, in sentences that hold whatever happened: ties, divergence, one method, no reruns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adaptax.comparison import analysis, profiles
from adaptax.comparison.methods import shown
from adaptax.comparison.report import groups
from adaptax.comparison.report.lines import MOST
from adaptax.comparison.report.show import code, label, listed, show
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.schedules import CONSTANT
from adaptax.comparison.trials import Trial

FEW = 2  # so many methods that end higher are named, each with its difference; of more only the range is given
LEADERS = 5  # so many leading methods are named


def of_task(record: TaskRecord) -> str:
    """Say which method is best on a task, by how much, and what became of the others."""
    if not any(analysis.curves(record, name, "final") for name in record.results):
        return _of_tuning(record)
    best = analysis.best_of(record)
    clauses = [_lead(record, best), _ties(record, best), _higher(record, best), _lost(record), _some_lost(record)]
    clauses.append(_are("{} {has} no test score yet", _waiting(record), record))
    return _sentence(clauses)


def _lead(record: TaskRecord, best: Sequence[str]) -> str:
    """Name the lowest mean among the methods without a diverged seed; if there is none, among the seeds that ended."""
    if best:
        some_lost = any(
            analysis.ends(record, name).diverged for name in record.results if name not in _all_lost(record)
        )
        how = "lowest" if len(best) > 1 else "best"
        so_far = " so far" if _waiting(record) else ""
        of = " of the methods without a diverged seed" if some_lost else ""
        verb = "ends at" if len(record.results) == 1 else f"is {how}{so_far}{of}:"
        return f"{_name(record, best[0])} {verb} {_score(record, best[0])}"
    ended = [name for name in analysis.by_mean(record) if analysis.ends(record, name).scores]
    if not ended:
        return "no method finished" if len(record.results) > 1 else ""
    return (
        "no method finished with every seed; "
        f"{_name(record, ended[0])} is lowest over the seeds that finished: {_score(record, ended[0])}"
    )


def _score(record: TaskRecord, name: str) -> str:
    scored = record.config["task"]["scored"]
    return f"{show(analysis.ends(record, name).estimate)} ({scored}){_at(record, analysis.trial_of(record, name))}"


def _at(record: TaskRecord, trial: Trial | None) -> str:
    """Name the rate, schedule and settings; a constant rate is named only if another schedule was tried."""
    if trial is None:
        return ""
    schedule, settings = trial.combination
    under = "" if schedule == CONSTANT else f" under {schedule}"
    if schedule == CONSTANT and has_schedules(record):
        under = ", held constant"
    given = listed([f"{name} = {value:g}" for name, value in settings])
    return f" at learning rate {trial.rate:g}{under}{f' with {given}' if given else ''}"


def has_schedules(record: TaskRecord) -> bool:
    """Say whether a schedule other than a constant rate was tried."""
    tried = {result.curve.combination.schedule for of in record.results.values() for result in of}
    return not tried <= {CONSTANT}


def _ties(record: TaskRecord, best: Sequence[str]) -> str:
    others = [_name(record, name) for name in best[1:]]
    are = "is" if len(others) == 1 else "are"
    return f"{listed(others)} {are} not significantly different (95 % interval)" if others else ""


def _higher(record: TaskRecord, best: Sequence[str]) -> str:
    """Say by how much the others end higher, seed by seed; methods with a diverged seed are named separately."""
    found = []
    for name in record.results if best else ():
        of = None if name in best else analysis.difference(record, name, best[0])
        if of is not None and of.verdict == "higher" and not analysis.ends(record, name).diverged:
            found.append((float(of.estimate.mean), _name(record, name), show(of.estimate)))
    found.sort()
    if len(found) <= FEW:
        return ", ".join(
            f"{name} {'ends ' if not number else ''}{by}{' higher' if not number else ''}"
            for number, (_, name, by) in enumerate(found)
        )
    (_, nearest, least), (_, farthest, most) = found[0], found[-1]
    return f"{len(found)} others end higher, by {least} ({nearest}) to {most} ({farthest})"


def _all_lost(record: TaskRecord) -> list[str]:
    return [name for name in record.results if analysis.trial_of(record, name) is None]


def _waiting(record: TaskRecord) -> list[str]:
    """List the methods whose best rate has not been run with new seeds: the comparison was interrupted."""
    lost = _all_lost(record)
    return [name for name in record.results if name not in lost and not analysis.curves(record, name, "final")]


def _lost(record: TaskRecord) -> str:
    return _are("{} diverged at every learning rate", _all_lost(record), record)


def _some_lost(record: TaskRecord) -> str:
    """Count the new seeds that diverged at the chosen rate."""
    lost = {name: of for name in record.results if (of := analysis.ends(record, name)).diverged}
    said = [
        f"{_name(record, name)} with {len(of.diverged)} of {len(of.diverged) + len(of.scores)}"
        for name, of in lost.items()
    ]
    return f"new seeds diverged: {listed(said)}" if said else ""


def _are(what: str, names: Sequence[str], record: TaskRecord) -> str:
    has = "has" if len(names) == 1 else "have"
    return what.format(listed([_name(record, name) for name in names]), has=has) if names else ""


def _of_tuning(record: TaskRecord) -> str:
    """Name the method and rate with the lowest validation score, where no test score was read."""
    found = []
    for name in record.results:
        if (trial := analysis.trial_of(record, name)) is not None:
            score = analysis.sensitivity(record, name)[trial.rate]
            if score is not None:
                found.append((float(score.mean), name, show(score), trial))
    found.sort(key=lambda one: one[0])
    scored, clauses = record.config["task"]["scored"], []
    if found:
        (_, name, score, trial), *others = found
        is_lowest = "is lowest:" if others else "ends at"
        clauses.append(f"on validation {_name(record, name)} {is_lowest} {score} ({scored}){_at(record, trial)}")
        clauses += [f"{_name(record, name)} comes next with {score}" for _, name, score, _ in others[:1]]
    no_score = "" if found else ": there is no score"
    only_tunes = record.config["protocol"]["only_tunes"]
    unread = "Rates were only tuned: the test split was not read." if only_tunes else ""
    if found and not only_tunes:
        unread = "No test score was read yet."
    return f"{_sentence([*clauses, _lost(record) + no_score])} {unread}".strip()


def _name(record: TaskRecord, name: str) -> str:
    return code(label(record, name))


def _sentence(clauses: Sequence[str]) -> str:
    text = "; ".join(filter(None, clauses))
    return f"{text[:1].upper()}{text[1:]}."


def to_quote(grouped: Sequence[Sequence[TaskRecord]]) -> str:
    """Say in one sentence which methods of each group lead on the most tasks, and what that means."""
    seeds = sorted({record.config["protocol"]["final_seeds"] for records in grouped for record in records})
    how_many = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    return _sentence([_most(records) for records in grouped])[:-1] + (
        f" ({how_many} seeds each; a method leads if its test score is the lowest, or not significantly different from "
        "it by the 95 % interval)."
    )


def _most(records: Sequence[TaskRecord]) -> str:
    """Name the methods of a group that lead on the most tasks."""
    lowest, tasks = analysis.times_lowest(records), len(records)
    most = max(lowest.values())
    names = [code(shown(name)) for name, times in lowest.items() if times == most]
    lead = f"{listed(names)} {'leads' if len(names) == 1 else 'lead' if most == tasks else 'each lead'} on"
    if not most:
        lead = "none leads on any task"
    elif most < tasks:
        lead += f" {most} of {tasks} tasks, more than any other"
    else:
        lead += f" each of {tasks} tasks" if tasks > 1 else " the only task"
    return f"of {len(lowest)} method{'s' * (len(lowest) > 1)} {groups.where(records)}, {lead}"


def of_tasks(records: Sequence[TaskRecord]) -> str:
    """Name the methods that lead on the most tasks, and those that are fastest over all."""
    leaders = [f"{code(shown(name))} ({times})" for name, times in _leading(analysis.times_lowest(records))]
    fastest = [f"{code(shown(name))} ({score:.2f})" for name, score in _fastest(profiles.scores(records))]
    return (
        f"These lead on the most of the {len(records)} tasks: {', '.join(leaders) or 'none'}. These reach the target "
        f"score with the fewest gradients (a *profile* of 1: first on every task): {', '.join(fastest) or 'none'}."
    )


def named(records: Sequence[TaskRecord]) -> list[str]:
    """Return the methods that the chart shows: those that the conclusion names, and the baseline."""
    fastest, lowest = _fastest(profiles.scores(records)), _leading(analysis.times_lowest(records))
    others = [analysis.BASELINE] if any(analysis.BASELINE in record.results for record in records) else []
    names = dict.fromkeys(name for name, _ in [*fastest, *lowest])
    return list(dict.fromkeys([*list(names)[: MOST - len(others)], *others]))


def _fastest(profile: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(name, score) for name, score in profile.items() if score][:LEADERS]


def _leading(lowest: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the first few with their counts; methods that tie for the last place are left out."""
    beyond = [*lowest.values(), *[0] * LEADERS][LEADERS]
    return [(name, times) for name, times in lowest.items() if times > beyond]
