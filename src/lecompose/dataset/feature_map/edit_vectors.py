"""Vectors with other dimensions: some computed (--set), some taken (--take), some more of one value (--pad).

Dimensions count from 1, as in SQL. Those that are set are set first, then some are taken, then the rest is
padded, whatever the order of the options.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lecompose.dataset.catalog import Source
from lecompose.dataset.catalog.dimension_names import plain_names, spell_names
from lecompose.dataset.feature_map.rename_features import describe_unknown, find_scope
from lecompose.errors import RequestError, few
from lecompose.formats import DEFAULT_FEATURES, MAX_NUMBERS, Feature

# Where a dimension of the output has no dimension of the source behind it.
PADDING = -1

_ELEMENT = re.compile(r"(?P<key>.+)\[(?P<number>[^\[\]]*)\]")
_RANGE = re.compile(r"(?P<one>-?\d+)|(?P<first>-?\d*):(?P<stop>-?\d*)")


@dataclass(frozen=True)
class VectorChanges:
    """What is asked for, by feature as in "action" or, of one source, "a:action".

    `set` has (feature, dimension, SQL), `take` (feature, dimensions as "1,3,5:7"), `pad` (feature, size,
    value).
    """

    set: tuple[tuple[str, int, str], ...] = ()
    take: tuple[tuple[str, str], ...] = ()
    pad: tuple[tuple[str, int, float], ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The features that are named, each as often as it is."""
        return (*(s[0] for s in self.set), *(t[0] for t in self.take), *(p[0] for p in self.pad))

    def __bool__(self) -> bool:
        return bool(self.set or self.take or self.pad)


NO_VECTORS = VectorChanges()


@dataclass(frozen=True)
class EditedVector:
    """A vector as it becomes, of one of `size` dimensions, and what each of its own is.

    `dimensions` are those of the source, from 0, or PADDING. `computed` is the SQL of some, by their place in
    the output.
    """

    feature: Feature
    size: int
    dimensions: tuple[int, ...]
    padding: float
    computed: Mapping[int, str]

    @property
    def moves(self) -> bool:
        """Whether the dimensions are others, or in other places."""
        return self.dimensions != tuple(range(self.size))


@dataclass
class _Wanted:
    """What is asked for of one vector of one source."""

    sets: dict[int, str]
    take: str | None = None
    pad: tuple[int, float] | None = None


def parse_vector_changes(
    sets: Iterable[tuple[str, str]], takes: Iterable[tuple[str, str]], pads: Iterable[tuple[str, str]]
) -> VectorChanges:
    """Return what the words of --set, --take and --pad ask for.

    Raises:
        RequestError: for words that say no dimension, size or value.
    """
    return VectorChanges(
        tuple(_parse_set(word, sql.strip()) for word, sql in sets),
        tuple((key.strip(), said.strip()) for key, said in takes),
        tuple(_parse_pad(key.strip(), said.strip()) for key, said in pads),
    )


def _parse_set(word: str, sql: str) -> tuple[str, int, str]:
    found = _ELEMENT.fullmatch(word.strip())
    if found is None:
        raise RequestError(
            f'--set "{word}": a dimension is needed, as in action[6]',
            hint=f'--remove "{word}" --add "{word}=…", which computes the whole feature',
        )
    try:
        number = int(found["number"])
    except ValueError:
        raise RequestError(f'--set "{word}": a dimension is a number, as in {found["key"]}[6]') from None
    return found["key"].strip().strip('"'), number, sql


def _parse_pad(key: str, said: str) -> tuple[str, int, float]:
    size, _, value = said.partition(":")
    numbers = {"true": 1.0, "false": 0.0}
    try:
        number = numbers[value] if value in numbers else float(value) if value else 0.0
        return key, int(size), int(value) if re.fullmatch(r"-?\d+", value) else number
    except ValueError:
        raise RequestError(
            f'--pad "{key}={said}": a size is needed, and perhaps a value, as in {key}=7 or {key}=7:0.5'
        ) from None


