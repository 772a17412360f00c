"""A run that trains, in a browser: its curves grow, also over a lost connection, and a folder that goes is said."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import latebloom
from browsing import User, needs_browser
from dashboard_runs import row_of, write_rows
from latebloom.store import StoreError

pytestmark = needs_browser

NAME = "seed-0-0000000000"
LIVE = f"/run/made/{NAME}"
STEP = "Number(document.querySelector('#now b').textContent.replace(/\\D/g, ''))"
POINTS = "document.querySelector('#accuracy .plot .line.train').getAttribute('d').split('L').length"


def test_follow_a_run_that_trains(user: Callable[..., User], root: Path) -> None:
    ended = threading.Event()
    with write_rows(root, NAME, 100, 600, last=20) as writer:

        def go_on() -> None:
            for step in range(30, 5000, 10):
                if ended.is_set():
                    return
                writer.log(step, row_of(step, 100, 600), {})
                time.sleep(0.02)

        trains = threading.Thread(target=go_on)
        trains.start()
        try:
            one = user()
            one.go(LIVE)
            one.wait(f"{STEP} >= 20")
            first, points = one.page.evaluate(STEP), one.page.evaluate(POINTS)
            one.wait(f"{STEP} > {first}")
            one.wait(f"{POINTS} > {points}")
            second = one.page.evaluate(STEP)
            one.wait(f"{STEP} > {second}")
            assert "running: step" in one.text(".badge")
            # what happens while it is looked at is marked as it happens
            one.wait("document.querySelectorAll('#accuracy .plot circle.event.memorised').length === 1")
        finally:
            ended.set()
            trains.join()
        writer.finish([], {})
        one.wait("document.querySelector('.badge') === null")
    # what was read while it was written is whole
    scalars = latebloom.open(root / "made" / NAME).scalars
    assert scalars["step"].to_list() == list(range(0, 10 * len(scalars), 10))


def test_rows_that_come_twice_are_drawn_once(user: Callable[..., User], root: Path) -> None:
    with write_rows(root, NAME, 100, 600, last=20) as writer:
        told = []

        def answer(route: Any) -> None:
            # each connection ends after one message, and the browser makes it anew with the same address
            last = 20 + 10 * min(len(told) + 1, 3)
            told.append(last)
            steps = list(range(30, last + 1, 10))
            curves = {name: [row_of(step, 100, 600)[name] for step in steps] for name in row_of(0, 0, 0)}
            message = {"state": "running", "total_steps": 1000, "steps": steps, "curves": curves}
            headers = {"Content-Type": "text/event-stream"}
            route.fulfill(status=200, headers=headers, body=f"retry: 10\ndata: {json.dumps(message)}\n\n")

        one = user()
        one.page.route("**/api/live/**", answer)
        one.go(LIVE)
        one.until(lambda: len(told) > 4, "several connections")
        one.wait(f"{STEP} === 50")
        assert one.page.evaluate(POINTS) == 6
        writer.stop("asked to")


def test_the_list_says_what_came_so_far(user: Callable[..., User], root: Path) -> None:
    with write_rows(root, NAME, 100, 2000) as writer:
        one = user()
        one.go("/?group=made")
        one.wait("document.querySelectorAll('.runs tbody tr').length === 1")
        assert [one.text(f".event[data-head={name}]") for name in ("memorised", "grokked")] == ["100 so far", "not yet"]
        for step in range(810, 2100, 10):
            writer.log(step, row_of(step, 100, 2000), {})
        writer.finish([], {})
    # runs under way are looked at again
    one.wait("document.querySelector('.state').textContent === 'done'")


def test_a_folder_that_goes_while_its_page_is_open(user: Callable[..., User], root: Path) -> None:
    one = user()
    folder = next(iter(root.glob("pair/seed-0*")))
    one.go(f"/run/pair/{folder.name}")
    one.wait("document.querySelectorAll('#heads .tile canvas').length === 2")
    one.wait("document.querySelector('#inside-said').textContent === ''")
    shutil.rmtree(folder)
    one.page.fill("[name=neuron]", "5")
    one.wait("document.querySelector('#inside-said').textContent.includes('there is no')")
    one.provoked("404")
    writer = write_rows(root, NAME, 100, 600, last=20)
    one.go(LIVE)
    one.wait(f"{STEP} === 20")
    shutil.rmtree(root / "made")
    one.wait("document.querySelector('h1').textContent === 'Nothing here'")
    one.provoked("404")
    with pytest.raises(StoreError, match="could not be written"):
        writer.stop("asked to")
