"""What datasets hold, as facts that can be compared between tools; prints them as JSON.

    python benchmarks/compare.py A B               rows, numbering, values, packets: A, then B
    python benchmarks/compare.py A --without 1      of all its episodes but one

Two tools agree where every fact that both have is the same: what a tool does not write, it has no fact of.
`values` and `packets` are checksums in order; `slices` are of packets without what may stand again in front
of h264's pictures, as FFmpeg leaves it where it joins files; `set of …` are checksums that no order changes.
"""

import argparse
import hashlib
import json
import math
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BATCH_ROWS = 65_536
# Anything else in a data file is a value, which no tool may change.
BOOKKEEPING = ("index", "episode_index", "task_index")


def same(one: Any, other: Any) -> bool:
    """Whether two facts are equal, numbers as nearly as 32 bits hold them."""
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-6)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same(one[key], other[key]) for key in one.keys() & other.keys())
    return bool(one == other)


def disagreements(facts: dict[str, dict[str, Any]]) -> list[str]:
    """Each pair of tools that say different things of a fact, and of which."""
    names = list(facts)
    return [
        f"{fact}: {one} and {other} differ"
        for n, one in enumerate(names)
        for other in names[n + 1 :]
        for fact in facts[one].keys() & facts[other].keys()
        if not same(facts[one][fact], facts[other][fact])
    ]


# Data files -----------------------------------------------------------------------------------


@dataclass
class Column:
    """What is known so far of one column: a checksum in order, and a sum that no order changes."""

    digest: Any = field(default_factory=hashlib.sha256)
    total: int = 0
    count: int = 0

    def add(self, content: bytes, parts: Iterable[int]) -> None:
        self.count += 1
        self.digest.update(content)
        self.total = (self.total + sum(parts)) % 2**64


def data_facts(roots: Sequence[Path], without: int | None) -> dict[str, Any]:
    """Rows, whether `index` is 0, 1, 2 … in each dataset, and checksums of all columns."""
    import numpy as np

    columns: dict[str, Column] = {}
    rows, dense = 0, True
    for root in roots:
        expected = 0
        for batch in _batches(root, without):
            index = batch["index"].to_numpy()
            dense &= bool(np.array_equal(index, np.arange(expected, expected + len(index))))
            expected += len(index)
            for name in batch.schema.names:
                if name != "index":
                    columns.setdefault(name, Column()).add(*_content(batch[name]))
        rows += expected
    values = {name: column for name, column in columns.items() if name not in BOOKKEEPING}
    return {
        "rows": rows,
        "dense index": dense,
        "episodes' numbers": columns["episode_index"].digest.hexdigest()[:16],
        "tasks' numbers": columns["task_index"].digest.hexdigest()[:16],
        "values": {name: column.digest.hexdigest()[:16] for name, column in values.items()},
        "set of values": {name: column.total for name, column in values.items()},
    }


def _batches(root: Path, without: int | None) -> Iterator[Any]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for path in sorted(root.glob("data/*/*.parquet")):
        with pq.ParquetFile(path) as file:
            rows = 256 if any(_is_picture(f.type) for f in file.schema_arrow) else BATCH_ROWS
            for batch in file.iter_batches(rows):
                if without is not None:
                    batch = batch.filter(pc.not_equal(batch["episode_index"], without))
                yield batch


def _is_picture(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind))


def _content(column: Any) -> tuple[bytes, Iterable[int]]:
    """A column's bytes, and numbers of its parts; floats as 32 bits, whatever a tool made of them."""
    import numpy as np

    if _is_picture(column.type):
        files = [file["bytes"] for file in column.to_pylist()]
        return b"".join(files), map(zlib.crc32, files)
    flat = column.flatten() if hasattr(column.type, "value_type") else column
    values = flat.to_numpy(zero_copy_only=False)
    values = values.astype(np.float32 if values.dtype.kind == "f" else np.int64, copy=False)
    whole = values.view(np.uint32 if values.dtype.kind == "f" else np.uint64)
    return values.tobytes(), [int(whole.sum(dtype=np.uint64))]


