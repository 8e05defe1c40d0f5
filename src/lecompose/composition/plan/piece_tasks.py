"""The tasks of pieces: of a part of an episode that has several, only its own rows tell."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lecompose.composition.plan.rows import make_table
from lecompose.dataset.catalog import Catalog
from lecompose.files.parquet.damage import reading_parquet

_PIECE_TASKS = pa.schema(
    [
        ("src_dataset", pa.string()),
        ("src_episode", pa.int64()),
        ("from_frame", pa.int64()),
        ("to_frame", pa.int64()),
        ("src_tasks", pa.list_(pa.int64())),
    ]
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A planned part of an episode of several tasks, and where its rows begin."""

    src_dataset: str
    src_episode: int
    from_frame: int
    to_frame: int
    data_file: str
    row_from: int


def load_piece_tasks(catalog: Catalog, *, has_pieces: bool) -> None:
    """Make the relation `piece_tasks`: the task numbers of each planned part of an episode of several tasks.

    Raises:
        SourceBroken: if rows cannot be read.
    """
    rows = []
    pieces = catalog.engine.records("plan/pieces_of_several_tasks", _Piece) if has_pieces else []
    for path, group in groupby(pieces, key=lambda piece: piece.data_file):
        with reading_parquet(path):
            column = pq.read_table(path, columns=["task_index"], partitioning=None)["task_index"].to_numpy()
        for piece in group:
            own = column[piece.row_from : piece.row_from + piece.to_frame - piece.from_frame]
            numbers = np.unique(own).astype(np.int64).tolist()
            key = (piece.src_dataset, piece.src_episode, piece.from_frame, piece.to_frame)
            rows.append((*key, numbers))
    catalog.engine.load("piece_tasks", make_table(_PIECE_TASKS, rows))
