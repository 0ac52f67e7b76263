"""A table as Markdown: its caption, a pipe table, and its notes as a list."""

from __future__ import annotations

import re

from benchmarks.printing import escape_terminal_line
from benchmarks.reporting.tables.table import Table, select_notes


def to_markdown(table: Table, detail: str = "full") -> str:
    """The caption, then a pipe table, then the notes as a list."""
    return "\n".join([escape_markdown(table.caption), "", *pipe_table(table), *_list_notes(table, detail)]) + "\n"


def to_terminal(table: Table, detail: str = "full") -> str:
    """The pipe table, then the caption and the notes."""
    return "\n".join([*pipe_table(table), "", escape_markdown(table.caption), *_list_notes(table, detail)]) + "\n"


def _list_notes(table: Table, detail: str) -> list[str]:
    notes = ["- " + escape_markdown(f"{label}: {text}") for label, text in select_notes(table.notes, detail)]
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


# What means something in Markdown: anywhere in a line, and at its beginning. An underscore within a word (fd_pixels)
# does not; a colon, "www." and @ do where GitHub makes a link of an address.
_SPECIAL = re.compile(
    r"[\\`*|<~$]|\](?=[(\[])|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=//)|(?<=mailto):|(?<=xmpp):|(?<=www)\.|(?<=\w)@(?=\w)",
    re.IGNORECASE,
)
_SPECIAL_AT_BEGINNING = re.compile(r"(?:[#>]|\[(?=.*\]:)|[-+](?=\s|$)|\d{1,9}(?=[.)](?:\s|$))|[-=](?=[-=\s]*$))")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def escape_markdown(text: str) -> str:
    """Text as it is, in one line of Markdown: no link, image, HTML or other mark-up, and no control characters."""
    line = escape_terminal_line(" ".join(text.split()))
    escaped = _SPECIAL.sub(r"\\\g<0>", line)
    if match := _SPECIAL_AT_BEGINNING.match(escaped):
        end = match.end() if match.group().isdigit() else 0  # a list's "1." is escaped at the point
        escaped = f"{escaped[:end]}\\{escaped[end:]}"
    return escaped


def unescape_markdown(text: str) -> str:
    """The text of which `escape_markdown` made a line."""
    return _ESCAPED.sub(r"\1", text)
