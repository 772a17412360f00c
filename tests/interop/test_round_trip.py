"""Out and in again: the same network bit for bit, whatever the layout that can hold it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from cases import MODELS
from latebloom.errors import LatebloomError
from latebloom.interop import LAYOUTS, InteropError, export_network, import_network, read_network
from latebloom.interop.derive import table_from_shapes
from latebloom.interop.exporting import file_of, written
from latebloom.interop.files import WeightFile
from latebloom.interop.fit import fit
from latebloom.models import MLP, Bilinear
from latebloom.spec import RunSpec, resolve
from latebloom.store import Run, RunWriter, open_run

# what each layout cannot hold, of the list of cases
FIRST = {"all biases", "tied", "power", "odd width", "pre-norm", "two layers, pre-norm", "rotary"}
NEW = {"gated", "gated, rotary, RMSNorm", "no positions, quadratic", "attention only", "attention only, two layers"}
NEW |= {"bilinear in its MLP", "bilinear"}
SHARES = {"uniform attention", "half uniform, sees all", "scaled, no biases, no positions", "three layers"}
NOT_LENS = {"tied", "power", "odd width", "rotary"} | NEW | SHARES
REFUSED = {
    "nanda2023": FIRST | NEW | SHARES | {"two layers, sees all"},
    "chughtai2023": FIRST | NEW | SHARES | {"two layers, sees all"},
    "zhong2023": set(MODELS) - {"two layers, sees all"},
    "transformer-lens": NOT_LENS,
    "transformer-bridge": NOT_LENS | {"all biases", "pre-norm", "two layers, pre-norm"},
    "latebloom": set(),
}


def spec_of(case: str, **changes) -> RunSpec:
    """A spec with a model of the list of cases."""
    cls, sizes = MODELS[case]
    equation = "a b" if cls is Bilinear else "a b ="
    table = {"task": {"name": "modular", "p": 7, "equation": equation}, "model": {"name": cls.__name__.lower()} | sizes}
    table |= {"optim": {"name": "adamw"}, "steps": 20, "split": {"scheme": "numpy", "fraction": 0.5}, "seed": 5}
    return resolve(table | changes)


def random_params(spec: RunSpec, seed: int = 0) -> dict[str, torch.Tensor]:
    """No tensor is zero, or like another."""
    draw = torch.Generator().manual_seed(seed)
    dtype = torch.float64 if spec.precision == "float64" else torch.float32
    shapes = {name: weight.shape for name, weight in spec.build_model().tensors().items()}
    return {name: torch.randn(shape, generator=draw, dtype=dtype) for name, shape in shapes.items()}


def stored(root: Path, spec: RunSpec, params: dict[str, torch.Tensor]) -> Run:
    """A finished run with two checkpoints."""
    with RunWriter.open(root, "made", "one", spec.model_dump(mode="json"), {}, 20) as writer:
        for step, values in ((10, {k: v + 1 for k, v in params.items()}), (20, params)):
            writer.checkpoint(step, {f"params/{k}": v for k, v in values.items()}, {}, lambda step: True)
        writer.finish([], {})
    return open_run(writer.folder)


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(
        one[k].dtype == two[k].dtype and one[k].shape == two[k].shape and torch.equal(one[k], two[k]) for k in one
    )


def share(layout: str, model: str) -> bool:
    return MODELS[model][0].__name__ == "MLP" and layout != "latebloom"


def cannot(layout: str, model: str) -> bool:
    return model in REFUSED[layout] or (MODELS[model][0] is MLP and layout != "latebloom")


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("model", list(MODELS))
def test_out_and_in_again(tmp_path, layout, model):
    spec = spec_of(model)
    params = random_params(spec)
    if cannot(layout, model):
        with pytest.raises(InteropError, match=f"layout {layout} .* cannot hold this network"):
            file_of(LAYOUTS[layout], spec, params, {})
        return
    (tmp_path / "net.safetensors").write_bytes(file_of(LAYOUTS[layout], spec, params, {}))
    network = read_network(tmp_path / "net.safetensors", layout)
    assert same(network.params, params)
    assert network.spec == spec


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_through_the_store(tmp_path, layout):
    spec = spec_of("two layers, sees all" if layout == "zhong2023" else "nanda")
    run = stored(tmp_path / "runs", spec, random_params(spec))
    export_network(run, tmp_path / "net.safetensors", layout)
    again = import_network(tmp_path / "net.safetensors", layout, runs=tmp_path / "runs")
    assert same(again.params(), run.params(20))
    assert again.spec == run.spec


@pytest.mark.parametrize("layout", ["nanda2023", "transformer-lens"])
def test_other_splits_seeds_and_precisions_come_back(tmp_path, layout):
    split = {"scheme": "list", "examples": "49:gAAAAAAAgA=="}
    spec = spec_of("nanda", precision="float64", split=split, seeds={"split": 1, "init": 2, "order": 3}, steps=20)
    run = stored(tmp_path / "runs", spec, random_params(spec))
    export_network(run, tmp_path / "net.safetensors", layout)
    again = import_network(tmp_path / "net.safetensors", layout, runs=tmp_path / "runs")
    assert again.spec == run.spec
    assert same(again.params(), run.params())
    other = import_network(tmp_path / "net.safetensors", layout, {"split.scheme": "uniform"}, name="b", runs=tmp_path)
    assert other.spec["split"] == {"scheme": "uniform", "fraction": 0.3, "examples": None, "subgroup": None}


def test_a_checkpoint_of_ours_is_imported_as_it_is(tmp_path):
    spec = spec_of("pre-norm")
    run = stored(tmp_path / "runs", spec, random_params(spec))
    file = run.folder / "checkpoints" / "step-00000020.safetensors"
    said = {"split.scheme": "uniform", "model.activation": "gelu"}
    again = import_network(file, "latebloom", said, name="again", runs=tmp_path / "runs")
    assert same(again.params(), run.params())
    assert again.spec["model"] == run.spec["model"]


def test_step_and_header_of_an_export(tmp_path):
    spec = spec_of("nanda")
    run = stored(tmp_path / "runs", spec, random_params(spec))
    export_network(run, tmp_path / "a.safetensors", "latebloom", step=10)
    assert same(load_file(tmp_path / "a.safetensors"), run.params(10))
    data = (tmp_path / "a.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    facts = json.loads(header["latebloom"])
    assert (facts["run"], facts["step"], facts["spec"]) == ("one", 10, run.spec)
    export_network(run, tmp_path / "b.safetensors", "latebloom", step=10)
    assert (tmp_path / "b.safetensors").read_bytes() == data


def test_every_bias_is_in_transformer_lens_and_the_zeros_go_again(tmp_path):
    spec = spec_of("nanda")
    run = stored(tmp_path / "runs", spec, random_params(spec))
    export_network(run, tmp_path / "net.safetensors", "transformer-lens")
    tensors = load_file(tmp_path / "net.safetensors")
    assert not tensors["blocks.0.attn.b_Q"].any()
    assert not tensors["unembed.b_U"].any()
    bare = tmp_path / "bare.safetensors"
    save_file(tensors, bare)
    said = {"split.scheme": "uniform", "model.biases": "mlp"}
    assert same(import_network(bare, "transformer-lens", said, runs=tmp_path / "runs").params(), run.params())
    tensors["blocks.0.attn.b_Q"][0, 0] = 1e-9
    save_file(tensors, bare)
    with pytest.raises(InteropError, match=r"blocks\.0\.attn\.b_Q: expected no such tensor"):
        import_network(bare, "transformer-lens", said, name="b", runs=tmp_path / "runs")


def test_what_export_refuses_is_said_with_every_reason(tmp_path):
    spec = spec_of("power")
    run = stored(tmp_path / "runs", spec, random_params(spec))
    with pytest.raises(InteropError) as caught:
        export_network(run, tmp_path / "net.safetensors", "nanda2023")
    assert [reason.split(";")[0] for reason in caught.value.reasons] == [
        "expected positions = learned, got sinusoidal",
        "expected norm = none, got post",
    ]
    with pytest.raises(LatebloomError, match=r"ends in \.safetensors \(no pickle is written\), got net\.pt"):
        export_network(run, tmp_path / "net.pt", "latebloom")
    with pytest.raises(LatebloomError, match="no such layout: numpy"):
        export_network(run, tmp_path / "net.safetensors", "numpy")
    with pytest.raises(LatebloomError, match="no checkpoint of step 11"):
        export_network(run, tmp_path / "net.safetensors", "latebloom", step=11)
    with pytest.raises(LatebloomError, match="could not be written"):
        export_network(run, tmp_path / "none" / "net.safetensors", "latebloom")
    (tmp_path / "net.safetensors").write_text("mine")
    with pytest.raises(LatebloomError, match="is there already"):
        export_network(run, tmp_path / "net.safetensors", "latebloom")
    assert (tmp_path / "net.safetensors").read_text() == "mine"


SIZES = st.fixed_dictionaries(
    {
        "n_layers": st.integers(1, 3),
        "n_heads": st.integers(1, 3),
        "d_head": st.integers(1, 4),
        "d_mlp": st.integers(1, 7),
        "biases": st.sampled_from(["none", "mlp"]),
        "unembed": st.sampled_from(["classes", "tokens"]),
    }
)


@settings(max_examples=40)
@given(
    SIZES,
    st.sampled_from(list(LAYOUTS)),
    st.integers(2, 9),
    st.sampled_from(["a b", "a b =", "eos a o b ="]),
    st.integers(0, 99),
)
def test_any_sizes_go_out_and_in_again(sizes, layout, p, equation, seed):
    model = {"name": "transformer", "causal": layout != "zhong2023"} | sizes
    model["d_model"] = model["n_heads"] * model.pop("d_head")
    spec = spec_of("nanda", task={"name": "modular", "p": p, "equation": equation}, model=model)
    params = random_params(spec, seed)
    form = LAYOUTS[layout]
    out = written(form, spec.build_model(), params)
    told = table_from_shapes(form, out, WeightFile("net", "", out, {}))
    assert told["task"] == {"name": "modular", "p": p, "equation": equation}
    seen = {"n_layers", "d_model", "d_mlp", "n_heads", "norm"} - (
        {"n_heads"} if layout == "transformer-bridge" else set()
    )
    assert {key: told["model"][key] for key in seen} == {key: spec.model[key] for key in seen}
    back, _ = fit(form, spec, out, "net")
    assert same(back, params)
    for name, tensor in params.items():
        # the same numbers, in another order at most
        place = form.place(name, tensor.dim())
        assert torch.equal(out[place.name].flatten().sort().values, tensor.flatten().sort().values)
