"""What a run's events say, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from latebloom.analysis import Crossing, Event, delay
from latebloom.analysis.phases import generalised_step

NARROW = "\u202f"


def count(number: int) -> str:
    """A whole number with its digits in threes: 12 345."""
    return f"{number:,}".replace(",", NARROW)


def brief(number: float) -> str:
    """A number in few digits: 39, 3.9, 0.0021, 6.5e-08."""
    return count(round(number)) if 10 <= abs(number) < 1e6 else f"{number:.2g}"


def headline(events: Sequence[Event], last: int | None) -> str:
    """What happened, in one sentence.

    Args:
        events: those that were looked for.
        last: the last step logged; None when nothing was.
    """
    if last is None:
        return "Nothing was logged yet."
    found = {event.name: event.found.step for event in events}
    if not {"memorised", "grokked"} <= set(found):
        return f"Logged up to step {count(last)}; without accuracies there are no events to tell."
    memorised, generalised = found["memorised"], generalised_step(found)
    if memorised is None and generalised is None:
        return f"Neither memorised nor generalised by step {count(last)}."
    if generalised is None:
        return f"Memorised by step {count(memorised or 0)}; not generalised by step {count(last)}."
    if memorised is None:
        return f"Generalised by step {count(generalised)}; the training set not memorised by step {count(last)}."
    if generalised <= memorised:
        return (
            f"Generalised by step {count(generalised)}, no later than memorised (step {count(memorised)}): no grokking."
        )
    ratio = delay(list(events))["ratio"]
    later = f", {brief(ratio)}\u00a0× as many steps" if ratio else ""
    none = ": no grokking" if found["grokked"] is None else ""
    return f"Memorised by step {count(memorised)}; generalised by step {count(generalised)}{later}{none}."


def details(events: Sequence[Event]) -> list[str]:
    """How sure the headline is: one sentence for each event that it tells, and one for the circuit's phases."""
    found = {event.name: event for event in events}
    told = [found[name] for name in ("memorised", "grokked") if name in found]
    return [*(_detail(event) for event in told), *_circuit(found)]


def two_kinds(events: Sequence[Event]) -> str:
    """Why phases and events overlap: a sentence where the phases are of a circuit; "" where both are of accuracy."""
    found = {event.name for event in events if event.found.step is not None}
    if "circuit-formation-started" not in found or not found & {"memorised", "generalised"}:
        return ""
    circuit = "Phases are of the circuit (excluded and restricted loss, Σw²)"
    return f"{circuit}, memorised and grokked of accuracy: the two may overlap."


def threshold(event: Event, crossing: Crossing) -> str:
    """A crossing's threshold as its rule means it: ≥ 0.95, × 1.5, 50% as fast."""
    if event.sign == "of peak":
        return f"{crossing.threshold:.0%} as fast"
    return f"{event.sign} {crossing.threshold:.3g}"


CIRCUIT = (
    ("circuit-formation-started", "circuit formation from"),
    ("circuit-formation-ended", "circuit formed by"),
    ("cleanup-started", "cleanup from"),
    ("cleanup-ended", "to"),
)


def _circuit(found: Mapping[str, Event]) -> list[str]:
    parts = [f"{words} {_steps(found[name].found)}" for name, words in CIRCUIT if name in found and found[name].step]
    if not parts:
        return []
    text = f"Phases of Nanda et al. 2023, as far as seen: {', '.join(parts)}."
    end = found.get("cleanup-ended")
    return [text if end is None or end.step else f"{text} Cleanup's end was not seen: {end.found.reason}."]


def _steps(found: Crossing) -> str:
    low, high = found.interval or (found.step or 0, found.step or 0)
    return f"step {count(found.step or 0)} ({count(low)} to {count(high)})"


def shown(events: Sequence[Event]) -> list[Event]:
    """The events to tell where there is no room for all: without those that say of accuracy what another one says."""
    found = {event.name: event.found.step for event in events}
    skipped = {"generalised"} if found.get("grokked") is not None or found.get("generalised") is None else {"grokked"}
    skipped |= {name for name in ("anti-grokked", "collapsed", "train-loss-spiked") if found.get(name) is None}
    circuit = any(event.group == "nanda2023" for event in events)
    kept = {"train-loss-spiked"} if circuit else {"train-loss-spiked", "norm-fall-started", "norm-fall-ended"}
    return [e for e in events if e.name not in skipped and (e.group != "task-independent" or e.name in kept)]


def _detail(event: Event) -> str:
    found, name = event.found, event.title
    if found.step is None and found.censored_at is None and found.reason:
        return f"{name}: no ({event.rule}): {found.reason}."
    if found.step is None:
        seen = "" if found.censored_at is None else f" by step {count(found.censored_at)}"
        return f"{name}: not seen{seen} ({event.rule}). What comes later is not known (censored)."
    text = f"{name}{_between(found)} ({event.rule})"
    return f"{text}. {_elsewhere(event)}".rstrip()


def _elsewhere(event: Event) -> str:
    others = sorted(event.sensitivity, key=lambda crossing: crossing.threshold)
    if not others:
        return ""
    said = [f"step {count(c.step)}" if c.step is not None else "not seen" for c in (others[0], others[-1])]
    return f"At {threshold(event, others[0])}: {said[0]}; at {threshold(event, others[-1])}: {said[1]}."


