"""The one reader of info.json's features: any spelling met in public becomes the entry that LeRobot writes.

Numbers written as text or floats, aliases of dtypes, missing shapes, camera properties in other places. What
an entry does not tell, the data files and the videos do. Every difference is told; what nothing tells is
lost.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lecompose import formats
from lecompose.dataset.catalog.camera_specs import read_camera_info, settle_pictures
from lecompose.dataset.catalog.dimension_names import spell_names
from lecompose.dataset.catalog.feature_files import FeatureFiles, Pictures
from lecompose.dataset.catalog.spec_notes import SpecNote, spelling
from lecompose.errors import SourceBroken
from lecompose.formats import Feature

# What recorders write for dtypes, in lower case and without the name of a library. Source: `datasets`, NumPy,
# PyTorch, Arrow. "float" and "int" are of different sizes there: a column has the say.
_ALIASES = {
    **{"half": "float16", "halffloat": "float16", "single": "float32", "double": "float64"},
    **{"f2": "float16", "f4": "float32", "f8": "float64", "i1": "int8", "i2": "int16", "i4": "int32"},
    **{"i8": "int64", "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64", "long": "int64"},
    **{"short": "int16", "boolean": "bool", "bool_": "bool", "str": "string", "text": "string"},
    **{"large_string": "string", "utf8": "string", "unicode": "string"},
}
_UNSIZED = {"float": "float32", "int": "int64", "uint": "uint64"}
_LIBRARY = re.compile(r"^(torch|np|numpy|jnp|tf|pa|pyarrow)\.|^[<>=|]")
_SHAPE_TEXT = re.compile(r"[\[(]?\s*\d+(\.0*)?\s*(,\s*\d+(\.0*)?\s*)*,?\s*[\])]?")
_MOST_SHOWN = 200


@dataclass(frozen=True)
class FeaturesRead:
    """The features as LeRobot writes them, in what they were written otherwise, and those that are `lost`.

    `pictures` are what the files say of cameras, by feature; `undeclared` the columns of the data files that
    info.json does not name, and what they are.
    """

    features: tuple[Feature, ...]
    notes: tuple[SpecNote, ...]
    lost: tuple[SourceBroken, ...]
    pictures: Mapping[str, Pictures]
    undeclared: Mapping[str, str]

    @property
    def unusable(self) -> dict[str, str]:
        """What no feature is, and why, by name."""
        return {str(error.feature): error.problem for error in self.lost} | {**self.undeclared}


def read_features(declared: Mapping[str, Any], files: FeatureFiles) -> FeaturesRead:
    """Return what entries of info.json's features mean; files are looked at for what entries do not tell."""
    features: list[Feature] = []
    notes: list[SpecNote] = []
    lost: list[SourceBroken] = []
    pictures: dict[str, Pictures] = {}
    for name, spec in declared.items():
        try:
            formats.refuse_name(name)
            entry = _Entry(name, spec, files)
            features.append(entry.read())
        except SourceBroken as error:
            error.feature = name
            if name in formats.DEFAULT_FEATURES:
                features.append(formats.default_feature(name))
                notes.append(_default_note(name, f"{error.problem}; read as"))
            else:
                lost.append(error)
            continue
        notes += entry.notes
        if entry.pictures is not None:
            pictures[name] = entry.pictures
    for name in _undeclared_defaults(declared, files):
        features.append(formats.default_feature(name))
        features.sort(key=_place)
        notes.append(_default_note(name, "not declared; every dataset has it, as"))
    language = [n for n in formats.LANGUAGE_COLUMNS if n not in declared and files.is_language(n)]
    for name in language:
        features.append(formats.language_feature(name))
        notes.append(SpecNote("feature_filled", name, "not declared; the data files have it as language"))
    known = {*declared, *formats.DEFAULT_FEATURES, *language}
    undeclared = {name: _describe_undeclared(name, files) for name in files.names if name not in known}
    return FeaturesRead(tuple(features), tuple(notes), tuple(lost), pictures, undeclared)


def _undeclared_defaults(declared: Mapping[str, Any], files: FeatureFiles) -> list[str]:
    """Return the features of every dataset that only the data files tell of."""
    return [name for name in formats.DEFAULT_FEATURES if name not in declared and name in files.names]


def _describe_undeclared(name: str, files: FeatureFiles) -> str:
    """Return what a column is that info.json does not name."""
    kind = files.impossible_type(name)
    keeps = "LeRobot refuses such a dataset; lecompose repair --undeclared declare keeps it"
    why = keeps if kind is None else f"it holds {kind}, which no feature can"
    return f"it is in the data files, not in info.json; {why}"


def _place(feature: Feature) -> int:
    """Return where LeRobot declares a feature: those of every dataset follow the others, in their order."""
    return [*formats.DEFAULT_FEATURES].index(feature.name) if feature.name in formats.DEFAULT_FEATURES else -1


def _default_note(name: str, problem: str) -> SpecNote:
    return SpecNote("default_features", name, f"{problem} {formats.DEFAULT_FEATURES[name]['dtype']}")


