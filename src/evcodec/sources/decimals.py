"""Exact decimal numbers: text to integers, one at a time or a column at once, never through a float."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

ATTO_PER_NS = 1_000_000_000
NS_PER_S = 1_000_000_000
TIME_DIGITS = 18
# Seconds of 10 digits below this fit in int64 as ns, whatever follows the point.
MAX_SECONDS = "9223372036"
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1

# Numbers of this many digits, or this far from the point, are not measurements: refused before any arithmetic.
MAX_DIGITS = 400
MAX_FAST_DIGITS = 40
_TENS = [10**n for n in range(MAX_FAST_DIGITS + 1)]
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")

Int64Array = npt.NDArray[np.int64]


def parse_decimal(text: str) -> Decimal | None:
    """Return the exact value of a decimal number, or None if it is not one, is not finite, or is absurdly long."""
    if len(text) > MAX_DIGITS or not _NUMBER.fullmatch(text):
        return None
    value = Decimal(text)
    if not value:
        return Decimal(0)  # 0E999999999 too, without computing the power
    return value if abs(value.adjusted()) <= MAX_DIGITS else None


def parse_scaled(text: str, factor: int) -> tuple[int, bool] | None:
    """Return floor(number x factor) of a decimal number, and whether nothing was cut off; None if it is none."""
    whole, _, fraction = text.removeprefix("-").partition(".")
    digits = whole + fraction
    if len(digits) <= MAX_FAST_DIGITS and digits.isdecimal() and digits.isascii():
        value = int(digits) * factor
        floor, rest = divmod(-value if text[0] == "-" else value, _TENS[len(fraction)])
        return floor, not rest
    decimal = parse_decimal(text)
    if decimal is None:
        return None
    product = Fraction(decimal) * factor
    return product.numerator // product.denominator, product.denominator == 1


def split_seconds(text: str) -> tuple[int, int, bool] | None:
    """Return (ns, attoseconds below, exact) of a decimal count of seconds.

    ``ns`` is the floor, so attoseconds are 0 to 999,999,999 for negative times too. None if ``text`` is not a
    finite decimal number or its ns do not fit in int64; not exact if it has more than 18 decimals that count.
    """
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    in_range = 0 < len(whole) <= 9 or (len(whole) == 10 and whole < MAX_SECONDS)
    if in_range and len(fraction) <= TIME_DIGITS and digits.isdecimal() and digits.isascii():
        atto = int(fraction) * 10 ** (TIME_DIGITS - len(fraction)) if fraction else 0
        return int(whole) * NS_PER_S + atto // ATTO_PER_NS, atto % ATTO_PER_NS, True
    found = parse_scaled(text, 10**TIME_DIGITS)
    if found is None:
        return None
    total, exact = found
    ns, atto = divmod(total, ATTO_PER_NS)
    return (ns, atto, exact) if INT64_MIN <= ns <= INT64_MAX else None


def parse_digits(
    data: npt.NDArray[np.uint8], start: Int64Array, end: Int64Array, most: int
) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """Read many unsigned integers at once: data[start[i]:end[i]] for each i.

    Returns the values and where they are good: made of 0 to ``most`` digits and nothing else, ``most`` <= 18.
    Empty fields read as 0 and are good.
    """
    length = end - start
    good = length <= most
    values = np.zeros(len(start), np.int64)
    last = len(data) - 1
    for offset in range(min(most, int(length.max(initial=0)))):
        inside = offset < length
        digit = data[np.minimum(start + offset, last)] - np.uint8(48)  # other characters wrap to 10 and above
        good &= ~inside | (digit < 10)
        values = np.where(inside, values * 10 + digit, values)
    return values, good


_POWERS = 10 ** np.arange(TIME_DIGITS + 1, dtype=np.int64)


def parse_seconds_column(
    data: npt.NDArray[np.uint8], start: Int64Array, end: Int64Array
) -> tuple[Int64Array, npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """Read many plain decimal counts of seconds at once.

    Returns ns, attoseconds below, and where they are good. Rows that are not good need :func:`split_seconds`.
    """
    points = np.append(np.flatnonzero(data == ord(".")), len(data))
    at = points[np.searchsorted(points, start)]
    has_point = at < end
    whole_end = np.where(has_point, at, end)
    fraction_start = np.where(has_point, at + 1, end)
    whole, good_whole = parse_digits(data, start, whole_end, 10)
    good_whole &= whole < int(MAX_SECONDS)
    fraction, good_fraction = parse_digits(data, fraction_start, end, TIME_DIGITS)
    digits = np.clip(end - fraction_start, 0, TIME_DIGITS)
    atto = fraction * _POWERS[TIME_DIGITS - digits]
    good = good_whole & good_fraction & (whole_end > start)
    ns = whole * NS_PER_S + atto // ATTO_PER_NS
    return ns, (atto % ATTO_PER_NS).astype(np.uint32), good


def parse_integer_column(
    data: npt.NDArray[np.uint8], start: Int64Array, end: Int64Array
) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """Read many plain integers with an optional minus at once; returns values and where they are good."""
    nonempty = start < end
    negative = nonempty & (data[np.minimum(start, len(data) - 1)] == ord("-"))
    first = start + negative
    values, good = parse_digits(data, first, end, 18)
    return np.where(negative, -values, values), good & (first < end)


def parse_integer(text: str) -> int | None:
    """Return a plain integer that fits in int64, or None."""
    if len(text) > 40 or not re.fullmatch(r"[+-]?[0-9]+", text):
        return None
    value = int(text)
    return value if INT64_MIN <= value <= INT64_MAX else None
