"""Pickled dictionaries of numbers, words and plain arrays, read without making anything that the file describes.

An unpickler calls what a file names. Here the names of NumPy stand for values of our own, which keep what the file says about
an array; the array is made afterwards from its bytes, when type, shape and length have been compared.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np

from plainnet.errors import RunError

__all__ = ["read_pickle"]

INSTRUCTIONS = (
    "PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT "
    "STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 "
    "EMPTY_LIST APPEND APPENDS LIST EMPTY_DICT DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD"
)
"""Every instruction that containers, numbers, words and arrays need."""
OPCODES = set(INSTRUCTIONS.split())
PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
TYPES = {f"{kind}{size}" for kind in "ui" for size in (1, 2, 4, 8)} | {"f4", "f8"}
MAX_BYTES = 2**30


def read_pickle(data: bytes, *, name: str) -> dict[str, Any]:
    """The dictionary in a pickled file, with its arrays. Raises `RunError` with `name` for anything but that."""
    try:
        _check_instructions(data)
        found = _Reader(io.BytesIO(data), encoding="latin1").load()
        if not isinstance(found, dict) or not all(isinstance(key, str | bytes) for key in found):
            raise RunError("it holds no dictionary of words")
        named = {key if isinstance(key, str) else key.decode("latin1"): value for key, value in found.items()}
        return {key: value.array() if isinstance(value, _Array) else value for key, value in named.items()}
    except RunError as error:
        raise RunError(f"{name}: {error}") from None
    except Exception as error:  # damaged bytes make an unpickler fail in any way
        raise RunError(f"{name} is damaged: {str(error) or type(error).__name__}") from None


def _check_instructions(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise RunError(f"it is larger than {MAX_BYTES:,} bytes")
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in OPCODES:
            raise RunError(f"it holds the instruction {opcode.name}; accepted: arrays, numbers and words alone")
        if opcode.name in PUTS and int(str(argument)) > len(
            data
        ):  # the memory for numbered values is made up to the number
            raise RunError(f"it numbers a value {argument}")


class _Reader(pickle.Unpickler):
    """An unpickler that knows the four names that an array needs; anything else that a file names is an error."""

    def find_class(self, module: str, name: str) -> Any:
        """A value of our own, a new one each time, so that nothing that the file does to it lasts."""
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _Reconstruct()
        if (module, name) == ("numpy", "ndarray"):
            return _Kind()
        if (module, name) == ("numpy", "dtype"):
            return _Dtype()
        if (module, name) == ("_codecs", "encode"):  # how newer pickles write bytes
            return _Encode()
        raise RunError(f"the file wants to run {module}.{name}; accepted: arrays, numbers and words alone")


class _Kind:
    """`numpy.ndarray`, as a word."""

    __slots__ = ()


class _Encode:
    __slots__ = ()

    def __call__(self, text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise RunError("it holds text in another encoding")
        return text.encode("latin1")


class _Reconstruct:
    __slots__ = ()

    def __call__(self, kind: Any, _shape: Any, _code: Any) -> _Array:
        if not isinstance(kind, _Kind):
            raise RunError("it holds an array of an unknown kind")
        return _Array()


class _Dtype:
    __slots__ = ()

    def __call__(self, code: Any, *_: Any) -> _Type:
        if not isinstance(code, str) or code not in TYPES:
            raise RunError(f"it holds an array of {code!r}; accepted: plain numbers")
        return _Type(code)


class _Type:
    """A type of numbers: its code and the order of its bytes."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("|", "<", ">") or any(state[2:5]):
            raise RunError("it holds an array of a type that is no plain number")
        self.order = state[1]


@dataclass
class _Layout:
    shape: tuple[int, ...]
    code: str
    fortran: bool
    data: bytes


class _Array:
    """What the file says about an array."""

    __slots__ = ("_layout",)

    def __init__(self) -> None:
        self._layout: _Layout | None = None

    def __setstate__(self, state: Any) -> None:
        try:
            _version, shape, kind, fortran, data = state
        except (TypeError, ValueError):
            raise RunError("it holds an array without its values") from None
        data = data.encode("latin1") if isinstance(data, str) else data
        whole = isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)
        if not whole or type(kind) is not _Type or not isinstance(data, bytes):
            raise RunError("it holds an array that is none of plain numbers")
        code = f"{kind.order if kind.order != '|' else '='}{kind.code}"
        if math.prod(shape) * np.dtype(code).itemsize != len(data):
            raise RunError(f"it holds an array of {shape} in {len(data):,} bytes")
        self._layout = _Layout(shape, code, bool(fortran), data)

    def array(self) -> np.ndarray[Any, Any]:
        """The array, made of the bytes."""
        if self._layout is None:
            raise RunError("it holds an array without its values")
        layout = self._layout
        flat = np.frombuffer(layout.data, dtype=np.dtype(layout.code))
        return flat.reshape(layout.shape, order="F" if layout.fortran else "C")
