"""One table: every task, network, optimiser, gradient rule, loss and setting keeps every contract, or has no row."""

from __future__ import annotations

import dataclasses
import itertools
import typing
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

import cases
from latebloom.optim import GradientRule, Optimiser
from latebloom.spec import REGISTRIES, RunSpec, read, resolve, write
from latebloom.store.checkpoints import load, save
from latebloom.tasks import Task, answers_of
from latebloom.training import LOSSES, Ensemble, Setup, TrainState, batch_of, gradients, obstacle, train, update

ROWS = list(cases.SPECS)
DRAWN_ON_THE_HOST = {"dropout", "weight_noise", "gradient_noise"}


@cache
def setup(row: str, seed: int = 0) -> Setup:
    return Setup.of(resolve(cases.table_of(row, seed=seed)))


@cache
def states(row: str) -> list[TrainState]:
    made = setup(row)
    return list(train(made, made.initial_state(), lambda step: True))


def apart(one: TrainState, other: TrainState) -> float:
    """The greatest difference of any number of two states."""
    ours, theirs = one.tensors(), other.tensors()
    assert {name: (x.shape, x.dtype) for name, x in ours.items()} == {n: (x.shape, x.dtype) for n, x in theirs.items()}
    return max((ours[name].double() - theirs[name].double()).abs().max().item() for name in ours if ours[name].numel())


def same_bits(one: TrainState, other: TrainState) -> bool:
    ours, theirs = one.tensors(), other.tensors()
    return (
        one.step == other.step and ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
    )


@pytest.mark.parametrize("row", ROWS)
def test_parts_have_their_shapes_and_types(row):
    made, state = setup(row), states(row)[-1]
    assert isinstance(made.task, Task)
    assert isinstance(made.optimiser, Optimiser)
    assert isinstance(made.rule, GradientRule)
    for examples in (made.train, batch_of(made, 3)):
        asked = len(examples) * answers_of(made.task)
        logits = made.model.logits(state.params, examples)
        assert logits.shape == (asked, logits.shape[1]) == made.model.apply(state.params, examples.tokens)[0].shape
        assert logits.shape[1] >= made.task.classes
        assert made.loss(logits, examples.labels).shape == ()
        assert made.loss_gradient(logits, examples.labels.flatten()).shape == logits.shape
        grads = gradients(made, state.params, examples, 3)
        assert {k: (x.shape, x.dtype) for k, x in grads.items()} == {k: (x.shape, x.dtype) for k, x in _typed(made)}
    assert {k: (x.shape, x.dtype) for k, x in state.params.items()} == {k: (x.shape, x.dtype) for k, x in _typed(made)}
    assert all(x.numel() == 0 or torch.isfinite(x).all() for x in state.tensors().values())


def _typed(made: Setup) -> Iterator[tuple[str, Tensor]]:
    dtype = {"float32": torch.float32, "float64": torch.float64}[made.spec.precision]
    return ((name, torch.empty(weight.shape, dtype=dtype)) for name, weight in made.model.tensors().items())


@pytest.mark.parametrize("row", ROWS)
def test_the_same_spec_gives_the_same_bits_and_changes_nothing_it_was_given(row):
    again = Setup.of(setup(row).spec)
    state = again.initial_state()
    for known in states(row)[:4]:
        assert same_bits(state, known)
        kept = state.with_tensors(state.step, {name: tensor.clone() for name, tensor in state.tensors().items()})
        after = update(again, state)
        assert same_bits(state, kept)
        state = after


@pytest.mark.parametrize("row", ROWS)
def test_stopped_anywhere_stored_and_gone_on_with_every_step_has_the_same_bits(row, tmp_path):
    (tmp_path / "spec.toml").write_text(write(setup(row).spec))
    again = Setup.of(resolve(read(str(tmp_path / "spec.toml"))[1]))
    assert again.spec == setup(row).spec
    for known, following in itertools.pairwise(states(row)):
        save(tmp_path / "state.safetensors", known.tensors(), {})
        tensors, _ = load(tmp_path / "state.safetensors")
        taken_up = again.initial_state().replaced(known.step, tensors)
        assert same_bits(taken_up, known)
        assert same_bits(update(again, taken_up), following)


