"""Our numbers against the paper's: verdicts, the order of the models, and the notes on both."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace

from pandas import DataFrame

from benchmarks.analysis import model_ranking, verdicts
from benchmarks.analysis.model_ranking import Ranking
from benchmarks.analysis.verdicts import Verdict
from benchmarks.data.datasets import DATASETS
from benchmarks.execution.requirements import Grid
from benchmarks.paper import NEAREST_DATASET, Pair, PublishedValue
from benchmarks.reporting import wording
from benchmarks.reporting.tables.metric_cell import MetricCell, format_signed
from benchmarks.reporting.tables.table import Note

PAPER_IMAGES = 10_000  # generated images, and real ones, behind each of the paper's distances


def rows_with_cited_models(grid: Grid, paper: Mapping[Pair, PublishedValue]) -> dict[str, str]:
    """The grid's models, and the models that the paper only cites at their place in its order: name -> label."""
    names, labels = [*grid.models], dict(grid.models)
    paper_order = [*dict.fromkeys(model for model, _ in paper)]
    for (model, dataset), value in paper.items():
        if value.is_cited and dataset in grid.datasets and model not in labels:
            following = [name for name in paper_order[paper_order.index(model) :] if name in grid.models]
            names.insert(names.index(following[0]) if following else len(names), model)
            labels[model] = value.label
    return {name: labels[name] for name in names}


def paper_footnotes(
    paper: Mapping[Pair, tuple[PublishedValue, ...]], shown: Container[Pair], grid: Grid
) -> Iterator[Note]:
    """Notes on the published numbers that a table shows; each once, with the models and data sets it is about."""
    printed = {pair: values for pair, values in paper.items() if pair in shown}
    for note in dict.fromkeys(value.note for values in printed.values() for value in values if value.note):
        noted = [pair for pair, values in printed.items() if any(value.note == note for value in values)]
        subjects = []
        for model in dict.fromkeys(model for model, _ in noted):
            datasets = [dataset for other, dataset in noted if other == model]
            is_every = len(datasets) > 1 and len(datasets) == sum(other == model for other, _ in printed)
            suffix = "" if is_every else f", {', '.join(grid.datasets[dataset] for dataset in datasets)}"
            subjects.append(paper[model, datasets[0]][0].label + suffix)
        yield Note("Paper", f"{'; '.join(subjects)}: {note}", "")


def compare_cell(cell: MetricCell, rows: DataFrame, grid: Grid, paper: PublishedValue | None) -> Verdict:
    """Compare a cell with the paper's number; only our interval, and a reason, where the two cannot be compared.

    Args:
        cell: means over runs.
        rows: the evaluations behind the cell.
        grid: of the table.
        paper: the paper's number for the cell.
    """
    values = [*cell.run_means.values()]
    image_counts = {int(n) for column in ("n_real", "n_fake") if column in rows for n in rows[column].dropna()}
    if grid.metric != "fid":
        reason = "another metric than the paper's"
    elif paper is None or paper.std is None:
        reason = "the paper has no such number"
    elif paper.is_cited:
        reason = "the paper only cites this number"
    elif grid.preset != "paper":
        reason = "a shorter budget than the paper's"
    elif image_counts - {PAPER_IMAGES}:
        reason = f"not from {PAPER_IMAGES:,} images of each kind"
    else:
        verdict = verdicts.compare_with_published(values, paper.mean, paper.std, relative_margin=grid.margin)
        lost = _lost_runs_reason(cell)
        return replace(verdict, outcome="undecided", reason=lost) if lost else verdict
    return Verdict(*verdicts.mean_interval(values), reason=reason)


def _lost_runs_reason(cell: MetricCell) -> str:
    """How many runs ended without a number, or "".  The remaining runs may be the luckier ones."""
    lost = [f"{n} {status}" for n, status in ((cell.runs_diverged, "diverged"), (cell.runs_failed, "failed")) if n]
    return f"of {cell.runs_wanted} runs, {' and '.join(lost)}" if lost else ""


def rank_column(cells: Mapping[Pair, MetricCell], dataset: str, paper: Mapping[Pair, PublishedValue]) -> Ranking:
    """Rank the models on a data set, and compare their order with the paper's.

    A model that lost a run is left out: its remaining runs may be the luckier ones, so it could rank too high.
    """
    ours = {
        model: [*cell.run_means.values()]
        for (model, d), cell in cells.items()
        if d == dataset and cell.runs_wanted and not _lost_runs_reason(cell)
    }
    paper_dataset = NEAREST_DATASET.get(dataset, dataset)
    theirs = {model: value.mean for (model, d), value in paper.items() if d == paper_dataset and not value.is_cited}
    return model_ranking.rank_models(ours, theirs)


def ranking_notes(rankings: Mapping[str, Ranking], cells: Mapping[Pair, MetricCell], grid: Grid) -> Iterator[Note]:
    """Notes on the order of the models, which can be compared even where the paper's numbers have another scale."""
    correlations, lowest, left_out = {}, [], {}
    for dataset, ranking in rankings.items():
        label, probabilities = grid.datasets[dataset], ranking.rank_probabilities
        if ranking.rho is not None:
            details = [f"{len(ranking.models)} models"]
            if ranking.low is not None and ranking.high is not None:
                interval = f"{format_signed(ranking.low)} to {format_signed(ranking.high)}"
                details.append(f"95 % interval over runs {interval}")
            if dataset in NEAREST_DATASET:
                details.append(f"against the paper's {DATASETS[NEAREST_DATASET[dataset]].label}")
            correlations[label] = f"{format_signed(ranking.rho)} ({', '.join(details)})"
        if probabilities:
            first = min(probabilities, key=lambda model: (-probabilities[model][0], model))
            runs = wording.format_range({cells[model, dataset].runs for model in probabilities})
            lowest.append(
                wording.lowest_model(label, grid.models[first], len(probabilities), probabilities[first][0], runs)
            )
        excluded = [
            grid.models[model]
            for (model, d), cell in cells.items()
            if d == dataset and cell.runs and _lost_runs_reason(cell)
        ]
        if excluded and (probabilities or ranking.rho is not None):
            left_out[label] = excluded
    yield from wording.order_notes(correlations, lowest, left_out)


def paper_notes(
    name: str, cells: Mapping[Pair, MetricCell], grid: Grid, paper: Mapping[Pair, PublishedValue]
) -> Iterator[Note]:
    """Notes on the columns marked “paper”: their source, the verdicts, and the paper's own footnotes."""
    shown = [pair for pair, cell in cells.items() if cell.paper is not None]
    if not shown:
        return
    yield wording.paper_source_note(name.removeprefix("table"), grid.draws)
    outcomes = {cell.verdict.outcome for cell in cells.values() if cell.verdict and cell.verdict.outcome}
    if outcomes:
        yield wording.verdict_note(outcomes, grid.margin)
    else:
        reasons = dict.fromkeys(
            cell.verdict.reason for pair, cell in cells.items() if cell.runs_wanted and cell.verdict and pair in shown
        )
        yield from (Note("Paper", wording.NO_VERDICTS.format(reason)) for reason in reasons)
    if any(paper[pair].is_cited for pair in shown):
        yield wording.CITED_NOTE
    yield from paper_footnotes({pair: (value,) for pair, value in paper.items()}, shown, grid)
