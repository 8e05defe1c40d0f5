"""Pictures that data files name by path only: their files are beside them, gone, or on another machine."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pyarrow as pa
import pyarrow.parquet as pq

from broken.damage import DATA, Damage, edit_parquet
from broken.entry import ALL, EQUAL, SAME, Broken, names
from recorder.scene import png

FRONT = "observation.images.front"
IMAGES = {"cameras": (), "image_features": ("front",)}
PATH = f"images/{FRONT}/episode_{{:06d}}/frame-{{:06d}}.png"


def loose(path_of: Callable[[str], str | None] = lambda path: path, *, last_only: bool = False) -> Damage:
    """Pictures become files; data files have only their paths, as `path_of` spells them."""

    def damage(root: Path) -> None:
        for path in sorted(root.glob(DATA))[-1 if last_only else 0 :]:
            with pq.ParquetFile(path) as file:
                groups = [
                    _without_bytes(root, file.read_row_group(n), path_of) for n in range(file.num_row_groups)
                ]
            with pq.ParquetWriter(path, groups[0].schema) as writer:
                for group in groups:
                    writer.write_table(group)

    return damage


def _without_bytes(root: Path, table: pa.Table, path_of: Callable[[str], str | None]) -> pa.Table:
    cells: list[dict[str, Any]] = []
    for row in table.select(["episode_index", "frame_index", FRONT]).to_pylist():
        path = PATH.format(row["episode_index"], row["frame_index"])
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(row[FRONT]["bytes"])
        cells.append({"bytes": None, "path": path_of(path)})
    at = table.schema.get_field_index(FRONT)
    return table.set_column(at, table.schema.field(at), pa.array(cells, table.schema.field(at).type))


def gone(root: Path) -> None:
    loose(last_only=True)(root)
    shutil.rmtree(root / f"images/{FRONT}")


def cells(number: int, change: Callable[[int, dict[str, Any]], Any]) -> Damage:
    """Other cells in the pictures of one episode, by their frames."""

    def edit(table: pa.Table) -> pa.Table:
        held = table.schema.field(FRONT)
        rows = table.select(["episode_index", "frame_index", FRONT]).to_pylist()
        changed = [
            change(row["frame_index"], row[FRONT]) if row["episode_index"] == number else row[FRONT]
            for row in rows
        ]
        return table.set_column(table.schema.get_field_index(FRONT), held, pa.array(changed, held.type))

    return edit_parquet(DATA, edit, whole=True)


def larger(frame: int, cell: dict[str, Any]) -> dict[str, Any]:
    """The picture in twice the size."""
    with av.open(io.BytesIO(cell["bytes"])) as held:
        picture = next(held.decode(video=0)).to_ndarray(format="rgb24")
    return {**cell, "bytes": png(picture.repeat(2, axis=0).repeat(2, axis=1))}


PICTURES: list[Broken] = [
    Broken(
        "a picture of nothing",
        cells(2, lambda frame, cell: {"bytes": None, "path": None} if frame == 3 else cell),
        names("pictures_empty"),
        SAME,
        ALL,
        episode=2,
        feature=FRONT,
        settings=IMAGES,
    ),
    Broken(
        "a null in place of a picture",
        cells(2, lambda frame, cell: None if frame == 3 else cell),
        names("pictures_empty"),
        SAME,
        ALL,
        episode=2,
        feature=FRONT,
        settings=IMAGES,
    ),
    Broken(
        "an episode with larger pictures",
        cells(2, larger),
        names("pictures_alike"),
        SAME,
        ALL,
        episode=2,
        feature=FRONT,
        settings=IMAGES,
    ),
    Broken(
        "pictures by path", loose(), names("pictures_embedded"), EQUAL, ALL, feature=FRONT, settings=IMAGES
    ),
    Broken(
        "pictures by the path of another machine",
        loose(lambda path: f"/home/else/{path}"),
        names("pictures_embedded"),
        EQUAL,
        ALL,
        feature=FRONT,
        settings=IMAGES,
    ),
    Broken(
        "pictures that are gone",
        gone,
        names("pictures_present"),
        3,
        ALL,
        episode=2,
        feature=FRONT,
        settings=IMAGES,
    ),
]
