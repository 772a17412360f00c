"""A process that trains runs one after the other as its parent asks: a JSON line for each comes in, answers go out.

It stops, and stores the run it is at, when its input ends: then its parent wants that, or is no more.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from latebloom.ensemble.choice import Part
from latebloom.ensemble.outcome import Outcome
from latebloom.ensemble.single import run_one_by_one
from latebloom.process import prepare_process
from latebloom.spec import RunSpec


def main() -> None:
    """Works until the input ends."""
    prepare_process()
    # Ctrl-C reaches every process of a terminal: the parent decides what becomes of it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a user's own code prints is no answer
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    tasks: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(tasks, stop), daemon=True).start()

    def say(**message: Any) -> None:
        try:
            print(json.dumps(message), file=answers, flush=True)
        except OSError:  # nobody listens any more
            stop.set()

    while (task := tasks.get()) is not None and not stop.is_set():
        outcome = _train(task, stop, say)
        say(run=outcome.run_id, state=outcome.state, error=outcome.error)


def _read(tasks: queue.SimpleQueue, stop: threading.Event) -> None:
    for line in sys.stdin:
        tasks.put(json.loads(line))
    stop.set()
    tasks.put(None)


def _train(task: dict[str, Any], stop: threading.Event, say: Any) -> Outcome:
    spec = RunSpec.model_validate(task["spec"])
    facts = task["ensemble"]
    found = run_one_by_one(
        Part(facts["engine"], (spec,), facts["why"]),
        Path(task["root"]),
        task["group"],
        device=task["device"],
        threads=1,
        watch=lambda run_id, step, row: say(run=run_id, step=step, row=row),
        interrupted=stop.is_set,
        tell=lambda text: say(tell=text),
        ensemble=facts,
    )
    return found[0] if found else Outcome(spec.run_id, "stopped", "not begun")


if __name__ == "__main__":
    main()
