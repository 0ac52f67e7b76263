"""How a table is printed: formats, decimals, and the margin of its verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.execution.grid import MARGIN
from benchmarks.execution.options import Options, names
from benchmarks.reporting.formats import FORMATS


@dataclass(frozen=True)
class TableStyle:
    """How a table is to look.

    Attributes:
        formats: keys of `layouts.FORMATS`.
        decimals: digits behind the point; None: as many as the table's numbers need.
        margin: share of a published value within which ours counts as equal to it.
    """

    formats: tuple[str, ...]
    decimals: int | None
    margin: float

    @classmethod
    def of(cls, options: Options, wrong: list[str]) -> TableStyle:
        """As the command line says; what is wrong with it is added to `wrong`."""
        formats = tuple(names(options.format)) if options.format is not None else tuple(FORMATS)
        if unknown := [repr(name) for name in formats if name not in FORMATS]:
            wrong.append(
                f"unknown format {', '.join(unknown)}. Known: {', '.join(FORMATS)} (benchmarks/reporting/formats.py)"
            )
        digits = options.decimals
        if digits is not None and not (len(digits) == 1 and digits in "0123456789"):
            wrong.append(f"--decimals must be a digit from 0 to 9, got {digits!r}")
            digits = None
        try:
            margin = MARGIN if options.margin is None else float(options.margin)
        except ValueError:
            margin = math.nan
        if not 0 < margin < 1:
            wrong.append(f"--margin must be a share of the paper's number between 0 and 1, got {options.margin!r}")
        return cls(formats, None if digits is None else int(digits), margin)
