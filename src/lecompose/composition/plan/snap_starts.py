"""Move the starts of planned pieces to frames from which the packets of all cameras can be copied."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from lecompose.dataset.catalog import Catalog
from lecompose.files import mp4


@dataclass(frozen=True, slots=True)
class _Clip:
    """The video of a camera of an episode, and the frame at which the episode begins in it."""

    src_dataset: str
    src_episode: int
    video_file: str
    from_frame: int


def snap_starts(catalog: Catalog) -> tuple[str, ...]:
    """Move each start in the relation `plan` to the nearest such frame of its episode; return notes.

    A piece that ended where the next one began still does.

    Raises:
        MediaError: if a video cannot be read.
    """
    plan = catalog.engine.read("plan", _COLUMNS, order=("out_dataset", "out_episode", "piece"))
    rows = plan.to_pylist()
    clips: dict[tuple[str, int], list[_Clip]] = {}
    for clip in catalog.engine.records("plan/clips_of_pieces", _Clip):
        clips.setdefault((clip.src_dataset, clip.src_episode), []).append(clip)
    files = {clip.video_file for of_episode in clips.values() for clip in of_episode}
    starts = {file: _list_starts(catalog, file) for file in files}
    moved = [_find_start(row, clips, starts) for row in rows]
    new = {
        (row["src_dataset"], row["src_episode"], row["from_frame"]): start
        for row, start in zip(rows, moved, strict=True)
    }
    count = sum(row["from_frame"] != start for row, start in zip(rows, moved, strict=True))
    for row, start in zip(rows, moved, strict=True):
        end = new.get((row["src_dataset"], row["src_episode"], row["to_frame"]), row["to_frame"])
        row["from_frame"], row["to_frame"] = start, end if end > start else row["to_frame"]
    catalog.engine.drop("plan")
    catalog.engine.load("plan", pa.Table.from_pylist(rows, schema=plan.schema))
    return (f"{count:,} starts moved to the nearest frame from which videos can be copied",) if count else ()


_COLUMNS = ("out_dataset", "out_episode", "piece", "src_dataset", "src_episode", "from_frame", "to_frame")


def _list_starts(catalog: Catalog, file: str) -> np.ndarray:
    """Return the frames of a video from which it can be copied."""
    return mp4.list_starts(mp4.probe(Path(file), scratch=catalog.engine.scratch))


def _find_start(
    row: Mapping[str, int],
    clips: Mapping[tuple[str, int], list[_Clip]],
    starts: Mapping[str, np.ndarray],
) -> int:
    """Return where a piece begins; where nothing can be copied, it begins where it did."""
    wanted = row["from_frame"]
    own = clips.get((str(row["src_dataset"]), row["src_episode"]), [])
    if not wanted or not own:
        return wanted
    pairs = [(starts[clip.video_file], clip.from_frame) for clip in own]
    found = mp4.find_nearest_start(pairs, wanted, row["to_frame"])
    return wanted if found is None else found
