"""Arrays of a result in a file: `--save FILE.npz` has all of them by name, `--save FILE.npy` the embeddings alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from theory.errors import InputError

ACCEPTED = "accepted: a file named .npz (all arrays, by name) or .npy (the embeddings alone)"


def check_name(path: Path | str) -> None:
    """Refuse a file of another kind.

    Raises:
        InputError: if its name ends in neither.
    """
    if Path(path).suffix not in (".npz", ".npy"):
        raise InputError("save", path, ACCEPTED)


def save(path: Path | str, arrays: dict[str, Any]) -> None:
    """Write the arrays (`verify.files.delivery.deliver`); those that are None are left out.

    Raises:
        InputError: if the name of the file says of no kind, or there are no embeddings for a .npy file.
    """
    import numpy as np

    from verify.files.delivery import deliver

    check_name(path)
    known = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
    content = io.BytesIO()
    if Path(path).suffix == ".npz":
        np.savez(content, allow_pickle=False, **known)
    elif "embeddings" in known:
        np.save(content, known["embeddings"])
    else:
        raise InputError("save", path, "there are no embeddings of this result (classes in groups); give a .npz file")
    deliver(path, content.getvalue())
