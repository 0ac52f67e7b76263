"""A table as HTML: one <table> element for a page to hold, or a page of its own."""

from __future__ import annotations

from html import escape

from benchmarks.reporting.tables.table import Table


def to_html(table: Table) -> str:
    """One <table> with its caption and notes, for a page to hold; every text in it is escaped."""
    groups = [(label, table.subcolumns(column)) for column, label in table.columns.items()]
    has_subcolumns = any(len(subcolumns) > 1 for _, subcolumns in groups)
    rowspan = ' rowspan="2"' if has_subcolumns else ""
    first, second = [f'<th scope="col"{rowspan}>{escape(table.row_header)}</th>'], []
    for label, subcolumns in groups:
        if len(subcolumns) > 1:
            first.append(f'<th scope="colgroup" colspan="{len(subcolumns)}">{escape(label)}</th>')
            second += [f'<th scope="col">{escape(subcolumn or "ours")}</th>' for subcolumn in subcolumns]
        else:
            first.append(f'<th scope="col"{rowspan}>{escape(label)}</th>')
    head = [f"<tr>{''.join(row)}</tr>" for row in (first, second) if row]
    body = []
    for key, label in table.rows.items():
        cells = [
            (f"<strong>{escape(value)}</strong>" if is_best else escape(value)) + escape(suffix)
            for value, suffix, is_best in table.row(key)
        ]
        body.append(f'<tr><th scope="row">{escape(label)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    notes = "".join(f" <small>{escape(note)}</small>" for note in table.notes)
    return "\n".join([
        f'<table id="{escape(table.name)}">',
        f"<caption>{escape(table.caption)}{notes}</caption>",
        *(f'<colgroup span="{n}"></colgroup>' for n in (1, *(len(subcolumns) for _, subcolumns in groups))),
        "<thead>", *head, "</thead>",
        "<tbody>", *body, "</tbody>",
        "</table>",
    ]) + "\n"  # fmt: skip


def to_standalone_html(table: Table) -> str:
    """A page with nothing but the table."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(table.name)}</title>
<style>
body {{ font-family: sans-serif; overflow-x: auto }}
table {{ border-collapse: collapse }}
caption {{ caption-side: bottom; text-align: left; padding-top: 1em }}
small {{ display: block }}
th, td {{ padding: 0.2em 0.7em; text-align: right; white-space: nowrap }}
th[scope=row], thead tr:first-child th:first-child {{ text-align: left }}
th[scope=colgroup] {{ text-align: center }}
thead, tbody {{ border-top: 1px solid; border-bottom: 1px solid }}
</style>
{to_html(table)}</html>
"""
