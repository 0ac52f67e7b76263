"""The console of commands: tables and progress bars of rich, whose texts are escaped."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from benchmarks.printing import escape_terminal, terminal_stream

WIDE = 200  # columns, where the output is not a terminal


class SafeConsole(Console):
    """A console that writes its own control characters, such as colors, and escapes those in its texts."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render an object as segments of escaped text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escape_terminal(segment.text), segment.style)


def make_console(*, wide: bool = False) -> Console:
    """A console on standard output.

    Args:
        wide: whether it has `WIDE` columns if the output is not a terminal.
    """
    stream = terminal_stream()
    is_terminal = stream is not None and stream.isatty()  # None: standard output is closed
    return SafeConsole(file=stream, width=WIDE if wide and not is_terminal else None)
