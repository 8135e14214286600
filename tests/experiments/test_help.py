"""The help of `python -m experiments`: every command with an example that works, and the right word for a wrong one."""

import functools
import re
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from adaptax.comparison.errors import InputError
from experiments.engine import command_line, comparing
from experiments.engine.registry import COMMANDS, GROUPS, Command, example, overview

EXPERIMENTS = Path(command_line.__file__).parents[1]


def help_at(width: int) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(overview())
    return captured.get()


def helped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what a command's --help says in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        command_line.main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_every_command_is_in_one_group():
    assert sum(map(len, GROUPS.values())) == len(COMMANDS)
    assert len({command.place for command in COMMANDS.values()}) == len(COMMANDS)
    assert next(iter(GROUPS)) == "To run and compare"
    assert list(GROUPS["To run and compare"])[:3] == ["demo", "list", "run"]


def test_functions_that_print_or_write_for_the_command_line_are_commands():
    """In the files that have nothing but commands, each public function is one, but for two helpers."""
    files = {"engine.commands": {"perform"}, "engine.comparing": {"find"}, "gallery.make": set()}
    for module, helpers in files.items():
        text = (EXPERIMENTS / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        functions = set(re.findall(r"^def ([a-z]\w*)\(", text, re.MULTILINE)) - helpers
        assert functions == {
            of.place.partition(":")[2] for of in COMMANDS.values() if of.place.startswith(f"{module}:")
        }


def test_the_help_has_every_sentence_and_example_within_80_columns():
    text = help_at(80)
    assert max(map(len, text.splitlines())) <= 80
    lines = [line.strip() for line in text.splitlines()]
    assert [title for title in GROUPS if title in lines] == list(GROUPS)
    for name in COMMANDS:
        assert lines.count(example(name)) == 1, f"the example of {name} stands on one line, to be copied"
    words = " ".join(lines)
    for command in COMMANDS.values():
        first = command.describe().partition("\n\n")[0]
        assert re.fullmatch(r"[A-Z].*\.", first, re.DOTALL)
        assert first.split()[-1] in words


@pytest.mark.parametrize("words", [["--help"], ["-h"], []], ids=["help", "h", "nothing"])
def test_asked_for_help_or_for_nothing_it_says_all_commands(words: list[str], capsys: pytest.CaptureFixture[str]):
    command_line.main(words)
    out = capsys.readouterr().out
    assert all(example(name).split()[3] in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_read_without_complaint(name: str, monkeypatch: pytest.MonkeyPatch):
    called = []

    def instead(command: Command):
        found = find(command)
        return functools.wraps(found)(lambda *args, **options: called.append(name))

    find = Command.find
    monkeypatch.setattr(Command, "find", instead)
    monkeypatch.setattr(command_line, "perform", lambda *plan: called.append(name))
    program, *words = shlex.split(example(name).removeprefix("python -m "))
    assert program == "experiments"
    command_line.main(words)
    assert called == [name]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_says_its_example(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out = helped(monkeypatch, capsys, name)
    assert f"\nExample: {example(name)}\n" in out
    assert max(map(len, out.splitlines()[1:])) <= 80  # the line on usage is as tyro writes it


def test_the_help_of_an_experiment_has_the_example_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert f"\nExample: {example('run')}\n" in helped(monkeypatch, capsys, "run", "lsalr_mnist")


@pytest.mark.parametrize(
    ("wrong", "right"), [("rnu", "run"), ("lists", "list"), ("comprae", "compare"), ("--hlep", "--help")]
)
def test_a_wrong_command_is_answered_with_the_nearest(wrong: str, right: str):
    sentence = (
        rf"^There is no command '{wrong}'; the nearest is '{right}'\. `python -m experiments --help` lists all\.$"
    )
    with pytest.raises(SystemExit, match=sentence):
        command_line.main([wrong, "lsalr_digits"])


def test_a_missing_slug_says_where_slugs_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("run", "refresh", "table"):
        with pytest.raises(SystemExit):
            command_line.main([name])
        assert "An experiment that `python -m experiments list` lists" in capsys.readouterr().err


def test_the_nearest_to_a_wrong_surface_may_be_a_surface():
    with pytest.raises(InputError, match=r"^There is no task or surface 'rippel'; the nearest is 'ripple'\.$"):
        comparing.find("rippel")
    with pytest.raises(InputError, match="the nearest is 'digits'"):
        comparing.find("digitss")
