"""What an output dataset is, and what its sources must share to become one.

Everything that keeps sources apart is found first, all at once, with the sources named. What carries
no meaning is no difference: spellings of `names` and `info`, missing encoder settings, codecs.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from lecompose import formats
from lecompose.composition.resampling import Resampling, plan_resampling
from lecompose.composition.settings import Settings
from lecompose.composition.task_columns import find_task_columns
from lecompose.dataset.catalog import Catalog, CustomColumn, Source
from lecompose.dataset.feature_map import FeatureMap, Holders, SetDimension, map_features
from lecompose.dataset.write_metadata import INFO_KEYS
from lecompose.errors import FeatureMismatch, SourceBroken, few
from lecompose.formats import QUANTILES, Feature, Limits, feature
from lecompose.statistics.options import StatsOptions

# How a camera's video was made. They describe, they do not bind: kept where all sources agree, else null.
# Source: LeRobot 0.6.1 merges these so, `video.extra_options` and `video.video_backend` too.
_ENCODER_KEYS = ("video.g", "video.crf", "video.preset", "video.fast_decode")
_STREAM_KEYS = ("video.codec", "video.pix_fmt")
_PICTURE_KEYS = ("video.height", "video.width", "video.channels")
# What a feature's entry says of the feature; the rest is the user's. "fps" there is a converter's copy of the
# dataset's own.
_FEATURE_KEYS = ("dtype", "shape", "names", "info", "video_info", "fps")
_README = "README.md"


@dataclass(frozen=True)
class OutputSpec:
    """The dataset to be written, the same for each output of a run.

    `feature_map` says what each source gives for each feature; `info` are the keys of info.json that LeRobot
    does not know, `files` others' metadata by relative path. `task_columns` hold task numbers, as task_index
    does; that the guessed ones do, only their names tell. `set_dimensions` are those that SQL gives.
    """

    resampling: Resampling
    robot_type: str | None
    features: tuple[Feature, ...]
    feature_map: FeatureMap
    limits: Limits
    row_groups: str
    rewrite_data: bool = False
    notes: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    statistics: StatsOptions = field(default_factory=lambda: StatsOptions(QUANTILES))
    task_columns: tuple[str, ...] = ()
    guessed_task_columns: tuple[str, ...] = ()
    set_dimensions: tuple[SetDimension, ...] = ()

    @property
    def fps(self) -> Fraction:
        """Units: frames a second, exact."""
        return self.resampling.fps

    @property
    def columns(self) -> tuple[Feature, ...]:
        """The features that are columns of the data files."""
        return tuple(f for f in self.features if not f.is_video)

    @property
    def cameras(self) -> tuple[Feature, ...]:
        """The features whose pictures are in mp4 files."""
        return tuple(f for f in self.features if f.is_video)


def unify_sources(
    catalog: Catalog,
    settings: Settings,
    *,
    new_features: tuple[Feature, ...] = (),
    off_grid: frozenset[str] = frozenset(),
    appends: bool = False,
) -> OutputSpec:
    """Return the dataset that all sources can become without a change of meaning, but for those asked for.

    `new_features` are those that no source has; sources that are `off_grid` are timed again. Where it
    `appends` to the first one, its other files and keys of info.json are kept, whatever the others have.

    Raises:
        FeatureMismatch: with every difference, and the sources between which it lies.
        RequestError: for changes that cannot be made.
    """
    sources = catalog.sources
    mapped = map_features(sources, replace(settings.changes, add=new_features))
    resampling = plan_resampling(sources, fps=settings.fps, retime=settings.retime, off_grid=off_grid)
    problems = [
        *resampling.problems,
        *mapped.problems,
        *_custom_problems(catalog.custom.columns),
    ]
    if settings.robot_type is None:
        hint = "Try: --robot-type with the name the output should carry"
        problems += _same(sources, "robot_type", lambda s: s.info.get("robot_type"), hint=hint)
    if problems:
        roots = few(f"{s.name}: {s.given}" for s in sources)
        raise FeatureMismatch(f"the sources cannot become one dataset ({roots})", parts=problems)
    features = tuple(
        _merge_feature(name, held, dtype=mapped.dtypes[name], fps=resampling.fps)
        for name, held in mapped.holders.items()
    )
    first = sources[0]
    told = sources[:1] if appends else sources
    info, info_notes = _user_keys([(s.name, s.info) for s in told], INFO_KEYS, "info.json")
    files, file_notes = _other_files(told, changed=mapped.changed)
    tasks = find_task_columns(
        catalog,
        features,
        mapped.feature_map,
        settings.task_columns,
        modality=files.get(formats.MODALITY_PATH),
    )
    return OutputSpec(
        resampling=resampling,
        robot_type=settings.robot_type or first.info.get("robot_type"),
        features=features,
        feature_map=_with_stats(mapped.feature_map, resampling),
        limits=settings.limits,
        row_groups=settings.row_groups,
        rewrite_data=settings.rewrite_data,
        notes=(
            *resampling.notes,
            *mapped.notes,
            *(note for name, held in mapped.holders.items() for note in _notes(name, held)),
            *tasks.notes,
            *info_notes,
            *file_notes,
            *_custom_notes(catalog.custom.columns),
        ),
        info=info,
        files=files,
        task_columns=tasks.names,
        guessed_task_columns=tasks.by_name,
        set_dimensions=mapped.set_dimensions,
        # What sources say of their pictures is said of all their frames, also of those left out.
        statistics=replace(
            settings.statistics, pictures=settings.statistics.pictures or bool(resampling.downsampled)
        ),
    )


def _with_stats(takes: FeatureMap, resampling: Resampling) -> FeatureMap:
    """The same, but for statistics of sources that are true no more once frames are left out or retimed."""

    def kept(source: str, name: str) -> bool:
        if source in resampling.downsampled:
            return name == "index"  # sql/stats/episodes.sql takes those only where they are true
        return not (source in resampling.retimed and name == "timestamp")

    return {
        source: {n: replace(how, has_stats=how.has_stats and kept(source, n)) for n, how in taken.items()}
        for source, taken in takes.items()
    }


def _same(
    sources: Iterable[Source], what: str, value: Callable[[Source], Any], *, hint: str
) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for source in sources:
        groups.setdefault(json.dumps(value(source)), []).append(source.name)
    if len(groups) > 1:
        found = "; ".join(f"{v} in {few(names)}" for v, names in groups.items())
        yield f"{what}: {found}. {hint}"


def _merge_feature(name: str, held: Holders, *, dtype: str, fps: Fraction) -> Feature:
    """One feature as the output declares it."""
    features = [f for _, f in held]
    first = features[0]
    named = next((f.spec["names"] for f in features if f.spec.get("names") is not None), None)
    shape = list(first.shape) or [1]
    if first.is_visual and any(f.shape != first.shape for f in features):
        shape, named = list(first.picture_shape), list(formats.PICTURE_NAMES)
    spec: dict[str, Any] = {"dtype": dtype, "shape": shape, "names": named}
    if first.is_video:
        info, unsaid = _video_info(features, fps=fps), _find_unsaid_keys(held)
        spec["info"] = {key: said for key, said in info.items() if key not in unsaid}
    elif first.info:
        spec["info"] = first.info
    return feature(name, spec | _of_user(name, held)[0])


def _of_user(name: str, held: Holders) -> tuple[dict[str, Any], list[str]]:
    """Return the keys of a feature that LeRobot does not know, and notes on those left out."""
    return _user_keys([(s.name, f.spec) for s, f in held], _FEATURE_KEYS, f'feature "{name}"')


def _video_info(held: list[Feature], *, fps: Fraction) -> dict[str, Any]:
    """`info` of a camera, in LeRobot 0.6.1's keys and order; what sources disagree on becomes null."""
    infos = [f.info for f in held]
    height, width, channels = held[0].picture_shape
    merged: dict[str, Any] = {"video.height": height, "video.width": width}
    for key in _STREAM_KEYS:
        merged[key] = _find_common([i[key] for i in infos if i.get(key) is not None])
    merged["video.fps"] = int(fps) if fps.denominator == 1 else float(fps)
    merged["video.channels"] = channels
    merged["has_audio"] = False
    if any(key in info for info in infos for key in _ENCODER_KEYS):
        merged |= {key: _find_common([i.get(key) for i in infos]) for key in _ENCODER_KEYS}
        merged["video.video_backend"] = "pyav"
        merged["video.extra_options"] = _find_common([i.get("video.extra_options") for i in infos]) or {}
    merged["is_depth_map"] = held[0].is_depth
    return merged | _other_info(infos, known={*merged, "video.is_depth_map"})


