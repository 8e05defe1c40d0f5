"""Facts of the formats: path templates are read as text, never trusted to stay in their folder."""

import duckdb
import pyarrow as pa
import pytest

from lecompose import formats
from lecompose.errors import SourceBroken


@pytest.mark.parametrize(
    "template",
    [
        "/abs/{episode_index}.parquet",
        "../{episode_index}",
        "data/../../{file_index}",
        "a\\..\\b/{file_index}",
        "data/{secret}",
        "data/{episode_index.__class__}",
        "data/{episode_index[0]}",
        "data/{0}",
        "data/{}",
        "data/{file_index",
        "data/}",
    ],
)
def test_templates_that_are_refused(template: str) -> None:
    with pytest.raises(SourceBroken, match="template"):
        formats.path_glob(template)


@pytest.mark.parametrize(
    ("template", "glob"),
    [
        (formats.DATA_PATH, "data/chunk-*/file-*.parquet"),
        (formats.V2_VIDEO_PATH, "videos/chunk-*/*/episode_*.mp4"),
        ("d*ta/[x]?/{file_index}.parquet", "d[*]ta/[[]x][?]/*.parquet"),
        ("data/{{{file_index}}}.parquet", "data/{*}.parquet"),
    ],
)
def test_glob_of_a_template(template: str, glob: str) -> None:
    assert formats.path_glob(template) == glob


@pytest.mark.parametrize(
    "template", [formats.VIDEO_PATH, "v/{file_index}-{{x}}-{video_key}/{chunk_index:05d}.mp4", "plain.mp4"]
)
def test_duckdb_fills_a_template_like_python(template: str) -> None:
    text = formats.path_format(template, ("video_key", "chunk_index", "file_index"))
    given = duckdb.sql("select format($t, 'a {b}', 7::bigint, 1234::bigint)", params={"t": text}).fetchall()
    assert given[0][0] == template.format(video_key="a {b}", chunk_index=7, file_index=1234)


@pytest.mark.parametrize("name", ["a/b", "", ".", "..", "a\0b"])
def test_feature_names_that_cannot_be_folders(name: str) -> None:
    with pytest.raises(SourceBroken):
        formats.feature(name, {"dtype": "float32", "shape": [1]})


@pytest.mark.parametrize(
    "spec",
    [
        "x",
        None,
        {},
        {"dtype": 3, "shape": [1]},
        {"dtype": "int64", "shape": "1"},
        {"dtype": "int64", "shape": ["six"]},
        {"dtype": "int64", "shape": [-1]},
    ],
)
def test_features_that_declare_nothing(spec: object) -> None:
    with pytest.raises(SourceBroken, match='"action"'):
        formats.feature("action", spec)


@pytest.mark.parametrize(
    ("dtype", "shape", "kind"),
    [
        ("bool", (1,), pa.bool_()),
        ("float16", (), pa.float16()),
        ("float32", (6,), pa.list_(pa.field("element", pa.float32()), 6)),
        ("string", (1,), pa.string()),
        ("int64", (1, 7), pa.list_(pa.field("element", pa.list_(pa.field("element", pa.int64()))))),
        ("image", (4, 4, 3), pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ],
)
def test_column_types(dtype: str, shape: tuple[int, ...], kind: pa.DataType) -> None:
    field = formats.arrow_field(formats.feature("x", {"dtype": dtype, "shape": list(shape)}))
    assert field is not None
    assert field.type == kind