@pytest.mark.parametrize("row", ROWS)
def test_mates_of_an_ensemble_do_not_matter(row):
    made, mate = setup(row), setup(row, seed=1)
    spec = made.spec
    if spec.split.scheme == "fresh" or any(getattr(spec.regular, name) for name in DRAWN_ON_THE_HOST):
        assert "drawn on the host at every step" in obstacle(made)
        with pytest.raises(ValueError, match="drawn on the host at every step"):
            Ensemble([made, mate], [made.initial_state(), mate.initial_state()])
        return
    if answers_of(made.task) > 1:
        assert obstacle(made)
        return
    members = Ensemble([mate, made], [mate.initial_state(), made.initial_state()]).advance(2)
    tolerance = 1e-9 if made.spec.precision == "float64" else 1e-4
    assert members[1].step == 2
    assert apart(members[1], states(row)[2]) < tolerance
    # and are not merely twins
    assert not same_bits(members[0], members[1])


@pytest.mark.parametrize("row", ROWS)
def test_float64_and_float32_are_twins(row):
    made = setup(row)
    other = Setup.of(
        resolve(cases.table_of(row, precision="float32" if made.spec.precision == "float64" else "float64"))
    )
    start = other.initial_state()
    after = update(other, start).tensors()
    assert {name: x.dtype for name, x in after.items()} == {name: x.dtype for name, x in start.tensors().items()}
    assert all(torch.equal(start.params[name].float(), w.float()) for name, w in made.initial_params.items())
    here, there = (s.model.logits(s.initial_params, s.train).double() for s in (made, other))
    assert (here - there).abs().max() <= 1e-4 * here.abs().max().clamp(min=1)
    ours, theirs = (gradients(s, s.initial_params, batch_of(s, 0)) for s in (made, other))
    for name, grad in ours.items():
        assert (grad.double() - theirs[name].double()).abs().max() <= 1e-4 * max(1, grad.abs().max().item()), name


@pytest.mark.parametrize("row", ROWS)
def test_the_fast_path_is_apply_and_its_gradient_that_of_plain_autograd(row):
    made = setup(row)
    tolerance = 1e-10 if made.spec.precision == "float64" else 1e-4
    params = states(row)[-1].params
    for examples in (made.examples, made.train, batch_of(made, 1)):
        slow, fast = made.model.apply(params, examples.tokens)[0], made.model.logits(params, examples)
        assert (slow - fast).abs().max() <= tolerance
    if any(getattr(made.spec.regular, name) for name in DRAWN_ON_THE_HOST):
        return
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in params.items()}
    loss = made.loss(made.model.apply(leaves, made.train.tokens)[0], made.train.labels)
    loss = loss + made.spec.regular.l1 * sum(tensor.abs().sum() for tensor in leaves.values())
    plain = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
    for (name, grad), slow in zip(gradients(made, params, made.train).items(), plain, strict=True):
        assert (grad - slow).abs().max() <= tolerance, name


@pytest.mark.parametrize("row", [row for row in ROWS if row not in ("as it is", "gradient plain", "optim adamw")])
def test_every_row_is_another_run(row):
    changed = cases.SPECS[row]
    base = cases.table_of("as it is") | {key: cases.table_of(row)[key] for key in ("task", "model") if key in changed}
    if set(changed) <= {"task", "model", "log"}:
        assert setup(row).spec.identity != setup("as it is").spec.identity
        return
    plain = Setup.of(resolve(base | {"batch": "full", "split": {"fraction": 0.5}}))
    *_, last = train(plain, plain.initial_state(), lambda step: False)
    ours, theirs = tree_leaves(states(row)[-1].params), tree_leaves(last.params)
    assert not all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def literals(hint: Any) -> list[Any]:
    """The values that a type lists, wherever in it they stand."""
    if hint is bool:
        return [True, False]
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    return [value for inner in typing.get_args(hint) if not isinstance(inner, str) for value in literals(inner)]


