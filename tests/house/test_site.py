"""Every page of the built site in a real browser: it fits a phone, shows all, says no error, and fetches nothing."""

import os
import subprocess
import sys

import pytest

import adaptax
from tests.pages import ROOT

WRITTEN = {f"{page.stem}.html" for page in ROOT.glob("docs/*.md")} | {"explorer.html"}
NOTEBOOKS = {f"notebooks/{page.stem}.html" for page in ROOT.glob("notebooks/*.ipynb")}
PAGES = sorted(WRITTEN | NOTEBOOKS)


@pytest.fixture(scope="module")
def site(browser, tmp_path_factory):
    """The site as `make docs` builds it."""
    pytest.importorskip("mkdocstrings", reason="the extra [docs] is not installed")
    pytest.importorskip("nbconvert", reason="the extra [docs] is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_these_are_all_pages(site):
    assert sorted(str(path.relative_to(site)) for path in site.rglob("*.html")) == PAGES


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("how do I add weight decay to local gains?", "recipes.html#how-do-i-add-weight-decay"),
        ("why is my first layer not learning?", "live.html#why-is-my-first-layer-not-learning"),
        ("which method for rare features?", "how_to_choose.html#which-method-for-rare-features"),
    ],
)
def test_search_answers_from_a_folder(question, answer, site, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.goto((site / "index.html").as_uri())
    page.locator("input.md-search__input").click()
    page.keyboard.type(question)
    page.locator(".md-search-result__link").first.wait_for()
    page.wait_for_function(
        "answer => document.querySelectorAll('.md-search-result__link')[1]?.href.includes(answer)", arg=answer
    )
    page.close()


@pytest.mark.parametrize("name", ["report", "explorer"])
def test_a_page_that_stands_alone_leads_back(name, site, browser):
    page = browser.new_page()
    page.goto((site / f"{name}.html").as_uri())
    page.get_by_role("link", name="the documentation").click()
    assert page.url == (site / "index.html").as_uri()
    assert page.locator(".md-header__title").inner_text().strip().startswith(f"adaptax {adaptax.__version__}")
    page.close()


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_is_complete_and_needs_nothing_from_elsewhere(name, width, site, browser):
    context = browser.new_context(viewport={"width": width, "height": 860})
    page, complaints, fetched = context.new_page(), [], []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: fetched.append(asked.url))
    page.goto((site / name).as_uri())
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    broken = page.evaluate("[...document.images].filter(image => !image.naturalWidth).map(image => image.src)")
    signatures = page.locator(".doc-signature code").evaluate_all(
        "codes => codes.filter(code => code.scrollWidth > code.clientWidth).map(code => code.innerText)"
    )
    context.close()
    assert (broken, signatures, complaints) == ([], [], [])
    assert [url for url in fetched if not url.startswith((site.as_uri(), "data:", "blob:"))] == []
