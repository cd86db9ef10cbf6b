"""Arrays from .npy and .npz files that nobody vouches for: nothing in them is executed, or believed before it is there.

NumPy's own reader makes room for what a header claims before it looks at the rest. Here a file is read first, up to a
limit, and an array is made only of bytes that are there.
"""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from theory.errors import InputError
from verify.files import read_bytes

#: No file of arrays that this project reads is nearly as large.
MAX_BYTES = 1 << 30


def read_array(path: Path | str, option: str) -> np.ndarray:
    """The array in an .npy file.

    Raises:
        InputError: if it cannot be read as one.
    """
    content = read_bytes(path, option, most=MAX_BYTES)
    try:
        return _npy(content)
    except Exception as error:  # a damaged header fails in every way that Python has
        raise InputError(option, path, f"accepted: a .npy file with one array of numbers ({_said(error)})") from None


def read_arrays(path: Path | str, option: str) -> dict[str, np.ndarray]:
    """The arrays in an .npz file, by name; their checksums are verified.

    Raises:
        InputError: if it cannot be read as one.
    """
    content = read_bytes(path, option, most=MAX_BYTES)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise ValueError(f"more than {MAX_BYTES} bytes")
            return {member.filename.removesuffix(".npy"): _npy(archive.read(member)) for member in members}
    except Exception as error:  # so do damaged archives
        raise InputError(option, path, f"accepted: a .npz file with arrays of numbers ({_said(error)})") from None


def _npy(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read_header:
        raise ValueError(f"version {version} of the format")
    shape, fortran_order, dtype = read_header[version](stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    data = memoryview(content)[stream.tell() :]
    if min(shape, default=0) < 0 or dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"its header claims {shape} of {dtype}, and {len(data)} bytes follow")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C").copy()


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:100]
