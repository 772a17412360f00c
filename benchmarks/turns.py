"""Processes that take turns: each stands still while another is timed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType


class Turn:
    """A process that prints `ready`, then a number for each line it is given; it is stopped between its turns.

    A thread that waits may spin, and would take the core of the process that is timed.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        if self._line() != "ready":
            self.process.kill()
            raise SystemExit(f"expected the process to be ready, it ended: {' '.join(command)}")
        self.process.send_signal(signal.SIGSTOP)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def take(self) -> float:
        """The number of its next turn."""
        assert self.process.stdin is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write("\n")
        number = float(self._line())
        self.process.send_signal(signal.SIGSTOP)
        return number

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.communicate()


def take_turns(commands: Mapping[str, tuple[Sequence[str], Mapping[str, str]]], rounds: int) -> dict[str, list[float]]:
    """The numbers of every command in every round; each is (words, what the environment has besides).

    `OMP_WAIT_POLICY` is not inherited: it decides how fast a process is, and each command says what it wants.
    """
    plain = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    with ExitStack() as stack:
        turns = {n: stack.enter_context(Turn(words, plain | dict(more))) for n, (words, more) in commands.items()}
        numbers: dict[str, list[float]] = {name: [] for name in turns}
        for _ in range(rounds):
            for name, turn in turns.items():
                numbers[name].append(turn.take())
    return numbers
