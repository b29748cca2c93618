"""The identifiers of HIPAA's Safe Harbor: their categories, and spans of a text.

Source: 45 CFR 164.514(b)(2)(i), letters (A) to (R).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from operator import itemgetter
from typing import NamedTuple


class Category(StrEnum):
    """The categories of identifiers, with the letter of the rule that names each."""

    NAME = "name"  # (A)
    PLACE = "place"  # (B) smaller than a state; hospitals, schools and employers among them
    DATE = "date"  # (C) but the year
    AGE = "age"  # (C) above 89
    PHONE = "phone"  # (D)
    FAX = "fax"  # (E)
    EMAIL = "email"  # (F)
    SSN = "ssn"  # (G)
    MRN = "mrn"  # (H)
    HEALTH_PLAN = "health_plan"  # (I)
    ACCOUNT = "account"  # (J)
    LICENCE = "licence"  # (K)
    VEHICLE = "vehicle"  # (L)
    DEVICE = "device"  # (M)
    URL = "url"  # (N)
    IP = "ip"  # (O)
    BIOMETRIC = "biometric"  # (P)
    PHOTO = "photo"  # (Q)
    OTHER = "other"  # (R)


class Span(NamedTuple):
    """An identifier at `text[start:end]`."""

    start: int
    end: int
    category: Category


def united(spans: Iterable[Span]) -> Iterator[Span]:
    """Join spans that overlap; the result has the category of the first (or longest first) one."""
    grown: Span | None = None
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if grown is None:
            grown = span
        elif span.start < grown.end:
            grown = grown._replace(end=max(grown.end, span.end))
        else:
            yield grown
            grown = span
    if grown is not None:
        yield grown


def outside(span: Span, reserved: list[tuple[int, int]]) -> Iterator[Span]:
    """The parts of the span outside reserved ranges, which are in order and do not overlap."""
    start = span.start
    first = bisect_right(reserved, start, key=itemgetter(1))
    for low, high in islice(reserved, first, None):
        if low >= span.end:
            break
        if start < low:
            yield span._replace(start=start, end=low)
        start = max(start, high)
    if start < span.end:
        yield span._replace(start=start)
