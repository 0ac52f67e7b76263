"""A table as HTML: one <figure> element for a page to hold, or a page of its own."""

from __future__ import annotations

import html

from benchmarks.printing import escape_terminal
from benchmarks.reporting.tables.table import Table, select_notes


def escape_html(text: str) -> str:
    """Text as it is, in an element or in an attribute with quotes; control characters are spelled."""
    return html.escape(escape_terminal(text))


def to_html(table: Table, detail: str = "full") -> str:
    """A <figure> with the caption, the table and its notes, for a page to hold; every text in it is escaped."""
    groups = [(label, table.subcolumns(column)) for column, label in table.columns.items()]
    has_subcolumns = any(len(subcolumns) > 1 for _, subcolumns in groups)
    rowspan = ' rowspan="2"' if has_subcolumns else ""
    first, second = [f'<th scope="col"{rowspan}>{escape_html(table.row_header)}</th>'], []
    for label, subcolumns in groups:
        if len(subcolumns) > 1:
            first.append(f'<th scope="colgroup" colspan="{len(subcolumns)}">{escape_html(label)}</th>')
            second += [f'<th scope="col">{escape_html(subcolumn or "ours")}</th>' for subcolumn in subcolumns]
        else:
            first.append(f'<th scope="col"{rowspan}>{escape_html(label)}</th>')
    head = [f"<tr>{''.join(row)}</tr>" for row in (first, second) if row]
    body = []
    for key, label in table.rows.items():
        cells = [
            (f"<strong>{escape_html(value)}</strong>" if is_best else escape_html(value)) + escape_html(suffix)
            for value, suffix, is_best in table.row(key)
        ]
        body.append(
            f'<tr><th scope="row">{escape_html(label)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        )
    notes = [
        f"<dt>{escape_html(label)}</dt><dd>{escape_html(text)}</dd>"
        for label, text in select_notes(table.notes, detail)
    ]
    title = f"{escape_html(table.name)}-caption"
    return "\n".join([
        '<figure class="table">',
        f'<figcaption id="{title}">{escape_html(table.caption)}</figcaption>',
        '<div class="scroll">',
        f'<table id="{escape_html(table.name)}" aria-labelledby="{title}">',
        *(f'<colgroup span="{n}"></colgroup>' for n in (1, *(len(subcolumns) for _, subcolumns in groups))),
        "<thead>", *head, "</thead>",
        "<tbody>", *body, "</tbody>",
        "</table>",
        "</div>",
        *(['<dl class="notes">', *notes, "</dl>"] if notes else []),
        "</figure>",
    ]) + "\n"  # fmt: skip


def to_standalone_html(table: Table, detail: str = "full") -> str:
    """A page with nothing but the table."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape_html(table.name)}</title>
<style>
body {{ font-family: sans-serif; line-height: 1.4; max-width: 60em; margin: 1em auto; padding: 0 1em }}
figure {{ margin: 0 }}
.scroll {{ overflow-x: auto; margin: 0.7em 0 }}
table {{ border-collapse: collapse }}
th, td {{ font-weight: normal; padding: 0.2em 0.7em; text-align: right; white-space: nowrap }}
dl.notes {{ font-size: 0.875em; margin: 1em 0 }}
dl.notes dt {{ float: left; margin-right: 0.4em; font-style: italic }}
dl.notes dt::after {{ content: ":" }}
dl.notes dd {{ margin: 0 0 0.3em }}
th[scope=row], thead tr:first-child th:first-child {{ text-align: left }}
th[scope=colgroup] {{ text-align: center }}
thead, tbody {{ border-top: 1px solid; border-bottom: 1px solid }}
</style>
{to_html(table, detail)}</html>
"""
