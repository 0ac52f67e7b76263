"""Small charts as inline SVG: every training as a dot, and curves against epochs.

Colours are attributes, not styles, so that the page's content policy can forbid inline styles.  All text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup, escape

from benchmarks.reporting.figures.curves import squeezed
from benchmarks.reporting.report.words import minus

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
    ended: int | None = None  # the last epoch in which a training diverged


class Panel:
    """Where the values of some curves stand: a logarithmic axis where all are positive and span a factor of 5.

    Attributes:
        low, high: ends of the axis.
        last: the last epoch, of those in which trainings diverged as well.
        log: whether it is logarithmic.
    """

    width, height, left, right, top, bottom = 360, 240, 46, 30, 42, 24

    def __init__(self, lines: Sequence[Line], may_log: bool = True) -> None:
        ys = [v for line in lines for v in line.values]
        calm = [v for line in lines if line.ended is None for v in line.values]
        self.log = may_log and _spans(ys)
        if calm and squeezed((min(calm), max(calm)), (min(ys), max(ys)), self.log):
            ys, self.log = calm, may_log and _spans(calm)
        low, high = (min(ys), max(ys)) if ys else (0.0, 1.0)
        pad = 0.04 * (self._place(high) - self._place(low)) or 0.1
        self.low, self.high = self._value(self._place(low) - pad), self._value(self._place(high) + pad)
        # A training may diverge later than the last epoch with a value of any
        self.last = max((e for line in lines for e in (*line.epochs, line.ended or 1)), default=1)

    def _place(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _value(self, place: float) -> float:
        return math.exp(place) if self.log else place

    def x(self, epoch: float) -> float:
        """Place of an epoch, from the left."""
        return self.left + (self.width - self.left - self.right) * (epoch - 1) / max(self.last - 1, 1)

    def y(self, value: float) -> float:
        """Place of a value, from the top; that of one outside the panel is outside as well."""
        if self.log and value <= 0:
            return math.inf
        low, high = self._place(self.low), self._place(self.high)
        share = (self._place(value) - low) / (high - low)
        return self.height - self.bottom - (self.height - self.top - self.bottom) * share

    def held(self, y: float) -> float:
        """The place in the panel that is nearest."""
        return min(max(y, self.top), self.height - self.bottom)

    def path(self, line: Line) -> str:
        """An SVG path through a curve's values, broken where they are outside the panel."""
        places = [(self.x(e), self.y(v)) for e, v in zip(line.epochs, line.values, strict=True)]
        parts = [f"M{x:.1f} {y:.1f}h0" for x, y in places[:1] if y == self.held(y)]
        for (x0, y0), (x1, y1) in pairwise(places):
            inside = [y == self.held(y) for y in (y0, y1)]
            if not any(inside):
                continue
            # To the edge, where one of the two is beyond it
            a, b = (_crossing((x0, y0), (x1, y1), self.held(y)) for y in (y0, y1))
            parts.append(f"L{b}" if inside[0] and parts else f"M{a}L{b}")
        return "".join(parts)


def _spans(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) / min(values) > 5


def _crossing(start: tuple[float, float], end: tuple[float, float], y: float) -> str:
    """Where the line between two points has a height; at an end that has it, there."""
    (x0, y0), (x1, y1) = start, end
    at = next((x for x, own in ((x0, y0), (x1, y1)) if own == y), None)
    if at is None:  # a point that is infinitely far off leaves the line upright
        inner = (x0, y0) if math.isinf(y1) else (x1, y1)
        at = inner[0] if math.isinf(y0) or math.isinf(y1) else x0 + (x1 - x0) * (y - y0) / (y1 - y0)
    return f"{at:.1f} {y:.1f}"


