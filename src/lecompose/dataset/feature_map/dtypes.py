"""Which dtype holds the values of others, and which casts may be asked for."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import numpy as np

from lecompose.errors import RequestError, near
from lecompose.formats import DEFAULT_FEATURES, Feature

NUMBERS = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)


def shared_dtype(name: str, held: Iterable[Feature]) -> str | None:
    """Return the dtype that holds all values of all holders; None where none does.

    Every dataset has the same of the default features.
    """
    dtypes = list(dict.fromkeys(f.dtype for f in held))
    if len(dtypes) == 1:
        return dtypes[0]
    if name in DEFAULT_FEATURES or not all(d in NUMBERS for d in dtypes):
        return None
    widest = str(reduce(np.promote_types, map(np.dtype, dtypes)))
    return widest if all(holds(widest, d) for d in dtypes) else None


def holds(wide: str, dtype: str) -> bool:
    """Return whether every value of a dtype is a value of another.

    An int is one of a float that counts as far.
    """
    if wide == dtype:
        return True
    if wide not in NUMBERS or dtype not in NUMBERS:
        return False
    to, have = np.dtype(wide), np.dtype(dtype)
    if have.kind in "iu" and to.kind == "f":
        return 8 * have.itemsize - (have.kind == "i") <= np.finfo(to).nmant + 1
    return bool(np.can_cast(have, to, "safe"))


def refuse_casts(casts: Iterable[tuple[str, str]], holders: Mapping[str, Sequence[Feature]]) -> None:
    """Refuse casts that cannot be done.

    Raises:
        RequestError: with every cast of what is no number, or to what is none.
    """
    problems = []
    for name, dtype in casts:
        if name not in holders:
            problems.append(f'no feature "{name}"{near(name, holders)}')
        elif name in DEFAULT_FEATURES:
            problems.append(f'"{name}" has the same dtype in every dataset')
        elif dtype not in NUMBERS:
            problems.append(f'"{name}": dtype "{dtype}" is not one of {", ".join(NUMBERS)}')
        else:
            others = dict.fromkeys(f.dtype for f in holders[name] if f.dtype not in NUMBERS)
            problems += [f'"{name}" holds {other}, not numbers' for other in others]
    if problems:
        raise RequestError("--cast cannot be done", parts=problems)
