"""What a package index is given: the README without what does not work there, and one version everywhere."""

import re
import tomllib
from pathlib import Path

import pytest

from tests import release

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def for_the_index() -> str:
    """Return the README as hatch-fancy-pypi-readme makes it of what pyproject.toml says."""
    how = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    (fragment,) = how["fragments"]
    text, ending, _ = README.partition(fragment["end-before"])
    assert ending
    for of in how["substitutions"]:
        text, count = re.subn(of["pattern"], of["replacement"], text)
        assert count, f"{of['pattern']} fits nothing any more"
    return text


def test_the_index_shows_no_picture_and_no_relative_link():
    text = for_the_index()
    assert "![" not in text
    assert all(address.startswith("https://") for address in re.findall(r"\]\(([^)]*)\)", text))
    assert CODE.findall(text) == CODE.findall(README.partition("\n## More\n")[0])
    for caption in ("Five optimizers start at one point", "`velocity_gains` in [t-SNE]"):
        assert caption in README
        assert caption not in text, "the caption goes with its picture"
    assert "| `lars`, `lamb` | You et al. 2017, 2019 | very large batches |" in text
    assert "On nine tasks no method leads everywhere." in text.rstrip().splitlines()[-1]


def test_archives_of_another_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    version = PYPROJECT["project"]["version"]
    for name in (f"adaptax-{version}-py3-none-any.whl", f"adaptax-{version}.tar.gz"):
        (tmp_path / name).touch()
    assert release.check_versions(tmp_path) == version
    (tmp_path / "adaptax-0.0.1.tar.gz").touch()
    with pytest.raises(AssertionError, match=r"dist/ has .*adaptax-0\.0\.1"):
        release.check_versions(tmp_path)
    monkeypatch.setattr(release, "says", lambda path, pattern: "0.0.1")
    with pytest.raises(AssertionError, match=r"but .*CITATION"):
        release.check_versions(tmp_path)


def test_what_each_extra_brings_is_what_pyproject_says():
    extras = PYPROJECT["project"]["optional-dependencies"]
    for extra, (_, packages) in release.PROMISES.items():
        assert {re.match(r"\w+", of)[0] for of in extras.get(extra, ())} == packages


def test_the_lowest_python_is_the_same_everywhere():
    lowest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert f"Python {lowest} or later" in README
    assert f"Python {lowest}" in (ROOT / "docs" / "stability.md").read_text(encoding="utf-8")
    assert f"Python {lowest} or later" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
