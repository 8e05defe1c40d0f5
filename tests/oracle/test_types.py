"""Every reader of the data files gives the declared types: pandas, polars, datasets, LeRobot."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import typed
from support.lerobot_reads import TORCH, kinds_of, opened

import lecompose

pytestmark = pytest.mark.oracle

NUMBERS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)


@pytest.fixture(params=["episode", "packed"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A merge of two datasets of all types, in several files and row groups."""
    sources = [
        typed.write(tmp_path / version, kinds_of(NUMBERS), version=version, lengths=[3, 4, 2], seed=n)
        for n, version in enumerate(("v2.1", "v3.0"))
    ]
    limits: dict[str, Any] = {"row_groups": request.param, "data_mb": 0.02}
    lecompose.merge(sources, out=tmp_path / "out", **limits)
    assert len(files_of(tmp_path / "out")) > 1
    return tmp_path / "out"


def files_of(root: Path) -> list[str]:
    return [str(path) for path in sorted(root.glob("data/*/*.parquet"))]


def expected(out: Path) -> dict[str, list[Any]]:
    """The cells as pyarrow alone reads them, with no library near that knows of extension types."""
    code = (
        "import sys, pickle, pyarrow.parquet as pq, pyarrow as pa;"
        "held = [pq.ParquetFile(f).read() for f in sys.argv[1:]];"
        "sys.stdout.buffer.write(pickle.dumps(pa.concat_tables(held).to_pydict()))"
    )
    run = subprocess.run([sys.executable, "-c", code, *files_of(out)], capture_output=True, check=True)
    cells: dict[str, list[Any]] = pickle.loads(run.stdout)
    return cells


def numeric(out: Path) -> dict[str, dict[str, Any]]:
    features = json.loads((out / "meta/info.json").read_text())["features"]
    return {name: f for name, f in features.items() if f["dtype"] in NUMBERS}


PANDAS = """
import sys
import numpy as np
{imports}
import pandas as pd
frames = [pd.read_parquet(path) for path in sys.argv[1:]]
frames.append(pd.read_parquet(sys.argv[1].rpartition("/")[0]))
for frame in frames:
    for name in frame.columns:
        if name.startswith(("scalar.", "vector.")):
            dtype = np.dtype(name.partition(".")[2])
            kept = frame[name].dtype if name.startswith("scalar.") else frame[name][0].dtype
            assert kept == dtype, (name, kept)
        elif name.startswith("array"):
            cell = frame[name].iloc[-1]
            while cell.dtype == object:
                cell = cell[0]
            assert cell.dtype == np.dtype(name.partition(".")[2]), (name, cell.dtype)
    assert set(frame["text"].map(type)) == {{str}}
    assert frame["observation.images.png"][0]["bytes"].startswith(b"\\x89PNG")
print(len(frames[-1]))
"""


