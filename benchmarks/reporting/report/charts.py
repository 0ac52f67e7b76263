"""Learning curves as inline SVG.

Colors are attributes and not styles, because the page's content policy forbids inline styles.  All text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from benchmarks.reporting.figures.curves import is_squeezed
from benchmarks.reporting.report.number_format import use_minus_sign


@dataclass(frozen=True)
class Line:
    """One model's curve: the mean over runs by epoch."""

    label: str
    color: str
    epochs: Sequence[int]
    values: Sequence[float]
    diverged_at: int | None = None  # the last epoch in which a run diverged
    is_dashed: bool = False


class ChartPanel:
    """The axes of a chart; the vertical one is logarithmic if all values are positive and span a factor of 5.

    Attributes:
        low, high: ends of the vertical axis.
        last_epoch: end of the horizontal axis; it includes the epochs in which runs diverged.
        log: whether the vertical axis is logarithmic.
    """

    width, height, left, right, top, bottom = 360, 240, 46, 30, 42, 24

    def __init__(self, lines: Sequence[Line], may_log: bool = True) -> None:
        values = [v for line in lines for v in line.values]
        stable = [v for line in lines if line.diverged_at is None for v in line.values]
        self.log = may_log and _spans_factor_of_5(values)
        if stable and is_squeezed((min(stable), max(stable)), (min(values), max(values)), self.log):
            values, self.log = stable, may_log and _spans_factor_of_5(stable)
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        padding = 0.04 * (self._to_axis(high) - self._to_axis(low)) or 0.1
        self.low = self._from_axis(self._to_axis(low) - padding)
        self.high = self._from_axis(self._to_axis(high) + padding)
        # A run may diverge later than the last epoch that has a value
        self.last_epoch = max((e for line in lines for e in (*line.epochs, line.diverged_at or 1)), default=1)

    def _to_axis(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _from_axis(self, position: float) -> float:
        return math.exp(position) if self.log else position

    def x(self, epoch: float) -> float:
        """Position of an epoch, from the left."""
        return self.left + (self.width - self.left - self.right) * (epoch - 1) / max(self.last_epoch - 1, 1)

    def y(self, value: float) -> float:
        """Position of a value, from the top; values outside the axis are outside the panel."""
        if self.log and value <= 0:
            return math.inf
        low, high = self._to_axis(self.low), self._to_axis(self.high)
        share = (self._to_axis(value) - low) / (high - low)
        return self.height - self.bottom - (self.height - self.top - self.bottom) * share

    def clamp(self, y: float) -> float:
        """The nearest vertical position inside the panel."""
        return min(max(y, self.top), self.height - self.bottom)

    def path(self, line: Line) -> str:
        """An SVG path through a curve's values, broken where they are outside the panel."""
        points = [(self.x(e), self.y(v)) for e, v in zip(line.epochs, line.values, strict=True)]
        parts = [f"M{x:.1f} {y:.1f}h0" for x, y in points[:1] if y == self.clamp(y)]
        for (x0, y0), (x1, y1) in pairwise(points):
            is_inside = [y == self.clamp(y) for y in (y0, y1)]
            if not any(is_inside):
                continue
            # Up to the edge, if one of the two points is beyond it
            a, b = (_crossing((x0, y0), (x1, y1), self.clamp(y)) for y in (y0, y1))
            parts.append(f"L{b}" if is_inside[0] and parts else f"M{a}L{b}")
        return "".join(parts)

    def end(self, line: Line) -> tuple[float, float]:
        """Where a curve ends, at the panel's edge if that is beyond it; at the top if it has no values."""
        epoch = max([*line.epochs[-1:], line.diverged_at or 1])
        return self.x(epoch), self.clamp(self.y(line.values[-1])) if line.values else float(self.top)


def _spans_factor_of_5(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) / min(values) > 5


def _crossing(start: tuple[float, float], end: tuple[float, float], y: float) -> str:
    """Where the line between two points crosses a height, as SVG coordinates; if an end has this height, that end."""
    (x0, y0), (x1, y1) = start, end
    x = next((x for x, height in ((x0, y0), (x1, y1)) if height == y), None)
    if x is None:  # the line to an infinitely distant point is vertical
        inner = (x0, y0) if math.isinf(y1) else (x1, y1)
        x = inner[0] if math.isinf(y0) or math.isinf(y1) else x0 + (x1 - x0) * (y - y0) / (y1 - y0)
    return f"{x:.1f} {y:.1f}"


def axis_ticks(low: float, high: float, log: bool, max_ticks: int = 6) -> list[float]:
    """Round numbers between two numbers."""
    if log:
        exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            ticks = [t for n in exponents for s in steps if low <= (t := float(f"{s}e{n}")) <= high]
            if 3 <= len(ticks) <= max_ticks:
                return ticks
        if len(ticks) > max_ticks:
            return ticks[:: math.ceil(len(ticks) / max_ticks)]
    exponent = math.floor(math.log10(high - low))
    candidates = (float(f"{m}e{n}") for n in (exponent - 1, exponent) for m in (1, 2, 5))
    step = next(s for s in candidates if (high - low) / s <= max_ticks - 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{n * step:.12g}") for n in range(first, last + 1)]


def line_chart(lines: Sequence[Line], title: str, unit: str, may_log: bool = True) -> Markup:
    """Curves with a number at each one's end, and a legend in the order of the ends from top to bottom.

    A curve that diverged leaves the panel if it would squeeze the others into less than a third of it.

    Args:
        lines: the curves.
        title: what they show.
        unit: of the values.
        may_log: whether the vertical axis may be logarithmic.
    """
    panel = ChartPanel(lines, may_log)
    parts = [Markup('<text x="2" y="14" class="title">{}</text><text x="2" y="30">{}{}, by epoch</text>').format(
        title, unit, "; log scale" if panel.log else "")]  # fmt: skip
    parts += _axes(panel)
    for line in lines:
        parts += _curve(panel, line)
    order = sorted(lines, key=lambda line: panel.end(line)[1])
    parts += _end_labels(panel, order)
    chart = Markup('<svg class="curve" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        panel.width, panel.height, f"{title} by epoch", Markup("").join(parts))  # fmt: skip
    return chart + Markup('<ol class="legend">{}</ol>').format(Markup("").join(map(_legend_entry, order)))


def _axes(panel: ChartPanel) -> list[Markup]:
    right, foot = panel.width - panel.right, panel.height - panel.bottom
    parts = []
    for value in axis_ticks(panel.low, panel.high, panel.log):
        y = f"{panel.y(value):.1f}"
        parts.append(Markup('<line x1="{}" x2="{}" y1="{}" y2="{}" class="rule"/><text x="{}" y="{}" '
                            'text-anchor="end">{}</text>').format(
            panel.left, right, y, y, panel.left - 5, f"{panel.y(value) + 4:.1f}",
            use_minus_sign(f"{value:g}")))  # fmt: skip
    epochs = [1]
    if panel.last_epoch > 1:
        epochs = [int(tick) for tick in axis_ticks(1, panel.last_epoch, False) if tick == int(tick)]
    for epoch in epochs:
        parts.append(Markup('<line x1="{0}" x2="{0}" y1="{1}" y2="{2}" class="rule"/><text x="{0}" y="{3}" '
                            'text-anchor="middle">{4}</text>').format(
            f"{panel.x(epoch):.1f}", foot, foot + 4, foot + 16, epoch))  # fmt: skip
    return parts


def _curve(panel: ChartPanel, line: Line) -> list[Markup]:
    """A curve, and a cross where it diverged."""
    dashes = Markup(' stroke-dasharray="5 4"') if line.is_dashed else ""
    parts = [Markup('<path d="{}" class="line" stroke="{}"{}><title>{}</title></path>').format(
        panel.path(line), line.color, dashes, line.label)]  # fmt: skip
    if line.diverged_at is not None:
        x, y = panel.x(line.diverged_at) - 4, panel.end(line)[1] - 4
        parts.append(Markup('<path d="M{} {}l8 8m0-8l-8 8" class="cross" stroke="{}"><title>{} diverged</title>'
                            "</path>").format(f"{x:.1f}", f"{y:.1f}", line.color, line.label))  # fmt: skip
    return parts


def _end_labels(panel: ChartPanel, lines: Sequence[Line]) -> list[Markup]:
    """The number of each line beside its end, in the order of their ends."""
    right, parts = panel.width - panel.right, []
    ends = [panel.end(line) for line in lines]
    heights = _spread_apart([y for _, y in ends], panel)
    for number, (line, end, y) in enumerate(zip(lines, ends, heights, strict=True), 1):
        parts.append(Markup('<path d="M{:.1f} {:.1f}L{} {:.1f}" class="leader" stroke="{}"/><text x="{}" y="{:.1f}" '
                            'class="name">{}</text>').format(
            *end, right + 8, y, line.color, right + 11, y + 3.5, number))  # fmt: skip
    return parts


def _spread_apart(heights: Sequence[float], panel: ChartPanel) -> list[float]:
    """Sorted heights, moved apart so that each has room for a line of text and none is below the panel."""
    spread = [*heights]
    step = min(11.0, (panel.height - panel.top) / max(len(spread), 1))
    for i in range(1, len(spread)):
        spread[i] = max(spread[i], spread[i - 1] + step)
    foot = panel.height - panel.bottom
    return [min(y, foot - (len(spread) - 1 - i) * step) for i, y in enumerate(spread)]


def _legend_entry(line: Line) -> Markup:
    notes = [f"{line.values[-1]:.3g}"] if line.values else []
    notes += [f"diverged, epoch {line.diverged_at}"] if line.diverged_at is not None else []
    text = use_minus_sign("; ".join(notes))
    return Markup('<li><svg width="14" height="8" aria-hidden="true"><rect width="14" height="8" fill="{}"/></svg> {}: '
                  "<small>{}</small></li>").format(line.color, line.label, text)  # fmt: skip