def edit_vectors(
    sources: tuple[Source, ...], changes: VectorChanges
) -> tuple[dict[str, dict[str, EditedVector]], tuple[str, ...]]:
    """Return the vectors of each source that change, by their names there, and notes on them.

    Raises:
        RequestError: with everything that cannot be done.
    """
    wanted, problems = _sort_out(sources, changes)
    edited: dict[str, dict[str, EditedVector]] = {}
    notes: list[str] = []
    for source in sources:
        for name, asked in wanted.get(source.name, {}).items():
            feature = next(f for f in source.features if f.name == name)
            try:
                vector = _edit(feature, asked, _longer_names(sources, feature, asked))
            except RequestError as error:
                problems.append(f'"{name}" in "{source.name}": {error.problem}')
                continue
            if vector.moves or vector.computed:
                edited.setdefault(source.name, {})[name] = vector
                notes += _describe(source, feature, vector, asked)
    changed = {name for vectors in edited.values() for name in vectors}
    for key in dict.fromkeys(changes.keys):
        if find_scope(sources, key)[1] not in changed and not problems:
            problems.append(f'"{key}" has these dimensions already, in this order')
    if problems:
        raise RequestError("--set, --take or --pad cannot be done", parts=dict.fromkeys(problems))
    return edited, tuple(dict.fromkeys(notes))


def _sort_out(
    sources: tuple[Source, ...], changes: VectorChanges
) -> tuple[dict[str, dict[str, _Wanted]], list[str]]:
    """Return what is asked for by source and feature, and what is asked for in vain."""
    wanted: dict[str, dict[str, _Wanted]] = {}
    problems: list[str] = []

    def of(key: str) -> Iterator[_Wanted]:
        scope, name = find_scope(sources, key)
        having = [s for s in scope if any(f.name == name for f in s.features)]
        if not having:
            problems.append(describe_unknown(name, scope))
        for source in having:
            yield wanted.setdefault(source.name, {}).setdefault(name, _Wanted({}))

    for key, number, sql in changes.set:
        for each in of(key):
            if number in each.sets and each.sets[number] != sql:
                problems.append(f'"{key}[{number}]" is set twice')
            each.sets[number] = sql
    for key, said in changes.take:
        for each in of(key):
            each.take = said
    for key, size, value in changes.pad:
        for each in of(key):
            each.pad = size, value
    return wanted, problems


def _edit(feature: Feature, asked: _Wanted, longer: Sequence[str] | None) -> EditedVector:
    """Return a vector as it becomes. Raises RequestError for what cannot be done."""
    size = _size_of(feature)
    for number in asked.sets:
        _refuse_number(number, size)
    dimensions = tuple(range(size)) if asked.take is None else _parse_dimensions(asked.take, size)
    lost = [n for n in asked.sets if n - 1 not in dimensions]
    if lost:
        raise RequestError(f"dimension {lost[0]} is set, and not taken")
    padding: float = 0
    if asked.pad is not None:
        total, padding = asked.pad
        if total < len(dimensions):
            raise RequestError(
                f"it has {len(dimensions)} dimensions, more than {total}; --take leaves some out"
            )
        if total > MAX_NUMBERS:
            raise RequestError(f"{total} dimensions are more than a frame can have")
        _refuse_padding(feature, padding)
        dimensions += (PADDING,) * (total - len(dimensions))
    names = _take_names(feature.spec.get("names"), dimensions, size, longer)
    spec: dict[str, Any] = {**feature.spec, "shape": [len(dimensions)], "names": names}
    computed = {at: asked.sets[n + 1] for at, n in enumerate(dimensions) if n + 1 in asked.sets}
    return EditedVector(
        replace(feature, shape=(len(dimensions),), spec=spec), size, dimensions, padding, computed
    )


def _size_of(feature: Feature) -> int:
    """Return how many dimensions a vector has. Raises RequestError for what is no vector of numbers."""
    if feature.name in DEFAULT_FEATURES:
        raise RequestError("it is one of the five features that every dataset has")
    if feature.is_visual:
        raise RequestError(f"it is a camera ({feature.dtype}), not a vector")
    if not feature.is_numeric:
        raise RequestError(f"it is {feature.dtype}, not a vector of numbers")
    if len(feature.shape) != 1 or feature.shape == (1,):
        what = "a single number" if feature.shape in ((), (1,)) else f"of shape {list(feature.shape)}"
        raise RequestError(f"it is {what}, not a vector; --remove and --add compute a feature")
    return feature.shape[0]


def _refuse_number(number: int, size: int) -> None:
    if not 1 <= number <= size:
        zero = "; dimensions count from 1, as in SQL" if number < 1 else ""
        raise RequestError(f"there is no dimension {number}: it has 1 to {size}{zero}")


