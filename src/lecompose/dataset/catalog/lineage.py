"""Where a source's episodes came from, by the file that each of our outputs carries."""

from lecompose import formats
from lecompose.dataset.catalog.data_files import read_arrow_schema, read_from
from lecompose.dataset.catalog.source import Source
from lecompose.engine import Engine
from lecompose.errors import SourceBroken

LINEAGE_PATH = "meta/lineage.parquet"
_FRAMES = ("from_frame", "to_frame")
_COLUMNS = ("episode_index", "step", "from_dataset", "from_path", "from_episode", "command", "version")


def register_source_lineage(engine: Engine, source: Source) -> str | None:
    """Return the name of the relation with this source's lineage; None where it has none: it was recorded.

    Raises:
        SourceBroken: for a file that is something else.
    """
    file = source.root / LINEAGE_PATH
    if not file.is_file():
        return None
    with read_from(file, hint="remove it; the dataset loads without it"):
        stored = read_arrow_schema(file).names
        lacking = [name for name in _COLUMNS if name not in stored]
        if lacking:
            raise SourceBroken(f"it lacks {', '.join(lacking)}")
        engine.table(
            source.relation("lineage"),
            "catalog/lineage",
            {
                "declared": "declared",
                "frames": [name for name in _FRAMES if name in stored],
                "absent": [name for name in _FRAMES if name not in stored],
            },
            src_dataset=source.name,
            file=formats.escaped_glob(str(file)),
        )
    return source.relation("lineage")
