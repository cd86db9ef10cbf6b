"""`python -m verify.checker.bundle OUT.pyz`: the checker as one file that runs wherever Python and mpmath are.

A zip archive that Python executes (`python OUT.pyz FILE...`), of the modules of this package, unchanged. Equal modules
make equal bytes: no times, no compression, one order.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import zipfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

_MAIN = "import sys\n\nfrom verify.checker.__main__ import main\n\nsys.exit(main())\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def bundle() -> bytes:
    """The archive."""
    modules = [path for path in files("verify.checker").iterdir() if path.name.endswith(".py")]
    sources = {f"verify/checker/{path.name}": path.read_bytes() for path in modules}
    # the package around the checker is left behind: it looks for the rest of the project
    sources |= {"__main__.py": _MAIN.encode(), "verify/__init__.py": b""}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(sources):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), sources[name])
    return b"#!/usr/bin/env python3\n" + buffer.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file, and print its SHA-256."""
    parser = argparse.ArgumentParser(
        prog="python -m verify.checker.bundle",
        description="Write the checker as one file, which needs Python and mpmath and nothing else.",
        epilog="example: python -m verify.checker.bundle checker.pyz && python checker.pyz etf.json",
        allow_abbrev=False,
    )
    parser.add_argument("out", type=Path, metavar="OUT.pyz", help="the file to write")
    out, content = parser.parse_args(argv).out, bundle()
    try:
        out.write_bytes(content)
        if out.is_file():  # no device
            out.chmod(0o755)
    except OSError as error:
        parser.exit(2, f"{parser.prog}: argument OUT.pyz: got '{out}'; it cannot be written ({error.strerror})\n")
    print(f"{hashlib.sha256(content).hexdigest()}  {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
