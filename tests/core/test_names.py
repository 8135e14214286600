"""A wrong name, a missing package, a wrong pattern: one sentence says what to write or to install instead."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import optax
import pytest

import adaptax
from adaptax._names import nearest

ROOT = Path(__file__).parents[2]


def last_line(code: str) -> str:
    """Return the last line that a fresh process complains with, as a user sees it."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


INSTEAD = [
    ("lslar", "the nearest is 'lsalr'"),
    ("lsalr_rates", "the nearest is 'lsalr_rate'"),
    ("local_gain", "the nearest is 'local_gains'"),
    ("Adam", "the nearest is 'adam'"),  # though there is optax.adam
    ("LAMB", "the nearest is 'lamb'"),
    ("comparision", "the nearest is 'comparison'"),
    ("sgd", "Optax has: optax.sgd"),
    ("SGD", "Optax has: optax.sgd"),
    ("lion", "Optax has: optax.lion"),
    ("prodigy", "Optax has: optax.contrib.prodigy"),
    ("compare", "adaptax.comparison has: from adaptax.comparison import compare"),
    ("History", "adaptax.live has: from adaptax.live import History"),
]


@pytest.mark.parametrize(("wrong", "instead"), INSTEAD)
def test_a_wrong_name_is_answered_with_the_right_one(wrong: str, instead: str):
    with pytest.raises(AttributeError) as asked:
        getattr(adaptax, wrong)
    assert str(asked.value) == f"adaptax has no {wrong!r}; {instead}."


@pytest.mark.parametrize(
    ("code", "error"),
    [("import adaptax; adaptax.lslar", "AttributeError"), ("from adaptax import lslar", "ImportError")],
)
def test_it_is_what_python_says_last_without_a_guess_of_its_own(code: str, error: str):
    assert last_line(code) == f"{error}: adaptax has no 'lslar'; the nearest is 'lsalr'."


def test_an_old_code_can_still_ask_whether_a_name_is_there():
    assert not hasattr(adaptax, "lslar")
    assert not hasattr(adaptax, "__wrapped__")
    assert getattr(adaptax, "sgd", None) is None
    with pytest.raises(AttributeError, match=r"^adaptax has no '_lsalr'\.$"):
        adaptax._lsalr  # noqa: B018


def test_modules_are_imported_as_ever():
    code = (
        "import adaptax; assert not hasattr(adaptax, 'live'); from adaptax import live; assert adaptax.live is live; "
    )
    assert last_line(code + "1 / 0") == "ZeroDivisionError: division by zero"
    assert last_line("import adaptax; adaptax.live").endswith(
        "adaptax.live is a module that is not imported yet: import adaptax.live"
    )


def test_the_nearest_is_found_whatever_the_capitals():
    assert nearest("LSALR", ["adam", "lsalr"]) == "the nearest is 'lsalr'"
    assert nearest("nesterov", ["with Nesterov", "Adam"]) == "the nearest is 'with Nesterov'"
    assert nearest("?", ["adam"]) == "the nearest is 'adam'"
    assert nearest("Adma", ["adamax", "adam"]) == "the nearest is 'adam'"


@pytest.mark.slow
def test_a_type_checker_complains_of_wrong_names_and_knows_the_others(tmp_path: Path):
    if importlib.util.find_spec("pyright") is None:
        pytest.skip("pyright is not installed")
    file = tmp_path / "user.py"
    file.write_text("import adaptax\nfrom adaptax import sgd\nadaptax.lslar\nadaptax.lsalr(0.1)\n")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    complaints = json.loads(done.stdout)["generalDiagnostics"]
    assert [(of["severity"], of["range"]["start"]["line"]) for of in complaints if "rule" in of][:2] == [
        ("error", 1),
        ("error", 2),
    ]
    assert "lsalr(" not in done.stdout


PARAMS = {"block": {"kernel": jnp.ones((2, 2))}, "head": {"bias": jnp.ones(2)}}


@pytest.mark.parametrize(
    ("patterns", "sentence"),
    [
        (["head"], r"^by_regex: no pattern of \['head'\] matches the leaf 'block/kernel'\.$"),
        (
            ["head", "blok", "block"],
            r"^by_regex: pattern 'blok' is the first match of no leaf; the nearest is 'block/kernel'\.$",
        ),
        (["(head", "block"], r"^by_regex: the pattern '\(head' is no regular expression: missing \), .*\.$"),
    ],
)
def test_a_wrong_pattern_is_answered_with_the_right_leaf(patterns: list[str], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        adaptax.layer_norms(PARAMS, adaptax.by_regex(patterns))


def test_a_string_is_no_list_of_patterns():
    """Its letters would be patterns, and most of them match something."""
    with pytest.raises(ValueError, match=r"^by_regex: patterns must be a list, as \['head'\], got 'head'\.$"):
        adaptax.by_regex("head")


@pytest.mark.parametrize(
    ("what", "use"),
    [
        ("layers", lambda pattern: adaptax.layer_norms(PARAMS, stacked=pattern)),
        ("by_path", lambda pattern: adaptax.rate_by_path({pattern: 1.0}).init(PARAMS)),
        ("scale_by_block_moments", lambda pattern: adaptax.scale_by_block_moments(axes={pattern: 0}).init(PARAMS)),
    ],
)
def test_what_is_no_regular_expression_is_named(what: str, use):
    with pytest.raises(ValueError, match=rf"^{what}: the pattern '\*' is no regular expression: nothing to repeat"):
        use("*")


def test_a_stack_that_is_nowhere_is_answered_with_the_nearest_leaf():
    with pytest.raises(ValueError, match=r"stacked='blocks' matches no leaf; the nearest is 'block/kernel'\.$"):
        adaptax.layer_norms(PARAMS, stacked="blocks")


def test_optax_has_what_is_said():
    """What the sentences above name is there."""
    said = [instead.removeprefix("Optax has: ") for _, instead in INSTEAD if instead.startswith("Optax")]
    assert len(said) == 4
    assert all(callable(eval(expression, {"optax": optax})) for expression in said)
