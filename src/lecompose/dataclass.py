"""`dataclass`, quick to make: the library compiles six methods for each class, half of a module's loading.

A frozen class here is what `dataclasses.dataclass(frozen=True)` makes, in all that callers see. Only its
`__init__` is compiled; the other methods are written once, below.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls: type[T] | None = None, /, **options: Any) -> Any:
        """Return the class, or a decorator with these options, as `dataclasses.dataclass` does."""
        if cls is None:
            return lambda decorated: dataclass(decorated, **options)
        if options != {"frozen": True}:
            return dataclasses.dataclass(cls, **options)
        cls.__doc__ = cls.__doc__ or cls.__name__  # the library would look for its signature
        dataclasses.dataclass(cls, init=False, repr=False, eq=False)
        for name, method in {"__init__": _make_init(cls), **_make_methods(cls)}.items():
            if name not in cls.__dict__:
                method.__name__, method.__qualname__ = name, f"{cls.__qualname__}.{name}"
                setattr(cls, name, method)
        return cls


def _make_init(cls: type) -> Callable[..., None]:
    """Compile `__init__` of a frozen class."""
    parameters: list[str] = ["self"]
    body: list[str] = []
    known: dict[str, Any] = {"_set": object.__setattr__, "_absent": object()}
    for field in dataclasses.fields(cls):
        known |= {f"_default_{field.name}": field.default, f"_make_{field.name}": field.default_factory}
        parameters += _parameter(field)
        body += _assignment(field)
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n {'; '.join(body) or 'pass'}", known)
    init: Callable[..., None] = known["__init__"]
    return init


def _parameter(field: "Field[Any]") -> Iterator[str]:
    """Yield how a field is given to `__init__`, if it is."""
    if field.init and field.default_factory is not MISSING:
        yield f"{field.name}=_absent"
    elif field.init:
        yield field.name if field.default is MISSING else f"{field.name}=_default_{field.name}"


def _assignment(field: "Field[Any]") -> Iterator[str]:
    """Yield what sets a field, if anything does before `__post_init__`."""
    made = f"_make_{field.name}()"
    if field.default_factory is MISSING:
        value = field.name if field.init else None  # a default stays an attribute of the class
    else:
        value = f"{made} if {field.name} is _absent else {field.name}" if field.init else made
    if value is not None:
        yield f"_set(self, {field.name!r}, {value})"


def _make_methods(cls: type[Any]) -> dict[str, Callable[..., Any]]:
    """Return the methods of a frozen class that need no compiling."""
    fields = dataclasses.fields(cls)
    names = frozenset(field.name for field in fields)
    shown = [field.name for field in fields if field.repr]
    compared = _get_all([field.name for field in fields if field.compare])

    def set_attribute(self: Any, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def delete_attribute(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    def equals(self: Any, other: object) -> Any:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def compute_hash(self: Any) -> int:
        return hash(compared(self))

    @recursive_repr()
    def describe(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{self.__class__.__qualname__}({values})"

    return {
        "__setattr__": set_attribute,
        "__delattr__": delete_attribute,
        "__eq__": equals,
        "__hash__": compute_hash,
        "__repr__": describe,
    }


def _get_all(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that gives the values of some attributes."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)