@pytest.mark.parametrize("imports", ["", "import datasets", "import lerobot.datasets.lerobot_dataset"])
def test_pandas(imports: str, out: Path) -> None:
    code = PANDAS.format(imports=imports)
    run = subprocess.run(
        [sys.executable, "-c", code, *files_of(out)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().endswith("18")


def test_polars(out: Path) -> None:
    polars = pytest.importorskip("polars")
    names = {n: n.replace("int", "Int").replace("float", "Float").replace("uInt", "UInt") for n in NUMBERS}
    types = {n: getattr(polars, "Boolean" if n == "bool" else name) for n, name in names.items()}
    frame = polars.concat([polars.read_parquet(path) for path in files_of(out)])
    cells = expected(out)
    for name, feature in numeric(out).items():
        kind, shape = frame.schema[name], feature["shape"]
        kind = kind.ext_storage() if hasattr(kind, "ext_storage") else kind
        for _ in shape if shape != [1] else ():
            kind = kind.inner
        assert kind == types[feature["dtype"]], name
        assert frame[name].to_list() == cells[name], name
    for name in ("text", "nothing", "observation.images.png"):
        assert frame[name].to_list() == cells[name], name


def test_datasets(out: Path, tmp_path: Path) -> None:
    import datasets

    held = datasets.Dataset.from_parquet(files_of(out), cache_dir=str(tmp_path / "cache"))
    cells = expected(out)
    assert len(held) == 18
    for name, feature in numeric(out).items():
        kind, shape, dtype = held.features[name], feature["shape"], feature["dtype"]
        if shape == [1]:
            assert kind == datasets.Value(dtype), name
        elif len(shape) == 1:
            assert kind == datasets.List(datasets.Value(dtype), length=shape[0]), name
        else:
            assert kind == getattr(datasets, f"Array{len(shape)}D")(tuple(shape), dtype), name
        assert held[name][:] == cells[name], name
    for name in ("png", "jpg", "depth"):
        assert held.features[f"observation.images.{name}"] == datasets.Image()
        assert held[0][f"observation.images.{name}"].size == (6, 4)


@pytest.mark.parametrize("row_groups", ["episode", "packed"])
def test_lerobot(row_groups: str, tmp_path: Path) -> None:
    kinds = kinds_of(TORCH)
    del kinds["nothing"]  # of which LeRobot makes no tensor
    sources = [
        typed.write(tmp_path / version, kinds, version=version, seed=n)
        for n, version in enumerate(("v2.0", "v3.0"))
    ]
    lecompose.merge(sources, out=tmp_path / "out", row_groups=row_groups)
    cells = expected(tmp_path / "out")
    dataset = opened(tmp_path / "out")
    assert len(dataset) == 18
    for index in (0, 7, 17):
        item = dataset[index]
        for name, feature in numeric(tmp_path / "out").items():
            if name in kinds:
                found = item[name].numpy()
                assert found.shape == tuple(feature["shape"]) or feature["shape"] == [1], name
                assert np.array_equal(found.ravel(), np.ravel(cells[name][index])), name
        assert item["text"] == cells["text"][index]
        assert tuple(item["observation.images.png"].shape) == (3, 4, 6)


FORMS = ("empty", "inferred", "json", "string", "mixed")


@pytest.mark.parametrize("row_groups", ["episode", "packed"])
@pytest.mark.parametrize("forms", [(f, g) for f in FORMS for g in ("inferred", "json")])
def test_language_columns(forms: tuple[str, str], row_groups: str, tmp_path: Path) -> None:
    import datasets

    sources = [
        typed.write(
            tmp_path / name,
            {key: typed.language(key, form) for key in ("language_persistent", "language_events")},
            seed=n,
        )
        for n, (name, form) in enumerate(zip("ab", forms, strict=True))
    ]
    lecompose.merge(sources, out=tmp_path / "out", row_groups=row_groups)
    dataset = opened(tmp_path / "out")
    items = [dataset[n] for n in range(len(dataset))]
    rows = [row for item in items for row in item["language_persistent"]]
    calls = [call for row in rows for call in row["tool_calls"] or ()]
    assert rows
    assert calls
    assert all(call == typed.CALL for call in calls)
    held = datasets.Dataset.from_parquet(files_of(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert [row for cell in held["language_persistent"] for row in cell] == rows
    assert isinstance(held.features["language_events"].feature["tool_calls"].feature, datasets.Json)


def test_merging_with_everything_imported(tmp_path: Path) -> None:
    """Once `datasets` is there, pyarrow gives its extension types instead of lists."""
    import datasets  # noqa: F401

    kinds = kinds_of(NUMBERS)
    one = typed.write(tmp_path / "a", kinds)
    lecompose.merge([one, one], out=tmp_path / "b")
    lecompose.merge([tmp_path / "b", one], out=tmp_path / "c", row_groups="packed")
    assert lecompose.check(tmp_path / "c") == []
    cells, again = expected(one), expected(tmp_path / "c")
    for name in kinds:
        assert again[name] == cells[name] * 3, name
