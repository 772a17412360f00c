from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext

import pytest


@pytest.fixture(scope="session")
def fresh_processes() -> ForkServerContext:
    """Processes that start quickly and share no threads with the tests.

    A plain fork of the tests' own process hangs: polars and torch have threads, which a fork does not take
    along.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["store.child", "polars", "pyarrow", "xarray", "zarr", "safetensors.torch"])
    return context
