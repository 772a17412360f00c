"""A process that trains one task after the other: tasks come in as lines of JSON, what happens goes out as such.

It lives on over many tasks, since importing torch takes longer than a short run. When its input ends, as it does too
when the process that feeds it is killed, a run under way is stored and stopped at its next step.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

from latebloom.process import prepare_process

PROGRESS_EVERY = 0.5
"""Seconds between two words about a run."""


def main() -> None:
    """Works until the input ends or says stop."""
    # what a user's own code prints must not come between the lines of JSON
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    prepare_process()
    from latebloom.studies.task import Task, run_task

    tasks: queue.Queue[dict[str, Any] | None] = queue.Queue()
    stopping = threading.Event()
    threading.Thread(target=_listen, args=(tasks, stopping), daemon=True).start()
    said = 0.0

    def say(kind: str, **what: Any) -> None:
        print(json.dumps({"kind": kind} | what), file=out, flush=True)

    def progress(run: str, step: int, accuracy: float | None) -> None:
        nonlocal said
        if time.monotonic() - said > PROGRESS_EVERY:
            said = time.monotonic()
            say("progress", run=run, step=step, accuracy=accuracy)

    try:
        say("ready")
        while (data := tasks.get()) is not None:
            outcomes = run_task(Task.from_json(data), stopping.is_set, progress)
            say("ended", outcomes=[asdict(outcome) for outcome in outcomes])
    except BrokenPipeError:
        # nobody is left to tell; the run has been stored
        os._exit(0)


def _listen(tasks: queue.Queue[dict[str, Any] | None], stopping: threading.Event) -> None:
    for line in sys.stdin:
        said = json.loads(line)
        if said.get("stop"):
            break
        tasks.put(said)
    stopping.set()
    tasks.put(None)


if __name__ == "__main__":
    main()
