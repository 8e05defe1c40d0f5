"""What an output dataset is, and what its sources must share to become one.

Everything that keeps sources apart is found first, all at once, with the sources named. What carries
no meaning is no difference: spellings of `names` and `info`, missing encoder settings, codecs.
"""

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lecompose.catalog import Catalog, Source
from lecompose.errors import FeatureMismatch, listed
from lecompose.formats import Feature, Limits, feature

# How a camera's video was made. They describe, they do not bind: kept where all sources agree, else null.
# Source: LeRobot 0.6.1 merges these so, `video.extra_options` and `video.video_backend` too.
_ENCODER_KEYS = ("video.g", "video.crf", "video.preset", "video.fast_decode")
_STREAM_KEYS = ("video.codec", "video.pix_fmt")


@dataclass(frozen=True)
class Target:
    """The dataset to be written, the same for each output of a run.

    Units: fps in frames a second, exact.
    """

    fps: Fraction
    robot_type: str | None
    features: tuple[Feature, ...]
    limits: Limits
    row_groups: str
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Feature, ...]:
        """The features that are columns of the data files."""
        return tuple(f for f in self.features if not f.is_video)

    @property
    def cameras(self) -> tuple[Feature, ...]:
        """The features whose pictures are in mp4 files."""
        return tuple(f for f in self.features if f.is_video)


def agree(catalog: Catalog, *, robot_type: str | None, limits: Limits, row_groups: str) -> Target:
    """The target that all sources can become without a change of meaning.

    Errors: FeatureMismatch with every difference and the sources it lies between.
    """
    sources = catalog.sources
    problems = [
        *_same(sources, "fps", lambda s: str(s.fps), hint="One dataset has one rate. Try: two outputs"),
        *_feature_problems(sources),
    ]
    if robot_type is None:
        hint = "Try: --robot-type with the name the output should carry"
        problems += _same(sources, "robot_type", lambda s: s.info.get("robot_type"), hint=hint)
    if problems:
        roots = _few([f"{s.name}: {s.root}" for s in sources])
        raise FeatureMismatch(listed(f"the sources cannot become one dataset ({roots}):", problems))
    first = sources[0]
    held = {f.name: [g for s in sources for g in s.features if g.name == f.name] for f in first.features}
    return Target(
        fps=first.fps,
        robot_type=robot_type or first.info.get("robot_type"),
        features=tuple(_merged(features, fps=first.fps) for features in held.values()),
        limits=limits,
        row_groups=row_groups,
        notes=tuple(note for features in held.values() for note in _notes(features)),
    )


def _same(
    sources: Iterable[Source], what: str, value: Callable[[Source], Any], *, hint: str
) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for source in sources:
        groups.setdefault(json.dumps(value(source)), []).append(source.name)
    if len(groups) > 1:
        found = "; ".join(f"{v} in {_few(names)}" for v, names in groups.items())
        yield f"{what}: {found}. {hint}"


