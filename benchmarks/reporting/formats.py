"""How a finished table looks: CSV, tidy CSV, LaTeX, a LaTeX document of its own, Markdown, HTML."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

from benchmarks.experiments import records
from benchmarks.reporting.tables.cells import NOTHING, Shown, Table


def to_markdown(table: Table) -> str:
    """The caption as a paragraph, then a pipe table."""
    header = [table.head, *map(_markdown, table.header())]
    lines = [
        _markdown(" ".join((table.caption, *table.notes))),
        "",
        f"| {' | '.join(header)} |",
        f"|{' --- |' + ' ---: |' * (len(header) - 1)}",
    ]
    for key, label in table.rows.items():
        row = [
            (f"**{_markdown(value)}**" if best else _markdown(value)) + (marks and f" {_markdown(marks)}")
            for value, marks, best in table.row(key)
        ]
        lines.append(f"| {' | '.join([_markdown(label), *row])} |")
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    r"""A fragment for \input; its first line names the package it needs.

    What stands beside ours elsewhere stands below it here: a page is not wide enough for twice the columns.
    """
    # The notes stand in a minipage, not in a threeparttable: that one is as narrow as the columns of one data set.
    several = any(len(table.parts(column)) > 1 for column in table.columns)
    heads = [table.head, *([""] if several else []), *map(_latex, table.columns.values())]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_latex(table.caption)}}}",
        rf"  \label{{tab:{table.name}}}",
        rf"  \{_size(table)}",
        rf"  \begin{{tabular}}{{{'ll' if several else 'l'}{'r' * len(table.columns)}}}",
        r"    \toprule",
        f"    {' & '.join(heads)} \\\\",
        r"    \midrule",
    ]
    for key, label in table.rows.items():
        name = _latex(label)
        # A label that begins so would be an argument of the \\ before it
        guard = "{}" if label.lstrip()[:1] in ("[", "*") else ""
        for part, shown in _below(table, key).items():
            beside = [_latex(part) or "ours"] if several else []
            row = [
                (rf"\textbf{{{_latex(value)}}}" if best else _latex(value)) + (marks and f" {_latex(marks)}")
                for value, marks, best in shown
            ]
            lines.append(f"    {guard}{' & '.join([name, *beside, *row])} \\\\")
            name = guard = ""
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    if table.notes:
        lines += [
            r"  \par\smallskip",
            r"  \begin{minipage}{\linewidth}\footnotesize",
            *(f"    {_latex(note)}" for note in table.notes),
            r"  \end{minipage}",
        ]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


# Characters that a line of 7.5 inches holds, of which a digit is the measure, at a size
SIZES = {100: "small", 118: "footnotesize", 140: "scriptsize"}


def _size(table: Table) -> str:
    """The largest size at which the table's widest line is no wider than the page of the document alone."""
    lines = [["", *table.columns.values()], [table.head]]
    for row, label in table.rows.items():
        for part, shown in _below(table, row).items():
            lines.append([label + part, *(f"{value}{marks} " for value, marks, _ in shown)])
    widths = [max(len(line[i]) if i < len(line) else 0 for line in lines) for i in range(1 + len(table.columns))]
    characters = sum(widths) + len(widths)
    return next((size for most, size in SIZES.items() if characters <= most), "tiny")


def _below(table: Table, row: str) -> dict[str, list[Shown]]:
    """The lines of a row, by the names of what stands in them; without those that hold nothing, if any does."""
    shown = {column: table.cells[row, column].shown(table.decimals) for column in table.columns}
    parts = dict.fromkeys(["", *(part for cell in shown.values() for part in cell)])
    lines = {part: [cell.get(part, Shown(NOTHING)) for cell in shown.values()] for part in parts}
    told = {part: line for part, line in lines.items() if any(s.value + s.marks != NOTHING for s in line)}
    return told or {"": lines[""]}


def to_latex_alone(table: Table) -> str:
    """A document of its own around the fragment."""
    number = table.name.removeprefix("table")
    counter = rf"\setcounter{{table}}{{{int(number) - 1}}}" + "\n" if number.isdigit() and int(number) > 1 else ""
    # Half an inch of margin by hand: the geometry package would be one more to have.
    return rf"""\documentclass{{article}}
\usepackage{{booktabs}}
\hoffset=-0.5in \oddsidemargin=0pt \textwidth=\dimexpr\paperwidth-1in\relax
\setlength{{\tabcolsep}}{{3pt}}
\pagestyle{{empty}}
\begin{{document}}
{counter}{to_latex(table)}\end{{document}}
"""


def to_tidy_csv(table: Table) -> str:
    """One line per cell, numbers unrounded."""
    return table.tidy().to_csv(index=False, lineterminator="\n")