def _refuse_padding(feature: Feature, value: float) -> None:
    """Refuse a value that the dtype cannot hold."""
    import numpy as np

    kind = np.dtype(feature.dtype)
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            fits = bool(np.isfinite(kind.type(value)) or not np.isfinite(value))
    elif kind.kind == "b":
        fits = value in (0, 1)
    else:
        fits = (
            np.isfinite(value) and value == int(value) and np.iinfo(kind).min <= value <= np.iinfo(kind).max
        )
    if not fits:
        raise RequestError(f"{value:g} does not fit {feature.dtype}")


def _parse_dimensions(said: str, size: int) -> tuple[int, ...]:
    """Return the dimensions, from 0, that a list names; ranges are half-open, as everywhere."""
    found: list[int] = []
    for item in said.split(","):
        match = _RANGE.fullmatch(item.strip())
        if match is None:
            raise RequestError(
                f'"{item.strip()}" is neither a dimension nor a range, as in 1,3,5:7 (5 and 6)'
            )
        if match["one"] is not None:
            first, stop = int(match["one"]), int(match["one"]) + 1
        else:
            first = int(match["first"]) if match["first"] else 1
            stop = int(match["stop"]) if match["stop"] else size + 1
            _refuse_number(first, size)
            if 0 < stop <= first:
                raise RequestError(f'the range "{item.strip()}" is empty: it ends before {stop}')
        _refuse_number(first, size)
        _refuse_number(stop - 1 or stop, size)
        found += range(first - 1, stop - 1)
    twice = [n + 1 for n in dict.fromkeys(found) if found.count(n) > 1]
    if twice:
        raise RequestError(f"dimension {twice[0]} is taken twice")
    return tuple(found)


# Names ------------------------------------------------------------------------------------------


def _longer_names(sources: Iterable[Source], feature: Feature, asked: _Wanted) -> Sequence[str] | None:
    """Return the names of another source's vector to whose size this one is padded, if they begin alike."""
    own = plain_names(feature.spec.get("names"))
    if asked.pad is None or asked.take is not None or own is None:
        return None
    for other in (f for s in sources for f in s.features if f.name == feature.name):
        names = plain_names(other.spec.get("names"))
        if other.shape == (asked.pad[0],) and names is not None and names[: len(own)] == own:
            return names
    return None


def _take_names(names: object, dimensions: Sequence[int], size: int, longer: Sequence[str] | None) -> object:
    """Return the names of the dimensions, in their groups where those stay; None where there are none."""
    spelled, flat = spell_names(names), plain_names(names)
    if flat is None or len(flat) != size:
        return None
    if tuple(dimensions) == tuple(range(size)):
        return spelled
    new = [flat[n] if n != PADDING else _padding_name(at, flat, longer) for at, n in enumerate(dimensions)]
    if isinstance(spelled, Mapping) and len(spelled) == 1:
        return dict.fromkeys(spelled, new)
    if isinstance(spelled, Mapping):
        return _take_groups(spelled, new, dimensions)
    return new


def _padding_name(at: int, names: Sequence[str], longer: Sequence[str] | None) -> str:
    if longer is not None and at < len(longer):
        return longer[at]
    name = f"pad_{at + 1}"
    while name in names:
        name += "_"
    return name


def _take_groups(groups: Mapping[str, object], new: Sequence[str], dimensions: Sequence[int]) -> object:
    """Return names in the groups that they had; in a plain list where the groups are mixed."""
    sizes = {group: len(plain_names(held) or ()) for group, held in groups.items()}
    of = [group for group, count in sizes.items() for _ in range(count)]
    placed = [of[n] if n != PADDING else "padding" for n in dimensions]
    order = list(dict.fromkeys(placed))
    if placed != [group for group in order for _ in range(placed.count(group))]:
        return list(new)
    return {group: [n for n, own in zip(new, placed, strict=True) if own == group] for group in order}


def _describe(source: Source, feature: Feature, vector: EditedVector, asked: _Wanted) -> Iterator[str]:
    """Yield notes on what becomes of a vector, but for what was asked for dimension by dimension."""
    size, names = feature.shape[0], feature.spec.get("names")
    flat = plain_names(names)
    if asked.take is not None:
        kept = [n for n in vector.dimensions if n != PADDING]
        said = ", ".join(str(n + 1) for n in kept)
        called = f" ({', '.join(flat[n] for n in kept)})" if flat is not None and len(flat) == size else ""
        yield f'feature "{feature.name}": of {size} dimensions these are taken: {said}{called}'
    if names is not None and vector.feature.spec["names"] is None and vector.moves:
        yield (
            f'feature "{feature.name}" of {few([source.name])}: its {len(flat or ())} names are not one for'
            f" each of {size} dimensions, and are left out"
        )
