"""A run's state at any of its steps, and what a change makes of it."""

from __future__ import annotations

import torch

from latebloom.axes import Params
from latebloom.errors import LatebloomError
from latebloom.optim import State
from latebloom.store import CheckpointError, Run
from latebloom.training import Setup, TrainState, train


def state_at(run: Run, setup: Setup, step: int) -> tuple[TrainState, int]:
    """The state after `step` updates, and the step of the checkpoint that it was reached from.

    Where the step has no checkpoint, the updates since the newest good one before it are made again: they are functions
    of the state, the spec and the step, so that on the same machine with as many threads they give the same bits.

    Raises:
        LatebloomError: there is no good checkpoint before it, or those that are there are not of this spec.
    """
    refused = []
    for at in reversed([at for at in run.checkpoints if at <= step]):
        try:
            stored = run.checkpoint(at)
        except CheckpointError as error:
            refused.append(str(error))
            continue
        try:
            state = setup.initial_state().replaced(at, stored.tensors)
        except ValueError as error:
            raise LatebloomError(
                f"{run.folder} cannot be gone on with from step {at}: {error}; an imported network has no optimiser's "
                "state, and a run of another version may have another one"
            ) from error
        return advanced(setup, state, step), at
    told = "".join(f"\n  {message}" for message in refused)
    raise LatebloomError(f"{run.folder} has no good checkpoint at step {step} or before{told}")


def advanced(setup: Setup, state: TrainState, step: int) -> TrainState:
    """The state after the updates up to `step`."""
    if step == state.step:
        return state
    return next(later for later in train(setup, state, lambda at: at == step) if later.step == step)


def goes_on_alike(run: Run, setup: Setup, state: TrainState) -> int | None:
    """The step of the run's next checkpoint, if the updates made here lead to it bit for bit; None where they do not.

    All that follows is then the same too: an update is a function of the state and the spec.
    """
    later = next((at for at in run.checkpoints if at > state.step), None)
    if later is None:
        return None
    try:
        stored = run.checkpoint(later).tensors
    except CheckpointError:
        return None
    ours = advanced(setup, state, later).tensors()
    alike = ours.keys() == stored.keys() and all(torch.equal(ours[name].cpu(), stored[name]) for name in ours)
    return later if alike else None


GOES_ON = "its optimiser goes on with the parent's state"


def carried(
    setup: Setup, state: TrainState, params: Params, reset: bool, kept: tuple[str, str]
) -> tuple[TrainState, str]:
    """The state that a fork begins with, and what became of the optimiser's state, in words.

    What optimiser and gradient rule remember goes on where it can: of the same optimiser, with tensors of the same
    shapes. Else it begins as at step 0.

    Args:
        setup: of the fork.
        state: the parent's at the fork.
        params: its weights, after what was done to them.
        reset: whether both begin as at step 0 in any case.
        kept: the names of the parent's optimiser and gradient rule.
    """
    dtype = next(iter(setup.initial_params.values())).dtype
    weights = {name: tensor.to(dtype) for name, tensor in params.items()}
    fresh = TrainState(state.step, weights, setup.optimiser.init(weights), setup.rule.init(weights))
    parts: dict[str, State] = {}
    told = []
    names = (setup.spec.optim["name"], setup.spec.gradient["name"])
    for part, name, before in zip(("optim", "rule"), names, kept, strict=True):
        old, new = getattr(state, part), getattr(fresh, part)
        fits = name == before and _shapes(old) == _shapes(new)
        parts[part] = new if reset or not fits else _cast(old, new)
        if fits and not reset:
            continue
        why = f"{before} became {name}" if name != before else "as asked for" if reset else "its tensors do not fit"
        if _shapes(new) or _shapes(old):
            told.append(f"the state of {name} begins as at step 0: {why}")
    return TrainState(state.step, weights, parts["optim"], parts["rule"]), "; ".join(told) or GOES_ON


def _shapes(state: State) -> dict[str, tuple[int, ...]]:
    found = TrainState(0, {}, state).tensors()
    return {name: tuple(tensor.shape) for name, tensor in found.items()}


def _cast(old: State, new: State) -> State:
    """The old state in the precision of the new one."""
    return {
        key: {name: tensor.to(new[key][name].dtype) for name, tensor in value.items()}
        if isinstance(value, dict)
        else value.to(new[key].dtype)
        for key, value in old.items()
    }
