"""A real browser: Playwright with the system's Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Playwright's own browser has no sandbox in a container, and one that looks for updates does so at a bad time.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")  # not longer: its event loop would be in the way of other tests
def browser() -> Iterator[Any]:
    """Return a running Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        reason = "No Chromium is installed. On Debian: apt-get install chromium"
        if os.environ.get("SKYRAIL_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def look(request: pytest.FixtureRequest) -> Any:
    """Return a function that saves what a page looks like, when SKYRAIL_SCREENSHOTS names a folder for it."""
    folder = os.environ.get("SKYRAIL_SCREENSHOTS")

    def save(page: Any, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png")

    return save


@pytest.fixture(scope="module")
def signed_in(platform: Any, browser: Any) -> Iterator[Any]:
    """Return a browser window that followed the sign-in link."""
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(platform.login_link())
    page.get_by_role("link", name="Skyrail").wait_for()
    yield context
    context.close()
