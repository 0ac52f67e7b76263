"""Tables as pure functions: records in, cells out; nothing here trains, and nothing but `write` touches a disk.

A `Grid` says what a table should hold, so a cell can tell "not run" from "not wanted", and a record whose key
the grid does not name (another preset, another revision) cannot enter. The paper's numbers are package data,
`benchmarks/paper/`; they stand in columns of their own and only beside the metric that the paper measured.
"""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from statistics import fmean, stdev
from types import MappingProxyType

import pandas as pd
from pandas import DataFrame

from benchmarks import records

Pair = tuple[str, str]  # (model, dataset)

NOTHING = "—"


@dataclass(frozen=True)
class Grid:
    """What a table should hold; made from the registry and the protocols."""

    models: Mapping[str, str]  # name -> label, in the table's order
    datasets: Mapping[str, str]  # name -> label, in the table's order
    keys: Mapping[Pair, tuple[str, ...]]  # training keys wanted, one per seed; () where a pair cannot run
    metric: str  # a column of the runs frame: "fid", "fd_classifier", ...
    protocol_ids: Mapping[str, str]  # dataset -> the only protocol_id whose evaluations count
    preset: str
    draws: int = 1  # sample sets wanted of each training; one with fewer is not done
    notes: tuple[str, ...] = ()  # sentences for the caption: metric protocol, own rows, warnings


@dataclass(frozen=True)
class Published:
    """One cell that the paper prints."""

    label: str
    mean: float
    std: float
    cited: bool  # the paper took it from elsewhere
    note: str


@dataclass(frozen=True)
class Cell:
    """One cell: the spread over trainings, what is missing, and what the paper prints there."""

    mean: float | None  # over trainings, of each one's mean over its draws
    std: float | None  # over trainings, ddof = 1; None with fewer than two
    std_draws: float | None  # within a training: root of the mean variance over draws
    done: int
    wanted: int
    diverged: int
    failed: int
    paper: tuple[float, float] | None  # mean, std
    cited: bool  # the paper's value is itself a citation
    best: bool  # lowest of its column as printed
    draws: int = 0  # sample sets behind each training, the fewest where they differ
    diagnostics: Mapping[str, float] = field(default_factory=dict)  # means over trainings, for the tidy table

    def value(self, decimals: int) -> str:
        """The number alone: mean ± std."""
        return NOTHING if self.mean is None else _number(self.mean, self.std, decimals)

    def marks(self) -> str:
        """What is missing: " (7/10) [2 diverged]", or nothing."""
        share = f" ({self.done}/{self.wanted})" if 0 < self.done < self.wanted else ""
        ends = [f"{n} {word}" for n, word in ((self.diverged, "diverged"), (self.failed, "failed")) if n]
        return share + (f" [{', '.join(ends)}]" if ends else "")

    def published(self) -> str:
        """The paper's value, with the one decimal that the paper prints."""
        if self.paper is None:
            return NOTHING
        return _number(*self.paper, decimals=1) + (" (cited)" if self.cited else "")


@dataclass(frozen=True)
class Table:
    """A finished table, ready to be laid out as CSV, LaTeX or Markdown."""

    name: str
    caption: str
    notes: tuple[str, ...]
    rows: Mapping[str, str]  # model -> label
    columns: Mapping[str, str]  # dataset -> label
    cells: Mapping[Pair, Cell]
    metric: str
    preset: str
    protocol_ids: Mapping[str, str]
    decimals: int = 1

    def compared(self, dataset: str) -> bool:
        """Whether a data set has a column of the paper's numbers."""
        return any(self.cells[model, dataset].paper is not None for model in self.rows)

    def frame(self) -> DataFrame:
        """The table as laid out: one row per model, strings."""
        rows = [[value + marks for value, marks, _ in _row(self, model)] for model in self.rows]
        index = pd.Index([*self.rows.values()], name="model")
        return DataFrame(rows, index=index, columns=pd.Index(_header(self)))

    def tidy(self) -> DataFrame:
        """The table as data: one row per cell, numbers unrounded."""
        return DataFrame(
            [
                {
                    "model": model,
                    "dataset": dataset,
                    "metric": self.metric,
                    "mean": cell.mean,
                    "std": cell.std,
                    "std_draws": cell.std_draws,
                    "trainings": cell.done,
                    "draws": cell.draws,
                    "wanted": cell.wanted,
                    "diverged": cell.diverged,
                    "failed": cell.failed,
                    **{name: cell.diagnostics.get(name) for name in records.DIAGNOSTICS},
                    "paper_mean": None if cell.paper is None else cell.paper[0],
                    "paper_std": None if cell.paper is None else cell.paper[1],
                    "cited": cell.cited,
                    "preset": self.preset,
                    "protocol_id": self.protocol_ids.get(dataset),
                }
                for (model, dataset), cell in self.cells.items()
            ]
        )


# --- from records to cells


