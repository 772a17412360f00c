"""What can be read off a file: which tensors it has, and the task and the architecture that their shapes tell."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from latebloom.interop.files import WeightFile
from latebloom.interop.layouts import LAYOUTS, Layout
from latebloom.spec import names_code

METADATA = "latebloom"
"""The entry of a safetensors header in which an export says what it is, as JSON."""

EQUATIONS = {2: "a b", 3: "a b =", 4: "a o b =", 5: "eos a o b ="}
"""The equation that is read, by its number of tokens."""

_TOP = {"embed", "pos_embed", "blocks", "ln_final", "unembed"}


def layout_of(layout: Layout, tensors: Mapping[str, Tensor]) -> Layout:
    """The layout of the file: TransformerLens has other names since its version 4, which are told apart here."""
    bridge = any(re.search(r"(^|[./])embed\.weight$", name) for name in tensors)
    return LAYOUTS["transformer-bridge"] if layout.name == "transformer-lens" and bridge else layout


def weights_of(layout: Layout, file: WeightFile) -> dict[str, Tensor]:
    """The tensors without what a wrapper put before all names ("module.", "params/"), and without buffers."""
    skips = re.compile(rf"(?:^|[./])(?:{layout.skips})$")
    kept = {name: tensor for name, tensor in file.tensors.items() if not skips.search(name)}
    while kept:
        heads = {re.split(r"[./]", name, maxsplit=1)[0] for name in kept}
        head = next(iter(heads))
        if len(heads) > 1 or head in _TOP or any(len(name) < len(head) + 2 for name in kept):
            break
        kept = {name[len(head) + 1 :]: tensor for name, tensor in kept.items()}
    return kept


def faults_of(tensors: Mapping[str, Tensor]) -> list[str]:
    """What cannot be a weight: other precisions, sparse or empty tensors, infinities and NaN."""
    faults = []
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested or tensor.is_meta:
            faults.append(f"{name}: expected a plain dense tensor, got a sparse, quantised, nested or empty (meta) one")
        elif tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            faults.append(f"{name}: expected float16, bfloat16, float32 or float64, got {_word(tensor.dtype)}")
        elif tensor.numel() == 0:
            faults.append(f"{name}: expected numbers, got shape {tuple(tensor.shape)}")
        elif not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            faults.append(f"{name}: expected finite numbers, got {bad} that are infinite or not a number")
    return faults


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def precision_of(tensors: Mapping[str, Tensor]) -> str:
    """The spec's precision that loses nothing."""
    return "float64" if any(tensor.dtype == torch.float64 for tensor in tensors.values()) else "float32"


def table_in(file: WeightFile) -> dict[str, Any]:
    """The parts of a spec that the file itself tells: an export's spec, or what its texts say of one network.

    Only what is built in is taken over: a name of somebody's own class would be code to load.
    """
    found: dict[str, Any] = {}
    try:
        spec = json.loads(file.metadata.get(METADATA, "{}"))["spec"]
        found = {key: part for key, part in spec.items() if key != "sources"} if isinstance(spec, dict) else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    tables = {key for key in ("task", "model") if not isinstance(found.get(key, {}), dict)}
    found = {key: part for key, part in found.items() if key not in tables and not names_code(part)}
    if not found:
        share, epoch = file.metadata.get("attn_coeff", ""), file.metadata.get("epoch", "")
        if re.fullmatch(r"[01](\.\d{1,18})?", share):
            found["model"] = {"softmax_share": float(share)}
        if re.fullmatch(r"[1-9]\d{0,8}", epoch):
            found["steps"] = int(epoch)
    return found


def table_from_shapes(layout: Layout, tensors: Mapping[str, Tensor], file: WeightFile) -> dict[str, Any]:
    """The task and the transformer that the shapes tell, as tables of a spec; what they do not tell is left out."""
    size = layout.sizes(tensors)
    ours = {layout.ours(name) for name in tensors}
    blocks = [int(found[1]) for found in (re.match(r"blocks\.(\d+)\.", name) for name in ours) if found]
    words = (("d_model", "width"), ("d_mlp", "neuron"), ("n_heads", "head"))
    model: dict[str, Any] = {"name": "transformer", "n_layers": max(blocks, default=0) + 1}
    model |= {name: size[axis] for name, axis in words if axis in size}
    if not any(".mlp." in name for name in ours):
        model["d_mlp"] = 0
    model |= {"norm": _norm(ours), "norm_kind": _norm_kind(ours), "biases": _biases(ours)} | dict(layout.assumed)
    if layout.name == "latebloom":
        model["gated"] = any(name.endswith(".mlp.W_gate") for name in ours)
    masks = [tensor for name, tensor in file.tensors.items() if re.search(r"(^|[./])blocks\.0\.attn\.mask$", name)]
    if layout.name == "transformer-lens" and masks and masks[0].numel() > 1:
        model["causal"] = not bool((masks[0] != 0).all())
    task: dict[str, Any] = {"name": "modular"}
    if size.get("position") in EQUATIONS and "token" in size:
        task["equation"] = EQUATIONS[size["position"]]
        task["p"] = size["token"] - len([word for word in task["equation"].split() if word not in "ab"])
    return {"task": task, "model": model}


def _norm(ours: set[str]) -> str:
    if not any(re.search(r"\.ln1\.w$", name) for name in ours):
        return "none"
    return "pre" if "ln_final.w" in ours else "post"


def _norm_kind(ours: set[str]) -> str:
    gains = {name.removesuffix(".w") for name in ours if re.search(r"(ln1|ln2|ln_final)\.w$", name)}
    return "rms" if gains and not any(f"{name}.b" in ours for name in gains) else "layer"


def _biases(ours: set[str]) -> str:
    if any(re.search(r"\.attn\.b_[QKVO]$|^unembed\.b_U$", name) for name in ours):
        return "all"
    return "mlp" if any(re.search(r"\.mlp\.b_(in|out)$", name) for name in ours) else "none"
