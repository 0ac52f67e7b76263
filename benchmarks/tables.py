"""Tables as pure functions: records in, cells out; nothing here trains or touches a disk.

A `Grid` says what a table should hold, so a cell can tell "not run" from "not wanted", and a record whose key
the grid does not name (another preset, another revision) cannot enter. The paper's numbers are package data,
`benchmarks/paper/`; they stand in columns of their own and only beside the metric that the paper measured.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from statistics import fmean, stdev
from types import MappingProxyType

import pandas as pd
from pandas import DataFrame

from benchmarks import records
from benchmarks.metrics import METRICS

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
    variants: Mapping[Pair, str] = field(default_factory=dict)  # (dataset, variant) -> protocol_id, where it can be had
    labels: Mapping[str, str] = field(default_factory=dict)  # variant -> label, in the table's order
    asides: Mapping[Pair, str] = field(default_factory=dict)  # why a pair's trainings cannot be done, for its cell


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
    """One cell: the spread over trainings and over sample sets, what is missing, what the paper prints there."""

    mean: float | None  # over trainings, of each one's mean over its draws
    std: float | None  # over trainings, ddof = 1; None with fewer than two
    std_draws: float | None  # within a training: root of the mean variance over draws
    done: int
    wanted: int
    diverged: int = 0
    failed: int = 0
    paper: tuple[float, float] | None = None  # mean, std
    cited: bool = False  # the paper's value is itself a citation
    best: bool = False  # lowest of its column as printed
    draws: int = 0  # sample sets behind each training, the fewest where they differ
    more: Mapping[str, float] = field(default_factory=dict)  # further means over trainings, for the tidy table
    where: Mapping[str, str | None] = field(default_factory=dict)  # model, dataset, source, variant, protocol_id
    decimals: int | None = None  # where they are not the table's
    aside: str = ""  # printed behind the number

    def value(self, decimals: int) -> str:
        """The number alone: mean ± std over trainings, and ± std over draws where there are several."""
        if self.mean is None:
            return NOTHING
        decimals = decimals if self.decimals is None else self.decimals
        spreads = [self.std] if self.draws < 2 else [self.std, self.std_draws]
        return _number(self.mean, spreads, decimals)

    def marks(self) -> str:
        """What is missing: " (7/10) [2 diverged]", or nothing."""
        share = f" ({self.done}/{self.wanted})" if 0 < self.done < self.wanted else ""
        ends = [f"{n} {word}" for n, word in ((self.diverged, "diverged"), (self.failed, "failed")) if n]
        return self.aside + share + (f" [{', '.join(ends)}]" if ends else "")

    def published(self) -> str:
        """The paper's value, with the one decimal that the paper prints."""
        if self.paper is None:
            return NOTHING
        return _number(self.paper[0], [self.paper[1]], decimals=1) + (" (cited)" if self.cited else "")


