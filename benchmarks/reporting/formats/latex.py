"""A table as LaTeX: a fragment to input, or a document of its own."""

from __future__ import annotations

import re
import unicodedata

from benchmarks.reporting.tables.table import MISSING, CellText, Table, select_notes

# Characters of a line (in widths of a digit) that fit into 7.5 inches -> font size
FONT_SIZES = {100: "small", 118: "footnotesize", 140: "scriptsize"}
NARROW, NARROW_WIDTH = 60, r"0.75\linewidth"  # a table of fewer characters is set as wide as this


def to_latex(table: Table, detail: str = "short") -> str:
    r"""A fragment for \input; its first line names the packages that it needs.

    Subcolumns stand below ours as lines of their own: a page is not wide enough to have them side by side.
    """
    has_subcolumns = any(len(table.subcolumns(column)) > 1 for column in table.columns)
    headers = [table.row_header, *([""] if has_subcolumns else []), *map(escape_latex, table.columns.values())]
    begin, end = _tabular(table, f"{'ll' if has_subcolumns else 'l'}{'r' * len(table.columns)}")
    lines = [
        r"% needs \usepackage{booktabs} \usepackage{threeparttable}",
        r"\begin{table}",
        r"  \centering",
        r"  \begin{threeparttable}",
        rf"  \caption{{{escape_latex(table.caption)}}}",
        rf"  \label{{tab:{table.name}}}",
        r"  \smallskip",
        rf"  \{_font_size(table)}",
        f"  {begin}",
        r"    \toprule",
        f"    {' & '.join(headers)} \\\\",
        r"    \midrule",
    ]
    for key, label in table.rows.items():
        row_label = escape_latex(label)
        # A label that begins so would be an argument of the \\ before it
        guard = "{}" if label.lstrip()[:1] in ("[", "*") else ""
        for subcolumn, texts in _lines_of_row(table, key).items():
            line_label = [escape_latex(subcolumn) or "ours"] if has_subcolumns else []
            cells = [
                (rf"\textbf{{{escape_latex(value)}}}" if is_best else escape_latex(value))
                + (suffix and f" {escape_latex(suffix)}")
                for value, suffix, is_best in texts
            ]
            lines.append(f"    {guard}{' & '.join([row_label, *line_label, *cells])} \\\\")
            row_label = guard = ""
    lines += [r"    \bottomrule", f"  {end}"]
    if notes := select_notes(table.notes, detail):
        lines += [
            r"  \begin{tablenotes}[flushleft]\footnotesize",
            *(rf"    \item \textit{{{escape_latex(label)}:}} {escape_latex(text)}" for label, text in notes),
            r"  \end{tablenotes}",
        ]
    return "\n".join([*lines, r"  \end{threeparttable}", r"\end{table}"]) + "\n"


def _tabular(table: Table, columns: str) -> tuple[str, str]:
    """The beginning and end of the tabular; a narrow one is stretched, as the notes are as wide as the table."""
    if _characters(table) >= NARROW:
        return rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
    return rf"\begin{{tabular*}}{{{NARROW_WIDTH}}}{{@{{\extracolsep{{\fill}}}}{columns}}}", r"\end{tabular*}"


def _font_size(table: Table) -> str:
    """The largest size at which the table's widest line fits on the page of the standalone document."""
    characters = _characters(table)
    return next((size for most, size in FONT_SIZES.items() if characters <= most), "tiny")


def _characters(table: Table) -> int:
    """Characters of the table's widest line."""
    lines = [["", *table.columns.values()], [table.row_header]]
    for row, label in table.rows.items():
        for subcolumn, texts in _lines_of_row(table, row).items():
            lines.append([label + subcolumn, *(f"{value}{suffix} " for value, suffix, _ in texts)])
    widths = [max(len(line[i]) if i < len(line) else 0 for line in lines) for i in range(1 + len(table.columns))]
    return sum(widths) + len(widths)


def _lines_of_row(table: Table, row: str) -> dict[str, list[CellText]]:
    """The lines of a row, by subcolumn; without the empty ones, unless all are empty."""
    rendered = {column: table.cells[row, column].render(table.decimals) for column in table.columns}
    subcolumns = dict.fromkeys(["", *(subcolumn for texts in rendered.values() for subcolumn in texts)])
    lines = {name: [texts.get(name, CellText(MISSING)) for texts in rendered.values()] for name in subcolumns}
    filled = {name: line for name, line in lines.items() if any(t.value + t.suffix != MISSING for t in line)}
    return filled or {"": lines[""]}


def to_standalone_latex(table: Table, detail: str = "short") -> str:
    """A document with nothing but the table."""
    number = table.name.removeprefix("table")
    counter = rf"\setcounter{{table}}{{{int(number) - 1}}}" + "\n" if number.isdigit() and int(number) > 1 else ""
    # Half an inch of margin by hand: the geometry package would be one more to have.
    return rf"""\documentclass{{article}}
\usepackage{{booktabs}}
\usepackage{{threeparttable}}
\hoffset=-0.5in \oddsidemargin=0pt \textwidth=\dimexpr\paperwidth-1in\relax
\setlength{{\tabcolsep}}{{3pt}}
\pagestyle{{empty}}
\begin{{document}}
{counter}{to_latex(table, detail)}\end{{document}}
"""


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


def escape_latex(text: str) -> str:
    """Text as it is, in LaTeX that pdflatex compiles, whatever a user calls a data set."""
    # "--preset" is two hyphens, which LaTeX would set as one dash
    plain = re.sub("-(?=-)", "-\N{WORD JOINER}", " ".join(text.split()))
    return "".join(map(_escape_character, plain))


def _escape_character(character: str) -> str:
    if character in _TEX:
        return _TEX[character]
    is_accented_ascii = character <= "ÿ" and unicodedata.normalize("NFD", character)[0].isascii()
    if character.isprintable() and is_accented_ascii:
        return character
    return rf"\texttt{{U+{ord(character):04X}}}"  # not in LaTeX's standard fonts: named, as dropping it would lie
