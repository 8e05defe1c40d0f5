"""One damage of a parquet file is one error, whoever reads the file: class, problem and path."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Record
from support.effort import every_nth

import lecompose
from lecompose.training.read_rows import RowReader
from lecompose.training.selection import select_episodes

DATA = "data/chunk-000/file-000.parquet"


def footer_at(content: bytes) -> int:
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def name_of_no_utf8(content: bytes) -> bytes:
    at = footer_at(content)
    return content[:at] + content[at:].replace(b"action", b"act\xffon")


def metadata_of_no_utf8(content: bytes) -> bytes:
    at = footer_at(content)
    assert b"huggingface" in content[at:]
    return content[:at] + content[at:].replace(b"huggingface", b"hugging\xffce")


def footer_of_more_rows(content: bytes) -> bytes:
    """The footer of a file with twice as many rows."""
    table, more = pq.read_table(io.BytesIO(content)), io.BytesIO()
    pq.write_table(pa.concat_tables([table, table]), more, row_group_size=10)
    return content[: footer_at(content)] + more.getvalue()[footer_at(more.getvalue()) :]


def footer_of_other_places(content: bytes) -> bytes:
    """Bytes of the first page are missing, so every place in the footer is wrong."""
    return content[:4] + content[304:]


def page_cut_short(content: bytes) -> bytes:
    at = footer_at(content)
    return content[: at - 300] + content[at:]


def page_of_other_bytes(content: bytes) -> bytes:
    return content[:40] + bytes(byte ^ 0x5A for byte in content[40:400]) + content[400:]


FILE, PAGES = "parquet file cannot be read", "data cannot be read, damaged pages?"
DAMAGES = {
    name_of_no_utf8: FILE,
    metadata_of_no_utf8: FILE,
    footer_of_more_rows: PAGES,
    footer_of_other_places: PAGES,
    page_cut_short: PAGES,
    page_of_other_bytes: PAGES,
}


def query(root: Path, _: Path) -> None:
    with lecompose.open(root) as opened:
        opened.query('select sum(action[1]), sum("observation.state"[1]) from frames')


def merge_copied(root: Path, out: Path) -> None:
    lecompose.merge([root], out=out)


def merge_packed(root: Path, out: Path) -> None:
    lecompose.merge([root], out=out, row_groups="packed")


def merge_decoded(root: Path, out: Path) -> None:
    lecompose.merge([root], out=out, cast={"action": "float64"})


def stats(root: Path, _: Path) -> None:
    lecompose.stats(root)


def read_frames(root: Path, _: Path) -> None:
    with lecompose.open(root) as opened:
        list(opened.frames([0, 1, 2]))


def load(root: Path, _: Path) -> None:
    """What `to_torch` reads; PyTorch is not installed everywhere."""
    with lecompose.open(root) as opened:
        chosen = select_episodes(opened._catalog, opened._frames, None, None)
    rows = RowReader(chosen.schema, chosen.shapes, 2**28, chosen.stamps)
    for item in range(chosen.frames):
        rows.at(*chosen.at(item)).cell("action")


WAYS = [query, merge_copied, merge_packed, merge_decoded, stats, read_frames, load]


@every_nth(2)
@pytest.mark.parametrize(("damage", "problem"), DAMAGES.items())
def test_a_damaged_file_is_one_error_on_every_way(
    damage: Callable[[bytes], bytes], problem: str, make_dataset: Record, tmp_path: Path
) -> None:
    root = make_dataset(version="v3.0")
    path = root / DATA
    path.write_bytes(damage(path.read_bytes()))

    def told() -> Iterator[tuple[str, type, str, object]]:
        for way in WAYS:
            with pytest.raises(lecompose.ComposeError) as raised:
                way(root, tmp_path / way.__name__)
            error = raised.value
            yield way.__name__, type(error), error.problem, error.path

    wanted = [(way.__name__, lecompose.SourceBroken, problem, path) for way in WAYS]
    assert list(told()) == wanted
    found = [(f.code, f.file) for f in lecompose.check(root) if f.severity == "error"]
    assert found == [("data_readable", DATA)]
    (finding,) = (f for f in lecompose.check(root) if f.code == "data_readable")
    assert finding.problem.startswith(problem)
