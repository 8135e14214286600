"""The explorer in a real browser: by mouse, by keyboard, on a phone. And the page is what its command makes."""

import re
from pathlib import Path

import pytest

from experiments.explorer import make
from experiments.explorer.methods import EXPLORED, OF_THE_WEIGHTS
from experiments.tasks.signals import SIGNALS, title
from experiments.tasks.surfaces import SURFACES

PAGE = Path(__file__).parents[2] / "docs" / "explorer.html"
CONTROLS = {"button", "checkbox", "combobox", "image", "radio", "slider"}


def test_the_page_is_what_the_command_makes():
    made = make.page()
    assert PAGE.read_text(encoding="utf-8") == made, "make it again: python -m experiments explorer"
    assert len(made.encode()) < 400_000
    addresses = set(re.findall(r"https?://[^\"'\\\s<]+", made))
    assert addresses == {"http://www.w3.org/1998/Math/MathML"}, "a name, not an address; nothing is fetched"
    assert not re.search(r"/\*[A-Z]+\*/", made), "every part is filled in"


def test_a_slider_must_hold_its_default():
    with pytest.raises(ValueError, match=r"values of momentum must hold the usual one, got 0.6"):
        make.slider("momentum", 0.6)


def test_every_method_has_a_look_of_its_own():
    looks = [(method.style.color, method.style.marker) for method in EXPLORED.values()]
    assert len(set(looks)) == len(looks) == 18


@pytest.fixture
def explorer(browser, request):
    """A fresh page; whatever it complains about or fetches fails the test."""
    context = browser.new_context(viewport={"width": getattr(request, "param", 1280), "height": 860})
    page, complaints, fetched = context.new_page(), [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: fetched.append(asked.url))
    page.goto(PAGE.as_uri())
    yield page
    context.close()
    assert complaints == []
    assert [url for url in fetched if not url.startswith("data:")] == [PAGE.as_uri()]


def said(page, selector):
    return page.locator(selector).inner_text()


def heights(page):
    """The height beside each method's name, as it is written."""
    rows = page.locator("#standings tbody tr").all_inner_texts()
    cells = [row.split("\t") for row in rows]
    return {cell[0]: float(cell[3].partition("\n")[0].replace("−", "-")) for cell in cells}


def pixels(page, selector="#picture"):
    return page.eval_on_selector(selector, "canvas => canvas.toDataURL()")


def test_it_steps_and_plays(explorer):
    assert said(explorer, "#status") == "step 125 of 125"
    ends = heights(explorer)  # of the article's five methods only Adam leaves the trap
    assert ends["Adam"] == pytest.approx(0.089723, abs=2e-6)
    assert ends["Nesterov"] == pytest.approx(6.644055, abs=6e-6)
    whole = pixels(explorer)
    explorer.click("#rewind")
    assert said(explorer, "#status") == "step 0 of 125"
    assert set(heights(explorer).values()) == {8.78817}
    assert pixels(explorer) != whole
    explorer.click("#step")
    explorer.click("#step")
    explorer.click("#back")
    assert said(explorer, "#status") == "step 1 of 125"
    explorer.select_option("#speed", "60")
    explorer.click("#play")
    assert said(explorer, "#play") == "❚❚ pause"
    explorer.wait_for_function("chosen.t > 5")
    explorer.click("#play")
    stopped = said(explorer, "#status")
    assert 5 < explorer.evaluate("chosen.t") < 125
    explorer.wait_for_timeout(100)
    assert said(explorer, "#status") == stopped
    explorer.evaluate("goTo(123)")
    explorer.click("#play")
    explorer.wait_for_function("chosen.t === 125 && !playing")
    assert said(explorer, "#play") == "▶ play"
    assert pixels(explorer) == whole


def test_every_world_and_method_can_be_chosen(explorer):
    for name in [*SURFACES, *SIGNALS]:
        before = pixels(explorer)
        explorer.select_option("#world", name)
        assert said(explorer, "#world-title").lower() == title(name)
        assert said(explorer, "#status") == ("step 125 of 125" if name in SURFACES else "epoch 300 of 300")
        assert pixels(explorer) != before or name == "hills_and_canyon"
    explorer.select_option("#world", "wobbly")
    for slug in EXPLORED:
        label = EXPLORED[slug].style.label
        explorer.uncheck(f"#methods [value={slug}]")
        assert label not in heights(explorer)
        explorer.check(f"#methods [value={slug}]")
        assert label in heights(explorer)
        assert said(explorer, "#method-title").lower() == label.lower()
        assert explorer.locator("#equation math").count() >= 1
        labels = explorer.locator("#charts h3").all_inner_texts()
        assert labels[1:-1] == explorer.evaluate(f"LAB.methods.{slug}.labels")
        assert explorer.locator("#charts output").last.inner_text().startswith("x ")


def test_what_compares_steps_with_weights_runs_over_surfaces_alone(explorer):
    for slug in OF_THE_WEIGHTS:
        explorer.check(f"#methods [value={slug}]")
    labels = {EXPLORED[slug].style.label for slug in OF_THE_WEIGHTS}
    before = heights(explorer)
    assert labels < set(before)
    explorer.select_option("#world", "noisy_sin")
    assert said(explorer, "#method-title") == "Nesterov", "the first one that is shown here"
    assert not any(explorer.is_visible(f"#methods .chip:has([value={slug}])") for slug in OF_THE_WEIGHTS)
    assert not any(label in explorer.inner_text("main") for label in labels)
    explorer.select_option("#world", "hills_and_canyon")
    assert heights(explorer) == before, "they are there again"