def published(table: str) -> dict[Pair, Published]:
    """The numbers the paper prints in one of its tables, in its order of rows."""
    source = resources.files("benchmarks") / "paper" / f"{table}.csv"
    return {
        (row["model"], row["dataset"]): Published(
            row["label"], float(row["mean"]), float(row["std"]), row["cited"] == "1", row["note"]
        )
        for row in csv.DictReader(source.read_text(encoding="utf-8").splitlines())
    }


def table1(runs: DataFrame, grid: Grid, *, decimals: int = 1) -> Table:
    """Table 1: sample quality of every model on every data set.

    Args:
        runs: first frame of `records.read`.
        grid: the rows, columns and training keys that the table should hold.
        decimals: digits printed behind the point; "best" is judged by what is printed.
    """
    # A Fréchet distance on other features than the paper's has another scale: no number to compare it with.
    paper = published("table1") if grid.metric == "fid" else {}
    rows = _with_cited(grid, paper)
    cells = {
        (model, dataset): _cell(runs, grid, (model, dataset), paper.get((model, dataset)))
        for model in rows
        for dataset in grid.datasets
    }
    cells = _mark_best(cells, grid.datasets, decimals)
    return Table(
        name="table1",
        caption=_caption(cells, grid),
        notes=(*_legend(cells), *grid.notes, *_paper_notes(cells, grid, paper)),
        rows=MappingProxyType(rows),
        columns=grid.datasets,
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
        protocol_ids=grid.protocol_ids,
        decimals=decimals,
    )


def _with_cited(grid: Grid, paper: Mapping[Pair, Published]) -> dict[str, str]:
    """The grid's rows, and at the paper's place the rows it only cites."""
    names, labels = [*grid.models], dict(grid.models)
    order = [*dict.fromkeys(model for model, _ in paper)]
    for (model, dataset), entry in paper.items():
        if entry.cited and dataset in grid.datasets and model not in labels:
            after = [name for name in order[order.index(model) :] if name in names]
            names.insert(names.index(after[0]) if after else len(names), model)
            labels[model] = entry.label
    return {name: labels[name] for name in names}


def _cell(runs: DataFrame, grid: Grid, pair: Pair, paper: Published | None) -> Cell:
    wanted = grid.keys.get(pair, ())
    mine = runs[runs["key"].isin(wanted)]
    status = mine.drop_duplicates("key")["status"]
    counted = mine[
        (mine["status"] == "done")
        & (mine["metric"] == grid.metric)
        & (mine["protocol_id"] == grid.protocol_ids.get(pair[1]))
        & (mine["draw"].fillna(-1).astype(int).between(0, grid.draws - 1))
    ]
    trainings = [
        values
        for key in wanted
        if (values := [float(v) for v in counted.loc[counted["key"] == key].get(grid.metric, ())])
        and len(values) == grid.draws
        and all(map(math.isfinite, values))  # a draw that could not be measured makes its training a missing one
    ]
    # `statistics` sums exactly: the order of the files cannot move a digit.
    means = [fmean(values) for values in trainings]
    variances = [stdev(values) ** 2 for values in trainings if len(values) > 1]
    return Cell(
        mean=fmean(means) if means else None,
        std=stdev(means) if len(means) > 1 else None,
        std_draws=math.sqrt(fmean(variances)) if variances else None,
        done=len(means),
        wanted=len(wanted),
        diverged=int((status == "diverged").sum()),
        failed=int((status == "failed").sum()),
        paper=None if paper is None else (paper.mean, paper.std),
        cited=paper is not None and paper.cited,
        best=False,
        draws=min(map(len, trainings), default=0),
        diagnostics=_diagnostics(counted.drop_duplicates("key")),
    )


def _diagnostics(runs: DataFrame) -> dict[str, float]:
    """Means over trainings of what describes them beside the metric; one row per training."""
    known = {name: runs[name].dropna() for name in records.DIAGNOSTICS if name in runs}
    return {name: fmean(map(float, values)) for name, values in known.items() if len(values)}


def _mark_best(cells: Mapping[Pair, Cell], datasets: Mapping[str, str], decimals: int) -> dict[Pair, Cell]:
    """Mark the lowest trained cells of each column, where there are two or more to compare."""
    marked = dict(cells)
    for dataset in datasets:
        printed = {
            pair: float(cell.value(decimals).split(" ± ")[0])
            for pair, cell in cells.items()
            if pair[1] == dataset and cell.mean is not None
        }
        if len(printed) > 1:
            for pair, value in printed.items():
                if value == min(printed.values()):
                    marked[pair] = replace(cells[pair], best=True)
    return marked


def _number(mean: float, std: float | None, decimals: int) -> str:
    large = max(abs(mean), abs(std or 0.0)) >= 1e5  # a diverging model's distances would widen every column
    form = f".{decimals}{'e' if large else 'f'}"
    return f"{mean:{form}}" if std is None else f"{mean:{form}} ± {std:{form}}"


# --- captions


