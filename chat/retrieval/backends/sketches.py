"""Vectors by the signs of their numbers: a thirtieth of the memory to walk through."""

from math import isqrt


def let_through(rows: int, limit: int) -> int:
    """How many of so many vectors to compare exactly, the nearest by their signs, for the ``limit``
    best: 99 of 100 of these are among them, at 10,000 vectors as at 100,000."""
    return max(2_000, 20 * isqrt(rows), 10 * limit)
