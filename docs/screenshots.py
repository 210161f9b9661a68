"""Pictures of the site for the documents: `python docs/screenshots.py [SITE]`, with chromium and a site of some runs.

The site is `runs/site` unless another is named; it needs a run of one class a clip and one of `sed`, with their data
at hand: `make bench TASK=all && make site`.
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
        "site-run": (_with(site / "runs", 'data-kind="confusion"'), "light", "#curves"),
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
    """A picture of what is at a place of the page, once its plots are drawn; in 256 colours, to be small."""
    page.locator(place).first.evaluate("element => scrollTo(0, element.getBoundingClientRect().top - 80)")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(3000)
    page.screenshot(path=out)
    Image.open(out).convert("RGB").quantize(256).save(out, optimize=True)
    sys.stdout.write(f"{out}\n")


if __name__ == "__main__":
    sys.exit(main())
