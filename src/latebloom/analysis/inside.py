"""What a stored network does on every pair, step by step: neurons, attention, logits, circles of the embedding.

Nothing here is a measure: these are the network's own activations, laid out along the task's cyclic group, for views
that let a reader move through the checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.errors import LatebloomError
from latebloom.measures.cyclic import CyclicLogits, CyclicTable, missing_cyclic
from latebloom.measures.fourier import embedding_rows, spectrum
from latebloom.measures.keys import key_frequencies
from latebloom.measures.neurons import neuron_fit, polynomial
from latebloom.measures.probe import Probe

if TYPE_CHECKING:
    from latebloom.store import Run

KEPT_STEPS = 4
"""Networks whose activations are kept in memory: 26 MB each for 512 neurons of 113² pairs."""


@dataclass(frozen=True)
class Sizes:
    """What there is to look at.

    Attributes:
        order: elements of the group; every table is order × order, operand a down, b across.
        layers: MLP layers by the block they stand in, with their numbers of neurons.
        heads: attention layers by their block, with their numbers of heads.
        positions: token positions that the last one may attend to.
        classes: answers, in the order of the group.
        operands: the token of each element, in the order of the group.
        keys: key frequencies of the newest network, ascending.
        telling: of each MLP layer the neuron of the newest network that a single frequency explains best.
    """

    order: int
    layers: dict[int, int]
    heads: dict[int, int]
    positions: int
    classes: int
    operands: list[int]
    keys: list[int]
    telling: dict[int, int]


class Inside:
    """The checkpoints of one run, opened for looking."""

    def __init__(self, run: Run) -> None:
        """Rebuild the network of the newest checkpoint.

        Raises:
            LatebloomError: the run has no checkpoint, cannot be rebuilt, or its task has no cyclic group.
        """
        self._run = run
        _, last = probe_of(run)
        if why := missing_cyclic(last.subject):
            raise LatebloomError(f"{last.subject.task.title}: {why}, so there is no table of pairs to show")
        self._subject, self._table = last.subject, CyclicTable.of(last.subject)
        self._probes: OrderedDict[int, Probe] = OrderedDict()
        with torch.no_grad():
            self.sizes = self._sizes(last)

    @property
    def steps(self) -> list[int]:
        """The steps of which there are checkpoints, as they are now."""
        return self._run.checkpoints

    def _sizes(self, probe: Probe) -> Sizes:
        seen = probe.activations
        layers = {_block(n): x.shape[1] for n, x in seen.items() if n.endswith("mlp.hook_post")}
        patterns = {_block(n): x for n, x in seen.items() if n.endswith("attn.hook_pattern")}
        return Sizes(
            self._table.order,
            layers,
            {block: x.shape[1] for block, x in patterns.items()},
            max((x.shape[2] for x in patterns.values()), default=0),
            self._table.order,
            self._table.classes.tolist(),
            list(key_frequencies(CyclicLogits.of(probe))),
            {block: self._telling(seen[f"blocks.{block}.mlp.hook_post"]) for block in layers},
        )

    def _telling(self, activations: torch.Tensor) -> int:
        return int(neuron_fit(self._table.values(activations)).fve.nan_to_num(-1).argmax())

    def _probe(self, step: int) -> Probe:
        if step not in self._probes:
            self._probes[step] = Probe(self._subject, self._run.params(step))
            while len(self._probes) > KEPT_STEPS:
                self._probes.popitem(last=False)
        return self._probes[step]

    def _activation(self, step: int, name: str) -> torch.Tensor:
        found = self._probe(step).activations.get(name)
        if found is None:
            raise LatebloomError(f"the network has no {name}")
        return self._table.values(found)

    @torch.no_grad()
    def neuron(self, step: int, block: int, number: int) -> np.ndarray:
        """One neuron after its non-linearity, last position, shape (order, order), float32.

        Raises:
            LatebloomError: there is no such checkpoint, layer or neuron.
        """
        return _float32(_column(self._activation(step, f"blocks.{block}.mlp.hook_post"), number, "neuron"))

    @torch.no_grad()
    def neuron_fitted(self, step: int, block: int, number: int) -> tuple[np.ndarray, int, float]:
        """What one frequency says of a neuron (`neuron_fit`): its polynomial of degree 2, the frequency, its share.

        Raises:
            LatebloomError: there is no such checkpoint, layer or neuron.
        """
        x = _column(self._activation(step, f"blocks.{block}.mlp.hook_post"), number, "neuron")[..., None].double()
        fit = neuron_fit(x)
        return _float32(polynomial(x, fit.frequency)[..., 0]), int(fit.frequency[0]), float(fit.fve[0])

    @torch.no_grad()
    def neurons(self, step: int, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Of every neuron its best frequency (0: it never changes) and the share of variance that this explains.

        Raises:
            LatebloomError: there is no such checkpoint or layer.
        """
        fit = neuron_fit(self._activation(step, f"blocks.{block}.mlp.hook_post"))
        return fit.frequency.numpy().astype("<f4"), _float32(fit.fve)

    @torch.no_grad()
    def attention(self, step: int, block: int, position: int) -> np.ndarray:
        """Weight from the last position to another one, of every head, shape (head, order, order), float32.

        Raises:
            LatebloomError: there is no such checkpoint, layer or position.
        """
        pattern = self._activation(step, f"blocks.{block}.attn.hook_pattern")
        return _float32(_column(pattern, position, "position").permute(2, 0, 1))

    @torch.no_grad()
    def logit(self, step: int, answer: int) -> np.ndarray:
        """The logit of the answer with exponent `answer`, shape (order, order), float32.

        Raises:
            LatebloomError: there is no such checkpoint or answer.
        """
        classes = self._table.classes
        if not 0 <= answer < len(classes):
            raise LatebloomError(f"expected an answer 0 … {len(classes) - 1}, got {answer}")
        return _float32(self._table.values(self._probe(step).logits[:, classes[answer]]))

    @torch.no_grad()
    def circles(self, step: int, frequencies: list[int]) -> np.ndarray:
        """The embedding seen along its own cosine and sine of each frequency, shape (frequency, order, 2), float32.

        Coordinates of W_E's rows on the orthonormal pair that spans W_Eᵀ cos(w_k a) and W_Eᵀ sin(w_k a): a network
        that uses frequency k has its operands on a circle there, k times round.

        Raises:
            LatebloomError: there is no such checkpoint, or no embedding of the operands.
        """
        rows = embedding_rows(self._probe(step))
        if rows is None:
            raise LatebloomError("the network has no embedding of its operands")
        waves = spectrum(rows.double())
        found = []
        for k in frequencies:
            pair = waves[[i for i in (2 * k - 1, 2 * k) if i < len(waves)]]
            basis = torch.linalg.qr(pair.T).Q
            seen = rows.double() @ basis
            found.append(torch.nn.functional.pad(seen, (0, 2 - seen.shape[1])))
        return _float32(torch.stack(found)) if found else np.zeros((0, len(rows), 2), "<f4")


def _block(name: str) -> int:
    return int(name.split(".")[1])


def _column(x: torch.Tensor, number: int, what: str) -> torch.Tensor:
    if not 0 <= number < x.shape[-1]:
        raise LatebloomError(f"expected a {what} 0 … {x.shape[-1] - 1}, got {number}")
    return x[..., number]


def _float32(x: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.float().numpy(), "<f4")
