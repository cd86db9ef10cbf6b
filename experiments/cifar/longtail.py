"""Unbalanced subsets: how many images of each class are kept."""

from __future__ import annotations

from fractions import Fraction

from theory.errors import InputError


def profile(largest: int, C: int, factor: Fraction) -> tuple[int, ...]:
    """Images per class `n_c = floor(largest F^(-c/(C-1)))`, `c = 0..C-1`: the exponential profile of CIFAR-LT.

    Largest over smallest is `F` up to the rounding. The floor is exact: `n_c` is the largest integer `n` with
    `n^(C-1) <= largest^(C-1) / F^c`. Source: Cui, Jia, Lin, Song & Belongie 2019; Cao et al. 2019.

    Raises:
        InputError: if `F < 1`, or a class would be left without images.
    """
    if not 1 <= factor <= 10**9:
        raise InputError("imbalance", factor, "accepted: a number from 1 to 10^9")
    if C < 2:
        raise InputError("classes", C, "a long tail needs at least 2 classes")
    counts = tuple(_floor_root(Fraction(largest) ** (C - 1) / factor**c, C - 1) for c in range(C))
    if counts[-1] < 1:
        raise InputError("imbalance", factor, f"{largest} images of the largest class leave the smallest with none")
    return counts


def one_majority(largest: int, C: int, share: Fraction) -> tuple[int, ...]:
    """Images per class where the first has `largest` and the other `C - 1` are equal.

    They have `largest (1 - share) / ((C-1) share)` each, rounded, so that the first has that share of all images, up to
    the rounding.

    Raises:
        InputError: if the share is not between that of equal classes and 1, or leaves the others without images.
    """
    if C < 2 or not Fraction(1, C) <= share < 1:
        raise InputError("majority", share, f"accepted: a number from 1/C = 1/{C} to below 1, with at least 2 classes")
    each = round(largest * (1 - share) / ((C - 1) * share))
    if each < 1:
        raise InputError("majority", share, f"{largest} images of the first class leave the others with none")
    return (largest,) + (each,) * (C - 1)


def _floor_root(value: Fraction, n: int) -> int:
    """The largest integer `m` with `m^n <= value`."""
    low, high = 0, 1
    while Fraction(high) ** n <= value:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if Fraction(middle) ** n <= value else (low, middle)
    return low
