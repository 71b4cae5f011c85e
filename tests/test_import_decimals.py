"""Decimal text to integers: every path against the decimal module."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evcodec.sources.decimals import (
    ATTO_PER_NS,
    parse_integer_column,
    parse_scaled,
    parse_seconds_column,
    split_seconds,
)

PLAIN = st.builds(
    lambda whole, fraction: whole + ("." + fraction if fraction is not None else ""),
    st.text("0123456789", min_size=1, max_size=11),
    st.none() | st.text("0123456789", max_size=20),
)
ANY = st.builds(
    lambda sign, plain, exponent: sign + plain + exponent,
    st.sampled_from(["", "-", "+"]),
    PLAIN,
    st.sampled_from(["", "e3", "E-7", "e+2", "e-30", "e15"]),
)


def exact_atto(text: str) -> Decimal:
    """Return the attoseconds of a decimal count of seconds, by other means than the importer's."""
    with localcontext() as context:
        context.prec = 200
        return Decimal(text) * 10**18


@given(ANY)
def test_split_seconds_is_exact(text: str) -> None:
    expected = exact_atto(text)
    found = split_seconds(text)
    if found is None:
        assert not -(2**63) * 10**9 <= expected < 2**63 * 10**9
        return
    ns, atto, exact = found
    assert 0 <= atto < ATTO_PER_NS
    total = ns * ATTO_PER_NS + atto
    assert total <= expected < total + 1
    assert exact == (total == expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-",
        "1.2.3",
        "1,5",
        "nan",
        "inf",
        "-Infinity",
        "0x10",
        " 1",
        "1 ",
        "1_000",
        "٣",
        "1.٣",
        "1e",
        "9" * 500,
        "1e9999999999",
        "1e401",
        "9223372036.854775808",
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert split_seconds(text) is None


def test_edges_of_int64() -> None:
    assert split_seconds("9223372036.854775807999999999") == (2**63 - 1, 999_999_999, True)
    assert split_seconds("-9223372036.854775808") == (-(2**63), 0, True)
    assert split_seconds("-9223372036.854775808000000001") is None
    assert split_seconds("-0.000000001000000001") == (-2, 999_999_999, True)
    assert split_seconds("0e999999999") == (0, 0, True)
    assert split_seconds("0.0000000000000000001") == (0, 0, False)


@given(st.lists(PLAIN, min_size=1, max_size=40))
def test_column_agrees_with_single_values(texts: list[str]) -> None:
    joined = ",".join(texts).encode()
    edges = np.cumsum([0] + [len(text) + 1 for text in texts])
    ns, atto, good = parse_seconds_column(np.frombuffer(joined, np.uint8), edges[:-1], edges[1:] - 1)
    for index, text in enumerate(texts):
        whole, _, fraction = text.partition(".")
        assert good[index] == (len(whole) <= 10 and int(whole) < 9223372036 and len(fraction) <= 18)
        if good[index]:
            assert (ns[index], atto[index], True) == split_seconds(text)


@given(
    st.lists(
        st.integers(-(10**20), 10**20).map(str) | st.sampled_from(["", "-", "1-", "1.0", "a"]), min_size=1
    )
)
def test_integer_column(texts: list[str]) -> None:
    joined = ",".join(texts).encode() or b","
    edges = np.cumsum([0] + [len(text) + 1 for text in texts])
    values, good = parse_integer_column(np.frombuffer(joined, np.uint8), edges[:-1], edges[1:] - 1)
    for index, text in enumerate(texts):
        digits = text.removeprefix("-")
        assert good[index] == (digits.isdecimal() and len(digits) <= 18)
        if good[index]:
            assert values[index] == int(text)


@given(ANY.filter(lambda text: not text.startswith("+")), st.sampled_from([1, 120, 256, 65536]))
def test_parse_scaled_is_exact(text: str, factor: int) -> None:
    with localcontext() as context:
        context.prec = 200
        expected = Decimal(text) * factor
        found = parse_scaled(text, factor)
        assert found is not None
        assert found[0] <= expected < found[0] + 1
        assert found[1] == (found[0] == expected)