def _find_unsaid_keys(held: Holders) -> set[str]:
    """Return the keys on pictures that no source has, though all are v3.0 and describe their videos.

    Source: LeRobot 0.6.1 refuses to merge datasets of which one has them and the other has not, so an output
    is to be like its sources; what is converted becomes like its recordings.
    """
    infos = [f.info for _, f in held]
    if not all(s.is_v3 and f.info for s, f in held):
        return set()
    return {key for key in _PICTURE_KEYS if not any(key in info for info in infos)}


def _other_info(infos: list[dict[str, Any]], *, known: set[str]) -> dict[str, Any]:
    """Keys beyond LeRobot's own that all sources agree on; audio is not carried."""
    others = (k for k in infos[0] if k not in known and not k.startswith("audio."))
    return {key: infos[0][key] for key in others if all(i.get(key) == infos[0][key] for i in infos)}


def _find_common(said: list[Any]) -> Any:
    return said[0] if said and all(value == said[0] for value in said) else None


def _notes(name: str, held: Holders) -> Iterator[str]:
    yield from _of_user(name, held)[1]
    if not held[0][1].is_video:
        return
    infos = [f.info for _, f in held]
    keys = [*_STREAM_KEYS, *_ENCODER_KEYS, "video.extra_options"]
    differing = [k for k in keys if any(i.get(k) != infos[0].get(k) for i in infos)]
    if differing:
        yield (
            f'camera "{name}": heterogeneous or incomplete encoder settings in the sources;'
            f" info.json says null where they do not agree: {', '.join(differing)}"
        )


