"""Makes the statistics true: the relation `episode_stats`, and meta/stats.json.

Per episode: carried where a source has them, moved where numbering changed, computed where missing.
Over an output: computed from all its frames, quantiles included; cameras from their episodes' statistics.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from lecompose import carried, formats
from lecompose.errors import OutputUnwritable
from lecompose.formats import QUANTILES, STATS, Feature
from lecompose.run import Run

_SUMMARY = pa.schema(
    [("out_dataset", pa.string()), ("out_episode", pa.int64())]
    + [(stat, pa.list_(pa.float64())) for stat in ("min", "max", "mean", "std")]
    + [("quantiles", pa.list_(pa.list_(pa.float64())))]
)
# Exact quantiles hold the numbers they are of: this many bytes of memory each, measured with room to spare.
_BYTES_A_NUMBER = 32


@dataclass(frozen=True)
class _Computed:
    """A feature whose per-episode statistics are at least partly computed; `carry`: and partly carried."""

    feature: Feature
    relation: str
    carry: bool


def stats(run: Run) -> None:
    """Make `episode_stats` and write stats.json of every output.

    Errors: SourceBroken for unreadable statistics; OutputUnwritable.
    """
    features = run.target.features
    run.progress.stage("stats", sum(path.stat().st_size for o in run.folders for path in _data_files(run, o)))
    carried.register(run.layout.catalog, features)
    computed = _compute_missing(run)
    context = {
        "carried": [{"name": name} for f in features if f.is_visual for name in _carried_names(run, f)],
        "computed": [_names(c) for c in computed],
    }
    run.engine.table("episode_stats", "stats/episodes", context)
    for output, folder in run.folders.items():
        _write_json(folder / "meta" / "stats.json", _of_output(run, output))


def _data_files(run: Run, output: str) -> list[Path]:
    return sorted((run.folders[output] / "data").glob("*/*.parquet"))


# Per episode ------------------------------------------------------------------------------------


def _compute_missing(run: Run) -> list[_Computed]:
    """Every numeric feature's source of statistics; what any episode lacks is computed for all."""
    numeric = [f for f in run.target.columns if f.is_numeric and f.name not in ("index", "episode_index")]
    # task_index is numbered anew in a way that no carried statistic can follow.
    always = [f.name == "task_index" for f in numeric]
    lacking = run.engine.rows(
        "stats/missing", {"features": [[f"{f.name}/{s}" for s in STATS if s != "count"] for f in numeric]}
    )
    result = []
    for n, (feature, anew) in enumerate(zip(numeric, always, strict=True)):
        relation = f"computed_{n}"
        needed = anew or lacking[n]["episodes"] > 0
        rows = _summaries(run, feature) if needed else _SUMMARY.empty_table()
        run.engine.load(relation, rows)
        result.append(_Computed(feature, relation, carry=not anew))
    return result


def _summaries(run: Run, feature: Feature) -> pa.Table:
    parts = []
    for output in run.folders:
        for row in _summarised(run, output, feature, by_episode=True):
            parts.append({"out_dataset": output, **row})
    return pa.Table.from_pylist(parts, schema=_SUMMARY)


def _summarised(run: Run, output: str, feature: Feature, *, by_episode: bool) -> list[dict[str, Any]]:
    """Exact statistics over frames, in as many passes over the dimensions as memory asks for."""
    width = feature.stat_size
    frames = sum(row["frames"] for row in run.engine.rows("plan/totals") if row["out_dataset"] == output)
    numbers = max(1, frames * _numbers(feature) // width)
    dims = max(1, min(width, run.engine.memory_bytes // (_BYTES_A_NUMBER * numbers)))
    context = {"by_episode": by_episode, "column": feature.name, "depth": _depth(feature)}
    files = [formats.escaped_glob(str(path)) for path in _data_files(run, output)]
    merged: list[dict[str, Any]] = []
    for start in range(0, width, dims):
        span = {"width": width, "from_place": start, "to_place": start + dims}
        rows = run.engine.rows("stats/summarise", context, files=files, **span)
        merged = [_joined(a, b) for a, b in zip(merged, rows, strict=True)] if merged else rows
    return merged


def _joined(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {key: value if key == "out_episode" else value + right[key] for key, value in left.items()}


def _depth(feature: Feature) -> int:
    return 0 if feature.shape in ((), (1,)) else len(feature.shape)


def _numbers(feature: Feature) -> int:
    total = 1
    for n in feature.shape:
        total *= n
    return total


def _carried_names(run: Run, camera: Feature) -> list[str]:
    """The statistics of a camera that are kept: what any episode has, quantiles only if all have them."""
    names = [f"{camera.name}/{stat}" for stat in STATS]
    rows = run.engine.rows("stats/missing", {"features": [[name] for name in names]})
    episodes = sum(row["episodes"] for row in run.engine.rows("plan/totals"))
    return [
        name
        for name, row in zip(names, rows, strict=True)
        if row["episodes"] == 0 or (row["episodes"] < episodes and name.rpartition("/")[2] not in QUANTILES)
    ]


def _names(computed: _Computed) -> dict[str, Any]:
    name = computed.feature.name
    plain = {stat: f"{name}/{stat}" for stat in ("min", "max", "mean", "std", "count")}
    quantiles = [f"{name}/{q}" for q in QUANTILES]
    return {"relation": computed.relation, "carry": computed.carry, "quantiles": quantiles, **plain}


# Over an output ---------------------------------------------------------------------------------


def _of_output(run: Run, output: str) -> dict[str, Any]:
    """stats.json of one output, features in their order."""
    frames = next(r["frames"] for r in run.engine.rows("plan/totals") if r["out_dataset"] == output)
    result = {}
    for feature in run.target.features:
        if feature.is_visual:
            found = _of_camera(run, output, feature)
        elif feature.is_numeric:
            found = _flat(_summarised(run, output, feature, by_episode=False)[0]) | {"count": [frames]}
        else:
            continue
        if found:
            result[feature.name] = {s: found[s] for s in STATS if s in found}
    return result


def _flat(summary: dict[str, Any]) -> dict[str, list[float]]:
    quantiles = {name: [q[n] for q in summary["quantiles"]] for n, name in enumerate(QUANTILES)}
    return {s: summary[s] for s in ("min", "max", "mean", "std")} | quantiles


def _of_camera(run: Run, output: str, camera: Feature) -> dict[str, Any]:
    """A camera's statistics from those of its episodes; of v2.0 sources, from the whole source's."""
    kept = {name.rpartition("/")[2]: name for name in _carried_names(run, camera)}
    stats = {stat: f"{camera.name}/{stat}" for stat in STATS if stat in kept or stat not in QUANTILES}
    context = {"stats": stats, "carried": list(kept)}
    row = run.engine.rows("stats/visual", context, out_dataset=output)[0]
    if row["min"] is None:
        return {}
    count = {"count": [int(row["count"][0])]}
    return {stat: [[[x]] for x in row[stat]] for stat in stats if stat != "count"} | count


def _write_json(path: Path, value: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=4, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise OutputUnwritable(f"cannot write statistics: {error}. ({path})") from error
