"""The site in a browser, opened from files: tables, plots, sound, colours, narrow screens, hostile text."""

import pytest
from pages import put_scored
from site_runs import put_bad, put_hostile, put_run, put_sed

from benchmark.registry import get_task
from leaderboard.site.build import write_site
from tasks.sed.official import by_file, event_rows

pytestmark = pytest.mark.slow

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
SED_RUN = "runs/sed/cnn8/s-1.html"
ESC_RUN = "runs/esc/cnn8/good-1.html"
BAD_RUN = "runs/bad/cnn8/20260101-000000-1-s0.html"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site of runs of three tasks."""
    root = tmp_path_factory.mktemp("site")
    runs = root / "runs"
    for group, right, system, parameters in (("good", 18, "cnn8", 4_691_274), ("poor", 10, "cnn4", 4_309_450)):
        put_scored(runs, right, group=group, system=system, parameters=parameters)
    put_scored(runs, 14, group="fair", system="logistic-regression", parameters=1210)
    put_bad(runs)
    mini = root / "mini"
    get_task("sed").load("mini")(mini)
    rows = by_file(event_rows(mini / "dataset" / "metadata" / "test" / "test.csv"))
    put_sed(runs, mini, {f"test/{name}": events for name, events in rows.items()})
    assert write_site(runs / "site", root / "records", runs) == []
    return runs / "site"


def column(page, table, place):
    """The texts of a table's column, from the top."""
    return [text.split()[0] for text in table.locator(f"tbody tr > :nth-child({place})").all_inner_texts()]


def wait_for_tables(page):
    page.wait_for_selector("html[data-tables=ready]")


