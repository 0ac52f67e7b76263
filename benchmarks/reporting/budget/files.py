"""Writing what the command `budget` makes: the figures, their numbers and captions, and the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pandas import DataFrame

from benchmarks import environment
from benchmarks.analysis.budgets import Comparison, Source, budget_runs, compare_budgets
from benchmarks.analysis.evidence import model_label
from benchmarks.analysis.paper_setting import PAPER_DATASETS
from benchmarks.data.datasets import DATASETS
from benchmarks.experiments import records
from benchmarks.files.writing import replacing
from benchmarks.protocols import OURS
from benchmarks.reporting.budget.figure import CurveRow, curve_rows, draw_budgets, draw_learning_curves
from benchmarks.reporting.budget.text import Labels, budget_table, format_budget, order_sentence
from benchmarks.reporting.formats.csv import frame_to_csv
from benchmarks.reporting.formats.markdown import escape_markdown
from benchmarks.reporting.tables.table import Note, merge_notes
from benchmarks.reporting.wording import join

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RUNS_STEM, CURVES_STEM, TABLE_STEM = "budget", "learning-curves", "budget"


class NothingToCompare(ValueError):
    """No run of one of the models has a distance and a known budget."""


def write_budgets(sources: Sequence[Source], models: tuple[str, str], results: Path) -> list[Path]:
    """Write the figure of distance against budget, the learning curves if there are any, and the table.

    Args:
        sources: the records.
        models: names of the two models.
        results: the folder in which figures/ and tables/ are written.

    Returns:
        The paths written.

    Raises:
        NothingToCompare: a model has no run in these records.
    """
    runs, left_out = budget_runs(sources, models)
    if missing := [model_label(model) for model in models if not (runs["model"] == model).any()]:
        raise NothingToCompare(f"no run of {join(missing)} is in these records")
    labels = {model: model_label(model) for model in models}
    pair = (labels[models[0]], labels[models[1]])
    datasets = {name: DATASETS[name].label if name in DATASETS else name for name in _ordered(runs)}
    compared = compare_budgets(runs, models)
    compared.sort(key=lambda item: [*datasets].index(item.dataset))
    table = budget_table(compared, pair, datasets)
    caption = f"{_subject(runs)} against the training budget, lower is better"
    notes = budget_notes(runs, compared, pair, datasets, left_out)
    paths = _write(draw_budgets(runs, labels, datasets), runs, results, RUNS_STEM, caption, notes)
    if curves := curve_rows(sources, labels):
        figure, frame = draw_learning_curves(curves, datasets)
        curves_caption = "Distance of samples, and NLL of latents under the flow, while the models train"
        paths += _write(figure, frame, results, CURVES_STEM, curves_caption, curve_notes(curves, datasets))
    folder = results / "tables"
    paths.append(records.write_text(folder / f"{TABLE_STEM}.csv", frame_to_csv(table)))
    paths.append(records.write_text(folder / f"{TABLE_STEM}.md", _markdown(caption, _pipe_table(table), notes)))
    return paths


def _ordered(runs: DataFrame) -> list[str]:
    """Data sets of some runs: the paper's first."""
    present = [*dict.fromkeys(map(str, runs["dataset"]))]
    return [name for name in PAPER_DATASETS if name in present] + [n for n in present if n not in PAPER_DATASETS]


def _subject(runs: DataFrame) -> str:
    metrics = [*dict.fromkeys(runs["metric"][runs["distance"].notna()])]
    names = ["FID" if metric == "fid" else f"{metric} (a Fréchet distance, not FID)" for metric in metrics]
    return f"{join(names) if names else 'Distance'} of samples"