@dataclass(frozen=True)
class Table:
    """A finished table, ready to be laid out as CSV, LaTeX or Markdown."""

    name: str
    caption: str
    notes: tuple[str, ...]
    rows: Mapping[str, str]  # key -> label
    columns: Mapping[str, str]  # key -> label
    cells: Mapping[Pair, Cell]  # (row, column)
    metric: str
    preset: str
    decimals: int = 1
    head: str = "Model"  # over the labels of the rows

    def compared(self, column: str) -> bool:
        """Whether a column has one of the paper's numbers beside it."""
        return any(self.cells[row, column].paper is not None for row in self.rows)

    def header(self) -> list[str]:
        """Labels of the columns, the paper's own among them."""
        header = []
        for column, label in self.columns.items():
            header += [label, f"{label} (paper)"] if self.compared(column) else [label]
        return header

    def row(self, row: str) -> list[tuple[str, str, bool]]:
        """One row as (value, marks, best); each layout sets the best values in its own kind of bold."""
        out = []
        for column in self.columns:
            cell = self.cells[row, column]
            out.append((cell.value(self.decimals), cell.marks(), cell.best))
            if self.compared(column):
                out.append((cell.published(), "", False))
        return out

    def frame(self) -> DataFrame:
        """The table as laid out: one row per row, strings."""
        rows = [[value + marks for value, marks, _ in self.row(row)] for row in self.rows]
        index = pd.Index([*self.rows.values()], name=self.head.lower())
        return DataFrame(rows, index=index, columns=pd.Index(self.header()))

    def tidy(self) -> DataFrame:
        """The table as data: one row per cell, numbers unrounded."""
        names = dict.fromkeys(name for cell in self.cells.values() for name in cell.more)
        return DataFrame(
            [
                {
                    **cell.where,
                    "metric": self.metric,
                    "preset": self.preset,
                    "mean": cell.mean,
                    "std": cell.std,
                    "std_draws": cell.std_draws,
                    "trainings": cell.done,
                    "draws": cell.draws,
                    "wanted": cell.wanted,
                    "diverged": cell.diverged,
                    "failed": cell.failed,
                    **{name: cell.more.get(name) for name in names},
                    "paper_mean": None if cell.paper is None else cell.paper[0],
                    "paper_std": None if cell.paper is None else cell.paper[1],
                    "cited": cell.cited,
                }
                for cell in self.cells.values()
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


def table1(runs: DataFrame, grid: Grid, *, decimals: int | None = None) -> Table:
    """Table 1: sample quality of every model on every data set.

    Args:
        runs: first frame of `records.read`.
        grid: the rows, columns and training keys that the table should hold.
        decimals: digits printed behind the point, at least one and two of the largest number's by default; "best" is
            judged by what is printed.
    """
    # A Fréchet distance on other features than the paper's has another scale: no number to compare it with.
    paper = published("table1") if grid.metric == "fid" else {}
    rows = _with_cited(grid, paper)
    cells = {
        (model, dataset): _quality(runs, grid, (model, dataset), paper.get((model, dataset)))
        for model in rows
        for dataset in grid.datasets
    }
    decimals = _decimals(cells) if decimals is None else decimals
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


def _quality(runs: DataFrame, grid: Grid, pair: Pair, paper: Published | None) -> Cell:
    """A cell of Table 1: the samples of one model on one data set."""
    wanted = grid.keys.get(pair, ())
    counted = _counted(runs, wanted, grid.metric, "prior", grid.protocol_ids.get(pair[1]), grid.draws)
    cell = _cell(runs, wanted, _trainings(counted, wanted, grid.metric, grid.draws))
    return replace(
        cell,
        paper=None if paper is None else (paper.mean, paper.std),
        cited=paper is not None and paper.cited,
        aside=f" ({grid.asides[pair]})" if pair in grid.asides else "",
        more=_more(counted, grid.metric),
        where=_where(*pair, "prior", grid.protocol_ids.get(pair[1])),
    )


def _where(model: str | None, dataset: str, source: str, protocol_id: str | None) -> dict[str, str | None]:
    return {"model": model, "dataset": dataset, "source": source, "protocol_id": protocol_id}


def _counted(
    runs: DataFrame, keys: tuple[str, ...], metric: str, source: str, protocol_id: str | None, draws: int
) -> DataFrame:
    """The evaluations of some trainings that may enter a cell: one protocol, one source, the draws wanted."""
    return runs[
        runs["key"].isin(keys)
        & (runs["status"] == "done")
        & (runs["metric"] == metric)
        & (runs["source"] == source)
        & (runs["protocol_id"] == protocol_id)
        & (runs["draw"].fillna(-1).astype(int).between(0, draws - 1))
    ]


def _trainings(counted: DataFrame, keys: tuple[str, ...], column: str, draws: int) -> dict[str, list[float]]:
    """Training key -> its values, one per draw; a draw that could not be measured makes its training a missing one."""
    found = {key: [float(v) for v in counted.loc[counted["key"] == key].get(column, ())] for key in keys}
    return {key: values for key, values in found.items() if len(values) == draws and all(map(math.isfinite, values))}


def _cell(runs: DataFrame, wanted: tuple[str, ...], trainings: Mapping[str, list[float]]) -> Cell:
    """Means and spreads of trainings' values, and what became of the others that are wanted."""
    status = runs[runs["key"].isin(wanted)].drop_duplicates("key")["status"]
    # `statistics` sums exactly: the order of the files cannot move a digit.
    means = [fmean(values) for values in trainings.values()]
    variances = [stdev(values) ** 2 for values in trainings.values() if len(values) > 1]
    return Cell(
        mean=fmean(means) if means else None,
        std=stdev(means) if len(means) > 1 else None,
        std_draws=math.sqrt(fmean(variances)) if variances else None,
        done=len(means),
        wanted=len(wanted),
        diverged=int((status == "diverged").sum()),
        failed=int((status == "failed").sum()),
        draws=min(map(len, trainings.values()), default=0),
    )


def _more(counted: DataFrame, metric: str) -> dict[str, float]:
    """Means over trainings of what stands beside the metric: other metrics, and what describes the training."""
    others = {column: "mean" for row in METRICS.values() for column in row.columns if column in counted}
    means = counted.groupby("key")[[*others]].mean() if others else DataFrame()
    once = counted.drop_duplicates("key")
    known = {name: once[name].dropna() for name in records.DIAGNOSTICS if name in once}
    known |= {name: means[name].dropna() for name in others if name != metric}
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


def _decimals(cells: Mapping[Pair, Cell]) -> int:
    """One digit behind the point, as the paper has; more where all numbers are small, as on features of one's own."""
    largest = max((abs(cell.mean) for cell in cells.values() if cell.mean is not None), default=1.0)
    return 1 if largest >= 1 or largest == 0 else 1 - math.floor(math.log10(largest))


def _finer(cells: Mapping[Pair, Cell]) -> dict[Pair, Cell]:
    """Cells with decimals of their own, with more where all numbers are small."""
    more = _decimals(cells) - 1
    return {pair: replace(cell, decimals=(1 if cell.decimals is None else cell.decimals) + more)
            for pair, cell in cells.items()}  # fmt: skip


def _number(mean: float, spreads: Sequence[float | None], decimals: int) -> str:
    """A mean and its spreads; one that is not known is "—" where another one follows."""
    large = max(map(abs, [mean, *(s for s in spreads if s is not None)])) >= 1e5  # would widen every column
    form = f".{decimals}{'e' if large else 'f'}"
    shown = [*spreads]
    while shown and shown[-1] is None:
        shown.pop()
    return " ± ".join([f"{mean:{form}}", *(NOTHING if s is None else f"{s:{form}}" for s in shown)])


# --- Section 2's criteria


QUANTITIES = {  # column -> (label, decimals)
    "floor": ("training images", 2),
    "reconstruction": ("reconstructions", 1),
    "posterior": ("decoded posterior", 1),
    "prior": ("samples", 1),
    "a": ("(a) decoder", 1),
    "b": ("(b) density", 1),
}
LATENTS = {  # a record's diagnostics -> (label, decimals)
    "recon_sse": ("squared error", 1),
    "latent_std": ("std of latents", 2),
    "prior_mean": ("mean", 2),
    "prior_cov": ("covariance", 2),
    "latent_nll": ("NLL", 1),
}


def criteria(runs: DataFrame, grid: Grid) -> Table:
    """What Section 2's two criteria cost, per model and data set: is it the decoder or the density of latents?

    Arguments as `table1`.
    """
    pairs, rows = _rows(grid)
    cells = {}
    for row, (model, dataset) in pairs.items():
        wanted, identity = grid.keys.get((model, dataset), ()), grid.protocol_ids.get(dataset)
        values: dict[str, dict[str, list[float]]] = {}
        for source in ("floor", "reconstruction", "posterior", "prior"):
            draws = grid.draws if source == "prior" else 1
            counted = _counted(runs, wanted, grid.metric, source, identity, draws)
            values[source] = _trainings(counted, wanted, grid.metric, draws)
        values["a"] = _difference(values["posterior"], values["floor"])
        values["b"] = _difference(values["prior"], values["posterior"])
        for column, (_, decimals) in QUANTITIES.items():
            where = _where(model, dataset, column, identity)
            cells[row, column] = replace(_cell(runs, wanted, values[column]), where=where, decimals=decimals)
    cells = _finer(cells)
    notes = (
        "Distance to the test part of: training images, which no generator can be expected to undercut; "
        "reconstructions of the same test images; training images encoded (drawn from q(z|x) where that is a "
        "distribution) and decoded; samples.",
        "Section 2: (a), a good decoder for z from the aggregated posterior, costs decoded posterior − training "
        "images; (b), a match of that posterior and the model's density, costs samples − decoded posterior.",
        *(f"On {grid.datasets[d]} there are only {n} images to decode, which biases (b) down and (a) either way."
          for d, n in _fewer(runs, grid).items()),
    )  # fmt: skip
    return Table(
        name="criteria",
        caption=_caption(cells, grid, lead="Which of Section 2's criteria costs how much. "),
        notes=(*notes, *_legend(cells), *grid.notes),
        rows=MappingProxyType(rows),
        columns=MappingProxyType({name: label for name, (label, _) in QUANTITIES.items()}),
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
    )


def latents(runs: DataFrame, grid: Grid) -> Table:
    """How the latents of test images lie in the density that models sample from, and how they are decoded.

    Arguments as `table1`.
    """
    pairs, rows = _rows(grid)
    cells = {}
    for row, (model, dataset) in pairs.items():
        wanted = grid.keys.get((model, dataset), ())
        done = runs[runs["key"].isin(wanted) & (runs["status"] == "done")].drop_duplicates("key")
        for name, (_, decimals) in LATENTS.items():
            known = done.dropna(subset=[name]) if name in done else done.iloc[:0]
            values = {key: [float(v)] for key, v in zip(known["key"], known.get(name, ()), strict=True)}
            cells[row, name] = replace(
                _cell(runs, wanted, values), where=_where(model, dataset, name, None), decimals=decimals
            )
    wanted_by = {cell.wanted for cell in cells.values() if cell.wanted}
    spread = "" if wanted_by <= {1} else f": mean ± standard deviation over {_span(wanted_by)} trainings"
    notes = (
        "Squared error of reconstructed test images, summed over pixels; standard deviation of their latents over "
        "images, mean over dimensions.",
        "The latents' mean and covariance against the density that is sampled, whitened by its moments: norm of the "
        "mean, relative Frobenius distance of the covariance to the identity; 0 is a match.",
        "NLL: of the latents under that density, in nats; its zero depends on the latents' scale.",
    )
    short = "" if grid.preset == "paper" else ", a shorter budget than the paper's"
    return Table(
        name="latents",
        caption=f"Latents and the density they are sampled from{spread}. Preset {grid.preset}{short}.",
        notes=(*notes, *_legend(cells), *grid.notes),
        rows=MappingProxyType(rows),
        columns=MappingProxyType({name: label for name, (label, _) in LATENTS.items()}),
        cells=MappingProxyType(cells),
        metric="diagnostics",
        preset=grid.preset,
    )


def _rows(grid: Grid) -> tuple[dict[str, Pair], dict[str, str]]:
    """One row for each model on each data set: row -> (model, data set), row -> label."""
    pairs = {f"{model} on {dataset}": (model, dataset) for dataset in grid.datasets for model in grid.models}
    several = len(grid.datasets) > 1
    return pairs, {r: grid.models[m] + (f", {grid.datasets[d]}" if several else "") for r, (m, d) in pairs.items()}


def _difference(a: Mapping[str, list[float]], b: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Training by training: mean over draws of a, less that of b; where both are there."""
    return {key: [fmean(a[key]) - fmean(b[key])] for key in a if key in b}


def _fewer(runs: DataFrame, grid: Grid) -> dict[str, int]:
    """Data sets with fewer images to decode than there are samples -> how many."""
    found = {}
    for dataset, identity in grid.protocol_ids.items():
        mine = runs[(runs["protocol_id"] == identity) & (runs["source"] == "posterior")].dropna(subset=["n"])
        if len(mine) and (mine["n"] < mine["n_fake"]).any():
            found[dataset] = int(mine["n"].min())
    return found


# --- what a number depends on


def sensitivity(runs: DataFrame, grid: Grid) -> Table:
    """The same samples scored under each metric protocol that people use (the table behind Appendix B.4).

    Arguments as `table1`; the grid's `variants` say which protocols there are.
    """
    columns: dict[str, tuple[str | None, str]] = {}  # column -> model, or None for the training images; data set
    labels: dict[str, str] = {}
    for dataset, name in grid.datasets.items():
        of = f", {name}" if len(grid.datasets) > 1 else ""
        for model, label in grid.models.items():
            columns[f"{model} on {dataset}"], labels[f"{model} on {dataset}"] = (model, dataset), label + of
        columns[f"floor of {dataset}"] = (None, dataset)
        labels[f"floor of {dataset}"] = "training images" + of
    cells: dict[Pair, Cell] = {}
    for column, (only, dataset) in columns.items():
        source = "prior" if only else "floor"
        # The floor is in the record of every training on a data set: any one will do.
        keys = [k for (m, d), k in grid.keys.items() if d == dataset and only in (m, None)]
        wanted = tuple(key for some in keys for key in some)
        draws = grid.draws if source == "prior" else 1
        base: dict[str, list[float]] = {}
        for variant in grid.labels:
            identity = grid.variants.get((dataset, variant))
            counted = _counted(runs, wanted, grid.metric, source, identity, draws)
            found = _trainings(counted, wanted, grid.metric, draws)
            if only is None:
                found = dict([*found.items()][:1])
            base = found if variant == "base" else base
            cell = _cell(runs, wanted if only else (), found)
            shift = [fmean(found[k]) / fmean(base[k]) - 1 for k in found if fmean(base.get(k, [0.0])) > 0]
            aside = f" ({_percent(fmean(shift))})" if shift and found is not base else ""
            where = {**_where(only, dataset, source, identity), "variant": variant}
            cells[variant, column] = replace(cell, where=where, aside=aside, decimals=None if only else 2)
    cells = _finer(cells)
    notes = (
        "In brackets: against the first row.",
        f"{NOTHING}: the data set or the extractor cannot have it, or the images would be compared with themselves.",
        "Training images are scored as if they were samples; stretched: each image to [0, 1] by its own minimum and "
        "maximum, as in the code of Two-Stage VAE; JPEG: by Pillow, in memory.",
        *(f"Metric protocols on {grid.datasets[d]}: " + ", ".join(
            f"{label}: {grid.variants[d, v]}" for v, label in grid.labels.items() if (d, v) in grid.variants
        ) + "." for d in grid.datasets),
    )  # fmt: skip
    return Table(
        name="sensitivity",
        caption=_caption(cells, grid, lead="The same images scored under several metric protocols. "),
        notes=(*notes, *grid.notes),
        rows=grid.labels,
        columns=MappingProxyType(labels),
        cells=MappingProxyType(cells),
        metric=grid.metric,
        preset=grid.preset,
        head="Protocol",
    )


# --- captions


def _caption(cells: Mapping[Pair, Cell], grid: Grid, lead: str = "") -> str:
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
    if grid.draws > 1 and wanted:
        spread = (
            f"mean ± standard deviation over {_span(wanted)} training{'s' * (wanted != {1})} ± standard deviation over "
            f"the {grid.draws} sample sets of one"
        )
    short = "" if grid.preset == "paper" else ", a shorter budget than the paper's"
    direction = "between generated and real images, lower is better"
    return f"{lead}{quantity} {direction}: {spread}. Preset {grid.preset}{short}."


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
    }
    return tuple(text for text, used in texts.items() if used)


def _paper_notes(cells: Mapping[Pair, Cell], grid: Grid, paper: Mapping[Pair, Published]) -> tuple[str, ...]:
    """Whose the columns marked “paper” are, and the paper's own footnotes to the cells shown."""
    shown = [pair for pair, cell in cells.items() if cell.paper is not None]
    if not shown:
        return ()
    told = [
        "Columns marked “paper”: Table 1 of “Generative Latent Flow”, mean ± standard deviation over 10 trials, “each "
        "trial is computing the FID between 10k generated images and 10k real images”. By that sentence, and by its "
        "size, its ± is to be compared with ours over sample sets"
        + (", the second one" if grid.draws > 1 else ", of which there is one here, hence no such ±")
        + "; if a trial was a training, with ours over trainings"
        + (", the first one." if grid.draws > 1 else ".")
    ]
    if any(cells[pair].cited for pair in shown):
        told.append("(cited): the paper cites this number and trained no such model.")
    for model, dataset in shown:
        entry = paper[model, dataset]
        if entry.note and not entry.cited:
            told.append(f"The paper on {entry.label}, {grid.datasets[dataset]}: {entry.note}")
    return tuple(told)


def _percent(share: float) -> str:
    """+5 %, −3 %, or 0 % where there is nothing to see."""
    percent = round(100 * share)
    return f"{percent:+d} %".replace("-", "−") if percent else "0 %"


# --- the registry


@dataclass(frozen=True)
class Kind:
    """A table, and what it needs of each training's record.

    Attributes:
        build: from the runs frame and a grid.
        sources: keys of `evaluation.SOURCES`.
        variants: keys of `evaluation.VARIANTS`; None: all that a data set can have.
        diagnostics: whether it needs `records.DIAGNOSTICS`.
        pictures: whether sample grids belong to it.
    """

    build: Callable[[DataFrame, Grid], Table]
    sources: tuple[str, ...] = ("prior",)
    variants: tuple[str, ...] | None = ("base",)
    diagnostics: bool = False
    pictures: bool = False


TABLES: dict[str, Kind] = {
    "table1": Kind(table1, pictures=True),
    "criteria": Kind(criteria, ("prior", "posterior", "reconstruction", "floor")),
    "latents": Kind(latents, diagnostics=True),
    "sensitivity": Kind(sensitivity, ("prior", "floor"), None),
}