def to_html(table: Table) -> str:
    """One <table> with its caption, for a page to hold; every text in it is escaped."""
    groups = [(label, table.parts(column)) for column, label in table.columns.items()]
    two = any(len(parts) > 1 for _, parts in groups)
    high = ' rowspan="2"' if two else ""
    first, second = [f'<th scope="col"{high}>{escape(table.head)}</th>'], []
    for label, parts in groups:
        if len(parts) > 1:
            first.append(f'<th scope="colgroup" colspan="{len(parts)}">{escape(label)}</th>')
            second += [f'<th scope="col">{escape(part or "ours")}</th>' for part in parts]
        else:
            first.append(f'<th scope="col"{high}>{escape(label)}</th>')
    head = [f"<tr>{''.join(row)}</tr>" for row in (first, second) if row]
    body = []
    for key, label in table.rows.items():
        cells = [
            (f"<strong>{escape(value)}</strong>" if best else escape(value)) + escape(marks)
            for value, marks, best in table.row(key)
        ]
        body.append(f'<tr><th scope="row">{escape(label)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    notes = "".join(f" <small>{escape(note)}</small>" for note in table.notes)
    return "\n".join([
        f'<table id="{escape(table.name)}">',
        f"<caption>{escape(table.caption)}{notes}</caption>",
        *(f'<colgroup span="{n}"></colgroup>' for n in (1, *(len(parts) for _, parts in groups))),
        "<thead>", *head, "</thead>",
        "<tbody>", *body, "</tbody>",
        "</table>",
    ]) + "\n"  # fmt: skip


def to_html_alone(table: Table) -> str:
    """A page of its own around the table."""
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


FORMATS: dict[str, dict[str, Callable[[Table], str]]] = {  # --format -> end of a file's name -> what is in it
    "csv": {".csv": lambda table: table.frame().to_csv(lineterminator="\n")},
    "latex": {".tex": to_latex, "-alone.tex": to_latex_alone},
    "markdown": {".md": to_markdown},
    "html": {".html": to_html_alone},
}


def write(table: Table, folder: Path, formats: Iterable[str] = tuple(FORMATS)) -> list[Path]:
    """Write a table below FOLDER/tables, each file by rename; as data (tidy) in any case: from there it is found again.

    Args:
        table: what to write.
        folder: the results folder.
        formats: keys of `FORMATS`.

    Returns:
        the paths written; the CSV's comes first where there is one.
    """
    wanted: dict[str, Callable[[Table], str]] = {}
    for name, ends in FORMATS.items():
        wanted |= ends if name in formats else {}
        wanted.setdefault("-tidy.csv", to_tidy_csv)
    return [records.write_text(folder / "tables" / f"{table.name}{end}", lay(table)) for end, lay in wanted.items()]


def _markdown(text: str) -> str:
    """Text as it is, in Markdown.  An underscore within a word (fd_pixels) needs no escape."""
    return re.sub(r"[\\`*|<]|\](?=[(\[])|(?<!\w)_|_(?!\w)", r"\\\g<0>", " ".join(text.split()))


# Unicode spells lambda without its b
_GREEK = {
    sign: unicodedata.name(sign).split()[-1].replace("LAMDA", "LAMBDA") for sign in "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"
}
_TEX = {
    sign: rf"$\{name.lower() if sign.islower() else name.capitalize()}$" for sign, name in _GREEK.items()
} | {
    "\\": r"\textbackslash{}",
    "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "''",
    "±": r"$\pm$", "µ": r"$\mu$", "×": r"$\times$", "²": "$^2$", "³": "$^3$", "·": r"$\cdot$", "−": "$-$",
    "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$", "→": r"$\to$", "∞": r"$\infty$", "—": "---", "–": "--",
    "…": r"\dots{}", "“": "``", "”": "''", "‘": "`", "’": "'", "\N{WORD JOINER}": "{}",
}  # fmt: skip


def _latex(text: str) -> str:
    """Text as it is, in LaTeX that pdflatex compiles, whatever a user calls a data set."""
    # "--preset" is two hyphens, which LaTeX would set as one dash
    plain = re.sub("-(?=-)", "-\N{WORD JOINER}", " ".join(text.split()))
    return "".join(map(_character, plain))


def _character(character: str) -> str:
    if character in _TEX:
        return _TEX[character]
    accented = character <= "ÿ" and unicodedata.normalize("NFD", character)[0].isascii()
    if character.isprintable() and accented:
        return character
    return rf"\texttt{{U+{ord(character):04X}}}"  # not in LaTeX's standard fonts: named, as dropping it would lie
