"""Many runs of one shape trained by one update, lifted along a run axis.

Each member has its own seeds, split, share of training examples, corrupted labels, schedule and hyperparameters, and
stands at its own step. What differs between steps (hyperparameters, minibatches) is drawn on the host for many updates
ahead and laid out in tables, from which a counter on the device reads: an update then has fixed shapes and needs no
decision of the host, and on a GPU it is captured once and replayed.

A member with fewer training examples than another repeats its first one with weight zero. Groups of equal size instead
would leave a sweep over fractions nothing to lift; the price is at most that of the largest member.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.models.lifted import Plan, lifted_logits, lifted_plan
from latebloom.optim import Hyper, State
from latebloom.spec import RunSpec
from latebloom.training.batches import batch_at
from latebloom.training.capture import captured, uploaded
from latebloom.training.constraints import constrained, decayed_update, with_held_zeros
from latebloom.training.losses import DTYPES
from latebloom.training.schedules import hyper_rows
from latebloom.training.setup import Setup
from latebloom.training.state import TrainState

AHEAD = 64
"""Updates whose hyperparameters and minibatches are laid out at once."""


def shape_of(spec: RunSpec) -> str:
    """Members of one ensemble agree in this: the task, the network and every setting that is not data of a step."""
    table = spec.model_dump(mode="json")
    same = ("task", "model", "loss", "regular", "precision", "batch", "device", "sources")
    rules = {"optim": spec.build_optimiser(), "gradient": spec.build_gradient_rule()}
    fixed = {kind: _fixed(table[kind]["name"], rule) for kind, rule in rules.items()}
    return json.dumps({name: table[name] for name in same} | fixed, sort_keys=True)


def _fixed(name: str, part: Any) -> dict[str, Any]:
    """A rule's name and what it does not take as data (`window` of Grokfast-MA is the size of a tensor)."""
    return {"name": name} | {key: v for key, v in dataclasses.asdict(part).items() if not isinstance(v, float)}


def obstacle(setup: Setup) -> str:
    """Why runs of this shape cannot be lifted; "" when they can. Built-in parts are known to; one's own are tried."""
    if drawn := _drawn_on_the_host(setup.spec):
        return f"{drawn} is drawn on the host at every step"
    try:
        Ensemble([setup, setup], [setup.initial_state()] * 2, capture=False).advance(1)
    except Exception as error:  # whatever torch.vmap makes of one's own code
        return f"torch.vmap fails: {str(error).strip().splitlines()[0] if str(error) else type(error).__name__}"
    return ""


def _drawn_on_the_host(spec: RunSpec) -> str:
    """The setting that asks for random numbers of every step's own, which no table on the device holds; "" if none."""
    if spec.split.scheme == "fresh":
        return "split.scheme = fresh"
    drawn = [name for name in ("dropout", "weight_noise", "gradient_noise") if getattr(spec.regular, name)]
    return f"regular.{drawn[0]}" if drawn else ""


