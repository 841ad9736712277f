"""What an object works out when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

Owner = TypeVar("Owner")
Value = TypeVar("Value")


class lazy(Generic[Owner, Value]):  # noqa: N801 - a decorator, as functools.cached_property
    """A property that is worked out when it is first asked for, and kept; for values that cost seconds.

    ``functools.cached_property`` without the lock that it has before Python 3.12, which all objects of a class share:
    several threads work it out at once, each for its own object. Two threads that ask one object at the same moment
    both work it out, so it is a pure function of the object.
    """

    def __init__(self, compute: Callable[[Owner], Value]) -> None:
        """``compute`` is the method that is decorated."""
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Owner, kind: type) -> Value: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self
        value = self._compute(owner)
        vars(owner)[self._name] = value  # from now on it is found there, before the class is asked
        return value
