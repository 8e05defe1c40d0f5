"""Structs in Thrift's compact protocol, as parquet's footers and page headers are.

Source: the specification of Thrift's compact protocol.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

Fields: TypeAlias = dict[int, Any]

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, BINARY, _LIST, _SET, _MAP, STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
I32 = 5
_INTEGERS = (4, I32, 6)
_MOST_LEVELS = 16


class NotThrift(ValueError):
    """Bytes that are no struct, or not all of one."""


@dataclass
class Reader:
    """Reads `data` from `at` on."""

    data: bytes
    at: int = 0
    level: int = 0

    def struct(self) -> Fields:
        """The fields of a struct by their numbers. Errors: NotThrift."""
        if self.level == _MOST_LEVELS:
            raise NotThrift("structs lie too deep in each other")
        self.level += 1
        fields = {number: self._value(kind) for number, kind in self._heads()}
        self.level -= 1
        return fields

    def places(self) -> dict[int, tuple[int, int]]:
        """Where each field of a struct begins and ends, by their numbers. Errors: NotThrift."""
        places, start = {}, self.at
        for number, kind in self._heads():
            self._value(kind)
            places[number] = (start, self.at)
            start = self.at
        return places

    def end_of(self, field: int) -> int:
        """Where a field of a struct ends. Errors: NotThrift, also where there is no such field."""
        for number, kind in self._heads():
            self._value(kind)
            if number == field:
                return self.at
        raise NotThrift(f"no field {field}")

    def _heads(self) -> Iterator[tuple[int, int]]:
        """The number and the kind of each field of a struct; its value is to be read before the next one."""
        number = 0
        while (head := self._byte()) != _STOP:
            number = number + (head >> 4) if head >> 4 else self._integer()
            yield number, head & 15

    def _value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in _INTEGERS:
            return self._integer()
        if kind == STRUCT:
            return self.struct()
        if kind == BINARY:
            return self._bytes(self.varint())
        if kind in (_BYTE, _DOUBLE):
            return self._bytes(1 if kind == _BYTE else 8)
        if kind in (_LIST, _SET):
            return self._list()
        raise NotThrift(f"a value of type {kind}")

    def _list(self) -> list[Any]:
        head = self._byte()
        size, kind = (head >> 4 if head >> 4 < 15 else self.varint()), head & 15
        if kind in (_TRUE, _FALSE):  # in lists these have a byte each
            return [value == _TRUE for value in self._bytes(size)]
        return [self._value(kind) for _ in range(size)]

    def _integer(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def varint(self) -> int:
        """The next number. Errors: NotThrift."""
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise NotThrift("a number of more than 64 bits")

    def _byte(self) -> int:
        if self.at >= len(self.data):
            raise NotThrift("it ends too early")
        self.at += 1
        return self.data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise NotThrift("it ends too early")
        self.at += size
        return self.data[self.at - size : self.at]


# Writing ------------------------------------------------------------------------------------------


def list_head(size: int, kind: int) -> bytes:
    """What stands before the values of a list."""
    return bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + varint(size)


def integer(value: int) -> bytes:
    """A number that may be below 0."""
    return varint((value << 1) ^ (value >> 63))


def varint(value: int) -> bytes:
    """A number of 0 or more, seven bits a byte."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
