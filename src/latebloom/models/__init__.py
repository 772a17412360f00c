"""Networks: frozen dataclasses of sizes with `tensors`, `apply` and the fast path `logits`."""

from latebloom.models.bilinear import Bilinear
from latebloom.models.initial import NAMED as INIT_SCHEMES
from latebloom.models.initial import check_scheme, initial_params, keyed_generator
from latebloom.models.mlp import MLP
from latebloom.models.tensors import Edit, Graded, LossGradient, Model, Traced, Weight, keep
from latebloom.models.transformer import Transformer

MODELS: dict[str, type] = {"bilinear": Bilinear, "mlp": MLP, "transformer": Transformer}

__all__ = [
    "INIT_SCHEMES",
    "MLP",
    "MODELS",
    "Bilinear",
    "Edit",
    "Graded",
    "LossGradient",
    "Model",
    "Traced",
    "Transformer",
    "Weight",
    "check_scheme",
    "initial_params",
    "keep",
    "keyed_generator",
]
