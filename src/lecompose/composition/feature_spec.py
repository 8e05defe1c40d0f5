"""New features as a request names them: `name:dtype[shape]` and an SQL expression."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lecompose.errors import RequestError, SourceBroken
from lecompose.formats import feature

# name, then perhaps a dtype, then perhaps a shape: reward, reward:float32, velocity:float32[6]
_SPEC = re.compile(r"(?P<name>.+?)(?::(?P<dtype>[a-z]+\d*)(?:\[(?P<shape>\d+(?:,\d+)*)\])?)?")


@dataclass(frozen=True)
class FeatureSpec:
    """A feature to compute: `dtype` and `shape` are None where the expression's own type decides."""

    name: str
    sql: str
    dtype: str | None = None
    shape: tuple[int, ...] | None = None


def parse_feature_specs(pairs: Sequence[tuple[str, str]]) -> tuple[FeatureSpec, ...]:
    """Return the features that (`name:dtype[shape]`, expression) pairs ask for.

    Raises:
        RequestError: for a word that is not such a name.
    """
    return tuple(_parse(spec.strip(), sql.strip()) for spec, sql in pairs)


def _parse(spec: str, sql: str) -> FeatureSpec:
    found = _SPEC.fullmatch(spec)
    if not found or not found["name"].strip() or {"[", "]"} & set(found["name"]):
        raise RequestError(
            f'--add "{spec}": a name is needed, as in reward, reward:float32, speed:float32[6]'
        )
    if found["dtype"] in ("image", "video", "language"):
        raise RequestError(f'--add "{spec}": SQL cannot give pictures or language columns')
    shape = tuple(int(n) for n in found["shape"].split(",")) if found["shape"] else None
    asked = FeatureSpec(found["name"].strip(), sql, found["dtype"], shape)
    try:
        feature(asked.name, {"dtype": asked.dtype or "float32", "shape": list(shape or (1,))})
    except SourceBroken as error:
        raise RequestError(f'--add "{spec}": {error.fault}') from error
    return asked
