"""What every end of a command must be, and the places and files that command lines may name."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

from experiments.faults.runner import Ran

STATUSES = (0, 1, 2, 3, 130, 141)
GIGABYTES = 4.0
SILENT_SECONDS = 60.0


def prepare(folder: Path) -> None:
    """Fill the folder that a command line is run in: a file, a folder, a link, and damaged inputs."""
    (folder / "file").write_text("no input of any command")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to(folder / "folder" / "not-yet")
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 3333333333333), }"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.ljust(117) + b"\n"
    (folder / "huge.npy").write_bytes(content)
    (folder / "cut.npy").write_bytes(content[:40])
    (folder / "cut.tar.gz").write_bytes(gzip.compress(os.urandom(2000))[:-9])


def faults(ran: Ran) -> list[str]:
    """What is wrong with the way in which a command line ended."""
    found = []
    # what is no certificate is said as a verdict, on standard output
    verdict = ran.words[:1] in (["check"], ["checker"]) and "unreadable" in ran.out
    # a result whose file could not be written is printed all the same
    kept = "cannot be written (" in ran.err and "; its content is in " in ran.err
    lines = [line for line in ran.err.splitlines() if ": at work for " not in line]
    if ran.status is not None and ran.status not in STATUSES:
        found.append(f"status {ran.status}")
    if ran.status == 2 and not verdict and (len(lines) != 1 or (ran.out and not kept) or not lines[0].isprintable()):
        found.append(f"{len(lines)} lines on standard error and {len(ran.out)} characters on standard output")
    if ran.status == 2 and ran.left:
        found.append(f"left behind: {', '.join(ran.left)}")
    if any(name.endswith((".tmp", ".part")) for name in ran.left):
        found.append(f"a temporary file: {', '.join(ran.left)}")
    if "Traceback" in ran.err:
        found.append("a traceback")
    if ran.gigabytes > GIGABYTES:
        found.append(f"{ran.gigabytes:.1f} GB")
    if ran.silent_seconds > SILENT_SECONDS:
        found.append(f"{ran.silent_seconds:.0f} s of silence")
    return found
