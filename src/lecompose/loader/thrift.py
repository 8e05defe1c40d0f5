"""The headers of parquet pages, which pyarrow keeps to itself: structs in Thrift's compact protocol.

Source: the specifications of Thrift's compact protocol and of parquet's page headers.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

Fields: TypeAlias = dict[int, Any]

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)
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
        fields, number = Fields(), 0
        while (head := self._byte()) != _STOP:
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = self._value(head & 15)
        self.level -= 1
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.struct()
        if kind == _BINARY:
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
