"""The entry point: splits a spec's fields from the command's own options, and turns errors into one message."""

from __future__ import annotations

import difflib
import os
import re
import sys
from typing import Any

import cyclopts
from rich.console import Console

from latebloom.cli.app import app
from latebloom.errors import LatebloomError

SPEC_WORDS = ("seed", "steps", "epochs", "init", "precision", "batch", "measures", "init_scale", "init-scale")
"""Fields of a spec without a dot, which the command line takes as options of their own."""

SPEC_PATH = re.compile(r"[a-z_]+(\.[\w-]+)+")

SHORT = {"measures": "log.measures"}
"""Options that are short for a field of a part."""


def _split_settings(tokens: list[str]) -> tuple[list[str], dict[str, str]]:
    """Takes the fields of a spec out of the words of a command line: `--model.d-mlp 256`, `--seed=3`."""
    rest: list[str] = []
    settings: dict[str, str] = {}
    words = iter(tokens)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not (SPEC_PATH.fullmatch(name) or name in SPEC_WORDS):
            rest.append(word)
            continue
        if not equals:
            value = next(words, "")
            if not value:
                raise LatebloomError(f"{word}: expected a value after it")
        settings[SHORT.get(name, name)] = value
    return rest, settings


def _parsed(tokens: list[str]) -> tuple[Any, Any, dict[str, Any]]:
    """The command, its bound arguments, and what it takes beside them.

    Raises:
        LatebloomError: the words are no command line of ours.
    """
    try:
        return app.parse_args(tokens, exit_on_error=False, print_error=False)
    except cyclopts.UnusedCliTokensError as error:
        unused = " ".join(map(repr, error.unused_tokens or ()))
        raise LatebloomError(f"expected no more words, got {unused}{_see(error)}") from error
    except cyclopts.CycloptsError as error:
        told = str(error)
        if isinstance(error, cyclopts.UnknownOptionError) and "Did you mean" not in told:
            near = difflib.get_close_matches(error.token.value, [f"--{word}" for word in SPEC_WORDS], n=1)
            told += f" Did you mean {near[0]}?" if near else ""
        raise LatebloomError(f"{told}{_see(error)}") from error


def _see(error: cyclopts.CycloptsError) -> str:
    return f" See `latebloom {' '.join([*(error.command_chain or ()), '--help'])}`."


def main() -> None:
    """The command `latebloom`; exits with 0, or with the error's code after one clear message."""
    try:
        tokens, settings = _split_settings(sys.argv[1:])
        command, bound, ignored = _parsed(tokens)
        if "settings" in ignored:
            bound.arguments["settings"] = settings
        elif settings:
            raise LatebloomError(
                f"--{next(iter(settings))}: only commands that make a run or print a spec take a spec's fields"
            )
        command(*bound.args, **bound.kwargs)
    except LatebloomError as error:
        Console(stderr=True, soft_wrap=True, emoji=False).print(
            f"latebloom: {error}", style="red", markup=False, highlight=False
        )
        sys.exit(error.code)
    except KeyboardInterrupt:
        Console(stderr=True).print("latebloom: ended at once; the same command goes on from the last checkpoint")
        sys.exit(130)
    except BrokenPipeError:
        # the reader has gone (`latebloom ls | head`): nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
