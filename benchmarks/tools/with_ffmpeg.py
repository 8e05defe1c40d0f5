"""ffmpeg: the concat demuxer with -c copy, a call an output file; where episodes start is not looked up."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VIDEO_LIMIT = 200 * 2**20


def merge(sources: list[Path], out: Path, clock: Any) -> None:
    for camera in _cameras(sources[0]):
        paths = [
            path for root in sources for path in sorted(root.glob("videos/**/*.mp4")) if camera in path.parts
        ]
        for number, members in enumerate(_by_size(paths)):
            target = out / f"all/videos/{camera}/chunk-000/file-{number:03d}.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            _join(members, target)
    clock.mark("video")


def _join(members: list[Path], target: Path) -> None:
    listing = target.with_suffix(".txt")
    listing.write_text("".join(f"file '{path.absolute()}'\n" for path in members))
    command = [os.environ["LECOMPOSE_BENCH_FFMPEG"], "-v", "error", "-f", "concat", "-safe", "0"]
    command += ["-i", str(listing), "-c", "copy", "-movflags", "+faststart", str(target)]
    subprocess.run(command, check=True)
    listing.unlink()


def _cameras(root: Path) -> list[str]:
    features = json.loads((root / "meta/info.json").read_text())["features"]
    return [name for name, feature in features.items() if feature["dtype"] == "video"]


def _by_size(paths: list[Path]) -> Iterator[list[Path]]:
    members: list[Path] = []
    size = 0
    for path in paths:
        if members and size + path.stat().st_size >= VIDEO_LIMIT:
            yield members
            members, size = [], 0
        members.append(path)
        size += path.stat().st_size
    yield members
