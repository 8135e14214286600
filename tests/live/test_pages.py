"""The page of the docs does what it says, as pasted; `python -m tests.live.test_pages` draws its picture anew."""

import re
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.pages import ROOT, typed

PAGE, PICTURE = ROOT / "docs" / "live.md", ROOT / "docs" / "live.png"


@pytest.mark.slow
def test_the_page_runs_and_the_net_that_stood_still_learns(tmp_path):
    pytest.importorskip("equinox", reason="the page needs all packages that `make test` installs")
    output = typed(PAGE, tmp_path)
    before, after = (int(right) for right in re.findall(r"^(\d+)% right", output, re.MULTILINE))
    assert before < 30
    assert after > 80
    sentences = output.split("% right\n")[1].splitlines()
    assert sentences[0].startswith("A step moves hidden/0 by ")
    assert "far below the usual 0.001" in sentences[0]
    assert (tmp_path / "live.png").stat().st_size > 10_000
    assert list((tmp_path / "runs" / "trust_ratio").glob("*tfevents*"))


def test_what_the_page_shows_is_what_a_history_prints():
    """Its tables have the columns of the library's."""
    headers = re.findall(r"^layer +gradient norm +(.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(headers) == 2
    assert all(re.match(r"update/weights +effective rate +cosine +climbing +\w+_rate$", header) for header in headers)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(typed(PAGE, Path(folder)))
        shutil.copy(Path(folder) / "live.png", PICTURE)
