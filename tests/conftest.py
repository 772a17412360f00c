from __future__ import annotations

import os

# Before torch is loaded: threads of a subprocess or a run that wait must not spin on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from hypothesis import settings
from jaxtyping import install_import_hook

# Before any test imports them: from here on a call with a wrong shape or type fails.
install_import_hook(["latebloom.models", "latebloom.measures"], "beartype.beartype")

# The networks of the tests are tiny: a second thread would only wait, and on a busy machine spin.
torch.set_num_threads(1)

# Deadlines fail by chance on shared machines; in CI the same examples are drawn every time.
settings.register_profile("latebloom", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("latebloom")
