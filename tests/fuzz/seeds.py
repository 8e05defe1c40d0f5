"""Sound files to start from: recorded, so that there are no binaries in git."""

import io
from pathlib import Path

import av
import pyarrow.parquet as pq

from recorder import record


def seeds(folder: Path) -> dict[str, list[bytes]]:
    """Small files for each target, made in `folder`."""
    return {"video": _videos(folder), "picture": _pictures(), "parquet": _parquets(folder)}


def _videos(folder: Path) -> list[bytes]:
    found = []
    for codec in ("h264", "libsvtav1"):
        root = record(folder / codec, version="v2.1", codec=codec, cameras=("front",), episodes=1, frames=6)
        held = next(root.glob("videos/*/*/*.mp4")).read_bytes()
        found += [_tables_first(held), held]
    return found


def _tables_first(held: bytes) -> bytes:
    """The same video with little media, so that what is spoilt is most often in a table."""
    at = held.index(b"mdat")
    tables = held.index(b"moov")
    return held if tables < at else held[: at - 4] + held[tables - 4 :] + held[at - 4 : at + 60]


def _pictures() -> list[bytes]:
    found = []
    for codec in ("png", "mjpeg", "tiff"):
        encoder = av.CodecContext.create(codec, "w")
        encoder.width = encoder.height = 16
        encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "rgb24"
        encoder.time_base = 1
        frame = av.VideoFrame(16, 16, encoder.pix_fmt)
        found.append(b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)]))
    return found


def _parquets(folder: Path) -> list[bytes]:
    root = folder / "h264"
    held = [next(root.glob("data/*/*.parquet")).read_bytes()]
    stream = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(held[0])), stream, compression="zstd", version="1.0")
    return [*held, stream.getvalue()]
