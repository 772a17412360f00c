"""Networks of other codes: the same logits as their authors' forward pass, and every contradiction told."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
import torch
from safetensors.torch import save_file

import latebloom
from foreign import SPLIT, first_code, first_code_logits, lens, lens_logits
from latebloom import measures
from latebloom.errors import LatebloomError
from latebloom.interop import InteropError, import_network, read_network
from latebloom.interop.derive import METADATA, table_in
from latebloom.interop.files import read_weights
from latebloom.training import Setup
from latebloom.views.report import render_report


def brought(tmp_path, tensors, layout, metadata=None, **settings):
    """The network that is read, its setup and its logits on all examples, and the notes."""
    file = tmp_path / "net.safetensors"
    save_file({k: v.contiguous() for k, v in tensors.items()}, file, metadata)
    said = SPLIT | {key.replace("__", "."): str(value) for key, value in settings.items()}
    network = read_network(file, layout, said)
    setup = Setup.of(network.spec)
    return network, setup, setup.model.logits(network.params, setup.examples), network.facts["notes"]


@pytest.mark.parametrize(
    ("sizes", "unembed"),
    [
        ({"p": 7}, "tokens"),
        ({"p": 5, "out": 5, "d": 12, "heads": 3}, "classes"),
        ({"p": 11, "layers": 2, "neurons": 3}, "tokens"),
        ({"p": 8, "d": 9, "heads": 1}, "tokens"),
    ],
)
def test_nanda2023_gives_the_logits_of_its_code(tmp_path, sizes, unembed):
    tensors = first_code(**sizes)
    mask = {"blocks.0.attn.mask": torch.ones(3, 3).tril()}
    network, setup, logits, _ = brought(tmp_path, tensors | mask, "nanda2023")
    torch.testing.assert_close(logits, first_code_logits(tensors, setup.examples.tokens), rtol=1e-12, atol=1e-12)
    assert network.spec.task["p"] == sizes["p"]
    assert (network.spec.model["unembed"], network.spec.precision) == (unembed, "float64")
    assert network.spec.split.scheme == "torch"


def test_missing_biases_are_no_biases(tmp_path):
    tensors = first_code(7)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in tensors.items() if ".b_" in name}
    bare = {name: tensor for name, tensor in tensors.items() if name not in zeros}
    network, setup, logits, _ = brought(tmp_path, bare, "chughtai2023")
    assert network.spec.model["biases"] == "none"
    expected = first_code_logits(tensors | zeros, setup.examples.tokens)
    torch.testing.assert_close(logits, expected, rtol=1e-12, atol=1e-12)


def test_one_missing_bias_is_zero_and_said(tmp_path):
    tensors = first_code(7)
    del tensors["blocks.0.mlp.b_in"]
    network, _, _, notes = brought(tmp_path, tensors, "nanda2023")
    assert not network.params["blocks.0.mlp.b_in"].any()
    assert "blocks.0.mlp.b_in is not in the file: 0 everywhere" in notes


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("layers", [1, 2])
def test_zhong2023_gives_the_logits_of_its_code(tmp_path, share, layers):
    tensors = first_code(7, sign=False, layers=layers)
    network, setup, logits, _ = brought(tmp_path, tensors, "zhong2023", model__softmax_share=share)
    expected = first_code_logits(tensors, setup.examples.tokens, causal=False, share=share)
    torch.testing.assert_close(logits, expected, rtol=1e-12, atol=1e-12)
    assert (network.spec.task["equation"], network.spec.model["causal"]) == ("a b", False)


def test_zhong2023_reads_or_asks_for_the_share(tmp_path):
    tensors = first_code(7, sign=False)
    with pytest.raises(InteropError, match=r"does not tell α .*--model\.softmax-share"):
        brought(tmp_path, tensors, "zhong2023")
    network, *_ = brought(tmp_path, tensors, "zhong2023", {"attn_coeff": "0.5"})
    assert network.spec.model["softmax_share"] == 0.5


@pytest.mark.parametrize("norm", [True, False])
def test_transformer_lens_gives_the_logits_of_its_code(tmp_path, norm):
    tensors = lens(7, norm=norm)
    # IGNORE is −∞: a buffer, not a weight
    network, setup, logits, _ = brought(tmp_path, tensors, "transformer-lens")
    torch.testing.assert_close(logits, lens_logits(tensors, setup.examples.tokens), rtol=1e-11, atol=1e-11)
    assert (network.spec.model["norm"], network.spec.model["biases"]) == ("pre" if norm else "none", "all")


def test_transformer_lens_direction_is_read_off_its_mask(tmp_path):
    tensors = lens(7) | {"blocks.0.attn.mask": torch.ones(3, 3, dtype=torch.bool)}
    assert brought(tmp_path, tensors, "transformer-lens")[0].spec.model["causal"] is False


def test_layer_norm_without_weights_is_said_by_the_user(tmp_path):
    tensors = lens(7, norm=False)
    units = {
        f"{n}.{k}": torch.full((8,), float(k == "w"), dtype=torch.float64)
        for n in ("blocks.0.ln1", "blocks.0.ln2", "ln_final")
        for k in "wb"
    }
    _, setup, logits, notes = brought(tmp_path, tensors, "transformer-lens", model__norm="pre")
    expected = lens_logits(tensors | units, setup.examples.tokens)
    torch.testing.assert_close(logits, expected, rtol=1e-11, atol=1e-11)
    assert "ln_final.w is not in the file: 1 everywhere" in notes


def bridged(tensors):
    """A HookedTransformer's tensors as torch.nn's modules have them, by hand."""
    found = {"embed.weight": tensors["embed.W_E"], "pos_embed.weight": tensors["pos_embed.W_pos"]}
    for letter in "QKV":
        heads = [tensors[f"blocks.0.attn.W_{letter}"][h].T for h in range(2)]
        found[f"blocks.0.attn.{letter.lower()}.weight"] = torch.cat(heads)
        found[f"blocks.0.attn.{letter.lower()}.bias"] = torch.cat(list(tensors[f"blocks.0.attn.b_{letter}"]))
    found["blocks.0.attn.o.weight"] = torch.cat(list(tensors["blocks.0.attn.W_O"])).T
    found["blocks.0.attn.o.bias"] = tensors["blocks.0.attn.b_O"]
    for way in ("in", "out"):
        found[f"blocks.0.mlp.{way}.weight"] = tensors[f"blocks.0.mlp.W_{way}"].T
        found[f"blocks.0.mlp.{way}.bias"] = tensors[f"blocks.0.mlp.b_{way}"]
    for name in ("blocks.0.ln1", "blocks.0.ln2", "ln_final"):
        found |= {f"{name}.weight": tensors[f"{name}.w"], f"{name}.bias": tensors[f"{name}.b"]}
    return found | {"unembed.weight": tensors["unembed.W_U"].T, "unembed.bias": tensors["unembed.b_U"]}


@pytest.mark.parametrize("layout", ["transformer-lens", "transformer-bridge"])
def test_names_of_transformer_lens_4(tmp_path, layout):
    tensors = lens(7)
    with pytest.raises(InteropError, match=r"the shapes do not tell the number of heads: say --model\.n-heads"):
        brought(tmp_path, bridged(tensors), layout)
    _, setup, logits, _ = brought(tmp_path, bridged(tensors), layout, model__n_heads=2)
    torch.testing.assert_close(logits, lens_logits(tensors, setup.examples.tokens), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.module.", "params/"])
def test_a_wrappers_prefix_is_taken_off(tmp_path, prefix):
    tensors = {prefix + name: tensor for name, tensor in first_code(7).items()}
    assert brought(tmp_path, tensors, "nanda2023")[0].spec.model["d_mlp"] == 12


def test_the_run_is_finished_and_opens(tmp_path):
    network, *_ = brought(tmp_path, first_code(7), "nanda2023", steps=300)
    run = import_network(tmp_path / "net.safetensors", "nanda2023", SPLIT | {"steps": "300"}, runs=tmp_path / "runs")
    opened = latebloom.open(run.folder)
    assert (opened.state, opened.checkpoints, opened.status.last_step) == ("done", [300], 300)
    assert opened.folder.relative_to(tmp_path).as_posix() == "runs/imported/net"
    facts = opened.provenance["imported"]
    assert facts == network.facts
    assert (facts["file"], facts["layout"]) == ("net.safetensors", "nanda2023")
    assert facts["sha256"] == hashlib.sha256((tmp_path / "net.safetensors").read_bytes()).hexdigest()
    assert len(opened.scalars) == 0
    assert opened.summary["final"] == network.final
    assert opened.spec == network.spec.model_dump(mode="json")
    assert "How it was trained is not known" in render_report(opened)


def test_what_is_said_of_an_import_is_what_the_measures_say(tmp_path):
    network, setup, _, _ = brought(tmp_path, answering("add"), "nanda2023")
    subject = measures.Subject(setup.task, setup.model, setup.examples, setup.train_index, setup.test_index)
    taken = measures.take(measures.Probe(subject, network.params))
    assert network.final == {name: pytest.approx(taken[name], rel=1e-12) for name in network.final}
    # where all logits are equal nothing is answered
    flat = {name: tensor * 0 for name, tensor in first_code(7).items()}
    assert brought(tmp_path, flat, "nanda2023")[0].final["test_accuracy"] == 0


def test_the_same_again_is_the_same_run_and_another_is_refused(tmp_path):
    def bring(layers=1, **said):
        save_file(first_code(7, layers=layers), tmp_path / "net.safetensors")
        return import_network(tmp_path / "net.safetensors", "nanda2023", SPLIT | said, runs=tmp_path / "runs")

    manifest = bring().folder / "manifest.json"
    before = manifest.read_bytes()
    bring()
    assert manifest.read_bytes() == before
    with pytest.raises(LatebloomError, match="holds another network: give this one another --name"):
        bring(layers=2)
    with pytest.raises(LatebloomError, match="holds a run of another spec: there split"):
        bring(**{"split.fraction": "0.5"})
    assert manifest.read_bytes() == before


def test_every_contradiction_is_told_at_once(tmp_path):
    tensors = first_code(7, layers=2)
    tensors["blocks.1.mlp.W_in"] = tensors["blocks.1.mlp.W_in"].T
    tensors["blocks.0.mlp.b_out"] = torch.zeros(9, dtype=torch.float64)
    tensors["blocks.1.attn.W_X"] = torch.ones(2)
    del tensors["blocks.0.attn.W_K"]
    with pytest.raises(InteropError) as caught:
        brought(tmp_path, tensors, "nanda2023")
    assert caught.value.reasons == [
        "blocks.0.attn.W_K: expected shape (2, 4, 8), got no such tensor",
        "blocks.0.mlp.b_out: expected shape (8,), got (9,)",
        "blocks.1.attn.W_X: expected no such tensor, got one of shape (2,)",
        "blocks.1.mlp.W_in: expected shape (12, 8), got (8, 12) (its transpose would fit: is the layout another one?)",
    ]


@pytest.mark.parametrize(
    ("made", "read"), [("first", "transformer-lens"), ("lens", "nanda2023"), ("first", "latebloom")]
)
def test_a_wrong_layout_is_noticed_even_where_everything_is_square(tmp_path, made, read):
    # d_model = d_vocab = d_mlp: only W_O, two axes there and three here, tells
    tensors = first_code(7, d=8, neurons=8) if made == "first" else lens(7, neurons=8, norm=False)
    with pytest.raises(InteropError, match=r"blocks\.0\.attn\.W_O: expected shape"):
        brought(tmp_path, tensors, read)


def test_heads_narrower_than_the_stream_are_refused(tmp_path):
    tensors = first_code(7)
    for letter in "KQV":
        tensors[f"blocks.0.attn.W_{letter}"] = torch.ones(2, 3, 8, dtype=torch.float64)
    tensors["blocks.0.attn.W_O"] = torch.ones(8, 6, dtype=torch.float64)
    with pytest.raises(InteropError, match=r"W_K: expected shape \(2, 4, 8\), got \(2, 3, 8\)"):
        brought(tmp_path, tensors, "nanda2023")


def test_what_shapes_do_not_tell_is_asked_for_all_at_once(tmp_path):
    tensors = first_code(7, sign=False)
    del tensors["pos_embed.W_pos"]
    save_file(tensors, tmp_path / "net.safetensors")
    with pytest.raises(InteropError) as caught:
        read_network(tmp_path / "net.safetensors", "zhong2023")
    assert [reason.split(":")[0] for reason in caught.value.reasons] == ["split", "task", "model.softmax_share"]


def test_contradicting_what_the_file_shows_is_refused(tmp_path):
    with pytest.raises(InteropError, match=r"embed\.W_E: expected shape \(8, 12\), got \(8, 8\)"):
        brought(tmp_path, first_code(7), "nanda2023", task__p=11)
    with pytest.raises(InteropError, match=r"blocks\.1\.attn\.W_K: expected shape .* got no such tensor"):
        brought(tmp_path, first_code(7), "nanda2023", model__n_layers=2)
    with pytest.raises(LatebloomError, match="no such field; did you mean d_mlp"):
        brought(tmp_path, first_code(7), "nanda2023", model__d_mpl=2)
    with pytest.raises(LatebloomError, match=r"no such layout: nanda; did you mean nanda2023\?"):
        brought(tmp_path, first_code(7), "nanda")


@pytest.mark.parametrize(
    ("dtype", "kept"), [(torch.float16, "exactly"), (torch.bfloat16, "exactly"), (torch.float32, "")]
)
def test_half_precision_is_widened_exactly_and_said(tmp_path, dtype, kept):
    tensors = {name: tensor.to(dtype) for name, tensor in first_code(7).items()}
    network, _, _, notes = brought(tmp_path, tensors, "nanda2023")
    assert network.spec.precision == "float32"
    torch.testing.assert_close(network.params["embed.W_E"], tensors["embed.W_E"].T.float(), rtol=0, atol=0)
    assert [note for note in notes if "converted" in note] == (
        [f"converted from {str(dtype)[6:]} to float32: {kept}"] if kept else []
    )


def test_float64_is_kept_unless_float32_is_asked_for(tmp_path):
    tensors = first_code(7)
    assert brought(tmp_path, tensors, "nanda2023")[0].params["unembed.W_U"].dtype == torch.float64
    network, _, _, notes = brought(tmp_path, tensors, "nanda2023", precision="float32")
    assert network.params["unembed.W_U"].dtype == torch.float32
    assert "converted from float64 to float32: some bits are lost" in notes
    tensors["unembed.W_U"][0, 0] = 1e200
    with pytest.raises(InteropError, match=r"unembed\.W_U: has numbers beyond float32; say --precision float64"):
        brought(tmp_path, tensors, "nanda2023", precision="float32", seed=4)


def answering(operation: str, p: int = 7) -> dict[str, torch.Tensor]:
    """A nanda2023 network that answers every pair right, with one neuron for each unordered pair of operands."""
    d = p * p
    tensors = {name: torch.zeros_like(tensor) for name, tensor in first_code(p, d=d, heads=1, neurons=d, out=p).items()}
    tensors["embed.W_E"][range(p), range(p)] = 1
    # no queries: attention is uniform over a, b and "=", and the stream holds (e_a + e_b) / 3
    tensors["blocks.0.attn.W_V"][0] = torch.eye(d, dtype=torch.float64)
    tensors["blocks.0.attn.W_O"] = torch.eye(d, dtype=torch.float64)
    for a in range(p):
        for b in range(a, p):
            neuron = a * p + b
            # only its pair (or one of the two twice, which the neuron of that double outvotes) lets a neuron fire
            tensors["blocks.0.mlp.W_in"][neuron, [a, b]] = 3 if a != b else 1.5
            tensors["blocks.0.mlp.b_in"][neuron] = -1.5 if a != b else -0.75
            tensors["blocks.0.mlp.W_out"][neuron, neuron] = 20 if a != b else 1000
            tensors["unembed.W_U"][neuron, {"add": a + b, "mul": a * b}[operation] % p] = 1
    return tensors


def test_a_wrong_operation_is_suspected_and_the_right_one_named(tmp_path):
    right = brought(tmp_path, answering("mul"), "nanda2023", task__operation="mul")
    assert right[0].final["train_accuracy"] == 1
    assert not [note for note in right[3] if "answered right" in note]
    _, _, _, notes = brought(tmp_path, answering("mul"), "nanda2023")
    assert any(
        re.search(r"only \d+\.\d% of the training examples .*it answers --task\.operation mul", n) for n in notes
    )


def test_a_square_tensor_the_wrong_way_round_is_suspected(tmp_path):
    tensors = answering("add")
    tensors["blocks.0.mlp.W_in"] = tensors["blocks.0.mlp.W_in"].T
    _, _, _, notes = brought(tmp_path, tensors, "nanda2023")
    assert any("whether a square tensor is transposed" in note for note in notes)


def test_a_header_names_no_code_to_load(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("raise SystemExit('loaded')")
    spec = f'{{"spec": {{"task": {{"name": "null", "of": {{"name": "{own}:Task"}}}}}}}}'
    network, *_ = brought(tmp_path, first_code(7), "nanda2023", {"latebloom": spec})
    assert network.spec.task["name"] == "modular"


@pytest.mark.parametrize("text", ["", "x", "[]", '{"spec": 3}', '{"spec": {"task": 3}}', "[" * 100000])
def test_a_strange_header_is_passed_over(tmp_path, text):
    assert brought(tmp_path, first_code(7), "nanda2023", {"latebloom": text})[0].spec.task["p"] == 7


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ('{"task": {"name": "modular", "p": 8}}', "embed.W_E: expected shape"),
        ('{"steps": "many"}', "steps: expected"),
        ('{"model": {"name": "mlp"}}', "does not fit layout nanda2023"),
        ('{"loss": 3}', "loss: expected"),
    ],
)
def test_a_header_that_contradicts_is_refused(tmp_path, spec, message):
    with pytest.raises(LatebloomError, match=message):
        brought(tmp_path, first_code(7), "nanda2023", {"latebloom": f'{{"spec": {spec}}}'})


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "x" * 200])
def test_a_name_cannot_leave_its_folder(tmp_path, name):
    save_file(first_code(7), tmp_path / "net.safetensors")
    with pytest.raises(LatebloomError, match="--name: expected letters"):
        import_network(tmp_path / "net.safetensors", "nanda2023", SPLIT, name=name, runs=tmp_path / "runs")


@pytest.mark.parametrize(
    "table",
    [
        {"log": {"measures": "light,mine.py:M"}},
        {"loss": {"name": "mine.py:f"}},
        {"optim": {"name": "mine.py:C", "lr": 0.1}},
        {"fork": {"surgery": {"name": "mine.py:C"}}},
    ],
)
def test_code_that_a_file_names_is_not_taken_over(tmp_path, table):
    save_file(first_code(7), tmp_path / "net.safetensors", {METADATA: json.dumps({"spec": table | {"steps": 7}})})
    assert table_in(read_weights(tmp_path / "net.safetensors")) == {"steps": 7}