def wait_until(page, expression):
    """Until an expression holds; Playwright's own function for it needs what the page's policy forbids."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never: {expression}")


def wait_for_plot(page, kind):
    figure = page.locator(f"figure[data-kind={kind}]")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector(f"figure[data-kind={kind}][data-drawn] .main-svg")
    return figure


def test_from_the_first_page_to_a_run(open_page, site):
    page = open_page(site)
    assert page.locator("h1").inner_text() == "Machine listening, compared"
    page.get_by_role("link", name="esc", exact=True).first.click()
    page.get_by_text("Runs behind these results (15)").click()
    page.get_by_role("link", name="good-1").click()
    assert page.url.endswith(ESC_RUN)
    assert page.locator("#scores ~ .table-box tbody tr").first.inner_text().split()[-1] == "0.900"


def test_a_table_is_sorted_by_mouse_and_keyboard(open_page, site):
    page = open_page(site, "tasks/esc.html")
    wait_for_tables(page)
    table = page.locator("section.results table").first
    assert column(page, table, 2) == ["cnn8", "logistic-regression", "cnn4"]
    head = table.get_by_role("columnheader", name="Parameters")
    head.click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, table, 2) == ["logistic-regression", "cnn4", "cnn8"]
    head.locator("[tabindex='0']").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, table, 2) == ["cnn8", "cnn4", "logistic-regression"]
    # A score is sorted from the best down at first.
    table.get_by_role("columnheader", name="accuracy").click()
    assert column(page, table, 2) == ["cnn8", "logistic-regression", "cnn4"]


def test_a_table_is_searched_and_filtered(open_page, site):
    page = open_page(site, "tasks/esc.html")
    wait_for_tables(page)
    box = page.locator(".table-box").filter(has=page.get_by_role("table", name="Published scores", exact=True))
    rows, count = box.locator("tbody tr"), box.get_by_role("status")
    assert (rows.count(), count.inner_text()) == (9, "9 rows")
    box.get_by_label("Search").fill("piczak")
    assert (rows.count(), count.inner_text()) == (1, "1 of 9 rows")
    box.get_by_label("Search").fill("")
    box.get_by_role("combobox", name="Protocol").select_option("esc50-5-fold")
    assert set(box.locator("tbody tr td:nth-child(3)").all_inner_texts()) == {"esc50-5-fold"}
    assert rows.count() == 5


def test_values_that_are_missing_come_last_either_way(open_page, site):
    page = open_page(site, "tasks/ust.html")
    wait_for_tables(page)
    table = page.get_by_role("table", name="Published scores", exact=True)
    head = table.locator("thead th.number").nth(1)
    for _ in range(2):
        head.click()
        place = head.evaluate("cell => cell.cellIndex + 1")
        texts = table.locator(f"tbody tr > :nth-child({place})").all_inner_texts()
        numbers = [text for text in texts if text[0].isdigit()]
        assert numbers
        assert texts[: len(numbers)] == numbers


def test_score_against_cost(open_page, site):
    page = open_page(site, "tasks/esc.html")
    figure = wait_for_plot(page, "scatter")
    assert figure.locator(".scatterlayer .point").count() == 3
    figure.get_by_role("combobox").select_option("training time")
    assert "training time" in figure.locator(".xtitle").text_content()
    figure.get_by_text("As a table").click()
    assert figure.locator("tbody tr").count() == 3
    assert "0.700" in figure.locator("tbody").inner_text()


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        (ESC_RUN, "confusion", "Dog bark"),
        (BAD_RUN, "roc", "false positive rate"),
        (BAD_RUN, "pr", "precision"),
        (BAD_RUN, "losses", "train/loss"),
        (BAD_RUN, "scores", "val/auc"),
    ],
)
def test_plots_of_a_run(open_page, site, path, kind, text):
    figure = wait_for_plot(open_page(site, path), kind)
    assert text in figure.locator(".plot-area").text_content()


def test_the_command_is_copied(open_page, site):
    page = open_page(site, BAD_RUN)
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("window.copied").startswith("python -m benchmark run --task bad --system cnn8 ")


def test_an_event_roll_is_seen_and_heard(open_page, site):
    page = open_page(site, SED_RUN)
    clip = page.locator(".clip")
    clip.scroll_into_view_if_needed()
    picture = clip.get_by_role("img", name="Spectrogram of")
    assert picture.evaluate("image => image.decode().then(() => image.naturalHeight)") == 96
    bars = {kind: clip.locator(f".lane .{kind}").first.bounding_box() for kind in ("reference", "estimate")}
    assert bars["estimate"]["x"] == pytest.approx(bars["reference"]["x"], abs=3)
    assert bars["estimate"]["width"] == pytest.approx(bars["reference"]["width"] / 2, abs=4)
    audio = clip.locator("audio")
    wait_until(page, "document.querySelector('audio').duration > 0")
    seconds = audio.evaluate("audio => audio.duration")
    assert 0.3 < seconds < 2.1
    audio.evaluate("audio => { audio.muted = true; audio.play(); }")
    wait_until(page, "document.querySelector('audio').currentTime > 0.2")
    wait_until(page, "parseFloat(document.querySelector('.playhead').style.left) > 5")
    name = picture.get_attribute("alt")
    page.get_by_role("button", name="Next").click()
    assert clip.get_by_role("img", name="Spectrogram of").get_attribute("alt") != name
    page.get_by_text("Events as a table").click()
    assert clip.locator("details tbody tr").count() >= 2


def test_light_and_dark(open_page, site):
    page = open_page(site, ESC_RUN, color_scheme="dark")
    wait_for_plot(page, "confusion")
    background = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('.plot-area text')).fill"
    dark = page.evaluate(background), page.evaluate(ink)
    page.get_by_role("button", name="Change between light and dark").click()
    light = page.evaluate(background), page.evaluate(ink)
    assert dark[0] != light[0]
    assert dark[1] != light[1]
    page.reload()
    assert page.evaluate(background) == light[0]


@pytest.mark.parametrize(
    "path", ["index.html", "tasks/esc.html", "tasks/sed.html", "systems/bad/bulbul.html", SED_RUN, ESC_RUN]
)
def test_no_page_is_wider_than_a_phone(open_page, site, path):
    page = open_page(site, path, **PHONE)
    wait_for_tables(page) if page.locator("table.sortable").count() else None
    for figure in page.locator("figure.plot").all():
        figure.scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("[...document.querySelectorAll('summary')].forEach(s => s.click())") is None
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_by_keyboard_and_screen_reader(open_page, site):
    page = open_page(site, "tasks/esc.html")
    wait_for_tables(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for role in ("banner", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    assert page.get_by_role("table", name="Results, full data, esc10-5-fold").count() == 1
    assert page.locator("table thead th:not([scope=col]), table tbody th:not([scope=row])").count() == 0
    unnamed = "[...document.querySelectorAll('input, select')].filter((e) => !e.labels.length).length"
    assert page.evaluate(unnamed) == 0
    assert page.locator("h1").count() == 1


def test_html_in_records_does_nothing(open_page, tmp_path):
    put_hostile(tmp_path / "runs")
    put_run(tmp_path / "runs", id="plain", group="plain")
    write_site(tmp_path / "site", tmp_path / "records", tmp_path / "runs")
    (hostile,) = (tmp_path / "site" / "runs").rglob("-b-hostile*.html")
    (system,) = (tmp_path / "site" / "systems" / "bad").glob("-img*.html")
    for path in (tmp_path / "site" / "index.html", tmp_path / "site" / "tasks" / "bad.html", hostile, system):
        page = open_page(tmp_path / "site", path.relative_to(tmp_path / "site").as_posix())
        for figure in page.locator("figure.plot").all():
            figure.scroll_into_view_if_needed()
            figure.get_by_text("As a table").click()
        page.wait_for_timeout(500)
        assert page.locator("main img[src=x]").count() == 0
        assert page.locator("script:not([src]):not([type='application/json'])").count() == 0
    assert "<img src=x" in open_page(tmp_path / "site", hostile.relative_to(tmp_path / "site").as_posix()).inner_text(
        "main"
    )
