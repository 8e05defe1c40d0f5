"""The benchmarks measure what they say: a toy run from end to end, and the judges of outputs and bars."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.effort import Effort, thorough

import lecompose

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def module(name: str) -> ModuleType:
    """A file of benchmarks/ under a name of its own: theirs are not kept apart from others'."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", BENCHMARKS / f"{name}.py")
    assert spec
    assert spec.loader
    sys.modules[spec.name] = found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def told(*words: Path | str) -> dict[str, Any]:
    """What compare.py says."""
    command = [sys.executable, str(BENCHMARKS / "compare.py"), *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a run at toy size wrote."""
    folder = tmp_path_factory.mktemp("results")
    chosen = (
        *("--size=toy", "--workload=T2k", "--tool=cp", "--tool=lecompose"),
        *(("--workload=U", "--tool=python") if Effort.whole else ()),
    )
    command = [sys.executable, str(BENCHMARKS / "bench.py"), *chosen, "--rounds=1", f"--results={folder}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "toy"


@thorough
def test_a_case_that_is_measured_again_leaves_the_others(results: Path, tmp_path: Path) -> None:
    again = shutil.copytree(results, tmp_path / "toy")
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "--size=toy", "--workload=T2k", "--case=plain"]
    command += ["--tool=lecompose", "--rounds=1", f"--results={tmp_path}"]
    subprocess.run(command, check=True, capture_output=True)
    before, after = (json.loads((folder / "T2k.json").read_text()) for folder in (results, again))
    assert "--case plain" in after["command"]
    plain, filmed = after["cases"]
    assert (plain["case"], list(plain["variants"])) == ("plain", ["lecompose"])
    run = filmed.pop("run")
    assert filmed == before["cases"][1]
    assert run == {name: before[name] for name in ("rounds", "command", "machine", "versions")}
    assert "From another run:" in (again / "README.md").read_text()


def test_a_run_is_kept_with_all_that_tells_what_it_was(results: Path) -> None:
    found = json.loads((results / "T2k.json").read_text())
    assert found["machine"]["cores"]
    assert found["versions"]["duckdb"]
    assert found["size"] == "toy"
    plain = found["cases"][0]
    assert plain["sizes"]["episodes"] == 8
    assert list(plain["variants"]) == ["cp", "lecompose"]
    ours = plain["variants"]["lecompose"]
    assert [sample["round"] for sample in ours["samples"]] == [0, 1]
    assert ours["median"]["rss_mib"] > 0
    assert {"data", "video", "stats"} <= ours["median"]["stages"].keys()
    (ratio,) = plain["ratios"]
    pair = [plain["variants"][name]["samples"][1]["wall_s"] for name in ("lecompose", "cp")]
    assert ratio["wall"]["median"] == pytest.approx(pair[0] / pair[1], rel=0.01)


def test_outputs_are_compared_with_their_sources(results: Path) -> None:
    for case in json.loads((results / "T2k.json").read_text())["cases"]:
        compared = case["equality"]["compared"]
        assert case["equality"]["equal"]
        assert "values" in compared["sources"]
        assert set(compared["sources"]) <= set(compared["lecompose"])
    assert "packets" in compared["sources"]


def test_a_rival_that_is_not_run_is_skipped_visibly(results: Path) -> None:
    plain = json.loads((results / "T2k.json").read_text())["cases"][0]
    assert plain["skipped"]["lerobot-convert"] == "not asked for"
    assert "- `lerobot-convert`: skipped, not asked for." in (results / "README.md").read_text()


def test_the_page_has_every_bar(results: Path) -> None:
    page = (results / "README.md").read_text()
    assert all(f"| {bar.workload} | {bar.says} |" in page for bar in module("bars").BARS)
    assert "not measured" in page


def test_what_a_tool_changed_is_told(dataset_v30: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(dataset_v30, tmp_path / "changed")
    (file,) = changed.glob("data/*/*.parquet")
    table = pq.read_table(file)
    pq.write_table(table.take(pa.array([1, 0, *range(2, len(table))])), file)
    facts = {"given": told(dataset_v30), "changed": told(changed)}
    lines = module("compare").disagreements(facts)
    assert "values: given and changed differ" in lines
    assert not any(line.startswith(("set of values", "packets", "slices", "rows")) for line in lines)
    assert not module("compare").disagreements({"given": told(dataset_v30), "same": told(dataset_v30)})


def test_the_facts_of_all_but_one_episode_are_those_of_its_deletion(
    dataset_v30: Path, tmp_path: Path
) -> None:
    lecompose.delete(dataset_v30, episodes="1", out=tmp_path / "less")
    less, expected = told(tmp_path / "less"), told(dataset_v30, "--without=1")
    for fact in ("rows", "values", "set of values", "frames filmed", "packets", "slices", "set of slices"):
        assert less[fact] == expected[fact], fact
    assert less["packets"] != told(dataset_v30)["packets"]


def series(*seconds: float) -> dict[str, Any]:
    cases = [
        {"x": 10**n, "variants": {"lecompose": {"median": {"stages": {"plan": took}}}}}
        for n, took in enumerate(seconds, start=4)
    ]
    return {"cases": cases}


def test_growth_tells_linear_from_more() -> None:
    growth = module("bars").growth
    assert growth(series(1.1, 2, 11)) == pytest.approx(1)
    assert growth(series(1.1, 2, 101)) > 10
    assert growth(series(1.1, 2)) is None


def test_bars_have_a_side() -> None:
    bars = module("bars")
    most, least = (bars.Bar("V5", "", bars.growth, "×", **side) for side in ({"most": 2}, {"least": 2}))
    assert (most.is_met(2), most.is_met(2.1)) == (True, False)
    assert (least.is_met(2), least.is_met(1.9)) == (True, False)


def test_charts_are_drawn_from_results(results: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="only the extra `bench` has it")
    points = [
        {
            "case": "whole",
            "x": x,
            "variants": {t: {"median": {"wall_s": x / 9, "rss_mib": 90}} for t in ("cp", "lecompose")},
        }
        for x in (10, 100)
    ]
    written = {"V5": {"workload": "V5", "what": "a merge", "axis": "episodes", "cases": points}}
    assert module("charts").draw(written, tmp_path) == ["overview.png", "V5.png"]
    assert all(path.stat().st_size > 10_000 for path in tmp_path.glob("*.png"))


def test_the_costs_of_jobs_and_what_a_cluster_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    fit = module("bench_cluster").fit
    found = fit([(100, 1.1), (200, 2.1), (400, 4.1)])
    assert (round(found["fixed_s"], 6), round(found["s_a_byte"], 6)) == (0.1, 0.01)
    assert fit([(100, 1.0), (110, 1.0)])["fixed_s"] == pytest.approx(0)
    model = module("cluster_model")
    kind = model.Kind(fixed_s=1.0, s_a_byte=1e-6, job_bytes=1e6, passes=2)
    one = model.Model((kind,), serial_s_an_episode=0.0, driver_s_a_job=0.001, disk=1e9)
    assert one.whole_s(1e9, 1) == pytest.approx(2000)
    assert one.whole_s(1e9, 100) == pytest.approx(20)
    assert one.whole_s(1e9, 1e6) == pytest.approx(2)  # the disk's, twice its bytes
