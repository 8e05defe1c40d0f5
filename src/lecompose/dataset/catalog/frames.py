"""The rows of a source's data files as a relation, for the few that read them by SQL in the main database."""

from lecompose import formats
from lecompose.dataset.catalog.data_files import needs_union_by_name
from lecompose.dataset.catalog.source import Source
from lecompose.engine import Engine


def list_data_files(engine: Engine, source: Source) -> list[str]:
    """Return the paths of the data files of a source, in order."""
    asked = ("src_dataset", source.name)
    found = engine.read("data_files", ["data_file"], where=asked, order=["data_file"])
    files: list[str] = found["data_file"].to_pylist()
    return files


def frames_relation(engine: Engine, source: Source) -> str:
    """Return the name of the relation with every row of a source, which the first call makes."""
    relation = source.relation("frames")
    if not engine.has(relation):
        files = list_data_files(engine, source)
        engine.view(
            relation,
            "catalog/frames_of_source",
            src_dataset=source.name,
            files=[formats.escaped_glob(file) for file in files],
            by_name=needs_union_by_name(files),
        )
    return relation
