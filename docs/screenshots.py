"""Pictures of the site for the documents: `python docs/screenshots.py [SITE]`, with chromium and a site of some runs.

The site is `runs/site` unless another is named; it needs runs of `asc` and `sed`: `make bench TASK=all && make site`.
"""

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1280, 860


def main() -> int:
    """Take all pictures."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/site").resolve()
    browser_file = shutil.which("chromium")
    if browser_file is None or not (site / "index.html").is_file():
        sys.stderr.write(f"error: chromium and a site at {site} are needed: make bench TASK=all && make site\n")
        return 2
    pages = {
        "site-index": (site / "index.html", "light", "main"),
        "site-task": (site / "tasks" / "esc.html", "light", "section.results"),
        "site-run": (_with(site / "runs" / "asc", 'data-kind="confusion"'), "light", "#curves"),
        "site-events": (_with(site / "runs" / "sed", '"lanes": [{'), "dark", "#clips"),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_file, args=["--no-sandbox"])
        for name, (file, scheme, place) in pages.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            page.goto(file.as_uri())
            _take(page, place, HERE / f"{name}.png")
        browser.close()
    return 0


def _with(folder: Path, text: str) -> Path:
    """The last page below a folder that holds a text."""
    return [path for path in sorted(folder.rglob("*.html")) if text in path.read_text(encoding="utf-8")][-1]


def _take(page: Page, place: str, out: Path) -> None:
    """A picture of what is at a place of the page, once its plots are drawn; in 256 colours, to be small.

    Of clips the one with most events is shown.
    """
    if page.locator("div.clips").count():
        events = page.evaluate(
            "JSON.parse(document.querySelector('div.clips script').textContent)"
            ".map((clip) => (clip.lanes ?? []).flatMap((lane) => [...lane.reference, ...lane.estimate]).length)"
        )
        page.locator("div.clips select").select_option(index=events.index(max(events)))
    for _ in range(2):  # what is drawn above moves the place
        page.locator(place).first.evaluate("place => scrollBy(0, place.getBoundingClientRect().top - 80)")
        page.wait_for_timeout(2000)
    page.screenshot(path=out)
    Image.open(out).convert("RGB").quantize(256).save(out, optimize=True)
    sys.stdout.write(f"{out}\n")


if __name__ == "__main__":
    sys.exit(main())