class Ensemble:
    """Runs of one shape, each at its own step.

    Attributes:
        steps: updates that each member has behind it.
        captured: whether the update is replayed from a CUDA graph.
    """

    def __init__(self, setups: Sequence[Setup], states: Sequence[TrainState], capture: bool | None = None) -> None:
        """Stacks members.

        Args:
            setups: of one shape (`shape_of`).
            states: where each member stands.
            capture: whether the update is captured; by default on a CUDA device.

        Raises:
            ValueError: the shapes differ, or something is drawn on the host at every step.
        """
        if len({shape_of(setup.spec) for setup in setups}) != 1:
            raise ValueError("expected members of one shape: task, network, loss, precision, batch and kinds of rules")
        if drawn := _drawn_on_the_host(setups[0].spec):
            raise ValueError(f"expected runs that can be lifted, got {drawn}, which is drawn on the host at every step")
        self.setups = list(setups)
        self.steps = [state.step for state in states]
        first = setups[0]
        self._device = first.device
        self.captured = first.device.type == "cuda" if capture is None else capture
        self._state = stacked(states)
        regular = first.spec.regular
        kept = regular.norm is not None or regular.decay_to == "init"
        self._initial = _stack([setup.initial_params for setup in setups]) if kept else {}
        self._labels = torch.stack([setup.examples.labels for setup in setups])
        self._minibatch = first.spec.batch != "full"
        width = first.spec.batch if isinstance(first.spec.batch, int) else max(len(s.train) for s in setups)
        self._cursor = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._names = list(hyper_rows(0, 1, first))
        shape, ahead = (len(setups), width), AHEAD if self._minibatch else 1
        self._hyper = torch.zeros(len(self._names), AHEAD, len(setups), dtype=torch.float64, device=self._device)
        self._index = torch.zeros(ahead, *shape, dtype=torch.int64, device=self._device)
        self._weights = torch.zeros(ahead, *shape, dtype=DTYPES[first.spec.loss.precision], device=self._device)
        self._plan: Plan = {}
        if not self._minibatch:
            self._load_batches(1)
            self._plan = lifted_plan(first.model, first.examples, self._index[0])
        self._update: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self.setups)

    def advance(self, count: int) -> list[TrainState]:
        """Every member after `count` ≥ 1 further updates, with the state before the last of them.

        The host waits for the device only when somebody looks at the states.
        """
        self._run(count - 1)
        before = self._copy()
        self._run(1)
        after = self._copy()
        return [
            dataclasses.replace(_one(after, i, step), before=_one(before, i, step - 1))
            for i, step in enumerate(self.steps)
        ]

    def _copy(self) -> TrainState:
        return _mapped(torch.clone, self._state)

    def _run(self, count: int) -> None:
        while count > 0:
            piece = min(count, AHEAD)
            self._load_hyper(piece)
            if self._minibatch:
                self._load_batches(piece)
            self._cursor.zero_()
            update = self._ready()
            for _ in range(piece):
                update()
            self.steps = [step + piece for step in self.steps]
            count -= piece

    def _ready(self) -> Callable[[], None]:
        """The update, captured when it is asked for the first time."""
        if self._update is None:
            kept = [self._cursor, *self._state.tensors().values()]
            self._update = captured(self._one_update, kept) if self.captured else self._one_update
        return self._update

    def _load_hyper(self, count: int) -> None:
        rows = [hyper_rows(step, count, setup) for step, setup in zip(self.steps, self.setups, strict=True)]
        table = torch.tensor([[row[name] for row in rows] for name in self._names], dtype=torch.float64)
        self._hyper[:, :count].copy_(uploaded(table.transpose(1, 2).contiguous(), self._device), non_blocking=True)

    def _load_batches(self, count: int) -> None:
        """The examples of the next `count` updates, each member's padded with its first one at weight zero."""
        index = torch.empty(count, *self._index.shape[1:], dtype=torch.int64)
        weights = torch.zeros(count, *self._weights.shape[1:], dtype=self._weights.dtype)
        for r, (step, setup) in enumerate(zip(self.steps, self.setups, strict=True)):
            train = setup.train_index.cpu()
            index[:, r] = train[0]
            for i in range(count):
                chosen = self._chosen(step + i, setup, train)
                index[i, r, : len(chosen)] = chosen
                weights[i, r, : len(chosen)] = 1 / len(chosen)
        self._index[:count].copy_(uploaded(index, self._device), non_blocking=True)
        self._weights[:count].copy_(uploaded(weights, self._device), non_blocking=True)

    def _chosen(self, step: int, setup: Setup, train: Tensor) -> Tensor:
        batch = setup.spec.batch
        if batch == "full":
            return train
        return train[batch_at(step, len(train), batch, setup.spec.seeds.order)]

    def _one_update(self) -> None:
        """One update of all members in place; captured, so without a decision of the host that a tensor makes."""
        setup, state = self.setups[0], self._state
        hyper = dict(zip(self._names, self._hyper.index_select(1, self._cursor).squeeze(1).unbind(0), strict=True))
        if self._minibatch:
            index, weights = (table.index_select(0, self._cursor)[0] for table in (self._index, self._weights))
            plan = lifted_plan(setup.model, setup.examples, index)
        else:
            index, weights, plan = self._index[0], self._weights[0], self._plan
        labels = self._labels.gather(1, index)
        with warnings.catch_warnings():
            # an operation without a batching rule is slow here, not wrong
            warnings.filterwarnings("ignore", message="There is a performance drop")
            new = torch.func.vmap(self._lone_update)(
                state.params, state.optim, state.rule, self._initial, hyper, plan, labels, weights
            )
        after = TrainState(0, *new).tensors()
        for name, old in state.tensors().items():
            old.copy_(after[name])
        self._cursor += 1

    def _lone_update(
        self,
        params: Params,
        optim: State,
        rule: State,
        initial: Params,
        hyper: Hyper,
        plan: Plan,
        labels: Tensor,
        weights: Tensor,
    ) -> tuple[Params, State, State]:
        """The update of one run, as `training.loop.update` makes it."""
        setup = self.setups[0].with_initial(initial)

        def objective(params: Params) -> Tensor:
            logits = lifted_logits(setup.model, params, setup.examples, plan)
            each = torch.func.vmap(lambda z, label: setup.loss(z[None], label[None]))(logits, labels)
            loss = (each * weights).sum()
            if setup.spec.regular.l1:
                norm = torch.stack([tensor.abs().sum() for tensor in params.values()]).sum()
                loss = loss + setup.spec.regular.l1 * norm
            return loss

        def gradient(at: Params) -> Grads:
            return with_held_zeros(setup, params, torch.func.grad(objective)(at))

        grads, rule = setup.rule.direction(gradient, rule, params, hyper)
        moved, optim = decayed_update(setup, grads, TrainState(0, params, optim, rule), hyper)
        return constrained(setup, params, moved), optim, rule


def stacked(states: Sequence[TrainState]) -> TrainState:
    """The states as one, with the run axis first in every tensor; its step says nothing."""
    found = _stack([state.tensors() for state in states])
    return states[0].with_tensors(0, found)


def _stack(many: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([one[name] for one in many]) for name in many[0]}


def _one(state: TrainState, i: int, step: int) -> TrainState:
    return state.with_tensors(step, {name: tensor[i] for name, tensor in state.tensors().items()})


def _mapped(function: Callable[[Tensor], Tensor], state: TrainState) -> TrainState:
    return state.with_tensors(state.step, {name: function(tensor) for name, tensor in state.tensors().items()})
