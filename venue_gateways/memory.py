"""What is remembered within a bound: of orders and calls, for as long as that saves asking.

Forgetting costs calls, or tokens, and never an answer.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

#: How many are remembered.
REMEMBERED_MAX: Final = 200_000

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Memory(Generic[Key, Value]):
    """The values that were noted last."""

    __slots__ = ("_most", "_values")

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._most = most

    def note(self, key: Key, value: Value) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def get(self, key: Key) -> Value | None:
        return self._values.get(key)

    def forget(self, key: Key) -> None:
        self._values.pop(key, None)

    def clear(self) -> None:
        self._values.clear()
