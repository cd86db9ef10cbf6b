"""Reading the pickles of CIFAR's python layout, without letting them call anything.

A pickle is a program. This reader knows lists, dictionaries, numbers, strings, and arrays of integers; the few names
that an array's pickle refers to stand for small classes of this module, so that not even NumPy's own unpickling sees
what the file says. Every other name is refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any, NoReturn

import numpy as np

_CODES = ("u1", "i1", "u4", "i4", "u8", "i8")


def loads(data: bytes) -> Any:
    """The object in a pickle; strings of Python 2 come as bytes, arrays as `numpy.ndarray` (at the top two levels).

    Raises:
        pickle.UnpicklingError: if the pickle is damaged, or names anything but arrays of integers.
    """
    try:
        _check_sizes(data)
        found = _Reader(io.BytesIO(data), encoding="bytes").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle fails in every way that Python has
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from None
    if isinstance(found, dict):
        return {key: _opened(value) for key, value in found.items()}
    return _opened(found)


def _check_sizes(data: bytes) -> None:
    """Refuse a pickle that claims more than is there, before room is made for it: by lengths, which `genops` compares
    with what follows, or by places in the table of objects, of which there are fewer than bytes."""
    for opcode, argument, _ in pickletools.genops(data):
        if "PUT" in opcode.name and isinstance(argument, int) and argument > len(data):
            raise pickle.UnpicklingError(f"object number {argument}")


class _Dtype:
    """Stands for `numpy.dtype`: integers only, little-endian."""

    def __init__(self, code: object, *_: object) -> None:
        code = code.decode("ascii", "replace") if isinstance(code, bytes) else code
        if code not in _CODES:
            raise pickle.UnpicklingError(f"an array of '{code}'")
        self.dtype = np.dtype(f"<{code}")

    def __setstate__(self, state: Any) -> None:
        if state[1] not in ("|", "<", "=", b"|", b"<", b"="):
            raise pickle.UnpicklingError("an array in big-endian order")


class _Array:
    """Stands for an array that is being rebuilt."""

    def __init__(self, *_: object) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.fill(data, dtype, shape, fortran)

    def fill(self, data: Any, dtype: Any, shape: Any, fortran: bool) -> None:
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray | memoryview):
            raise pickle.UnpicklingError("an array that is not made of bytes")
        flat = np.frombuffer(data, dtype.dtype)
        self.array = flat.reshape(shape, order="F" if fortran else "C")


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, *_: object) -> _Array:
    made = _Array()
    made.fill(data, dtype, shape, order == "F")
    return made


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    """How Python 3 writes bytes in old protocols."""
    if codec not in ("latin1", b"latin1") or not isinstance(text, str):
        raise pickle.UnpicklingError(f"the codec '{codec}'")
    return text.encode("latin1")


class _Ndarray:
    """Stands for the class `numpy.ndarray`, which array pickles name and never call."""

    def __new__(cls, *_: object) -> NoReturn:
        raise pickle.UnpicklingError("a call of numpy.ndarray")


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Ndarray,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _NAMES[module, name]


def _opened(value: Any) -> Any:
    return value.array if isinstance(value, _Array) else value
