"""What the catalog says of sources beyond their frames: names, paths, custom columns, lineage."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lecompose.dataset.catalog import Catalog, open_catalog
from lecompose.dataset.catalog.relations import RELATIONS
from lecompose.engine import Engine, open_engine
from lecompose.errors import RequestError, SourceBroken
from lecompose.files.git_lfs import is_pointer

Record = Callable[..., Path]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Catalog]]:
    engines: list[Engine] = []

    def open_all(*paths: Path | str, **settings: Any) -> Catalog:
        engines.append(open_engine(scratch=tmp_path, threads=2))
        return open_catalog(engines[-1], paths, **settings)

    yield open_all
    for engine in engines:
        engine.close()


def relation(catalog: Catalog, name: str) -> pa.Table:
    return catalog.engine.arrow("catalog/union", {"relations": [name]})


def test_paths_are_as_given_and_names_are_folders(
    dataset_v30: Path, dataset_v21: Path, opened: Callable[..., Catalog]
) -> None:
    relative = os.path.relpath(dataset_v30)
    catalog = opened(relative, dataset_v21, f"{dataset_v30}/")
    given = [relative, str(dataset_v21), f"{dataset_v30}/"]
    assert [source.given for source in catalog.sources] == given
    rows = relation(catalog, "datasets").to_pydict()
    assert rows["path"] == given
    assert rows["root"] == [str(dataset_v30), str(dataset_v21), str(dataset_v30)]
    assert rows["src_dataset"] == [dataset_v30.name, dataset_v21.name, f"{dataset_v30.name}-2"]


def test_names_that_were_given(dataset_v30: Path, opened: Callable[..., Catalog]) -> None:
    catalog = opened(dataset_v30, dataset_v30, names=["pick", "the other's"])
    assert [source.name for source in catalog.sources] == ["pick", "the other's"]
    assert set(relation(catalog, "episodes")["src_dataset"].to_pylist()) == {"pick", "the other's"}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a", "a", ""], ('2 sources are named "a"', "source 2 has an empty name")),
        (["a", "b"], ("2 names for 3 sources", "Try:")),
    ],
)
def test_names_that_tell_nothing_apart(
    names: list[str], words: tuple[str, ...], dataset_v30: Path, opened: Callable[..., Catalog]
) -> None:
    with pytest.raises(RequestError) as refused:
        opened(*[dataset_v30] * 3, names=names)
    assert all(word in str(refused.value) for word in words)


@pytest.mark.parametrize("formats", [("v30",), ("v21",), ("v30", "v21")], ids="+".join)
def test_relations_have_the_columns_that_they_declare(
    formats: tuple[str, ...], dataset_v30: Path, dataset_v21: Path, opened: Callable[..., Catalog]
) -> None:
    folders = {"v30": dataset_v30, "v21": dataset_v21}
    engine = opened(*(folders[format] for format in formats)).engine
    for name, schema in RELATIONS.items():
        engine.load(f"declared_{name}", schema.empty_table())
        assert engine.column_types(name) == engine.column_types(f"declared_{name}"), name


def test_without_custom_columns_and_lineage(
    dataset_v30: Path, dataset_v21: Path, opened: Callable[..., Catalog]
) -> None:
    catalog = opened(dataset_v30, dataset_v21, names=["x", "w"])
    custom = relation(catalog, "custom")
    assert custom.to_pydict() == {"src_dataset": ["x"] * 3 + ["w"] * 3, "src_episode": [0, 1, 2, 0, 1, 2]}
    assert catalog.custom.columns == ()
    lineage = relation(catalog, "lineage")
    assert lineage.num_rows == 0
    assert lineage.column_names == [
        *("src_dataset", "src_episode", "step", "from_dataset"),
        *("from_path", "from_episode", "from_frame", "to_frame", "command", "version"),
    ]


def test_custom_columns_have_names_of_their_own(make_dataset: Record, opened: Callable[..., Catalog]) -> None:
    """The relation keeps a column apart from its keys, and from a twin in another source."""
    root, twin = make_dataset(version="v3.0", episodes=1), make_dataset(version="v2.1", episodes=1)
    path = next((root / "meta/episodes").rglob("*.parquet"))
    table = pq.read_table(path, partitioning=None)
    table = table.append_column("src_episode", pa.array(["mine"])).append_column("Note", pa.array(["x"]))
    pq.write_table(table, path)
    lines = twin / "meta/episodes.jsonl"
    lines.write_text(json.dumps({**json.loads(lines.read_text()), "note": 5}) + "\n\n")
    catalog = opened(root, twin, names=["a", "b"])
    assert [(c.name, c.column) for c in catalog.custom.columns] == [
        ("src_episode", "custom.src_episode"),
        ("Note", "Note"),
        ("note", "custom.note"),
    ]
    assert relation(catalog, "custom").to_pylist() == [
        {
            "src_dataset": "a",
            "src_episode": 0,
            "custom.src_episode": "mine",
            "Note": "x",
            "custom.note": None,
        },
        {"src_dataset": "b", "src_episode": 0, "custom.src_episode": None, "Note": None, "custom.note": 5},
    ]


def test_types_that_do_not_agree_are_text_to_look_at(
    make_dataset: Record, opened: Callable[..., Catalog]
) -> None:
    roots = [make_dataset(version="v2.1", episodes=1) for _ in range(3)]
    for root, value in zip(roots, ([1, 2], "two", 3), strict=True):
        lines = root / "meta/episodes.jsonl"
        lines.write_text(json.dumps({**json.loads(lines.read_text()), "grade": value}) + "\n")
    catalog = opened(*roots, names=["a", "b", "c"])
    (column,) = catalog.custom.columns
    assert not column.agree
    assert column.types == {"a": "list<item: int64>", "b": "string", "c": "int64"}
    assert relation(catalog, "custom")["grade"].to_pylist() == ["[1, 2]", "two", "3"]


# Sources read together ----------------------------------------------------------------------------


def spoil(path: Path) -> None:
    """Keep the footer, and nothing that stands before it."""
    content = path.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    path.write_bytes(content[:4] + b"\xff" * (len(content) - footer - 4) + content[-footer:])


@pytest.mark.parametrize("folder", ["data", "meta/episodes"])
def test_of_sources_read_in_one_query_the_broken_ones_are_named(
    folder: str, opened: Callable[..., Catalog], make_dataset: Record
) -> None:
    a, b, c = (make_dataset(name, version="v3.0") for name in "abc")
    for broken in (b, c):
        spoil(next((broken / folder).glob("*/*.parquet")))
        with pytest.raises(SourceBroken) as raised:
            opened(a, b, c)
        assert str(b / folder) in str(raised.value)
        assert (str(c / folder) in str(raised.value)) == (broken is c)
        assert str(a / folder) not in str(raised.value)


def test_of_data_and_metadata_that_are_both_broken_the_data_is_told(
    make_dataset: Record, opened: Callable[..., Catalog]
) -> None:
    root = make_dataset()
    (data,), (listed,) = (sorted(root.glob(f"{folder}/*/*.parquet")) for folder in ("data", "meta/episodes"))
    pq.write_table(pq.read_table(listed).drop_columns("length"), listed)
    with pytest.raises(SourceBroken, match="no column"):
        opened(root)
    spoil(data)
    for _ in range(5):
        with pytest.raises(SourceBroken, match="data cannot be read"):
            opened(root)


def test_sources_of_other_types_are_not_read_in_one_query(
    opened: Callable[..., Catalog], make_dataset: Record
) -> None:
    """DuckDB takes types from the first file of a query: times in double precision would lose it."""
    single, double = (make_dataset(name, version="v3.0") for name in ("single", "double"))
    path = next((double / "data").glob("*/*.parquet"))
    rows = pq.read_table(path)
    at = rows.schema.get_field_index("timestamp")
    times = pa.array([1e9 + n for n in range(len(rows))], pa.float64())
    pq.write_table(rows.set_column(at, "timestamp", times), path)
    found = []
    for sources in ([single, double], [double]):
        placed = opened(*sources).engine.arrow("repair/placement")
        found.append(max(placed["off_grid_s"].to_pylist()))
    assert found[0] == found[1]


def test_a_name_that_no_file_can_have_is_no_pointer(tmp_path: Path) -> None:
    assert not is_pointer(tmp_path / "a\0b")