def ticks(low: float, high: float, log: bool, most: int = 6) -> list[float]:
    """Round numbers between two, six at most."""
    if log:
        tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            found = [t for n in tens for s in steps if low <= (t := float(f"{s}e{n}")) <= high]
            if 3 <= len(found) <= most:
                return found
        if len(found) > most:
            return found[:: math.ceil(len(found) / most)]
    power = math.floor(math.log10(high - low))
    each = (float(f"{m}e{n}") for n in (power - 1, power) for m in (1, 2, 5))
    step = next(s for s in each if (high - low) / s <= most - 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{n * step:.12g}") for n in range(first, last + 1)]


def curves(lines: Sequence[Line], title: str, unit: str, may_log: bool = True) -> Markup:
    """Curves with a number at each one's end, and below them which is which, as they end from top to bottom.

    A curve that diverged and would squeeze the others into less than a third of the panel leaves it.

    Args:
        lines: the curves.
        title: what they are of.
        unit: of the values.
        may_log: whether the axis may be logarithmic.
    """
    panel = Panel(lines, may_log)
    right, foot = panel.width - panel.right, panel.height - panel.bottom
    parts = [Markup('<text x="2" y="14" class="title">{}</text><text x="2" y="30">{}{}, by epoch</text>').format(
        title, unit, "; log scale" if panel.log else "")]  # fmt: skip
    for value in ticks(panel.low, panel.high, panel.log):
        y = f"{panel.y(value):.1f}"
        parts.append(Markup('<line x1="{}" x2="{}" y1="{}" y2="{}" class="rule"/><text x="{}" y="{}" '
                            'text-anchor="end">{}</text>').format(
            panel.left, right, y, y, panel.left - 5, f"{panel.y(value) + 4:.1f}", minus(f"{value:g}")))  # fmt: skip
    for epoch in (int(t) for t in ticks(1, panel.last, False) if t == int(t)) if panel.last > 1 else (1,):
        parts.append(Markup('<line x1="{0}" x2="{0}" y1="{1}" y2="{2}" class="rule"/><text x="{0}" y="{3}" '
                            'text-anchor="middle">{4}</text>').format(
            f"{panel.x(epoch):.1f}", foot, foot + 4, foot + 16, epoch))  # fmt: skip
    for line in lines:
        parts.append(Markup('<path d="{}" class="line" stroke="{}"><title>{}</title></path>').format(
            panel.path(line), line.tint, line.label))  # fmt: skip
        if line.ended is not None:
            at, over = panel.x(line.ended) - 4, _end(panel, line)[1] - 4
            parts.append(Markup('<path d="M{} {}l8 8m0-8l-8 8" class="cross" stroke="{}"><title>{} diverged</title>'
                                "</path>").format(f"{at:.1f}", f"{over:.1f}", line.tint, line.label))  # fmt: skip
    order = sorted(lines, key=lambda line: _end(panel, line)[1])
    ends = [_end(panel, line) for line in order]
    places = _apart([y for _, y in ends], panel)
    for n, (line, end, place) in enumerate(zip(order, ends, places, strict=True), 1):
        parts.append(Markup('<path d="M{:.1f} {:.1f}L{} {:.1f}" class="leader" stroke="{}"/><text x="{}" y="{:.1f}" '
                            'class="name">{}</text>').format(
            *end, right + 8, place, line.tint, right + 11, place + 3.5, n))  # fmt: skip
    drawn = Markup('<svg class="curve" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        panel.width, panel.height, f"{title} by epoch", Markup("").join(parts))  # fmt: skip
    return drawn + Markup('<ol class="legend">{}</ol>').format(Markup("").join(map(_entry, order)))


def _end(panel: Panel, line: Line) -> tuple[float, float]:
    """Where a curve ends, at the panel's edge where that is beyond it; at the top where it has no value at all."""
    epoch = max([*line.epochs[-1:], line.ended or 1])
    return panel.x(epoch), panel.held(panel.y(line.values[-1])) if line.values else float(panel.top)


def _apart(places: Sequence[float], panel: Panel) -> list[float]:
    """Rising places moved apart, so that a line of text fits at each, and none below the panel."""
    found = [*places]
    step = min(11.0, (panel.height - panel.top) / max(len(found), 1))
    for i in range(1, len(found)):
        found[i] = max(found[i], found[i - 1] + step)
    foot = panel.height - panel.bottom
    return [min(at, foot - (len(found) - 1 - i) * step) for i, at in enumerate(found)]


def _entry(line: Line) -> Markup:
    told = [f"{line.values[-1]:.3g}"] if line.values else []
    told += [f"diverged, epoch {line.ended}"] if line.ended is not None else []
    return Markup('<li><svg width="14" height="8" aria-hidden="true"><rect width="14" height="8" fill="{}"/></svg> {}: '
                  "<small>{}</small></li>").format(line.tint, line.label, minus("; ".join(told)))  # fmt: skip
