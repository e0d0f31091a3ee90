"""The bench's part on kernels: forked from a warm process, against started as usual."""

from __future__ import annotations

import asyncio
import time

from imdbclust.bench import BenchFailed
from imdbclust.bench.timing import Cost, Options, Part, take_turns
from imdbclust.running.kernels import warm
from imdbclust.running.kernels.provisioner import PrivateKernelManager

IMPORTS = "import numpy, pandas, scipy.stats, sklearn.cluster, matplotlib.pyplot, seaborn"

CELLS = {"a kernel that can begin with a notebook": IMPORTS, "an empty kernel": "1 + 1"}
"""What is measured, and the cell that the kernel executes."""


def measure(options: Options) -> Part:
    """Measure start, one cell and end of a kernel, forked and plain."""
    if why := warm.impossible():
        raise BenchFailed(why)
    began = time.perf_counter()
    asyncio.run(_kernel("warm", "1"))
    once = time.perf_counter() - began
    note = f"the process to fork from started in {once:.1f} s, once"
    comparisons = [
        take_turns(
            what,
            lambda cell=cell: _cost("warm", cell),
            lambda cell=cell: _cost("plain", cell),
            runs=min(options.runs, 1) if options.quick else options.runs,
            note=note,
        )
        for what, cell in CELLS.items()
    ]
    about = (
        "From the wish for a kernel to its end: started, one cell executed, shut down. The cell of "
        f"the first row is what notebooks begin with: {IMPORTS}."
    )
    return Part("kernels", "How long does it take to start a kernel?", about, comparisons)


def _cost(engine: str, cell: str) -> Cost:
    began = time.perf_counter()
    asyncio.run(_kernel(engine, cell))
    return Cost(time.perf_counter() - began)


async def _kernel(engine: str, cell: str) -> None:
    manager = PrivateKernelManager(engine=engine)
    await manager._async_start_kernel(env=warm.kernel_environment())
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=120)
        await client.execute_interactive(cell, timeout=120, output_hook=lambda _: None)
    finally:
        client.stop_channels()
        await manager._async_shutdown_kernel()
