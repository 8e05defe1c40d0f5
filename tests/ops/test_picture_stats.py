"""Statistics of pictures from 0 to 255 in some sources, from 0 to 1 in others."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from broken.damage import CAMERA, EPISODES
from broken.datasets import in_bytes

import lecompose

Record = Callable[..., Path]


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_statistics_of_bytes_are_divided(version: str, make_dataset: Record, tmp_path: Path) -> None:
    sound, odd = (make_dataset(name, version=version, cameras=("front",)) for name in ("sound", "odd"))
    lecompose.merge([sound, sound], out=tmp_path / "want")
    in_bytes(odd)
    assert [f.feature for f in lecompose.check(odd) if f.code == "picture_stats"] == [CAMERA]
    report = lecompose.merge([sound, odd], out=tmp_path / "out")
    assert any('source "odd"' in note and "divided by 255" in note for note in report.notes)
    found, wanted = (
        json.loads((tmp_path / n / "meta/stats.json").read_text())[CAMERA] for n in ("out", "want")
    )
    assert found["max"] == wanted["max"]
    assert found["mean"] == [[[pytest.approx(n, rel=1e-9)] for (n,) in c] for c in wanted["mean"]]
    per_episode = pq.read_table(next((tmp_path / "out").glob(EPISODES)))[f"stats/{CAMERA}/max"].to_pylist()
    assert max(n for e in per_episode for c in e for (n,) in c) <= 1
    report = lecompose.repair(odd, out=tmp_path / "saved")
    assert any("divided by 255" in note for note in report.notes)
    assert lecompose.check(tmp_path / "saved") == []
