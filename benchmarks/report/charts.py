"""Small charts as inline SVG: every training as a dot, and curves against epochs.

Colours are attributes, not styles, so that the page's content policy can forbid inline styles.  All text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

WIDTH, HEIGHT = 320, 22  # of a strip, in its own units
PAD = 8


@dataclass(frozen=True)
class Scale:
    """From values to places in a strip; logarithmic where they span more than a factor of 15."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, values: Sequence[float]) -> Scale:
        """The scale that all strips of a table share."""
        known = [v for v in values if math.isfinite(v)]
        if not known:
            return cls(0, 1, False)
        low, high = min(known), max(known)
        if low > 0 and high / low > 15:
            return cls(low / 1.1, high * 1.1, True)
        return cls(min(0.0, low), high * 1.05 or 1.0, False)

    def x(self, value: float) -> float:
        """Place of a value, 0 to WIDTH."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return PAD + (WIDTH - 2 * PAD) * (at - low) / ((high - low) or 1)

    def ticks(self) -> list[float]:
        """A few round values."""
        if self.log:
            tens = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return [10.0**n for n in tens] or [self.low, self.high]
        step = 10 ** math.floor(math.log10(self.high - self.low or 1))
        step = next(s for s in (step / 5, step / 2, step, step * 2, step * 5) if (self.high - self.low) / s <= 5)
        return [float(t) for t in np.arange(math.ceil(self.low / step) * step, self.high + step / 1e6, step)]


def strip(values: Mapping[str, float], scale: Scale, tint: str, label: str, published: float | None = None) -> Markup:
    """One dot for each value, a line at their mean, and a diamond at a published one.

    Args:
        values: what a dot is -> where it stands.
        scale: of the table.
        tint: #rrggbb.
        label: what a screen reader says.
        published: of the paper, or None.
    """
    parts = [Markup('<line x1="{}" x2="{}" y1="11" y2="11" class="rule"/>').format(PAD, WIDTH - PAD)]
    if published is not None:
        x = scale.x(published)
        parts.append(Markup('<path d="M{} 5l5 6l-5 6l-5-6z" class="paper"><title>paper: {}</title></path>').format(
            f"{x:.1f}", f"{published:g}"))  # fmt: skip
    if values:
        x = scale.x(sum(values.values()) / len(values))
        parts.append(Markup('<line x1="{0}" x2="{0}" y1="2" y2="20" stroke="{1}" stroke-width="2"/>').format(
            f"{x:.1f}", tint))  # fmt: skip
    # An f-string: there are thousands of dots, and Markup.format takes ten times as long
    colour = escape(tint)
    parts += [Markup(f'<circle cx="{scale.x(value):.1f}" cy="11" r="4" fill="{colour}" fill-opacity="0.65" '
                     f'stroke="{colour}"><title>{escape(name)}: {value:.4g}</title></circle>')
              for name, value in values.items()]  # fmt: skip
    return Markup('<svg class="strip" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, Markup("").join(parts))  # fmt: skip


def axis(scale: Scale) -> Markup:
    """The ticks above a table's strips."""
    parts = [Markup('<text x="{}" y="15" text-anchor="middle">{}</text>').format(f"{scale.x(t):.1f}", f"{t:g}")
             for t in scale.ticks()]  # fmt: skip
    return Markup('<svg class="strip" viewBox="0 0 {} {}" aria-hidden="true">{}</svg>').format(
        WIDTH, HEIGHT, Markup("").join(parts))  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One model's curve: mean over trainings by epoch."""

    label: str
    tint: str
    epochs: Sequence[int]
    values: Sequence[float]
    ended: int | None = None  # the epoch in which a training diverged


def curves(lines: Sequence[Line], title: str, unit: str) -> Markup:
    """Curves with their names at their ends; on a logarithmic scale where all values are positive.

    A curve that diverged and would squeeze the others into less than a third of the panel runs along its edge.
    """
    width, height, left, right, top, bottom = 490, 230, 54, 178, 26, 34
    ys = [v for line in lines for v in line.values]
    calm = [v for line in lines if line.ended is None for v in line.values]
    if calm and max(ys) - min(ys) > 3 * (max(calm) - min(calm)) > 0:
        ys = calm
    last = max((e for line in lines for e in line.epochs), default=1)
    log = bool(ys) and min(ys) > 0 and max(ys) / min(ys) > 5
    low, high = (min(ys), max(ys)) if ys else (0.0, 1.0)
    if high == low:
        low, high = low - 1, high + 1

    def y(value: float) -> float:
        value = min(max(value, low), high)
        a, b, v = (math.log(n) for n in (low, high, value)) if log else (low, high, value)
        return height - bottom - (height - top - bottom) * (v - a) / (b - a)

    def x(epoch: float) -> float:
        return left + (width - left - right) * (epoch - 1) / max(last - 1, 1)

    parts = [Markup('<text x="4" y="14" class="title">{}</text>').format(title)]
    for value in (low, math.sqrt(low * high) if log else (low + high) / 2, high):
        parts.append(Markup('<line x1="{}" x2="{}" y1="{}" y2="{}" class="rule"/><text x="{}" y="{}" '
                            'text-anchor="end">{}</text>').format(
            left, width - right, f"{y(value):.1f}", f"{y(value):.1f}", left - 5, f"{y(value) + 4:.1f}",
            f"{value:.3g}"))  # fmt: skip
    for epoch in sorted({1, last}):
        parts.append(Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
            f"{x(epoch):.1f}", height - bottom + 15, epoch))  # fmt: skip
    parts.append(Markup('<text x="{}" y="{}" text-anchor="middle">epoch; {}</text>').format(
        f"{(left + width - right) / 2:.0f}", height - 5, unit))  # fmt: skip
    for line in lines:
        places = " ".join(f"{x(e):.1f},{y(v):.1f}" for e, v in zip(line.epochs, line.values, strict=True))
        parts.append(Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="1.8"><title>{}</title>'
                            "</polyline>").format(places, line.tint, line.label))  # fmt: skip
        if line.ended is not None:
            at = y(line.values[-1]) if line.values else top
            parts.append(Markup('<path d="M{} {}l8 8m0-8l-8 8" stroke="{}" stroke-width="2.5"><title>{} diverged'
                                "</title></path>").format(f"{x(line.ended) - 4:.1f}", f"{at - 4:.1f}", line.tint,
                                                          line.label))  # fmt: skip
    ends = sorted((y(line.values[-1]) if line.values else float(top), i) for i, line in enumerate(lines))
    step = min(13.0, (height - top) / max(len(ends), 1))
    places_y = [at for at, _ in ends]
    for i in range(1, len(places_y)):
        places_y[i] = max(places_y[i], places_y[i - 1] + step)
    over = max(0.0, (places_y[-1] if places_y else 0) - (height - 8))
    for at, (_, i) in zip(places_y, ends, strict=True):
        line = lines[i]
        word = f"{line.label}{' (diverged)' if line.ended is not None else ''}"
        parts.append(Markup('<text x="{}" y="{}" fill="{}" class="name">{}</text>').format(
            width - right + 6, f"{at - over + 4:.1f}", line.tint, word))  # fmt: skip
    return Markup('<svg class="curve" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, f"{title} by epoch", Markup("").join(parts))  # fmt: skip
