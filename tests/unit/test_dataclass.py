"""A frozen class of ours is what the library makes of it."""

import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest

from lecompose.dataclass import dataclass

LIBRARY, OURS = dataclasses.dataclass(frozen=True), dataclass(frozen=True)


@dataclass(frozen=True)
class Pickled:
    """One that has a name to be found by."""

    number: int
    texts: tuple[str, ...] = ()


def _make(decorate: Callable[[type], type]) -> type[Any]:
    @decorate
    class Example:
        number: int
        text: str = "a"
        items: list[int] = field(default_factory=list)
        secret: int = field(default=0, repr=False, compare=False)
        later: int = field(init=False)
        fixed: int = field(init=False, default=7)

        def __post_init__(self) -> None:
            object.__setattr__(self, "later", self.number + 1)

    return Example


def _both(do: Callable[[type[Any]], object]) -> tuple[object, object]:
    return do(_make(LIBRARY)), do(_make(OURS))


@pytest.mark.parametrize(
    "do",
    [
        lambda cls: repr(cls(1)),
        lambda cls: repr(cls(1, "b", [2], secret=3)),
        lambda cls: dataclasses.astuple(cls(1, items=[5])),
        lambda cls: dataclasses.asdict(dataclasses.replace(cls(1), text="c")),
        lambda cls: [f.name for f in dataclasses.fields(cls)],
        lambda cls: (cls(1) == cls(1), cls(1) == cls(2), cls(1) == cls(1, secret=9), cls(1) == 1),
        lambda cls: cls(1).items is cls(1).items,
        lambda cls: cls.__match_args__,
        lambda cls: cls.__init__.__qualname__.rpartition(".<locals>.")[2],
    ],
)
def test_alike(do: Callable[[type[Any]], object]) -> None:
    library, ours = _both(do)
    assert library == ours


@pytest.mark.parametrize(
    "do",
    [
        lambda cls: setattr(cls(1), "text", "b"),
        lambda cls: setattr(cls(1), "other", "b"),
        lambda cls: delattr(cls(1), "text"),
        lambda cls: hash(cls(1)),  # a list is in it
        lambda cls: cls(),
        lambda cls: cls(1, nothing=2),
        lambda cls: cls(1, later=2),
    ],
)
def test_refused_alike(do: Callable[[type[Any]], object]) -> None:
    errors = []
    for cls in (_make(LIBRARY), _make(OURS)):
        with pytest.raises((AttributeError, TypeError)) as error:
            do(cls)
        errors.append((type(error.value), str(error.value)))
    assert errors[0] == errors[1]


def test_hash_and_pickle() -> None:
    value = Pickled(1, ("a",))
    assert {value: 1}[Pickled(1, ("a",))] == 1
    assert pickle.loads(pickle.dumps(value)) == value


def test_own_methods_stay() -> None:
    @dataclass(frozen=True)
    class Own:
        number: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 5

        def __repr__(self) -> str:
            return "own"

    assert Own(1) == Own(2)
    assert (hash(Own(1)), repr(Own(1))) == (5, "own")


def test_no_fields_and_one() -> None:
    @dataclass(frozen=True)
    class Empty:
        """Nothing."""

    @dataclass(frozen=True)
    class One:
        """One."""

        number: float

    nan = float("nan")
    assert Empty() == Empty()
    assert hash(One(2.0)) == hash((2.0,))
    assert One(nan) == One(nan)  # as tuples compare: the same object is equal