class _Entry:
    """One entry while it is read."""

    def __init__(self, name: str, spec: object, files: FeatureFiles) -> None:
        self.name, self.said, self.files = name, spec, files
        self.spec: dict[str, Any] = dict(spec) if isinstance(spec, Mapping) else {}
        self.notes: list[SpecNote] = []
        self.pictures: Pictures | None = None

    def read(self) -> Feature:
        """Return the feature.

        Raises:
            SourceBroken: if neither the entry nor a file tells what it is.
        """
        dtype, shape = self._dtype_and_shape()
        spec = self.spec | {"dtype": dtype}
        self._spell_names(spec)
        if dtype in ("video", "image"):
            self.pictures = self.files.pictures(self.name, dtype)
            read_camera_info(self.name, spec, self.files.info, self.pictures, self.notes)
            is_declared = bool(shape)
            shape = settle_pictures(self.name, spec, shape, self.pictures, self.notes)
            if not is_declared:
                self.notes.append(self._note("shape", self.spec.get("shape"), shape))
        elif not isinstance(spec.get("info"), Mapping | None):
            self.notes.append(spelling(self.name, f"info is {_json(spec.pop('info'))}, must be an object"))
        spec["shape"] = shape
        return self._as_default(formats.feature(self.name, spec))

    def _as_default(self, feature: Feature) -> Feature:
        """Return a feature that every dataset has as the format says it, whatever was declared."""
        if self.name not in formats.DEFAULT_FEATURES:
            return feature
        default = formats.default_feature(self.name)
        if feature.dtype == default.dtype and feature.shape in ((), default.shape):
            return feature
        declared = f"declared as {feature.dtype}{list(feature.shape)}, read as"
        self.notes.append(_default_note(self.name, declared))
        return default

    def _dtype_and_shape(self) -> tuple[str, list[int]]:
        """Return what the entry says or, where that cannot be read, what the files do."""
        said_dtype, said_shape = self.spec.get("dtype"), self.spec.get("shape")
        dtype, shape = _read_dtype(said_dtype), _read_shape(said_shape)
        is_visual = dtype in ("video", "image")
        if dtype is None or (shape is None and not is_visual):
            held = self.files.held(self.name)
            dtype = dtype or (held[0] if held else _UNSIZED.get(_plain(said_dtype)))
            if dtype == "language":
                shape = [1]
            if shape is None and held is not None:
                shape = held[1]
            if dtype is None or (shape is None and dtype not in ("video", "image")):
                kind = self.files.impossible_type(self.name)
                why = "no file tells what it is" if kind is None else f"its column holds {kind}"
                raise SourceBroken(
                    f"{self._lacks()}, and {why}; info.json says {_json(self.said)}",
                    feature=self.name,
                    hint="correct meta/info.json; or lecompose repair DATASET -o OUT, which leaves it out",
                )
        if dtype != said_dtype:
            self.notes.append(self._note("dtype", said_dtype, dtype))
        if shape is not None and (said_shape != shape or not _are_whole(said_shape)):
            self.notes.append(self._note("shape", said_shape, shape))
        return dtype, shape or []

    def _lacks(self) -> str:
        lacks = []
        if _read_dtype(self.spec.get("dtype")) is None:
            lacks.append("dtype")
        if _read_shape(self.spec.get("shape")) is None:
            lacks.append("shape")
        return f"needs a {' and a '.join(lacks)}"

    def _note(self, what: str, said: object, read: object) -> SpecNote:
        """Return the note on a dtype or a shape that is read in place of what was said."""
        if what not in self.spec:
            return SpecNote("feature_filled", self.name, f"no {what} is declared; by the files it is {read}")
        is_known = (_read_dtype(said) or _UNSIZED.get(_plain(said))) if what == "dtype" else _read_shape(said)
        code = "feature_spelling" if is_known else "feature_filled"
        by = ", read as" if is_known else "; by the files it is"
        return SpecNote(code, self.name, f"{what} is {_json(said)}{by} {_json(read)}")

    def _spell_names(self, spec: dict[str, Any]) -> None:
        """Put names as LeRobot can read them in the place of others."""
        if spec.get("names") is None and spec.get("name") is not None:
            spec["names"] = spec.pop("name")
            self.notes.append(spelling(self.name, 'the names stand under "name"'))
        said = spec.get("names")
        read = spell_names(said)
        if read != said:
            spec["names"] = read
            self.notes.append(spelling(self.name, f"names is {_json(said)}, read as {_json(read)}"))


def _read_dtype(said: object) -> str | None:
    """Return a dtype in LeRobot's spelling; None for one that is unknown or does not tell its size."""
    if formats.is_dtype(said):
        return str(said)
    plain = _plain(said)
    plain = _ALIASES.get(plain, plain)
    return plain if formats.is_dtype(plain) else None


def _plain(said: object) -> str:
    return _LIBRARY.sub("", said.strip().lower()) if isinstance(said, str) else ""


def _read_shape(said: object) -> list[int] | None:
    """Return a shape of whole numbers above 0; None for another."""
    if isinstance(said, str):
        if not _SHAPE_TEXT.fullmatch(said.strip()):
            return None
        said = re.findall(r"\d+(?:\.0*)?", said)
    if isinstance(said, int | float):
        said = [said]
    if not isinstance(said, list | tuple):
        return None
    sizes = [_read_size(n) for n in said]
    return None if None in sizes else [n for n in sizes if n is not None]


def _read_size(said: object) -> int | None:
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return None
    try:
        number = float(said) if not isinstance(said, int) else said
        return int(number) if number == int(number) and number > 0 else None
    except (ValueError, OverflowError):
        return None


def _are_whole(said: Sequence[object]) -> bool:
    return all(isinstance(n, int) and not isinstance(n, bool) for n in said)


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
