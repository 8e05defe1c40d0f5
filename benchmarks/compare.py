"""What an output holds, as facts that can be compared between tools; prints them as JSON.

    python benchmarks/compare.py OUT                data: rows, numbering, checksums of values
    python benchmarks/compare.py OUT --camera KEY   of its videos: packets and a checksum of their bytes

A source or several may be named in place of an output: their videos are taken one behind the other.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

BATCH_ROWS = 65_536
VALUES = ("observation.state", "action", "timestamp", "frame_index")
NUMBERS = ("episode_index", "task_index")


def data_facts(root: Path) -> dict[str, Any]:
    """Rows, row groups, whether `index` is 0, 1, 2 …, and a checksum of every column's values in order."""
    import pyarrow.parquet as pq

    digests = {name: hashlib.sha256() for name in VALUES + NUMBERS}
    rows = groups = 0
    dense = True
    files = sorted(root.glob("data/*/*.parquet"))
    for path in files:
        with pq.ParquetFile(path) as file:
            groups += file.num_row_groups
            for batch in file.iter_batches(BATCH_ROWS, columns=["index", *digests]):
                index = batch["index"].to_numpy()
                dense &= bool(np.array_equal(index, np.arange(rows, rows + len(index))))
                rows += len(index)
                for name, digest in digests.items():
                    digest.update(_values(batch[name]))
    sums = {name: digest.hexdigest()[:16] for name, digest in digests.items()}
    return {"rows": rows, "index_dense": dense, "files": len(files), "row_groups": groups, "sha256": sums}


def _values(column: Any) -> bytes:
    flat = column.flatten() if hasattr(column.type, "value_type") else column
    return flat.to_numpy(zero_copy_only=False).tobytes()


def video_facts(roots: list[Path], cameras: list[str]) -> dict[str, Any]:
    """For each camera: how many packets, and a checksum of their bytes in order."""
    return {camera: _packets(roots, camera) for camera in cameras}


def _packets(roots: list[Path], camera: str) -> dict[str, Any]:
    import av

    digest = hashlib.sha256()
    packets = 0
    for path in (p for root in roots for p in sorted(root.glob("videos/**/*.mp4")) if camera in p.parts):
        with av.open(str(path)) as file:
            for packet in file.demux(video=0):
                if packet.size:
                    digest.update(bytes(packet))
                    packets += 1
    return {"packets": packets, "sha256": digest.hexdigest()[:16]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", type=Path, nargs="+")
    parser.add_argument("--camera", action="append", help="compare this camera's videos, not the data")
    args = parser.parse_args()
    facts = video_facts(args.roots, args.camera) if args.camera else data_facts(args.roots[0])
    json.dump(facts, sys.stdout)


if __name__ == "__main__":
    main()
