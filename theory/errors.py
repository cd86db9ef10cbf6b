"""The one exception for input that cannot be accepted, and how anything at all is said in one line."""

from __future__ import annotations

import unicodedata
from fractions import Fraction

#: Of what was given, and of a reason, no more is said.
SHOWN, REASON = 80, 400

#: Exact numbers with more digits are said as decimals (and beyond 4300 Python has no text for them).
_DIGITS = 60


class InputError(ValueError):
    """Bad input from a user, said in one line: what was given, and what is accepted.

    `option` names the parameter without dashes ("rho", "k"); a command says it as it stands on its line: "--rho".
    """

    def __init__(self, option: str, given: object, accepted: str) -> None:
        # the arguments as text: an error may have to travel from a worker
        super().__init__(option, one_line(as_text(given), SHOWN), one_line(accepted))
        self.option = option
        self.reason = f"got '{self.args[1]}'; {self.args[2]}"

    def __str__(self) -> str:
        return f"{self.option}: {self.reason}"


def one_line(text: str, most: int = REASON) -> str:
    """The text in one line of at most `most` characters, lines joined, and nothing left that steers a terminal.

    Of a longer one the middle is left out: a path is known by its end.
    """
    ends = text if len(text) <= 4 * most else text[: 2 * most] + text[-2 * most :]
    joined = " ".join(ends.split())
    kept = "".join(c if unicodedata.category(c)[0] != "C" else repr(c)[1:-1] for c in joined)
    half = (most - 3) // 2
    return kept if len(kept) <= most else f"{kept[: most - 3 - half]}...{kept[-half:]}"


def as_text(value: object) -> str:
    """`str(value)`, but for exact numbers that are too long: these rounded.

    A refusal must be able to say what it refuses, whatever that is.
    """
    if isinstance(value, Fraction | int) and max(_length(value.numerator), _length(value.denominator)) > _DIGITS:
        return f"about {rounded(value)}"
    try:
        return str(value)
    except ValueError:
        return f"a {type(value).__name__} too long to be shown"


def rounded(value: Fraction | int) -> str:
    """An exact number of any size as a decimal of six digits."""
    from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

    context = Context(prec=6, Emax=MAX_EMAX, Emin=MIN_EMIN)
    return f"{context.divide(Decimal(value.numerator), Decimal(value.denominator)).normalize(context):e}"


def _length(n: int) -> int:
    """About how many digits, from above."""
    return int(n.bit_length() * 0.30103) + 1