def _between(found: Crossing) -> str:
    if found.interval is None or found.interval[0] == found.interval[1]:
        return f" by step {count(found.step or 0)}, the first that was logged"
    return f" between steps {count(found.interval[0])} and {count(found.interval[1])}"


def delay_range(events: Sequence[Event]) -> str:
    """The delay with what the intervals of both events allow; "" where it is not known.

    A crossing lies anywhere between two log rows, so the difference and the ratio are known only up to that.
    """
    found = {event.name: event.found for event in events}
    second = "generalised" if "generalised" in found else "grokked"
    if not {"memorised", second} <= set(found):
        return ""
    first, then = found["memorised"].interval, found[second].interval
    both = delay(list(events))
    if first is None or then is None or both["steps"] <= 0:
        return ""
    text = f"Delay: {count(both['steps'])} steps ({count(then[0] - first[1])} to {count(then[1] - first[0])})"
    if first[0] > 0:
        text += f", a ratio of {both['ratio']:.3g} ({then[0] / first[1]:.3g} to {then[1] / first[0]:.3g})"
    return text + ", as far as the log's gaps tell."


def raised(exponent: int) -> str:
    """An exponent in raised digits, for powers of ten."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def of_imported(facts: Mapping[str, Any], final: Any, spec: Mapping[str, Any]) -> tuple[str, list[str], str]:
    """Headline, sentences and set-up of a network that was trained elsewhere: nothing is known of its training."""
    numbers = final if isinstance(final, Mapping) else {}
    parts = []
    for split in ("train", "test"):
        loss, accuracy = numbers.get(f"{split}_loss"), numbers.get(f"{split}_accuracy")
        if isinstance(loss, int | float) and isinstance(accuracy, int | float):
            parts.append(f"{split} loss {loss:.4g}, accuracy {accuracy:.4g}")
    notes = facts.get("notes")
    said = ["; ".join(parts) + "."] if parts else []
    said += [str(note) for note in notes] if isinstance(notes, list) else []
    said.append(
        "How it was trained is not known: the spec's optimiser, loss and schedule are defaults and say nothing."
    )
    said.append("`latebloom analyse` takes it apart.")
    network = " · ".join(part for part in (_model(spec.get("model")), _data({"split": spec.get("split")})) if part)
    return f"Imported from {facts.get('file', 'a file')}, layout {facts.get('layout', 'unknown')}.", said, network


def of_fork(facts: Any) -> str:
    """What a fork was made of, as its provenance has it; "" for a run that is none."""
    if not isinstance(facts, Mapping):
        return ""
    parts = [facts.get(key) for key in ("parent", "twin")]
    parent, twin = (part if isinstance(part, Mapping) else {} for part in parts)
    event = f", {facts['event']}" if facts.get("event") else ""
    at = f"step {count(facts['step'])}" if isinstance(facts.get("step"), int) else "a step"
    made = f"Forked from {parent.get('folder', 'a run')} at {at}{event}: {facts.get('change') or 'nothing changed'}."
    what = f" ({twin['what']})" if twin.get("what") else ""
    return made + (f" Its twin is {twin['folder']}{what}." if twin.get("folder") else "")


def setting(spec: Mapping[str, Any]) -> str:
    """The set-up in few words: network, optimiser, data."""
    parts = [_model(spec.get("model")), _optimiser(spec.get("optim")), _data(spec)]
    return " · ".join(part for part in parts if part)


def task_title(spec: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The task as the run called it, else its name and settings."""
    task = spec.get("task")
    if summary.get("title"):
        return str(summary["title"])
    if not isinstance(task, Mapping):
        return "a run"
    return ", ".join(str(v) if k in ("name", "operation") else f"{k} {v}" for k, v in task.items())


def _model(model: Any) -> str:
    if not isinstance(model, Mapping):
        return ""
    if model.get("name") == "transformer":
        sizes = [("width", model.get("d_model")), ("heads", model.get("n_heads")), ("neurons", model.get("d_mlp"))]
        written = [f"width {n}" if word == "width" else f"{n} {word}" for word, n in sizes if n]
        return ", ".join([f"{model.get('n_layers', '?')}-layer transformer", *written])
    if model.get("name") == "mlp":
        return f"MLP, hidden widths {', '.join(map(str, model.get('widths') or ['?']))}"
    return str(model.get("name", ""))


def _optimiser(optim: Any) -> str:
    if not isinstance(optim, Mapping):
        return ""
    name = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}.get(str(optim.get("name")), str(optim.get("name", "")))
    told = [("lr", "lr"), ("weight_decay", "weight decay")]
    values = [(word, optim.get(key)) for key, word in told]
    return ", ".join([name, *(f"{word} {value:g}" for word, value in values if isinstance(value, int | float))])


def _data(spec: Mapping[str, Any]) -> str:
    split, batch = spec.get("split"), spec.get("batch")
    share = split.get("fraction") if isinstance(split, Mapping) else None
    words = [f"{100 * share:.3g} % of the pairs trained on" if isinstance(share, int | float) else ""]
    words.append("full batch" if batch == "full" else f"batches of {batch}" if batch else "")
    return ", ".join(word for word in words if word)
