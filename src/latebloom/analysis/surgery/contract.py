"""What a surgery is: a pure function of a network's parameters to other parameters of the same shapes."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

from latebloom.axes import Params
from latebloom.errors import LatebloomError
from latebloom.measures import Probe, Subject
from latebloom.measures.cyclic import missing_cyclic
from latebloom.measures.keys import Keys, live_keys

NOW, INITIAL = "now", "initial"
"""The weights at the step of the surgery, and those before the first update."""

WEIGHTS = "*.W_*"
"""The pattern of all embeddings and matrices; biases, gains and shifts are not among them."""


@dataclass(frozen=True, eq=False)
class Patient:
    """What a surgery may look at besides the parameters that it is given.

    Attributes:
        subject: model, task, examples with their split, and the initial parameters.
        params: the parameters at the step of the surgery.
        seed: the run's; what is drawn depends on it and on the surgery's own seed.
        draw: initial parameters that the run's scheme draws by another seed; None where it is not known.
        at: the same run's parameters at another of its steps, or at an event ("2800", "grokked", "end"); None where
            there is no run. It may raise a LatebloomError.
        donor: another run's last parameters, by the run's name, or `NAME@STEP`; None where there are no other runs. It
            may raise a LatebloomError.
    """

    subject: Subject
    params: Params
    seed: int = 0
    draw: Callable[[int], Params] | None = None
    at: Callable[[str], Params] | None = None
    donor: Callable[[str], Params] | None = None

    @cached_property
    def initial(self) -> Params:
        """The parameters before the first update.

        Raises:
            LatebloomError: they are not known.
        """
        if self.subject.initial is None:
            raise LatebloomError("expected a run whose initial weights are known, got a network from a file: train one")
        return self.subject.initial

    def weights(self, when: str) -> Params:
        """The run's parameters at a moment: `now`, `initial`, or what `at` understands.

        Raises:
            LatebloomError: they are not to be had.
        """
        if when == NOW:
            return self.params
        if when == INITIAL:
            return self.initial
        if self.at is None:
            raise LatebloomError(f"expected now or initial, got {when!r}: there is no run whose other steps are stored")
        return self.at(when)

    def keys(self, when: str = NOW) -> Keys:
        """The key frequencies of the run's logits at a moment; may be empty.

        Raises:
            LatebloomError: the task has no frequencies, or the weights are not to be had.
        """
        if reason := missing_cyclic(self.subject):
            raise LatebloomError(f"expected a task over a cyclic group: {reason}")
        return live_keys(Probe(self.subject, self.weights(when)))


@runtime_checkable
class Surgery(Protocol):
    """A frozen dataclass whose fields are the settings, each with its bounds and a description."""

    def apply(self, params: Params, patient: Patient) -> Params:
        """Parameters of the same names, shapes and precisions; the old ones are left as they were.

        A tensor that is not operated on is the same tensor as before.

        Args:
            params: what is operated on: `patient.params`, or what an earlier surgery made of them.
            patient: what may be looked at.

        Raises:
            LatebloomError: the network has no such structure, or what is asked for is not to be had.
        """
        ...


def named(params: Params, pattern: str) -> list[str]:
    """The tensors whose names a pattern fits, in the network's order.

    Raises:
        LatebloomError: there is none.
    """
    found = [name for name in params if fnmatch.fnmatchcase(name, pattern)]
    if not found:
        raise LatebloomError(f"expected a pattern that fits a tensor ({', '.join(params)}), got {pattern!r}")
    return found
