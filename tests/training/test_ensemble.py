"""A member of an ensemble is the run that it would be alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import cases
from latebloom.spec import override, read, resolve
from latebloom.tasks import Distinct, Examples
from latebloom.training import Ensemble, Setup, TrainState, obstacle, shape_of, update

SMALL = {"task.p": "5", "model.d_model": "8", "model.n_heads": "2", "model.d_mlp": "8", "steps": "400"}
# of different sizes, so that all but the largest are padded
MEMBERS = ({"seed": "0"}, {"seed": "1", "split.fraction": "0.6"}, {"seed": "2", "split.fraction": "0.5"})
TOLERANCE = 1e-9


def setup(*changes: dict[str, Any]) -> Setup:
    table = override(read("quick")[1], SMALL | {"precision": "float64"})
    for change in changes:
        tables = {name: value for name, value in change.items() if isinstance(value, dict)}
        table = override(table | tables, {name: value for name, value in change.items() if name not in tables})
    return Setup.of(resolve(table))


def alone(made: Setup, steps: int, state: TrainState | None = None) -> TrainState:
    state = state or made.initial_state()
    for _ in range(steps):
        state = update(made, state)
    return state


def together(setups: list[Setup], steps: int) -> list[TrainState]:
    return Ensemble(setups, [made.initial_state() for made in setups]).advance(steps)


def distance(one: TrainState, other: TrainState) -> float:
    """The greatest difference of any tensor of the whole state, the optimiser's and the rule's included."""
    ours, theirs = one.tensors(), other.tensors()
    assert {name: (x.shape, x.dtype) for name, x in ours.items()} == {n: (x.shape, x.dtype) for n, x in theirs.items()}
    return max((ours[name] - theirs[name]).abs().max().item() for name in ours if ours[name].numel())


def assert_members_equal_lone_runs(setups: list[Setup], steps: int) -> None:
    for made, member in zip(setups, together(setups, steps), strict=True):
        lone = alone(made, steps)
        assert member.step == lone.step == steps
        assert member.before is not None
        assert lone.before is not None
        assert distance(lone, member) < TOLERANCE
        assert distance(lone.before, member.before) < TOLERANCE
        assert distance(lone, made.initial_state()) > 1e-6


# tasks are data; what is drawn on the host is refused (`test_contracts.py`, which has the rows over a few steps)
DRAWN = {"fresh", "fresh, several answers", "dropout", "dropout, no residual stream", "weight noise", "gradient noise"}
ROWS = [row for row in cases.SPECS if not row.startswith("task ") and row not in DRAWN]


def case(row: str, member: dict[str, str], **more: str) -> Setup:
    table = cases.table_of(row)
    if table["split"].get("scheme") == "list":
        member = {name: value for name, value in member.items() if name != "split.fraction"}
    return Setup.of(resolve(override(table, {"steps": "400"} | member | more)))


def a_few_roundings_away(state: TrainState) -> TrainState:
    draw = torch.Generator().manual_seed(0)
    noise = {k: torch.randn(v.shape, generator=draw, dtype=v.dtype) for k, v in state.params.items()}
    params = {k: v * (1 + 5 * torch.finfo(v.dtype).eps * noise[k]) for k, v in state.params.items()}
    return dataclasses.replace(state, params=params)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_a_member_equals_the_same_run_alone_over_200_steps(row):
    """To 1e-9, or where training amplifies rounding, as well as the run from weights a few roundings away."""
    setups = [case(row, member) for member in MEMBERS]
    for made, member in zip(setups, together(setups, 200), strict=True):
        lone = alone(made, 200)
        nearby = alone(made, 200, a_few_roundings_away(made.initial_state()))
        assert distance(lone, member) < max(TOLERANCE, 100 * distance(lone, nearby))


def test_members_may_differ_in_every_hyperparameter():
    changes = [
        {"optim.lr": "1e-3", "optim.beta1": "0.9", "optim.weight_decay": "1", "split.fraction": "0.4"},
        {"optim.lr": "3e-2", "optim.beta1": "0.5", "optim.beta2": "0.9", "optim.eps": "1e-4", "seed": "3"},
        {
            "optim.weight_decay": "0",
            "schedule.warmup": "0",
            "init_scale": "2",
            "labels.corrupted": "0.5",
            "steps": "99",
        },
        {"init": "xavier", "split.scheme": "numpy", "schedule.shape": "linear", "changes": '{"20" = {lr = 0.1}}'},
    ]
    assert_members_equal_lone_runs([setup(change) for change in changes], 60)


def test_members_stand_at_steps_of_their_own():
    made = [setup(member, {"batch": "4", "schedule.shape": "cosine"}) for member in MEMBERS]
    states = [alone(one, steps) for one, steps in zip(made, (0, 5, 50), strict=True)]
    after = Ensemble(made, states).advance(66)
    assert [state.step for state in after] == [66, 71, 116]
    for one, member in zip(made, after, strict=True):
        assert distance(alone(one, member.step), member) < TOLERANCE


def test_going_on_from_the_states_of_an_ensemble_has_the_same_bits():
    made = [setup(member) for member in MEMBERS]
    whole = Ensemble(made, [one.initial_state() for one in made])
    middle = whole.advance(9)
    again = Ensemble(made, middle)
    assert all(distance(*pair) == 0 for pair in zip(whole.advance(8), again.advance(8), strict=True))
    # and a state that was handed out is left as it was
    assert all(state.step == 9 for state in middle)
    assert distance(middle[0], Ensemble(made, [one.initial_state() for one in made]).advance(9)[0]) == 0


MATES = [setup(member) for member in MEMBERS] + [
    setup({"seed": "4", "optim.lr": "0.3"}),
    setup({"seed": "5", "optim.lr": "100", "optim.weight_decay": "1000", "schedule.warmup": "0"}),
]


MATE_ALONE = together([MATES[0]], 9)


@settings(max_examples=5)
@given(st.lists(st.integers(0, 4), unique=True, min_size=1, max_size=4), st.integers(0, 3))
def test_mates_do_not_matter(mates, place):
    place = min(place, len(mates))
    company = [MATES[i] for i in mates[:place]] + [MATES[0]] + [MATES[i] for i in mates[place:]]
    assert distance(together(company, 9)[place], MATE_ALONE[0]) < 1e-12


def test_a_mate_that_diverges_does_not_matter():
    states = together([MATES[0], MATES[4]], 80)
    assert not states[1].finite()
    assert distance(states[0], alone(MATES[0], 80)) < TOLERANCE


def test_float32_stays_float32():
    made = [setup(member, {"precision": "float32"}) for member in MEMBERS]
    for one, member in zip(made, together(made, 10), strict=True):
        lone = alone(one, 10)
        assert distance(lone, member) < 1e-4
        assert {x.dtype for x in member.params.values()} == {torch.float32}


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="expected members of one shape"):
        together([setup(), setup({"model.d_mlp": "9"})], 1)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"seed": "7"}, True),
        ({"optim.lr": "0.5"}, True),
        ({"split.fraction": "0.7"}, True),
        ({"init_scale": "3"}, True),
        ({"steps": "10"}, True),
        ({"batch": "4"}, False),
        ({"optim.name": "muon"}, False),
        ({"loss.name": "mse"}, False),
        ({"gradient": {"name": "grokfast-ma", "window": 3}}, False),
    ],
)
def test_what_makes_a_shape(change, same):
    assert (shape_of(setup().spec) == shape_of(setup(change).spec)) == same
    window = [shape_of(setup({"gradient": {"name": "grokfast-ma", "window": w}}).spec) for w in (3, 4)]
    assert window[0] != window[1]


@pytest.mark.parametrize("name", ["dropout", "weight_noise", "gradient_noise"])
def test_what_is_drawn_on_the_host_is_not_lifted(name):
    assert obstacle(setup({f"regular.{name}": "0.1"})) == f"regular.{name} is drawn on the host at every step"
    assert obstacle(setup()) == ""


def test_code_of_ones_own_that_looks_at_numbers_is_not_lifted(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN_MODEL)
    assert "torch.vmap fails" in obstacle(setup({"model": {"name": f"{file}:Looking"}}))
    assert obstacle(setup({"model": {"name": f"{file}:Blind"}})) == ""


OWN_MODEL = """
from dataclasses import dataclass
from latebloom.models import Weight

