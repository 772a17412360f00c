"""Settings of the whole process that make training faster; an application makes them, an import does not."""

from __future__ import annotations

import ctypes
import os
import sys

MOST_THREADS = 4
"""Networks of a few hundred thousand weights gain nothing from more."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_INT = 2**31 - 1


def prepare_process(threads: int | None = None) -> None:
    """Sets the number of CPU threads, how they wait, and that freed memory is kept. Call it before torch is imported.

    How threads wait changes no number, only the time: on an idle machine they spin (the default of OpenMP, 30 to 40 %
    faster for small networks); where other processes want the cores they must sleep, since a thread that spins for one
    that was put aside makes a step 5 to 18 times slower. `OMP_WAIT_POLICY`, where it is set, decides instead.

    glibc would hand a step's large activations back to the system and fault them in again page by page, thousands of
    faults a step (5 to 20 % of its time, measured).

    Args:
        threads: None means all cores that this process may use, at most `MOST_THREADS`.
    """
    cores = _cores()
    threads = threads or min(MOST_THREADS, cores)
    if cores - os.getloadavg()[0] < threads - 0.5:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, 2**30)
            mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
    import torch  # only now: it reads the environment when it is loaded

    torch.set_num_threads(threads)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
