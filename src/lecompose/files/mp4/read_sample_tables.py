"""Read sample tables (`stbl`) as numpy arrays: sizes, offsets, times and keyframes of every sample.

Source: ISO/IEC 14496-12 §8.6 (times, keyframes), §8.7 (sizes, chunks).
"""

import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from lecompose.files.mp4.boxes import BoxError, find, require
from lecompose.files.mp4.errors import NeedsRemux

Ints: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

# Three days at 30 frames a second in one file; each takes some 100 bytes while it is read.
_MOST_SAMPLES = 2**23


@dataclass(frozen=True)
class Samples:
    """One track's samples in decode order.

    `pts` is None if frame k stands at k * step; `sync` is None if every sample is a keyframe.
    `stalls` samples have the decoding time of the one before.
    Units: bytes, ticks of the media time scale; `description_numbers` count sample descriptions from 1.
    """

    sizes: Ints
    offsets: Ints
    step: int
    pts: Ints | None
    sync: Ints | None
    description_numbers: Ints | None
    stalls: int

    def take_first(self, count: int) -> "Samples":
        """Return the first `count` samples in decode order."""
        return Samples(
            self.sizes[:count],
            self.offsets[:count],
            self.step,
            None if self.pts is None else self.pts[:count],
            None if self.sync is None else self.sync[self.sync < count],
            None if self.description_numbers is None else self.description_numbers[:count],
            self.stalls,
        )


def read_samples(stbl: memoryview, size_bytes: int) -> Samples:
    """Return the samples that `stbl` lists in a file of `size_bytes`, without those of zero bytes.

    Raises:
        BoxError: if tables are cut or missing.
        NeedsRemux: if only a full demuxer can read them.
    """
    sizes = _read_sizes(stbl, size_bytes)
    count = len(sizes)
    offsets, description_numbers = _read_places(stbl, sizes)
    step, pts, stalls = _read_times(stbl, count)
    sync = _read_keyframe_numbers(stbl, count)
    found = Samples(sizes, offsets, step, pts, sync, description_numbers, stalls)
    return found if count == 0 or sizes.min() > 0 else _drop_empty(found)


def read_table(body: memoryview, columns: int, at: int = 4) -> Ints:
    """Return a counted table of 32-bit numbers whose count stands at byte `at`. Shape: (n, columns)."""
    (count,) = struct.unpack_from(">I", body, at)
    if at + 4 + 4 * columns * count > len(body):
        raise BoxError(f"a table claims {count} rows, {len(body)} bytes hold it")
    flat = np.frombuffer(body, ">u4", count * columns, at + 4)
    return flat.astype(np.int64).reshape(count, columns)


def _read_sizes(stbl: memoryview, size_bytes: int) -> Ints:
    body = find(stbl, b"stsz")
    if body is None:
        raise (
            NeedsRemux("mp4 with compact sample sizes")
            if find(stbl, b"stz2")
            else BoxError("box stsz is missing")
        )
    same, count = struct.unpack_from(">II", body, 4)
    if count > _MOST_SAMPLES:
        raise BoxError(f"box stsz claims {count} samples, at most {_MOST_SAMPLES} are read")
    if same * count > size_bytes:
        raise BoxError(f"box stsz claims {count} samples of {same} bytes")
    return np.full(count, same, np.int64) if same else read_table(body, 1, 8)[:, 0]


def _read_places(stbl: memoryview, sizes: Ints) -> tuple[Ints, Ints | None]:
    """Return the file offset of each sample, and its sample description if there is more than one."""
    starts = _read_chunk_starts(stbl)
    runs = read_table(require(stbl, b"stsc"), 3)
    if len(sizes) == 0:
        return np.zeros(0, np.int64), None
    if len(runs) == 0:
        raise BoxError("box stsc is empty")
    lengths = np.diff(np.append(runs[:, 0] - 1, len(starts)))
    if runs[0, 0] != 1 or (lengths < 0).any() or lengths.sum() != len(starts):
        raise BoxError("box stsc does not number the chunks")
    per_chunk = np.repeat(runs[:, 1], lengths)
    if per_chunk.sum() != len(sizes):
        raise BoxError(f"chunks hold {per_chunk.sum()} samples, {len(sizes)} are listed")
    firsts = np.cumsum(per_chunk) - per_chunk
    chunk = np.repeat(np.arange(len(starts)), per_chunk)
    ends = np.cumsum(sizes)
    before = ends - sizes
    offsets = starts[chunk] + before - before[np.minimum(firsts, len(sizes) - 1)][chunk]
    several = runs[:, 2].min() != runs[:, 2].max()
    return offsets, np.repeat(runs[:, 2], lengths)[chunk] if several or runs[0, 2] != 1 else None


def _read_chunk_starts(stbl: memoryview) -> Ints:
    wide = find(stbl, b"co64")
    if wide is None:
        return read_table(require(stbl, b"stco"), 1)[:, 0]
    pairs = read_table(wide, 2)
    return pairs[:, 0] << 32 | pairs[:, 1]


def _read_times(stbl: memoryview, count: int) -> tuple[int, Ints | None, int]:
    """Return step, pts and stalls; the step is that of the first sample."""
    steps = read_table(require(stbl, b"stts"), 2)
    if steps[:, 0].sum() != count:
        raise NeedsRemux(f"mp4 with times for {steps[:, 0].sum()} samples and sizes for {count}")
    shifts = _read_composition_offsets(stbl, count)
    step = int(steps[0, 1]) if len(steps) else 0
    if shifts is None and step > 0 and (steps[:, 1] == step).all():
        return step, None, 0
    durations = np.repeat(steps[:, 1], steps[:, 0])
    dts = np.cumsum(durations) - durations
    # The last sample's duration leads nowhere.
    return step, dts if shifts is None else dts + shifts, int((durations[:-1] == 0).sum())


def _read_composition_offsets(stbl: memoryview, count: int) -> Ints | None:
    """Return the composition offsets, or None if all are zero."""
    body = find(stbl, b"ctts")
    if body is None:
        return None
    pairs = read_table(body, 2)
    if pairs[:, 0].sum() != count:
        raise NeedsRemux(f"mp4 with composition offsets for {pairs[:, 0].sum()} of {count} samples")
    # Version 0 is unsigned by the letter, but writers put negative offsets there too.
    signed = pairs[:, 1].astype(np.uint32).view(np.int32).astype(np.int64)
    return np.repeat(signed, pairs[:, 0]) if signed.any() else None


def _read_keyframe_numbers(stbl: memoryview, count: int) -> Ints | None:
    body = find(stbl, b"stss")
    if body is None:
        return None
    numbers = read_table(body, 1)[:, 0] - 1
    if len(numbers) and (numbers[0] < 0 or numbers[-1] >= count or (np.diff(numbers) <= 0).any()):
        raise BoxError("box stss does not list samples in order")
    return None if len(numbers) == count else numbers


def _drop_empty(found: Samples) -> Samples:
    """Drop samples of zero bytes: they repeat a frame on screen but hold none, and their times stay empty."""
    kept = np.flatnonzero(found.sizes > 0)
    times = np.arange(len(found.sizes)) * found.step if found.pts is None else found.pts
    sync = None if found.sync is None else np.flatnonzero(np.isin(kept, found.sync))
    description_numbers = None if found.description_numbers is None else found.description_numbers[kept]
    return Samples(
        found.sizes[kept],
        found.offsets[kept],
        found.step,
        times[kept],
        sync,
        description_numbers,
        found.stalls,
    )
