"""Mutations of the text of a certificate, byte by byte and as a whole."""

from __future__ import annotations

from collections.abc import Callable
from random import Random


def _some(text: bytes, rng: Random) -> tuple[int, int]:
    """Where a run of a few bytes begins and ends."""
    start = rng.randrange(len(text))
    return start, min(len(text), start + rng.choice([1, 1, 1, 2, 3, 8, 40]))


def _flip(text: bytes, rng: Random) -> bytes:
    i = rng.randrange(len(text))
    return text[:i] + bytes([text[i] ^ 1 << rng.randrange(8)]) + text[i + 1 :]


def _replace(text: bytes, rng: Random) -> bytes:
    i = rng.randrange(len(text))
    return (
        text[:i]
        + rng.choice([rng.randbytes(1), rng.choice([b"0", b"1", b"9", b"-", b"/", b'"', b","])])
        + text[i + 1 :]
    )


def _insert(text: bytes, rng: Random) -> bytes:
    i = rng.randrange(len(text) + 1)
    return text[:i] + rng.choice([rng.randbytes(1), b"0", b"7", b"-", b"e", b" ", b"[", b'"', b"\\u0031"]) + text[i:]


def _delete(text: bytes, rng: Random) -> bytes:
    start, end = _some(text, rng)
    return text[:start] + text[end:]


def _duplicate(text: bytes, rng: Random) -> bytes:
    start, end = _some(text, rng)
    return text[:end] + text[start:end] * rng.choice([1, 1, 1, 5000]) + text[end:]


def _move(text: bytes, rng: Random) -> bytes:
    start, end = _some(text, rng)
    left = text[:start] + text[end:]
    i = rng.randrange(len(left) + 1)
    return left[:i] + text[start:end] + left[i:]


def _truncate(text: bytes, rng: Random) -> bytes:
    return text[: rng.randrange(len(text))]


def _whole(text: bytes, rng: Random) -> bytes:
    """The text as a whole: keys renamed, brackets without end, nothing at all, itself twice."""
    cut = rng.randrange(len(text))
    return rng.choice(
        [
            text.replace(b'"lower"', b'"upper"'),
            text[:cut] + b"[" * 200_000,
            b"",
            b'{"schema":' * 100_000,
            text + text,
            b"\xef\xbb\xbf" + text,
        ]
    )


BYTES: dict[str, tuple[Callable[[bytes, Random], bytes], int]] = {
    "flip a bit": (_flip, 4),
    "replace a byte": (_replace, 4),
    "insert a byte": (_insert, 4),
    "delete bytes": (_delete, 3),
    "duplicate bytes": (_duplicate, 3),
    "move bytes": (_move, 2),
    "truncate": (_truncate, 1),
    "whole text": (_whole, 1),
}
