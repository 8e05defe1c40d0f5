"""Free memory, given back to the system: glibc keeps it, a part for each thread, for the next who asks.

Between two stages nobody soon asks for as much; what one has left would count beside what the next one needs.
"""

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

# The libraries by themselves take three quarters of this: to look through it costs more than it gives back.
_LITTLE_BYTES = 192 * 2**20


def release_free_memory() -> None:
    """Give back what is free, where the system's allocator knows how to, unless the process holds little."""
    trim = _trim()
    if trim is not None and _resident_bytes() < _LITTLE_BYTES:
        return
    pa.default_memory_pool().release_unused()
    if trim is not None:
        trim(0)


def _resident_bytes() -> int:
    """Return how much memory the process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@cache
def _trim() -> Any:
    # Only glibc has it.
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
