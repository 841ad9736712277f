"""Arrays from pickles, as detectron2's model zoo publishes them, without Python's unpickler.

A pickle is a program for a stack machine. This one knows the instructions that build containers, text, numbers and
NumPy arrays, and no others: there is nothing in it that imports a name or sets an attribute, and what a pickle may call
are the functions of ``CALLS``, which stand for those that NumPy's own pickles name.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from knnclip.fields import shown

MAX_STEPS = 5_000_000
"""Instructions of a pickle. A network of a thousand tensors needs 50,000; so many are read in some ten seconds."""

MAX_DIMENSIONS = 8
"""Of an array; convolutions of video have 5."""

MAX_SIDE = 2**40
"""Of an array, in elements: more than any file has, and few enough digits to multiply in no time."""

NUMBERS = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})
"""The types of numbers that weights and counters have."""

MARK = object()

PUSHED = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
"""Instructions that push what they carry."""

MADE: dict[str, Callable[[], object]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "MARK": lambda: MARK,
    "EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict,
}  # fmt: skip
"""Instructions that push a constant or an empty container."""


@dataclass(frozen=True)
class Name:
    """A name that a pickle asked for. It stays a name."""

    module: str
    name: str


@dataclass
class Numbers:
    """A type of numbers, whose byte order is told after it was made."""

    code: str
    order: str = "|"

    @property
    def dtype(self) -> np.dtype[Any]:
        """As NumPy has it."""
        return np.dtype(self.order + self.code)


def read_pickle(path: Path) -> object:
    """What a pickle of arrays, text, numbers, lists, tuples and dictionaries holds.

    Arrays are of plain numbers and together at most twice as large as the file. For everything else, and for what is
    damaged, an error of some kind is raised, mostly a ``ValueError``.
    """
    content = path.read_bytes()
    machine = Machine(len(content))
    for step, (instruction, argument, _) in enumerate(pickletools.genops(content)):
        if step == MAX_STEPS:
            raise ValueError(f"it has more than {MAX_STEPS:,} instructions")
        machine.run(instruction.name, argument)
    return machine.stack.pop()


class Machine:
    """The stack machine, one instruction at a time."""

    def __init__(self, size: int) -> None:
        """``size`` is the file's, in bytes: what is made of it may not take much more."""
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        # Text that is encoded, and the array that is made of it: each byte of the file may be copied twice.
        self.bytes_left = 2 * size

    def run(self, name: str, argument: Any) -> None:  # noqa: ANN401
        """One instruction; ``ValueError`` for one that is not known."""
        stack = self.stack
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case _ if name in PUSHED:
                stack.append(argument)
            case _ if name in MADE:
                stack.append(MADE[name]())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(name[-1])
                stack[-size:] = [tuple(stack[-size:])]
            case "TUPLE":
                stack.append(tuple(self.since_mark()))
            case "LIST":
                stack.append(self.since_mark())
            case "APPEND":
                self.append([stack.pop()])
            case "APPENDS":
                self.append(self.since_mark())
            case "DICT":
                values = self.since_mark()
                stack.append({})
                self.set_items(values)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self.set_items([key, value])
            case "SETITEMS":
                self.set_items(self.since_mark())
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(known_name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(known_name(module, attribute))
            case "REDUCE":
                arguments, called = kept(stack.pop(), tuple), kept(stack.pop(), Name)
                stack.append(CALLS[called](self, *arguments))
            case "BUILD":
                self.build(kept(stack.pop(), tuple), stack[-1])
            case _:
                raise ValueError(f"its instruction {name} is none of those that build arrays and containers")

    def since_mark(self) -> list[Any]:
        """The values above the last mark, taken from the stack with it."""
        start = len(self.stack) - 1
        while self.stack[start] is not MARK:
            start -= 1
            if start < 0:
                raise ValueError("it goes back to a mark that it never made")
        values = self.stack[start + 1 :]
        del self.stack[start:]
        return values

    def append(self, values: list[Any]) -> None:
        """Values at the end of the list on top."""
        kept(self.stack[-1], list).extend(values)

    def set_items(self, values: list[Any]) -> None:
        """Keys and values in turn into the dictionary on top."""
        target = kept(self.stack[-1], dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[kept(key, str, int)] = value

    def build(self, state: tuple[Any, ...], target: object) -> None:
        """The state of an array or of a type of numbers, as NumPy writes it."""
        if isinstance(target, Numbers):
            order, beyond = state[1], state[2:5]
            if order not in ("<", ">", "|", "=") or any(part is not None for part in beyond):
                raise ValueError("a type of numbers in it has fields or an unknown byte order")
            target.order = order
        else:
            _, shape, numbers, fortran, data = state
            content, dtype = self.content(data, numbers, shape)
            # The array itself is filled: the pickle may have put it into a dictionary already.
            kept(target, np.ndarray).__setstate__((1, shape, dtype, bool(kept(fortran, bool, int)), content))

    def content(self, data: object, numbers: object, shape: object) -> tuple[bytes, np.dtype[Any]]:
        """The bytes of an array and their type; ``ValueError`` unless they fill the shape."""
        content = data.encode("latin-1") if isinstance(data, str) else bytes(kept(data, bytes, bytearray))
        sides, dtype = kept(shape, tuple), kept(numbers, Numbers).dtype
        if len(sides) > MAX_DIMENSIONS or not all(0 <= kept(side, int) <= MAX_SIDE for side in sides):
            raise ValueError(f"an array in it has the shape {shown(sides)} with sides below 0 or too long")
        if math.prod(sides) * dtype.itemsize != len(content):
            raise ValueError(f"an array in it has the shape {sides} and {len(content)} bytes of {dtype}")
        self.spend(len(content))
        return content, dtype

    def spend(self, size: int) -> None:
        """Counts bytes that are made anew."""
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise ValueError("its arrays use the same bytes more than once")


def known_name(module: object, name: object) -> Name:
    """A name that stands for something here; ``ValueError`` for all others."""
    found = Name(kept(module, str).replace("numpy._core.", "numpy.core."), kept(name, str))
    if found not in CALLS and found != ARRAY:
        raise ValueError(f"it asks for {shown(f'{module}.{name}')}, which is no array")
    return found


def kept(value: Any, *kinds: type) -> Any:  # noqa: ANN401
    """The value, of exactly one of these types; ``ValueError`` otherwise."""
    if type(value) not in kinds:
        raise ValueError(
            f"it holds a {type(value).__name__} where {' or '.join(kind.__name__ for kind in kinds)} belongs"
        )
    return value


def _empty_array(_: Machine, kind: object, *_shape_and_type: object) -> np.ndarray[Any, Any]:
    if kind != ARRAY:
        raise ValueError("it makes an array of another kind than ndarray")
    return np.zeros(0, np.uint8)


def _numbers(_: Machine, code: object, *_align_and_copy: object) -> Numbers:
    if kept(code, str) not in NUMBERS:
        raise ValueError(f"an array in it is of {shown(code)}, not of numbers")
    return Numbers(str(code))


def _number(machine: Machine, numbers: object, data: object) -> int | float | bool:
    content, dtype = machine.content(data, numbers, ())
    number: int | float | bool = np.frombuffer(content, dtype)[0].item()
    return number


def _from_buffer(machine: Machine, data: object, numbers: object, shape: object, order: object) -> np.ndarray[Any, Any]:
    content, dtype = machine.content(data, numbers, shape)
    return np.frombuffer(content, dtype).reshape(kept(shape, tuple), order="F" if order == "F" else "C")


def _encoded(machine: Machine, text: object, encoding: object) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"it encodes text as {shown(encoding)}")
    machine.spend(len(kept(text, str)))
    return str(text).encode("latin-1")


def _dictionary(_: Machine) -> dict[object, object]:
    return {}


def _no_bytes(_: Machine) -> bytes:
    return b""


ARRAY = Name("numpy", "ndarray")
CALLS: dict[Name, Callable[..., object]] = {
    Name("numpy.core.multiarray", "_reconstruct"): _empty_array,
    Name("numpy.core.multiarray", "scalar"): _number,
    Name("numpy.core.numeric", "_frombuffer"): _from_buffer,
    Name("numpy", "dtype"): _numbers,
    Name("_codecs", "encode"): _encoded,
    Name("__builtin__", "bytes"): _no_bytes,
    Name("collections", "OrderedDict"): _dictionary,
}
"""What the pickles of NumPy, of any version and protocol, call; what is called is here."""