# Videos ---------------------------------------------------------------------------------------


def video_facts(roots: Sequence[Path], without: int | None) -> dict[str, Any]:
    """For each camera: how many packets, and checksums of their bytes; none where there is no camera."""
    cameras = sorted({camera_of(path) for root in roots for path in root.glob("videos/**/*.mp4")})
    found = {camera: _packets(roots, camera, without) for camera in cameras}
    if not found:
        return {}
    return {
        "frames filmed": {camera: packets.count for camera, (packets, _) in found.items()},
        "packets": {camera: packets.digest.hexdigest()[:16] for camera, (packets, _) in found.items()},
        "slices": {camera: slices.digest.hexdigest()[:16] for camera, (_, slices) in found.items()},
        "set of slices": {camera: slices.total for camera, (_, slices) in found.items()},
    }


def camera_of(path: Path) -> str:
    """The camera of a video file: v3.0 has its folder above the chunks, v2.1 below."""
    above = path.parent.name
    return path.parent.parent.name if above.startswith("chunk-") else above


def _packets(roots: Sequence[Path], camera: str, without: int | None) -> tuple[Column, Column]:
    """All packets of a camera, whole and as slices."""
    import av

    packets, slices = Column(), Column()
    for root in roots:
        dropped = _dropped(root, camera, without)
        for path in sorted(p for p in root.glob("videos/**/*.mp4") if camera_of(p) == camera):
            first, last = dropped.get(str(path.relative_to(root)), (0, 0))
            with av.open(str(path)) as file:
                is_h264 = file.streams.video[0].codec_context.name == "h264"
                for packet in file.demux(video=0):
                    if not packet.size or first <= _frame(packet) < last:
                        continue
                    content = bytes(packet)
                    packets.add(content, [])
                    picture = b"".join(_slices(content)) if is_h264 else content
                    slices.add(picture, [zlib.crc32(picture)])
    return packets, slices


def _slices(packet: bytes) -> Iterator[bytes]:
    """The units of an h264 packet that hold its picture: types 1 to 5, behind four bytes of length each."""
    at = 0
    while at + 4 < len(packet):
        end = at + 4 + int.from_bytes(packet[at : at + 4], "big")
        if 1 <= packet[at + 4] & 0x1F <= 5:
            yield packet[at + 4 : end]
        at = end


def _frame(packet: Any) -> int:
    return round(packet.pts * packet.time_base * packet.stream.average_rate)


def _dropped(root: Path, camera: str, without: int | None) -> dict[str, tuple[int, int]]:
    """The file and the frames in it that an episode of a v3.0 dataset has of one camera."""
    import pyarrow.parquet as pq

    if without is None:
        return {}
    info = json.loads((root / "meta/info.json").read_text())
    names = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    columns = [f"videos/{camera}/{name}" for name in names]
    files = sorted(root.glob("meta/episodes/*/*.parquet"))
    rows = [row for path in files for row in pq.read_table(path, columns=columns).to_pylist()]
    chunk, file, start, end = (rows[without][column] for column in columns)
    path = info["video_path"].format(video_key=camera, chunk_index=chunk, file_index=file)
    return {path: (round(start * info["fps"]), round(end * info["fps"]))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", type=Path, nargs="+")
    parser.add_argument("--without", type=int, metavar="EPISODE")
    parser.add_argument("--only", nargs="*", help="the facts to tell; all by default")
    args = parser.parse_args()
    facts: dict[str, Any] = {}
    if any(any(root.glob("data/*/*.parquet")) for root in args.roots):
        facts |= data_facts(args.roots, args.without)
    facts |= video_facts(args.roots, args.without)
    json.dump({name: fact for name, fact in facts.items() if not args.only or name in args.only}, sys.stdout)


if __name__ == "__main__":
    main()