def test_without_another_method_a_signal_has_one_to_look_inside(explorer):
    for slug in ("nesterov", "rmsprop", "adam", "velocity_gains"):
        explorer.uncheck(f"#methods [value={slug}]")
    explorer.check("#methods [value=trust_ratio]")
    explorer.select_option("#world", "noisy_sin")
    assert said(explorer, "#method-title") == "Adam"
    assert explorer.locator("#standings tbody tr").count() == 0


def test_the_page_says_how_many_methods_it_has(explorer):
    assert explorer.locator("#methods input").count() == len(EXPLORED)
    assert said(explorer, "header p").startswith(f"{len(EXPLORED)} methods and rates of adaptax")


def test_every_slider_does_what_it_says(explorer):
    for slug in ("nesterov", "rmsprop", "adam", "velocity_gains"):
        explorer.uncheck(f"#methods [value={slug}]")
    assert explorer.locator("#standings tbody tr").count() == 0
    explorer.select_option("#world", "wobbly")
    for slug, method in EXPLORED.items():
        explorer.check(f"#methods [value={slug}]")
        usual = explorer.evaluate(f"JSON.stringify(runs.{slug})")
        for key, of in make.sliders(method, "surfaces").items():
            slider = explorer.locator(f"#set-{key}")
            for press, value in (("Home", of.values[0]), ("End", of.values[-1])):
                slider.press(press)
                shown = float(said(explorer, f"output[for=set-{key}]").replace("−", "-"))
                assert shown == pytest.approx(value, rel=5e-3), (slug, key)
                assert explorer.evaluate(f"settingsOf('{slug}').{key}") == value
            assert explorer.evaluate(f"JSON.stringify(runs.{slug})") != usual, (slug, key)
            explorer.click("#reset")
            assert explorer.evaluate(f"JSON.stringify(runs.{slug})") == usual, (slug, key)
        explorer.uncheck(f"#methods [value={slug}]")


def test_the_start_can_be_moved_and_bad_ends_are_told(explorer):
    explorer.locator("#start-x").press("End")
    explorer.click("#rewind")
    assert "3.00000" in said(explorer, "#standings tbody tr >> nth=0")
    box = explorer.locator("#picture").bounding_box()
    explorer.locator("#picture").click(position={"x": box["width"] / 2, "y": box["height"] / 4})
    assert explorer.evaluate("chosen.start") == [0, 1.5]
    assert said(explorer, "output[for=start-y]") == "1.5"
    chart = explorer.locator("#heights").bounding_box()
    explorer.locator("#heights").click(position={"x": 56 + 0.4 * (chart["width"] - 68), "y": 20})
    assert said(explorer, "#status") == "step 50 of 125"
    explorer.select_option("#world", "ripple")
    assert "rounding decides" in said(explorer, "#standings")
    explorer.check("#methods [value=adadelta]")
    explorer.locator("#set-initial").press("End")
    explorer.evaluate("goTo(125)")
    assert "diverged at step 1" in said(explorer, "#standings")


def test_it_works_by_keyboard_alone(explorer):
    met, seen = [], None
    while seen not in met:
        met.append(seen)
        explorer.keyboard.press("Tab")
        seen = explorer.evaluate("(({ id, type, value }) => id || `${type} ${value}`)(document.activeElement)")
    left = {"world", "checkbox momentum", "checkbox lsalr", "start-x", "start-y"}
    steps = {"rewind", "back", "play", "step", "speed", "time"}
    right = {"radio adam", "set-learning_rate", "set-b1", "set-b2", "set-eps", "reset"}
    assert left | steps | right <= set(met)
    for key, then in (("#step", 125), ("#back", 124), ("#rewind", 0), ("#step", 1)):
        explorer.locator(key).press("Enter")
        assert explorer.evaluate("chosen.t") == then
    explorer.locator("#time").press("ArrowRight")
    assert said(explorer, "#status") == "step 2 of 125"
    explorer.locator("#play").press(" ")
    explorer.wait_for_function("chosen.t > 2")
    explorer.locator("#play").press(" ")
    explorer.locator("#inspected :checked").press("ArrowRight")  # the next radio, which stays in focus
    assert said(explorer, "#method-title") == "Velocity gains"
    assert explorer.evaluate("document.activeElement.value") == "velocity_gains"


def test_controls_and_pictures_have_names(explorer):
    tree = explorer.context.new_cdp_session(explorer).send("Accessibility.getFullAXTree")["nodes"]
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]]
    ours = [(role, name) for role, name in named if role in CONTROLS]
    assert {role for role, _ in ours} == CONTROLS
    assert [role for role, name in ours if not name.strip()] == []


@pytest.mark.parametrize("explorer", [400], indirect=True)
def test_it_fits_a_phone(explorer):
    for name in ("hills_and_canyon", "noisy_sin"):
        explorer.select_option("#world", name)
        assert explorer.evaluate("document.documentElement.scrollWidth") <= 400
        table = explorer.locator("#standings")
        assert table.evaluate("table => table.scrollWidth <= table.parentElement.clientWidth"), "no number is cut off"
        for y in (0, 1200, 2000):
            explorer.evaluate(f"scrollTo(0, {y})")
            box = explorer.locator("#play").bounding_box()
            assert 0 <= box["y"] <= 860 - box["height"], "play stays in reach"
            assert box["height"] >= 32