def _few(names: list[str]) -> str:
    shown = ", ".join(f'"{n}"' for n in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _feature_problems(sources: tuple[Source, ...]) -> Iterator[str]:
    by_source = {s.name: {f.name: f for f in s.features} for s in sources}
    for name in dict.fromkeys(f.name for s in sources for f in s.features):
        lacking = [s.name for s in sources if name not in by_source[s.name]]
        if lacking:
            having = [s.name for s in sources if name in by_source[s.name]]
            near = difflib.get_close_matches(name, set(by_source[lacking[0]]) - set(by_source[having[0]]), 1)
            hint = f' (it has "{near[0]}")' if near else ""
            yield f'feature "{name}": in {_few(having)}, not in {_few(lacking)}{hint}'
            continue
        holders = [(s, by_source[s.name][name]) for s in sources]
        yield from _differences(name, holders)


def _differences(name: str, holders: list[tuple[Source, Feature]]) -> Iterator[str]:
    for what, value in (
        ("dtype", lambda f: f.dtype),
        ("shape", lambda f: list(f.shape) or [1]),
        ("names", lambda f: plain_names(f.spec.get("names"))),
        ("depth map", lambda f: f.is_depth),
    ):
        groups: dict[str, list[str]] = {}
        for source, held in holders:
            said = value(held)
            if said is not None:
                groups.setdefault(json.dumps(said), []).append(source.name)
        if len(groups) > 1:
            found = "; ".join(f"{v} in {_few(names)}" for v, names in groups.items())
            yield f'feature "{name}": {what} {found}'
            return


def plain_names(names: object) -> list[str] | None:
    """The names of a feature's dimensions whatever way they were written down; None where there are none.

    Source: recorders write a list, a list in a list, or {"motors": [...]}; "channel" and "channels".
    """
    if isinstance(names, Mapping):
        names = list(names.values())
    if not isinstance(names, list):
        return None
    flat: list[str] = []
    for entry in names:
        inner = plain_names(entry) if isinstance(entry, list | Mapping) else [str(entry)]
        flat += inner or []
    return ["channels" if n == "channel" else n for n in flat] or None


def _merged(held: list[Feature], *, fps: Fraction) -> Feature:
    """One feature, held by every source, as the output declares it."""
    first = held[0]
    named = next((f.spec["names"] for f in held if f.spec.get("names") is not None), None)
    spec: dict[str, Any] = {"dtype": first.dtype, "shape": list(first.shape) or [1], "names": named}
    if first.is_video:
        spec["info"] = _video_info(held, fps=fps)
    elif first.info:
        spec["info"] = first.info
    return feature(first.name, spec)


def _video_info(held: list[Feature], *, fps: Fraction) -> dict[str, Any]:
    """`info` of a camera, in LeRobot 0.6.1's keys and order; what sources disagree on becomes null."""
    infos = [f.info for f in held]
    height, width, channels = _picture(held[0])
    merged: dict[str, Any] = {"video.height": height, "video.width": width}
    for key in _STREAM_KEYS:
        merged[key] = _agreed([i[key] for i in infos if i.get(key) is not None])
    merged["video.fps"] = int(fps) if fps.denominator == 1 else float(fps)
    merged["video.channels"] = channels
    merged["has_audio"] = False
    if any(key in info for info in infos for key in _ENCODER_KEYS):
        merged |= {key: _agreed([i.get(key) for i in infos]) for key in _ENCODER_KEYS}
        merged["video.video_backend"] = "pyav"
        merged["video.extra_options"] = _agreed([i.get("video.extra_options") for i in infos]) or {}
    merged["is_depth_map"] = held[0].is_depth
    return merged | _other_info(infos, known={*merged, "video.is_depth_map"})


def _other_info(infos: list[dict[str, Any]], *, known: set[str]) -> dict[str, Any]:
    """Keys beyond LeRobot's own that all sources agree on; audio is not carried."""
    others = (k for k in infos[0] if k not in known and not k.startswith("audio."))
    return {key: infos[0][key] for key in others if all(i.get(key) == infos[0][key] for i in infos)}


def _agreed(said: list[Any]) -> Any:
    return said[0] if said and all(value == said[0] for value in said) else None


def _notes(held: list[Feature]) -> Iterator[str]:
    if not held[0].is_video:
        return
    infos = [f.info for f in held]
    keys = [*_STREAM_KEYS, *_ENCODER_KEYS, "video.extra_options"]
    differing = [k for k in keys if any(i.get(k) != infos[0].get(k) for i in infos)]
    if differing:
        yield (
            f'camera "{held[0].name}": encoded in different ways, or not said how, in the sources;'
            f" info.json says null where they do not agree: {', '.join(differing)}"
        )


def _picture(camera: Feature) -> tuple[int, int, int]:
    """(height, width, channels) by the names of the shape's dimensions; height first where unnamed."""
    size = dict(zip(plain_names(camera.spec.get("names")) or [], camera.shape, strict=False))
    if {"height", "width", "channels"} <= size.keys():
        return size["height"], size["width"], size["channels"]
    height, width, channels = (*camera.shape, 3, 3, 3)[:3]
    return height, width, channels