def budget_notes(
    runs: DataFrame,
    compared: Sequence[Comparison],
    labels: Labels,
    datasets: Mapping[str, str],
    left_out: Sequence[str],
) -> tuple[Note, ...]:
    """Notes on the runs behind the figure and the table."""
    notes = []
    for dataset, label in datasets.items():
        own = runs[runs["dataset"] == dataset]
        whose = "schedules of ours" if (own["schedule"] == OURS).any() else "Appendix B’s schedules"
        budgets: Any = own.groupby(["folder", "preset", "setting"], sort=False)
        listed = join([
            f"{format_budget(float(rows['budget'].max()))} is preset {preset}{f' with {setting}' if setting else ''} "
            f"({folder}; {int(rows['images'].iloc[0]):,} training images)"
            for (folder, preset, setting), rows in budgets
        ])  # fmt: skip
        notes.append(Note("Budget", f"{label}: 1 is the whole of {whose}; {listed}."))
        devices: Any = own.groupby(["folder", "device", "precision"], sort=False).size().items()
        ran = join([f"{n} of {folder} on {device} ({precision})" for (folder, device, precision), n in devices])
        notes.append(Note("Environment", f"{label}: runs {ran}."))
        if len(finished := own[own["distance"].notna()]):
            notes.append(
                Note("Metric protocol", f"{label}: {finished['protocol_id'].iloc[0]}, the same at all budgets.")
            )
        notes.append(Note("Order", order_sentence(label, [c for c in compared if c.dataset == dataset], labels)))
        if len(lost := own[own["status"] != "done"]):
            counts = join([f"{n} {status}" for status, n in lost.groupby("status").size().items()])
            notes.append(Note("Missing", f"{label}: {counts}; a cross marks them."))
    notes.append(
        Note("Budget", "A budget below 1 is not the paper’s setting; what is shown there holds at that budget.")
    )
    notes.append(Note("Statistics", "A small point is a run, with the mean over its sample sets; a circle is the mean "
                      "over runs, open if there are fewer than three; bars are ± one standard deviation. A model is "
                      "ahead if Welch’s t-test over runs says so at 5 %, after Holm’s correction over the budgets of a "
                      "data set."))  # fmt: skip
    notes += [Note("Missing", f"Left out: {join(left_out)}.")] if left_out else []
    return merge_notes(notes)


def curve_notes(rows: Sequence[CurveRow], datasets: Mapping[str, str]) -> tuple[Note, ...]:
    """Notes on the learning curves: their runs, their metric protocols, and what is not measured."""
    notes = [Note("Statistics", "Lines are means over runs, bands go from the lowest to the highest run. A density "
                  "that is fitted after training is fitted to the latents of each measured epoch. The NLL of training "
                  "and of test images is measured in evaluation mode on at most 10,000 images each. That of training "
                  "batches is the mean of the flow’s loss over an epoch.")]  # fmt: skip
    for row in rows:
        evidence, where = row.source.evidence, f"{datasets.get(row.dataset, row.dataset)}, {row.source.folder}"
        curves = evidence.learning_curves
        for name, label in row.models.items():
            keys = evidence.keys(name, row.dataset)
            with_points = curves["key"][curves["key"].isin(keys)].nunique()
            notes.append(Note("Data", f"{where}: {with_points} of {len(keys)} runs of {label} have a curve."))
    return merge_notes(notes)


def _write(
    figure: Figure, frame: DataFrame, results: Path, stem: str, caption: str, notes: Sequence[Note]
) -> list[Path]:
    """Write a figure, its numbers and its caption; the PNG comes first."""
    folder = results / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}{suffix}" for suffix in (".png", ".pdf")]
    for path in paths:
        with replacing(path, suffix=path.suffix) as temporary:
            # No date in the file: the same records give the same bytes
            figure.savefig(temporary, dpi=150, metadata={"CreationDate" if path.suffix == ".pdf" else "Software": None})
    environment.import_pyplot().close(figure)
    paths.append(records.write_text(folder / f"{stem}.csv", frame_to_csv(frame)))
    paths.append(records.write_text(folder / f"{stem}.md", _markdown(caption, [], notes)))
    return paths


def _markdown(caption: str, table: Sequence[str], notes: Sequence[Note]) -> str:
    listed = ["- " + escape_markdown(f"{note.label}: {note.text}") for note in notes]
    return "\n".join([escape_markdown(f"{caption}."), *(["", *table] if table else []), "", *listed]) + "\n"


def _pipe_table(frame: DataFrame) -> list[str]:
    """A frame of text as the lines of a pipe table."""
    lines = [f"| {' | '.join(map(escape_markdown, frame.columns))} |", "|" + " --- |" * len(frame.columns)]
    return lines + [
        f"| {' | '.join(escape_markdown(str(cell)) for cell in row)} |" for row in frame.itertuples(index=False)
    ]
