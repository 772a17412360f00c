from __future__ import annotations

import os

import torch
from hypothesis import settings
from jaxtyping import install_import_hook

# Before any test imports them: from here on a call with a wrong shape or type fails.
install_import_hook(["latebloom.models", "latebloom.measures"], "beartype.beartype")

torch.set_num_threads(2)

# Deadlines fail by chance on shared machines; in CI the same examples are drawn every time.
settings.register_profile("latebloom", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("latebloom")
