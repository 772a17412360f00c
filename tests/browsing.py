"""A user of the dashboard in a real browser."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from typing import Any

import pytest

from settled import settle

try:
    from playwright import sync_api as api
except ImportError:
    api = None

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(
    api is None or CHROMIUM is None,
    reason="needs Playwright for Python (pip install -e '.[test]') and chromium (Debian: apt-get install chromium)",
)


class User:
    """A page of the dashboard, and all that went wrong or was asked for."""

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self.address = address
        self.context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | context))
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.context.on("console", lambda message: self.faults.append(message.text))
        self.context.on("weberror", lambda error: self.faults.append(str(error.error)))
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))

    def close(self) -> None:
        """The end of a visit: nothing went wrong that was not provoked, and nothing was asked of anyone else."""
        try:
            self.page.evaluate("0")  # what the page said before this is heard by now
            assert self.faults == [], self.faults
            elsewhere = [url for url in self.asked if not url.startswith((f"{self.address}/", "data:", "blob:"))]
            assert elsewhere == [], elsewhere
        finally:
            self.context.close()

    def provoked(self, words: str) -> None:
        """The browser's own note of a refusal that the test provoked is no fault."""
        self.until(lambda: any(words in fault for fault in self.faults), f"the browser notes {words!r}")
        self.faults = [fault for fault in self.faults if words not in fault]

    def go(self, path: str) -> Any:
        return self.page.goto(self.address + path)

    def text(self, selector: str) -> str:
        settle(self.page)
        return re.sub(r"\s", " ", self.page.inner_text(selector))

    def wait(self, condition: str, seconds: float = 20) -> None:
        """Until a condition holds; asked from here, since the pages' policy forbids `eval`."""
        deadline = time.monotonic() + seconds
        while not self._holds(condition):
            assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
            self.page.wait_for_timeout(20)

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 20) -> None:
        """Until something seen on the page holds: figures out of sight follow when the browser is idle."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            self.page.wait_for_timeout(20)

    def _holds(self, condition: str) -> bool:
        try:
            return bool(self.page.evaluate(condition))
        except Exception as error:
            if "context was destroyed" not in str(error):
                raise
            return False  # the page is being loaded anew

    def scrub(self, place: int) -> None:
        self.page.eval_on_selector(
            "#scrubber", "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", place
        )

    def pixels(self, selector: str) -> str:
        settle(self.page)
        return self.page.eval_on_selector(selector, "canvas => canvas.toDataURL()")
