"""The circuit of a run's network at three moments, as `latebloom analyse` takes it apart, in the numbers rules read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latebloom.store import Run

MOMENTS = {"initial": "at random, before training", "memorised": "when it has memorised", "end": "at the end"}
NUMBERS = ("embedding_key_share", "key_count", "loss_all", "gradient_symmetricity", "distance_irrelevance")


def circuits(run: Run) -> dict[str, float]:
    """Numbers and criteria of the circuit at the first, the memorising and the last checkpoint, as `end.w_l`.

    The memorising checkpoint is the first one at which the run had memorised; without it, it has no numbers. `by_w_l.…`
    is the last checkpoint again with the key frequencies that stand out in W_L.

    Raises:
        LatebloomError: the run cannot be analysed.
    """
    found: dict[str, float] = {}
    for moment, step in _moments(run).items():
        found |= _told(moment, _circuit(run, step))
    return found | _told("by_w_l", _by_w_l(run))


def _told(moment: str, record: dict[str, Any]) -> dict[str, float]:
    told = {c["name"]: c["value"] for c in record["verdict"]["criteria"]}
    told |= {name: record["numbers"].get(name) for name in NUMBERS}
    return {f"{moment}.{name}": value for name, value in told.items() if value is not None}


def _by_w_l(run: Run) -> dict[str, Any]:
    from latebloom.analysis.circuits import analyse_circuit

    record = _circuit(run, run.checkpoints[-1])
    keys = record["rules"]["unembedding"]
    return record if keys == record["keys"] else analyse_circuit(run, keys=keys).to_json()


def _moments(run: Run) -> dict[str, int]:
    steps = run.checkpoints
    events = {event["name"]: event["found"]["step"] for event in run.events}
    memorised = events.get("memorised")
    later = [step for step in steps if memorised is not None and memorised <= step]
    return {"initial": steps[0], "end": steps[-1]} | ({"memorised": later[0]} if later else {})


def _circuit(run: Run, step: int) -> dict[str, Any]:
    """What is stored of it, or the analysis, which is then stored."""
    # the ledger is listed without torch
    from latebloom.analysis.circuits import analyse_circuit
    from latebloom.analysis.circuits.stored import path_of, read_circuit, store_circuit

    if not path_of(run, step).is_file():
        store_circuit(run, analyse_circuit(run, step))
    return read_circuit(run, step)[0]
