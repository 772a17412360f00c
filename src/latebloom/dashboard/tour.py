"""A guided tour of grokking: eight views of the run that ships with the package, each with a sentence or two.

A stop is an address of the run's page, so it can be shared and left; every number in its words is read from the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from latebloom.analysis import find_events
from latebloom.dashboard.example import example_row, example_run
from latebloom.dashboard.place import NotThereError
from latebloom.views.findings import count
from latebloom.views.markup import Html, tag

if TYPE_CHECKING:
    import polars as pl

    from latebloom.store import Run


@dataclass(frozen=True)
class Stop:
    """One view of the tour.

    Attributes:
        title: what is seen, in few words.
        words: a sentence or two.
        show: the id of the part of the page that is looked at.
        step: the training step that is shown; None is the last.
    """

    title: str
    words: str
    show: str
    step: int | None


@dataclass(frozen=True)
class Facts:
    """What the words are made of.

    Attributes:
        memorised: step from which the training pairs are answered right.
        generalised: step from which the held-out ones are.
        between: a step half-way between both on a logarithmic axis.
        scalars: the run's numbers.
    """

    memorised: int
    generalised: int
    between: int
    scalars: pl.DataFrame

    def at(self, step: int | None, name: str) -> float:
        """A number at the last row, up to a step, that has it."""
        rows = self.scalars if step is None else self.scalars.filter(self.scalars["step"] <= step)
        return float(rows[name].drop_nulls()[-1])

    def percent(self, step: int | None, name: str) -> str:
        """A share in per cent, to three digits."""
        return f"{100 * self.at(step, name):.3g} %"


@cache
def stops() -> tuple[Stop, ...]:
    """The tour.

    Raises:
        NotThereError: the package was built without its example.
    """
    run = example_run()
    if run is None:
        raise NotThereError("this latebloom was built without its example, so there is no tour")
    return tuple(_stops(run, _facts(run)))


def _facts(run: Run) -> Facts:
    scalars = run.scalars
    steps = {event.name: event.found.step or 0 for event in find_events(scalars)}
    memorised, generalised = steps["memorised"], steps["generalised"]
    middle = (memorised * generalised) ** 0.5
    between = min((step for step in run.checkpoints if step > memorised), key=lambda step: abs(step - middle))
    return Facts(memorised, generalised, between, scalars)


def _stops(run: Run, facts: Facts) -> Sequence[Stop]:
    p, share = run.spec["task"]["p"], run.spec["split"]["fraction"]
    first, later, between = count(facts.memorised), count(facts.generalised), facts.between
    last = int(facts.scalars["step"][-1])
    return (
        Stop(
            "A table to learn",
            f"A small transformer sees {100 * share:.3g} % of all sums a + b mod {p}, over and over, and never the "
            "others. "
            f"At step 0 it guesses: {facts.percent(0, 'test_accuracy')} right, where chance is {100 / p:.3g} %. "
            "Blue and dashed are the pairs it trains on, orange the held-out ones.",
            "accuracy",
            0,
        ),
        Stop(
            "First it memorises",
            f"At step {first} it has learnt its training pairs by heart: "
            f"{facts.percent(facts.memorised, 'train_accuracy')} right. Of the held-out ones it gets "
            f"{facts.percent(facts.memorised, 'test_accuracy')}. Most people would stop here.",
            "accuracy",
            facts.memorised,
        ),
        Stop(
            "Then little is seen to happen",
            f"At step {count(between)} training loss is {facts.at(between, 'train_loss'):.1e} nats, and the held-out "
            f"pairs stand at {facts.percent(between, 'test_accuracy')}; their loss has grown to "
            f"{facts.at(between, 'test_loss'):.1f} nats, worse than guessing ({facts.at(0, 'test_loss'):.1f}).",
            "loss",
            between,
        ),
        Stop(
            "And it groks",
            f"By step {later}, {facts.generalised / facts.memorised:.0f} times as late as it memorised, it answers "
            f"{facts.percent(facts.generalised, 'test_accuracy')} of the pairs it was never shown. "
            "This delayed generalisation is what is called grokking.",
            "accuracy",
            facts.generalised,
        ),
        Stop(
            "It was not sudden inside",
            f"From step {first} to {count(between)} held-out accuracy went only from "
            f"{facts.percent(facts.memorised, 'test_accuracy')} to {facts.percent(between, 'test_accuracy')}. But with "
            "all but a few waves taken out of its answers (restricted loss) the network went from "
            f"{facts.at(facts.memorised, 'restricted_loss_all'):.2g} to {facts.at(between, 'restricted_loss_all'):.2g} "
            "nats, and with those waves taken out (excluded loss) it got worse. Point at the title for definitions.",
            "progress",
            between,
        ),
        Stop(
            "Numbers become angles",
            f"It has laid the numbers 0 to {p - 1} out on circles, one for each key frequency: a + b mod {p} is then "
            "a turn by a, and a turn by b. Drag the bar below back to step 0 and watch the circles go.",
            "circles",
            None,
        ),
        Stop(
            "A neuron is a wave",
            "Left: what one neuron does on every pair (a, b). Right: the best fit by a single frequency. Choose "
            "another neuron by its number, or press one of the cells beside it.",
            "neuron",
            None,
        ),
        Stop(
            "Why: weights cost",
            "Weight decay makes large weights dear. Memorising takes "
            f"{facts.at(facts.memorised, 'weight_norm_sq'):.0f} in sum of squares at step {first}; the waves do the "
            f"same, and more, with {facts.at(None, 'weight_norm_sq'):.0f} at step {count(last)}. Now yours: "
            "`latebloom run` trains one in under a minute, and it comes up in the list of runs.",
            "norm",
            None,
        ),
    )


def address(number: int) -> str:
    """The address of a stop, counted from 1.

    Raises:
        NotThereError: there is no such stop, or no tour.
    """
    stop = _stop(number)
    row = example_row()
    assert row is not None
    step = {} if stop.step is None else {"step": stop.step}
    return f"/run/{row.folder}?{urlencode({'tour': number} | step)}"


def card(number: int) -> Html:
    """What a stop says, with the way on.

    Raises:
        NotThereError: there is no such stop, or no tour.
    """
    stop, last = _stop(number), len(stops())
    back = tag("a", "‹ back", href=f"/tour/{number - 1}") if number > 1 else None
    onward = (f"/tour/{number + 1}", "next ›") if number < last else ("/", "all runs ›")
    ways = tag(
        "p", back, tag("a", onward[1], href=onward[0], class_="next"), tag("a", "leave", href="?"), class_="ways"
    )
    place = tag("p", f"Tour of grokking, {number} of {last}", class_="quiet")
    head = tag("div", place, tag("h2", stop.title, id="tour-title"), tag("p", stop.words), class_="said")
    return tag("aside", head, ways, id="tour", aria_labelledby="tour-title", data_show=stop.show)


def _stop(number: int) -> Stop:
    known = stops()
    if not 1 <= number <= len(known):
        raise NotThereError(f"the tour has the stops 1 to {len(known)}, got {number}")
    return known[number - 1]
