"""A table as Markdown: its caption, a pipe table, and its notes as a list."""

from __future__ import annotations

import re

from benchmarks.reporting.tables.table import Table, select_notes


def to_markdown(table: Table, detail: str = "full") -> str:
    """The caption, then a pipe table, then the notes as a list."""
    return "\n".join([escape_markdown(table.caption), "", *pipe_table(table), *_list_notes(table, detail)]) + "\n"


def to_terminal(table: Table, detail: str = "full") -> str:
    """The pipe table, then the caption and the notes."""
    return "\n".join([*pipe_table(table), "", escape_markdown(table.caption), *_list_notes(table, detail)]) + "\n"


def _list_notes(table: Table, detail: str) -> list[str]:
    notes = [f"- {label}: {escape_markdown(text)}" for label, text in select_notes(table.notes, detail)]
    return ["", *notes] if notes else []


def pipe_table(table: Table) -> list[str]:
    """The lines of a pipe table."""
    header = [table.row_header, *map(escape_markdown, table.header())]
    lines = [
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
    return lines


def escape_markdown(text: str) -> str:
    """Text as it is, in Markdown.  An underscore within a word (fd_pixels) needs no escape."""
    return re.sub(r"[\\`*|<]|\](?=[(\[])|(?<!\w)_|_(?!\w)", r"\\\g<0>", " ".join(text.split()))
