"""A real Chromium that looks at the pages, and notes whatever a strict policy forbids."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from support.once import locked
from support.processes import WAIT_S

UI = Path(__file__).resolve().parents[2] / "packages" / "tollway-gateway" / "ui"
"""The sources of the front end."""

expect.set_options(timeout=WAIT_S * 1000)  # a busy machine is no failure

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

_NOTE_VIOLATIONS = (
    "window.violations = []; document.addEventListener('securitypolicyviolation',"
    " (event) => window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the Chromium of this machine, headless."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert found, "needs Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        # Without a sandbox, which root has not; shared memory is small in containers.
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


class Visit:
    """A tab at one server: fails at its end if anything broke, was forbidden, or came from elsewhere."""

    def __init__(
        self, browser: Browser, url: str, *, width: int = 1280, height: int = 800, theme: str = "light"
    ) -> None:
        self._context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        self._context.set_default_timeout(WAIT_S * 1000)
        self._context.add_init_script(_NOTE_VIOLATIONS)
        self._context.route(
            lambda address: not address.startswith((f"{url}/", "data:", "blob:")), self._refuse
        )
        self.url = url
        self.problems: list[str] = []
        self.page: Page = self._context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))

    def _refuse(self, route: Route) -> None:
        self.problems.append(f"a request to {route.request.url}")
        route.abort()

    def open(self, address: str, wait_for: str) -> Page:
        """Go to an address such as `#/traces`, and wait until something is there."""
        self.page.goto(f"{self.url}/ui/{address}")
        self.page.wait_for_selector(wait_for)
        return self.page

    def close(self) -> None:
        """Close the tab, and fail for what it noted."""
        violations = self.page.evaluate("window.violations ?? []")
        self._context.close()
        assert [] == [*self.problems, *violations]


def node_modules() -> Path:
    """Return the folder of the front end's packages, installed by the first that asks."""
    folder = UI / "node_modules"
    with locked(UI / ".installing"):
        if not (folder / "axe-core").exists():
            subprocess.run(["npm", "install", "--silent"], cwd=UI, check=True, timeout=600)
    return folder
