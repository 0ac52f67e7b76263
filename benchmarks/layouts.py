"""How a finished table looks: CSV, tidy CSV, LaTeX, a LaTeX document of its own, Markdown."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from benchmarks import records
from benchmarks.tables import Table


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
        row = [(f"**{value}**" if best else value) + marks for value, marks, best in table.row(key)]
        lines.append(f"| {' | '.join([_markdown(label), *row])} |")
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    r"""A fragment for \input; its first line names the package it needs."""
    # The notes stand in a minipage, not in a threeparttable: that one is as narrow as the columns of one data set.
    groups = [(label, 2 if table.compared(column) else 1) for column, label in table.columns.items()]
    width = sum(span for _, span in groups)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_latex(table.caption)}}}",
        rf"  \label{{tab:{table.name}}}",
        r"  \small",
        rf"  \begin{{tabular}}{{l{'r' * width}}}",
        r"    \toprule",
    ]
    if width > len(groups):
        first, second, rules, column = [table.head], [""], [], 2
        for label, span in groups:
            first.append(rf"\multicolumn{{{span}}}{{c}}{{{_latex(label)}}}")
            second += ["ours", "paper"] if span == 2 else [""]
            rules.append(rf"\cmidrule(lr){{{column}-{column + span - 1}}}")
            column += span
        lines += [f"    {' & '.join(first)} \\\\", f"    {' '.join(rules)}", f"    {' & '.join(second)} \\\\"]
    else:
        lines.append(f"    {' & '.join([table.head, *(_latex(label) for label, _ in groups)])} \\\\")
    lines.append(r"    \midrule")
    for key, label in table.rows.items():
        row = [
            (rf"\textbf{{{_latex(value)}}}" if best else _latex(value)) + (marks and f" {_latex(marks)}")
            for value, marks, best in table.row(key)
        ]
        # A label that begins so would be an argument of the \\ before it
        guard = "{}" if label.lstrip()[:1] in ("[", "*") else ""
        lines.append(f"    {guard}{' & '.join([_latex(label), *row])} \\\\")
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    if table.notes:
        lines += [
            r"  \par\smallskip",
            r"  \begin{minipage}{\linewidth}\footnotesize",
            *(f"    {_latex(note)}" for note in table.notes),
            r"  \end{minipage}",
        ]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def to_latex_alone(table: Table) -> str:
    """A document of its own around the fragment."""
    # Half an inch of margin by hand: the geometry package would be one more to have.
    return rf"""\documentclass{{article}}
\usepackage{{booktabs}}
\hoffset=-0.5in \oddsidemargin=0pt \textwidth=\dimexpr\paperwidth-1in\relax
\setlength{{\tabcolsep}}{{3pt}}
\pagestyle{{empty}}
\begin{{document}}
{to_latex(table)}\end{{document}}
"""


def write(table: Table, folder: Path) -> list[Path]:
    """Write every layout of a table below FOLDER/tables, each by rename; the CSV's path comes first."""
    texts = {
        ".csv": table.frame().to_csv(lineterminator="\n"),
        "-tidy.csv": table.tidy().to_csv(index=False, lineterminator="\n"),
        ".tex": to_latex(table),
        "-alone.tex": to_latex_alone(table),
        ".md": to_markdown(table),
    }
    return [records.write_text(folder / "tables" / f"{table.name}{end}", text) for end, text in texts.items()]


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
