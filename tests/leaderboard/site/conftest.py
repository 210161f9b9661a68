"""A browser to look at a site."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium, without a window; skipped where there is none, but not in CI."""
    file = shutil.which("chromium")
    if file is None and os.environ.get("CI") != "true":
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=file, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield started
        started.close()


@pytest.fixture
def open_page(browser):
    """A function that opens a page of a site; the test fails if the browser had anything to complain of.

    A sound of which only the length was asked for counts as a failed request, and is none.
    """
    complaints, pages = [], []

    def open_(site, path="index.html", **context):
        page = browser.new_page(**({"viewport": {"width": 1280, "height": 900}} | context))
        page.on("console", lambda message: complaints.append(message.text) if message.type != "info" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: request.resource_type != "media" and complaints.append(request.url))
        page.on("request", lambda request: request.url.startswith("http") and complaints.append(request.url))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.goto((site / path).as_uri())
        pages.append(page)
        return page

    yield open_
    for page in pages:
        page.close()
    assert complaints == []