@dataclass(frozen=True)
class Blind:
    d_vocab: int
    n_ctx: int
    classes: int

    def tensors(self):
        return {"W": Weight((self.d_vocab, self.classes), "weight", self.d_vocab, self.classes)}

    def apply(self, params, tokens, edit=lambda name, tensor: tensor):
        return params["W"][tokens].sum(1), {}

    def logits(self, params, examples):
        return self.apply(params, examples.tokens)[0]

@dataclass(frozen=True)
class Looking(Blind):
    def apply(self, params, tokens, edit=lambda name, tensor: tensor):
        logits = params["W"][tokens].sum(1)
        return logits * (1 if logits.max().item() > 0 else 2), {}
"""


class OnTheHost(TorchDispatchMode):
    """Notes every operation that copies a tensor of the host to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        made = [x for x in tree_leaves(found) if isinstance(x, torch.Tensor)]
        from_host = any(x.device.type == "cpu" and x.dim() for x in tensors)
        copied = "copy" in str(function) and any(x.device.type == "cpu" for x in tensors)
        if from_host or (copied and any(x.device.type == "meta" for x in made)):
            self.seen.append(str(function))
        return found


@pytest.mark.parametrize("row", ROWS)
def test_an_update_neither_asks_the_device_nor_brings_it_anything(row):
    """What a CUDA graph forbids, tried on PyTorch's `meta` device, where no number can be read."""
    made = [on_meta(case(row, member)) for member in MEMBERS[:2]]
    ensemble = Ensemble(made, [one.initial_state() for one in made], capture=False)
    with OnTheHost() as host:
        ensemble._one_update()
    assert host.seen == []


def on_meta(made: Setup) -> Setup:
    examples = Examples(made.examples.tokens.to("meta"), made.examples.labels.to("meta"))
    for position in range(made.examples.tokens.shape[1]):
        # found once before anything is captured
        d = made.examples.distinct_tokens(position)
        examples.memo["token", position] = Distinct(d.tokens.to("meta"), d.of.to("meta"), d.first.to("meta"))
    moved = dataclasses.replace(made, examples=examples, device=torch.device("meta"))
    return moved.with_initial({name: tensor.to("meta") for name, tensor in made.initial_params.items()})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("row", ROWS)
def test_a_captured_update_equals_the_plain_one(row):
    made = [case(row, member, device="cuda") for member in MEMBERS]
    pairs = [Ensemble(made, [one.initial_state() for one in made], capture).advance(100) for capture in (True, False)]
    assert all(distance(*pair) == 0 for pair in zip(*pairs, strict=True))
