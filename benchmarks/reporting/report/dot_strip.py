"""Strips with a dot per run, as inline SVG.

Colors are attributes and not styles, because the page's content policy forbids inline styles.  All text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

STRIP_WIDTH, STRIP_HEIGHT = 320, 22  # in the units of its view box
STRIP_PADDING = 8


@dataclass(frozen=True)
class Scale:
    """Maps values to positions in a strip; logarithmic if they span more than a factor of 15."""

    low: float
    high: float
    log: bool

    @classmethod
    def fit(cls, values: Sequence[float]) -> Scale:
        """A scale for all strips of a table."""
        finite = [v for v in values if math.isfinite(v)]
        if not finite:
            return cls(0, 1, False)
        low, high = min(finite), max(finite)
        if low > 0 and high / low > 15:
            return cls(low / 1.1, high * 1.1, True)
        return cls(min(0.0, low), high * 1.05 or 1.0, False)

    def x(self, value: float) -> float:
        """Position of a value, from the left."""
        low, high, position = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return STRIP_PADDING + (STRIP_WIDTH - 2 * STRIP_PADDING) * (position - low) / ((high - low) or 1)

    def ticks(self) -> list[float]:
        """A few round values."""
        if self.log:
            exponents = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return [10.0**n for n in exponents] or [self.low, self.high]
        step = 10 ** math.floor(math.log10(self.high - self.low or 1))
        step = next(s for s in (step / 5, step / 2, step, step * 2, step * 5) if (self.high - self.low) / s <= 5)
        return [float(t) for t in np.arange(math.ceil(self.low / step) * step, self.high + step / 1e6, step)]


def dot_strip(
    values: Mapping[str, float], scale: Scale, color: str, label: str, published: float | None = None
) -> Markup:
    """A dot for each value, a line at their mean, and a diamond at a published value.

    Args:
        values: title of a dot -> its value.
        scale: of the table.
        color: #rrggbb.
        label: for screen readers.
        published: the paper's value, or None.
    """
    parts = [Markup('<line x1="{}" x2="{}" y1="11" y2="11" class="rule"/>').format(
        STRIP_PADDING, STRIP_WIDTH - STRIP_PADDING)]  # fmt: skip
    if published is not None:
        x = scale.x(published)
        parts.append(Markup('<path d="M{} 5l5 6l-5 6l-5-6z" class="paper"><title>paper: {}</title></path>').format(
            f"{x:.1f}", f"{published:g}"))  # fmt: skip
    if values:
        x = scale.x(sum(values.values()) / len(values))
        parts.append(Markup('<line x1="{0}" x2="{0}" y1="2" y2="20" stroke="{1}" stroke-width="2"/>').format(
            f"{x:.1f}", color))  # fmt: skip
    # An f-string: there are thousands of dots, and Markup.format takes ten times as long
    escaped_color = escape(color)
    parts += [Markup(f'<circle cx="{scale.x(value):.1f}" cy="11" r="4" fill="{escaped_color}" fill-opacity="0.65" '
                     f'stroke="{escaped_color}"><title>{escape(name)}: {value:.4g}</title></circle>')
              for name, value in values.items()]  # fmt: skip
    return Markup('<svg class="strip" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        STRIP_WIDTH, STRIP_HEIGHT, label, Markup("").join(parts))  # fmt: skip


def scale_axis(scale: Scale) -> Markup:
    """The ticks above a table's strips."""
    parts = [Markup('<text x="{}" y="15" text-anchor="middle">{}</text>').format(f"{scale.x(t):.1f}", f"{t:g}")
             for t in scale.ticks()]  # fmt: skip
    return Markup('<svg class="strip" viewBox="0 0 {} {}" aria-hidden="true">{}</svg>').format(
        STRIP_WIDTH, STRIP_HEIGHT, Markup("").join(parts))  # fmt: skip
