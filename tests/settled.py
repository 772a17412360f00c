"""When a page has settled: nothing is looked at before."""

from __future__ import annotations

from typing import Any

# Two frames, in which a step that was chosen reaches every figure, and then until no figure is behind.
SETTLED = """() => new Promise((done) => {
  const look = () => (document.querySelector('[aria-busy=true]') ? setTimeout(look, 10) : done());
  requestAnimationFrame(() => requestAnimationFrame(look));
})"""

UNTIL = """() => new Promise((done) => {
  const look = () => (CONDITION ? done() : setTimeout(look, 10));
  look();
})"""


def until(page: Any, condition: str) -> None:
    """Until a condition in the page's words holds; Playwright's own way needs `eval`, which the pages forbid."""
    page.evaluate(UNTIL.replace("CONDITION", condition))


def settle(page: Any) -> None:
    """Until every figure shows the chosen step; a page that is being loaded anew is waited for too."""
    while True:
        try:
            page.evaluate(SETTLED)
        except Exception as error:
            if "context was destroyed" not in str(error):
                raise
        else:
            return
