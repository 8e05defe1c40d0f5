"""What is fuzzed: a target takes bytes, and ends with a result or one of our errors; all else is a find."""

import random
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from lecompose.dataset.catalog.data_files import read_arrow_schema, read_from
from lecompose.engine import open_engine
from lecompose.errors import ComposeError
from lecompose.files import mp4

Target = Callable[[bytes, Path], None]


def video(data: bytes, folder: Path) -> None:
    """Tables read, every frame asked for, two runs cut and joined; no remux, so that FFmpeg stays out."""
    path, out = folder / "fuzzed.mp4", folder / "joined.mp4"
    path.write_bytes(data)
    out.unlink(missing_ok=True)
    try:
        found = mp4.probe(path)
        mp4.measure_grid_deviation_s(found, Fraction(30))
        middle = max(1, found.frames // 2)
        mp4.probe_clips(found, [(0, middle), (0, found.frames)])
        mp4.concat(
            [mp4.Segment(found, 0, middle), mp4.Segment(found, 0, found.frames)], out, fps=Fraction(30)
        )
        mp4.probe(out)
    except ComposeError:
        return


def picture(data: bytes, folder: Path) -> None:
    try:
        mp4.decode_picture(data, name=folder)
    except ComposeError:
        return


def parquet(data: bytes, folder: Path) -> None:
    """Footer and columns by Arrow, every row by DuckDB."""
    path = folder / "fuzzed.parquet"
    path.write_bytes(data)
    engine = open_engine(scratch=folder, threads=1, memory="1GB")
    try:
        read_arrow_schema(path)
        with read_from(path):
            engine.arrow("catalog/frames_of_source", src_dataset="a", files=[str(path)])
    except ComposeError:
        return
    finally:
        engine.close()


TARGETS: dict[str, Target] = {"video": video, "picture": picture, "parquet": parquet}


# Without a coverage-guided fuzzer -------------------------------------------------------------------

_NUMBERS = (0, 1, 7, 8, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)


def mutations(seeds: Sequence[bytes], *, runs: int, seed: int) -> Iterator[bytes]:
    """So many spoilt copies of the seeds: the same ones for the same `seed`."""
    chance = random.Random(seed)
    for _ in range(runs):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 5))):
            chance.choice(_WAYS)(data, chance)
        yield bytes(data)


def _flip(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _number(data: bytearray, chance: random.Random) -> None:
    """A number of 32 bits, on a multiple of 4 more often than not, becomes one at an edge, or one off."""
    if len(data) >= 8:
        at = chance.randrange(len(data) - 4)
        at -= at % 4 if chance.random() < 0.7 else 0
        near = int.from_bytes(data[at : at + 4], "big") + chance.choice((-1, 1))
        value = chance.choice((*_NUMBERS, near % 2**32))
        data[at : at + 4] = value.to_bytes(4, "big")


def _cut(data: bytearray, chance: random.Random) -> None:
    if data:
        del data[chance.randrange(len(data)) :]


def _drop(data: bytearray, chance: random.Random) -> None:
    if data:
        at = chance.randrange(len(data))
        del data[at : at + chance.choice((1, 4, 8, 64))]


def _double(data: bytearray, chance: random.Random) -> None:
    if data:
        at = chance.randrange(len(data))
        data[at:at] = data[at : at + chance.choice((4, 8, 64))]


_WAYS = (_flip, _flip, _number, _number, _number, _cut, _drop, _double)