# What LeRobot does not know ---------------------------------------------------------------------


def _user_keys(
    said: list[tuple[str, Mapping[str, Any]]], known: tuple[str, ...], where: str
) -> tuple[dict[str, Any], list[str]]:
    """Return the keys beyond `known` on which all agree that have them, and a note on each of the others."""
    kept: dict[str, Any] = {}
    notes: list[str] = []
    for key in dict.fromkeys(key for _, keys in said for key in keys if key not in known):
        values = {name: keys[key] for name, keys in said if key in keys}
        if len({json.dumps(value, sort_keys=True) for value in values.values()}) == 1:
            kept[key] = next(iter(values.values()))
        else:
            notes.append(f'{where}: "{key}" is left out, as the sources differ on it: {few(values)}')
    return kept, notes


def _other_files(sources: tuple[Source, ...], *, changed: bool) -> tuple[dict[str, bytes], list[str]]:
    """Return the other files that every source has alike, and notes on those that are left out.

    modality.json names features: once those have `changed`, it is true no more.
    """
    numbered = any(f.name == formats.SUBTASK_INDEX for s in sources for f in s.features)
    files: dict[str, bytes] = {}
    notes: list[str] = []
    for path in (_README, formats.MODALITY_PATH, *(() if numbered else (formats.SUBTASKS_PATH,))):
        held = {s.name: _bytes_of(file) for s in sources if (file := s.root / path).is_file()}
        if changed and held and path == formats.MODALITY_PATH:
            notes.append(f"{path} is left out, as it names features that have changed: {few(held)}")
        elif len(held) == len(sources) and len(set(held.values())) == 1:
            files[path] = next(iter(held.values()))
        elif held:
            how = "the sources differ on it" if len(held) == len(sources) else "not every source has it"
            notes.append(f"{path} is left out, as {how}: {few(held)}")
    return files, notes


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceBroken(
            f"{path.name} cannot be read", reason=error.strerror or error, path=path
        ) from error


def _custom_problems(columns: tuple[CustomColumn, ...]) -> Iterator[str]:
    lower: dict[str, CustomColumn] = {}
    for column in columns:
        found = "; ".join(f'{kind} in "{name}"' for name, kind in column.types.items())
        if not column.agree:
            yield f'per-episode column "{column.name}": {found}'
        twin = lower.setdefault(column.name.lower(), column)
        if twin != column:
            yield (
                f'per-episode column "{column.name}" in {few(list(column.types))} cannot be told from'
                f' "{twin.name}" in {few(list(twin.types))} in SQL'
            )


def _custom_notes(columns: tuple[CustomColumn, ...]) -> Iterator[str]:
    for column in columns:
        if column.as_json:
            yield (
                f'per-episode column "{column.name}": no single type holds its values in'
                f" {few(list(column.as_json))}; they are kept as JSON text"
            )