def _caption(cells: Mapping[Pair, Cell], grid: Grid) -> str:
    """What the numbers are; the protocol behind them comes with the grid's notes."""
    if grid.metric == "fid":
        quantity = "FID (column fid)"
    elif grid.metric.startswith("fd_"):
        quantity = f"Fréchet distance (column {grid.metric})"
    else:
        quantity = f"Column {grid.metric}"
    wanted = {cell.wanted for cell in cells.values() if cell.wanted}
    if not wanted:
        spread = "no training wanted"
    elif wanted == {1}:
        spread = "the value of one training, hence without a spread"
    else:
        spread = f"mean ± standard deviation over {_span(wanted)} trainings"
    draws = {cell.draws for cell in cells.values() if cell.draws}
    if draws - {1}:
        spread += f", each the mean of its {_span(draws)} sample sets"
    short = "" if grid.preset == "paper" else ", a shorter budget than the paper's"
    direction = "between generated and real images, lower is better"
    return f"{quantity} {direction}: {spread}. Preset {grid.preset}{short}."


def _span(counts: set[int]) -> str:
    return str(*counts) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def _legend(cells: Mapping[Pair, Cell]) -> tuple[str, ...]:
    """The signs that this table uses, and only those."""
    trained = [cell for cell in cells.values() if cell.wanted]
    texts = {
        "Bold: the lowest of its column.": any(cell.best for cell in trained),
        "(m/n): m of the n wanted trainings are done.": any(0 < c.done < c.wanted for c in trained),
        "[n diverged]: trainings that ended in a number that is not finite.": any(c.diverged for c in trained),
        "[n failed]: trainings that ended in an error.": any(cell.failed for cell in trained),
        f"{NOTHING}: no number.": any(cell.mean is None for cell in cells.values()),
        "The spread over the sample sets of one training stands in the tidy table (std_draws); the paper's “trials” "
        "may be the one or the other.": any(cell.draws > 1 for cell in trained),
    }
    return tuple(text for text, used in texts.items() if used)


def _paper_notes(cells: Mapping[Pair, Cell], grid: Grid, paper: Mapping[Pair, Published]) -> tuple[str, ...]:
    """Whose the columns marked “paper” are, and the paper's own footnotes to the cells shown."""
    shown = [pair for pair, cell in cells.items() if cell.paper is not None]
    if not shown:
        return ()
    told = ["Columns marked “paper”: Table 1 of “Generative Latent Flow”, mean ± standard deviation over 10 trials."]
    if any(cells[pair].cited for pair in shown):
        told.append("(cited): the paper cites this number and trained no such model.")
    for model, dataset in shown:
        entry = paper[model, dataset]
        if entry.note and not entry.cited:
            told.append(f"The paper on {entry.label}, {grid.datasets[dataset]}: {entry.note}")
    return tuple(told)


# --- layouts


def _header(table: Table) -> list[str]:
    header = []
    for dataset, label in table.columns.items():
        header += [label, f"{label} (paper)"] if table.compared(dataset) else [label]
    return header


def _row(table: Table, model: str) -> list[tuple[str, str, bool]]:
    """One row as (value, marks, best); each layout sets the best values in its own kind of bold."""
    row = []
    for dataset in table.columns:
        cell = table.cells[model, dataset]
        row.append((cell.value(table.decimals), cell.marks(), cell.best))
        if table.compared(dataset):
            row.append((cell.published(), "", False))
    return row


def to_markdown(table: Table) -> str:
    """The caption as a paragraph, then a pipe table."""
    header = ["Model", *map(_markdown, _header(table))]
    lines = [
        _markdown(" ".join((table.caption, *table.notes))),
        "",
        f"| {' | '.join(header)} |",
        f"|{' --- |' + ' ---: |' * (len(header) - 1)}",
    ]
    for model, label in table.rows.items():
        row = [(f"**{value}**" if best else value) + marks for value, marks, best in _row(table, model)]
        lines.append(f"| {' | '.join([_markdown(label), *row])} |")
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    r"""A fragment for \input; its first line names the package it needs."""
    # The notes stand in a minipage, not in a threeparttable: that one is as narrow as the columns of one data set.
    groups = [(label, 2 if table.compared(dataset) else 1) for dataset, label in table.columns.items()]
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
        first, second, rules, column = ["Model"], [""], [], 2
        for label, span in groups:
            first.append(rf"\multicolumn{{{span}}}{{c}}{{{_latex(label)}}}")
            second += ["ours", "paper"] if span == 2 else [""]
            rules.append(rf"\cmidrule(lr){{{column}-{column + span - 1}}}")
            column += span
        lines += [f"    {' & '.join(first)} \\\\", f"    {' '.join(rules)}", f"    {' & '.join(second)} \\\\"]
    else:
        lines.append(f"    {' & '.join(['Model', *(_latex(label) for label, _ in groups)])} \\\\")
    lines.append(r"    \midrule")
    for model, label in table.rows.items():
        row = [
            (rf"\textbf{{{_latex(value)}}}" if best else _latex(value)) + marks
            for value, marks, best in _row(table, model)
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


TABLES: dict[str, Callable[[DataFrame, Grid], Table]] = {"table1": table1}