# they say where a run begins, what is looked at and where, not what an update does
OUTSIDE = {"fork", "log", "checkpoints", "stop", "device", "steps", "seeds", "sources"}


def needed() -> dict[str, Callable[[RunSpec], bool]]:
    """What some row must have: every class, every value that a setting lists, and every other setting once."""
    needs: dict[str, Callable[[RunSpec], bool]] = {}
    for kind, registry in REGISTRIES.items():
        needs[f"{kind} file.py:Class"] = lambda spec, kind=kind: ":" in getattr(spec, kind)["name"]
        for name, cls in registry.items():
            needs[f"{kind} {name}"] = lambda spec, kind=kind, name=name: getattr(spec, kind)["name"] == name
            hints = typing.get_type_hints(cls)
            for field in dataclasses.fields(cls):
                for value in literals(hints[field.name]):
                    needs[f"{kind} {name}: {field.name} = {value}"] = _with(kind, name, field.name, value)
    needs["measure file.py:object"] = lambda spec: ":" in spec.log.measures
    needs["loss file.py:function"] = lambda spec: ":" in spec.loss.name
    for loss in LOSSES:
        needs[f"loss.name = {loss}"] = lambda spec, loss=loss: spec.loss.name == loss
    return needs | _of_part((), RunSpec)


def _with(kind: str, name: str, field: str, value: Any) -> Callable[[RunSpec], bool]:
    def has(spec: RunSpec) -> bool:
        table = getattr(spec, kind)
        found = table.get(field)
        return table["name"] == name and (found == value or (isinstance(found, list | tuple) and value in found))

    return has


def _of_part(path: tuple[str, ...], part: type) -> dict[str, Callable[[RunSpec], bool]]:
    needs: dict[str, Callable[[RunSpec], bool]] = {}
    for name, field in part.model_fields.items():
        here = (*path, name)
        if here[0] in {*OUTSIDE, *REGISTRIES}:
            continue
        if hasattr(field.annotation, "model_fields"):
            needs |= _of_part(here, field.annotation)
            continue
        default = field.get_default(call_default_factory=True)
        needs[f"{'.'.join(here)} other than {default}"] = lambda spec, at=here, default=default: (
            _read(spec, at) != default
        )
        for value in literals(field.annotation):
            needs[f"{'.'.join(here)} = {value}"] = lambda spec, at=here, value=value: _read(spec, at) == value
    return needs


def _read(spec: RunSpec, path: tuple[str, ...]) -> Any:
    found: Any = spec
    for name in path:
        found = getattr(found, name)
    return found


def lacking(rows: list[str]) -> set[str]:
    """What none of these rows has."""
    specs = [setup(row).spec for row in rows]
    return {need for need, has in needed().items() if not any(map(has, specs))}


def test_no_row_is_missing():
    assert lacking(ROWS) == set()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("task conditional", "task conditional: even = sub"),
        ("task skip trigrams", "task skip-trigrams"),
        ("task group, there and back", "task group: word = aba"),
        ("model bilinear", "model bilinear"),
        ("model tied", "model transformer: tied = True"),
        ("optim muon", "optim muon"),
        ("gradient sam", "gradient sam"),
        ("stablemax", "loss.name = stablemax"),
        ("fixed norm", "regular.norm other than None"),
        ("cosets", "split.scheme = cosets"),
        ("decay switched off", "changes other than {}"),
        ("own gradient rule", "gradient file.py:Class"),
        ("own loss", "loss file.py:function"),
        ("own measure", "measure file.py:object"),
    ],
)
def test_a_row_that_is_taken_out_is_missed(row, said):
    assert said in lacking([other for other in ROWS if other != row])


def test_a_new_class_or_choice_is_missed_until_it_has_a_row(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class New:
        way: typing.Literal["up", "down"] = "up"

    monkeypatch.setattr(New, "__annotations__", {"way": typing.Literal["up", "down"]})
    monkeypatch.setitem(REGISTRIES["optim"], "new", New)
    monkeypatch.setitem(LOSSES, "new", LOSSES["mse"])
    assert lacking(ROWS) == {"optim new", "optim new: way = up", "optim new: way = down", "loss.name = new"}
