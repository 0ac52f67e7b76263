"""How a table is printed: its file formats, its decimals, and the margin of its verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.execution.options import Options, names
from benchmarks.execution.requirements import MARGIN
from benchmarks.reporting.registry import FORMATS, NOTE_DETAILS


@dataclass(frozen=True)
class TableStyle:
    """How a table is printed.

    Attributes:
        formats: keys of `registry.FORMATS`.
        decimals: digits after the decimal point; None: as many as the table's numbers need.
        margin: of equivalence to a published value, as a fraction of that value.
        notes: one of `NOTE_DETAILS`; None: short in LaTeX, full elsewhere.
    """

    formats: tuple[str, ...]
    decimals: int | None
    margin: float
    notes: str | None = None

    @classmethod
    def from_options(cls, options: Options, errors: list[str]) -> TableStyle:
        """Parse the style options of a command; a message for each invalid one is appended to `errors`."""
        formats = tuple(names(options.format)) if options.format is not None else tuple(FORMATS)
        from zoo.registry import did_you_mean  # here: the command line lists formats without zoo

        if unknown := [repr(name) + did_you_mean(name, FORMATS) for name in formats if name not in FORMATS]:
            errors.append(
                f"unknown format {', '.join(unknown)}. Known: {', '.join(FORMATS)} (benchmarks/reporting/registry.py)"
            )
        decimals = options.decimals
        if decimals is not None and not (len(decimals) == 1 and decimals in "0123456789"):
            errors.append(f"--decimals must be a digit from 0 to 9, got {decimals!r}")
            decimals = None
        try:
            margin = MARGIN if options.margin is None else float(options.margin)
        except ValueError:
            margin = math.nan
        if not 0 < margin < 1:
            errors.append(f"--margin must be a share of the paper's number between 0 and 1, got {options.margin!r}")
        if options.notes is not None and options.notes not in NOTE_DETAILS:
            errors.append(f"unknown --notes {options.notes!r}. Known: {', '.join(NOTE_DETAILS)}")
        return cls(formats, None if decimals is None else int(decimals), margin, options.notes)
