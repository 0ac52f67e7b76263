"""A table as Markdown: its caption and notes as a paragraph, then a pipe table."""

from __future__ import annotations

import re

from benchmarks.reporting.tables.table import Table


def to_markdown(table: Table) -> str:
    """The caption and the notes as a paragraph, then a pipe table."""
    header = [table.row_header, *map(escape_markdown, table.header())]
    lines = [
        escape_markdown(" ".join((table.caption, *table.notes))),
        "",
        f"| {' | '.join(header)} |",
        f"|{' --- |' + ' ---: |' * (len(header) - 1)}",
    ]
    for key, label in table.rows.items():
        row = [
            (f"**{escape_markdown(value)}**" if is_best else escape_markdown(value))
            + (suffix and f" {escape_markdown(suffix)}")
            for value, suffix, is_best in table.row(key)
        ]
        lines.append(f"| {' | '.join([escape_markdown(label), *row])} |")
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    """Text as it is, in Markdown.  An underscore within a word (fd_pixels) needs no escape."""
    return re.sub(r"[\\`*|<]|\](?=[(\[])|(?<!\w)_|_(?!\w)", r"\\\g<0>", " ".join(text.split()))
