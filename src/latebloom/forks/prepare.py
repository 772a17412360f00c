"""From what is asked for to forks that are ready to be trained, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from latebloom.analysis import Crossing
from latebloom.errors import LatebloomError
from latebloom.forks.asked import Asked, Ready
from latebloom.forks.bench import Bench, RefusedError
from latebloom.forks.changes import Change
from latebloom.forks.moments import EventMissingError, Moment, moment_of
from latebloom.store import Run, open_run


def prepare(
    asked: Asked | Sequence[Asked],
    root: Path,
    *,
    threads: int | None = None,
    tell: Callable[[str], None] = lambda text: None,
    faults: Sequence[str] = (),
) -> list[Ready]:
    """Checks everything that is asked for, and stores what each fork and each twin begins with.

    Args:
        asked: the forks.
        root: the runs folder.
        threads: CPU threads of forks and twins; by default as many as the parent had, so that bits agree.
        tell: told of events that a run does not have, and of networks that do not allow a surgery, where others do.
        faults: what the caller has found already, to be told with what is found here.

    Raises:
        LatebloomError: with every fault of what is asked for, before anything is stored.
    """
    benches: dict[Path, Bench] = {}
    seen: dict[Path, dict[str, Crossing]] = {}
    places: list[tuple[Bench, Moment, Change, Asked]] = []
    wrong = dict.fromkeys(faults)
    for part in [asked] if isinstance(asked, Asked) else asked:
        for parent in part.parents:
            if parent.folder not in benches:
                benches[parent.folder] = Bench(parent, root, threads)
        found, missing, unknown = _places(part, seen)
        # an event that no parent has is a fault, one that some have not is told
        wrong |= dict.fromkeys(unknown if found else [*unknown, *missing])
        for message in missing if found else []:
            tell(message)
        places += [
            (benches[parent.folder], moment, change, part) for parent, moment in found for change in part.changes
        ]
        for bench in () if found else (benches[parent.folder] for parent in part.parents):
            for change in part.changes:
                wrong |= dict.fromkeys(map(str, bench.faults_of(change, part, 0, bench.spec.steps)))
    for bench, moment, change, part in places:
        wrong |= dict.fromkeys(map(str, bench.faults(moment, change, part)))
    if wrong:
        head = "the fork has a fault" if len(wrong) == 1 else f"the forks have {len(wrong)} faults"
        raise LatebloomError("\n".join([f"{head}:", *(f"  {fault}" for fault in wrong)]))
    return _all_ready(places, tell)


def _all_ready(places: Sequence[tuple[Bench, Moment, Change, Asked]], tell: Callable[[str], None]) -> list[Ready]:
    """Every fork whose surgery the network allows; of the others the reasons are told.

    Raises:
        LatebloomError: no network allows its surgery.
    """
    found, refused = [], {}
    for bench, moment, change, part in places:
        try:
            found.append(bench.ready(moment, change, part))
        except RefusedError as error:
            refused[str(error)] = None
    if not found:
        raise LatebloomError("\n".join(refused))
    for message in refused:
        tell(message)
    return found


def _places(
    asked: Asked, seen: dict[Path, dict[str, Crossing]]
) -> tuple[list[tuple[Run, Moment]], list[str], list[str]]:
    """Each moment of each parent, why some have none, and what is no moment."""
    places: list[tuple[Run, Moment]] = []
    missing, wrong = [], []
    for parent in asked.parents:
        for words in asked.moments:
            try:
                places.append((parent, moment_of(parent, words, seen)))
            except EventMissingError as error:
                missing.append(str(error))
            except LatebloomError as error:
                wrong.append(str(error))
    return places, missing, wrong


def parents_of(names: Sequence[str], root: Path) -> tuple[Run, ...]:
    """The runs of these names, each once.

    Raises:
        LatebloomError: with every name that is no run.
    """
    found, wrong = {}, []
    for name in names:
        try:
            run = open_run(name, root)
            found[run.folder.resolve()] = run
        except LatebloomError as error:
            wrong.append(str(error))
    if wrong:
        raise LatebloomError("\n".join(wrong))
    return tuple(found.values())
