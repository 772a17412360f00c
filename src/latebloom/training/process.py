"""Settings of the whole process that make training faster; an application makes them, an import does not."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_INT = 2**31 - 1


def prepare_process(threads: int | None) -> None:
    """Sets the number of CPU threads, and has the C library keep freed memory for the next step.

    Without the latter glibc hands a step's large activations back to the system and faults them in again page by page:
    thousands of faults a step, measured at 5 to 20 % of its time.

    Args:
        threads: None means all cores that this process may use, at most 8: networks of this size gain nothing beyond.
    """
    torch.set_num_threads(threads or min(8, _cores()))
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, 2**30)
            mallopt(M_TRIM_THRESHOLD, LARGEST_INT)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
