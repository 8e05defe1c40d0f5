"""Free memory, given back to the system: glibc keeps it, a part for each thread, for the next who asks.

Between two stages nobody soon asks for as much; what one has left would count beside what the next one needs.
"""

import ctypes
from functools import cache
from typing import Any

import pyarrow as pa


def release_free_memory() -> None:
    """Give back what is free, where the system's allocator knows how to."""
    pa.default_memory_pool().release_unused()
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Any:
    # Only glibc has it.
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
