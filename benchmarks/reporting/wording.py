"""The text of captions and notes: all sentences that tables and figures print.

A caption has at most two sentences. Everything else is a note with a label of `NOTE_LABELS`, always in that order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from benchmarks.analysis import verdicts
from benchmarks.execution.requirements import Grid
from benchmarks.presets import PRESETS
from benchmarks.protocols import OURS
from benchmarks.reporting.tables.table import MISSING, Note

CITED_NOTE = Note("Paper", "(cited): the paper cites this number and trained no such model.")
NO_VERDICTS = "No verdicts: {}."

# --- captions


def distance_caption(grid: Grid, run_counts: set[int], subject: str = "samples") -> str:
    """The caption of a table of distances; only the column `fid` is called FID.

    Args:
        grid: of the table.
        run_counts: numbers of runs that its cells should have.
        subject: the images that are compared with the reference images.
    """
    metric = grid.metric
    if metric == "fid":
        quantity = f"FID of {subject}"
    elif metric.startswith("fd_"):
        quantity = f"Fréchet distance on {metric.removeprefix('fd_')} features ({metric}, not FID) of {subject}"
    else:
        quantity = f"{metric} of {subject}"
    return f"{quantity}, lower is better: {describe_statistic(run_counts, grid.draws)}. {budget(grid.preset)}"


def describe_statistic(run_counts: set[int], sample_sets: int) -> str:
    """The statistic of each number, and the number of runs or sample sets that it is over."""
    if not run_counts:
        return "no runs"
    if run_counts == {1}:
        return "one run" if sample_sets < 2 else f"mean over the {sample_sets} sample sets of one run"
    return f"mean ± standard deviation over {format_range(run_counts)} runs"


def budget(preset: str) -> str:
    """The preset, and whether it is shorter than the paper's budget."""
    return f"Preset {preset}." if preset == "paper" else f"Preset {preset}, a shorter budget than the paper's."


def format_range(counts: Collection[int]) -> str:
    """One count as "10", several as "3 to 10"."""
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low} to {high}"


# --- notes on how the numbers were made


def measurement_notes(grid: Grid) -> Iterator[Note]:
    """Notes on a table of distances: images, features, metric protocols."""
    data = {
        dataset: f"{p.n_fake:,} generated images against {p.n_real:,} reference images of the {p.split} split"
        + (f"; it is a folder of images with the settings of {grid.folders[dataset]}, not a data set of the paper"
           if dataset in grid.folders else "")
        for dataset, p in grid.metric_protocols.items()
    }  # fmt: skip
    features = {dataset: p.extractor for dataset, p in grid.metric_protocols.items()}
    details = {
        dataset: ", ".join(filter(None, (
            p.extractor, f"{p.dims} dimensions", f"weights {p.weights[:8]}", f"images {p.input}",
            grid.extractor_notes.get(dataset, ""),
        )))
        for dataset, p in grid.metric_protocols.items()
    }  # fmt: skip
    protocols = {dataset: f"{p.id} ({p.quantization})" for dataset, p in grid.metric_protocols.items()}
    yield from _dataset_note("Data", data, grid)
    yield from _dataset_note("Features", details, grid, features)
    yield from _dataset_note("Metric protocol", protocols, grid, {})


def _dataset_note(
    label: str, texts: Mapping[str, str], grid: Grid, brief: Mapping[str, str] | None = None
) -> Iterator[Note]:
    """One note on all data sets; data sets with the same text share it."""
    if texts:
        short = None if brief is None else _join_datasets(brief, grid)
        yield Note(label, _join_datasets(texts, grid), short)


def _join_datasets(texts: Mapping[str, str], grid: Grid) -> str:
    labels: dict[str, list[str]] = {}
    for dataset, text in texts.items():
        labels.setdefault(text, []).append(grid.datasets[dataset])
    return " ".join(f"{join(names)}: {text}." for text, names in labels.items())


def budget_notes(grid: Grid) -> Iterator[Note]:
    """Notes on the training budget, on settings that differ from the paper's, and on unusual data."""
    preset = PRESETS.get(grid.preset)
    if preset and (preset.images or preset.steps):
        images = f"{preset.images:,} training images and " if preset.images else ""
        yield Note("Budget", f"At most {images}{preset.steps:,} steps in each stage. Schedules shrink in proportion.")
    elif preset:
        others = [label for model, label in grid.models.items() if re.search(r"[\[,.](budget|epochs)=", model)]
        full = f"full length, except {join(others)}" if others else "full length"
        yield Note("Budget", f"All training images, and schedules of {full}.")
    for dataset, warnings in grid.data_warnings.items():
        yield Note("Data", f"{grid.datasets[dataset]}: {'; '.join(warnings)}.")
    if grid.own_settings:
        yield Note("Settings of ours", _describe_own_settings(grid), _summarize_own_settings(grid))


def _describe_own_settings(grid: Grid) -> str:
    """Each setting that differs from the paper's, with its models. The most common one is last, for all others."""
    parts = {}
    for dataset in grid.datasets:
        models: dict[str, list[str]] = {}
        for (model, other), setting in grid.own_settings.items():
            if other == dataset:
                models.setdefault(setting.removeprefix(OURS).lstrip(": "), []).append(grid.models[model])
        count = sum(map(len, models.values()))
        is_every_model = count == sum(other == dataset for _, other in grid.keys)
        ordered = sorted(models, key=lambda setting: len(models[setting]))
        groups = [f"{join(models[setting])}: {setting}" for setting in ordered]
        if is_every_model and ordered and len(models[ordered[-1]]) > 3:
            rest = "All models" if len(ordered) == 1 else "All other models"
            groups[-1] = f"{rest}: {ordered[-1]}"
        if groups:
            parts[dataset] = ". ".join(groups)
    return _join_datasets(parts, grid) if len(grid.datasets) > 1 else f"{next(iter(parts.values()))}."


def _summarize_own_settings(grid: Grid) -> str:
    counts = Counter(dataset for _, dataset in grid.own_settings)
    totals = Counter(dataset for _, dataset in grid.keys)
    parts = [
        f"{'all' if count == totals[dataset] else f'{count} of the'} {totals[dataset]} models on "
        f"{grid.datasets[dataset]}"
        for dataset, count in counts.items()
    ]
    text = join(parts)
    return f"{text[0].upper()}{text[1:]} (the full notes list them)."


def environment_notes(
    devices: Mapping[str, int], torch_versions: Mapping[str, int], uncommitted: Mapping[str, int]
) -> Iterator[Note]:
    """Notes on the runs behind the numbers, if their devices or versions differ, or if they ran uncommitted code.

    Args:
        devices: device -> number of runs.
        torch_versions: version of torch -> number of runs.
        uncommitted: commit -> number of runs of code with changes on top of it.
    """
    for lead, counts in (("Devices of the runs", devices), ("Versions of torch", torch_versions)):
        if len(counts) > 1:
            yield Note("Environment", f"{lead}: {_list_counts(counts)}.", "")
    if uncommitted:
        text = f"The code of some runs had uncommitted changes, on top of {_list_counts(uncommitted)}."
        yield Note("Environment", text)


def _list_counts(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{name} ({counts[name]})" for name in sorted(counts))


# --- notes on how to read the numbers


def spread_note(run_counts: set[int], sample_sets: int) -> Note:
    """What each ± is computed over."""
    if sample_sets > 1 and run_counts == {1}:
        text = (
            f"The first ± would be over runs ({MISSING} for one run). The second is over its {sample_sets} sample sets."
        )
    elif sample_sets > 1:
        text = (
            f"The first ± is the standard deviation over runs, the second that over the {sample_sets} sample sets of "
            "one run."
        )
    elif run_counts == {1}:
        text = "One run has no spread."
    else:
        text = "± is the standard deviation over runs."
    return Note("Statistics", text)


def bold_note(has_lost_runs: bool) -> Note:
    """What bold print means."""
    return Note(
        "Statistics",
        f"Bold: the lowest of its column{', of the models without diverged or failed runs' * has_lost_runs}.",
    )


def outlier_note(row: str, column: str, outliers: Sequence[float], runs: int, median: str) -> Note:
    """A note that one or two outlying runs of a cell dominate its mean."""
    extreme = max(outliers, key=abs)
    are = "is" if len(outliers) == 1 else "are"
    text = f"{row}, {column}: {len(outliers)} of {runs} runs {are} far off the others ({extreme:.2g}); median {median}."
    return Note("Statistics", text)


def missing_notes(
    measured: int, wanted: int, *, unit: str = "runs", partial: bool = False, diverged: bool = False,
    failed: bool = False, empty: bool = False,
) -> Iterator[Note]:  # fmt: skip
    """What is missing from a table, and the signs for it in the cells.

    Args:
        measured: number of runs (or other units) that exist.
        wanted: number that the table should have.
        unit: what is counted.
        partial: whether some cell has only some of its runs.
        diverged: whether some run diverged.
        failed: whether some run failed.
        empty: whether some cell has no number.
    """
    texts = {
        f"{measured} of {wanted} {unit} are there.": measured < wanted,
        "(m/n): m of n runs are done.": partial,
        "[n diverged]: n runs ended with a number that is not finite.": diverged,
        "[n failed]: n runs ended with an error.": failed,
        f"{MISSING}: no number.": empty,
    }
    shown = [text for text, is_used in texts.items() if is_used]
    if shown:
        yield Note("Missing", " ".join(shown))


def weights_notes(grid: Grid) -> Iterator[Note]:
    """Which models cannot be trained here, because weights are missing."""
    for model, problem in grid.missing_weights.items():
        yield Note("Missing", f"{grid.models[model]} {problem}.")


# --- notes on the paper's numbers


def order_notes(
    correlations: Mapping[str, str], lowest: Sequence[str], left_out: Mapping[str, Sequence[str]]
) -> Iterator[Note]:
    """The order of the models. It can be compared with the paper's order even if the metric differs.

    Args:
        correlations: label of a data set -> Spearman's correlation with its details.
        lowest: which model is lowest on each data set, with its probability.
        left_out: label of a data set -> models that lost a run.
    """
    texts = []
    if correlations:
        listed = "; ".join(f"{label} {text}" for label, text in correlations.items())
        texts.append(f"Spearman's rank correlation with the paper's order (1 is the same order): {listed}.")
    texts += lowest
    texts += [
        f"Left out on {label}, because runs diverged or failed: {join(models)}." for label, models in left_out.items()
    ]
    if texts:
        yield Note("Order", " ".join(texts), "")


def lowest_model(label: str, model: str, models: int, probability: float, runs: str) -> str:
    """Which model is lowest on a data set, and with what probability."""
    return (
        f"On {label}, {model} has the lowest distance of {models} models with probability {probability:.2f} "
        f"(parametric bootstrap over {runs} runs)."
    )


def paper_source_note(table: str, sample_sets: int) -> Note:
    """The source of the columns marked “paper”, and which of our spreads is comparable to theirs."""
    source = f"“paper”: Table {table} of “Generative Latent Flow”, mean ± standard deviation over 10 trials"
    which = ", the second one" if sample_sets > 1 else ", which one sample set does not have"
    return Note(
        "Paper",
        f"{source}, each “between 10k generated images and 10k real images”. The paper does not say what a trial is. "
        f"If it is a sample set, its ± compares with ours over sample sets{which}. If it is a run, it compares with "
        f"ours over runs{', the first one' if sample_sets > 1 else ''}.",
        f"{source}.",
    )


def verdict_note(outcomes: Iterable[str], margin: float) -> Note:
    """The signs of verdicts, and the test behind them."""
    signs = ", ".join(f"{sign} {name}" for name, sign in verdicts.VERDICT_SIGNS.items() if name in set(outcomes))
    test = (
        f"two one-sided t-tests at {100 * verdicts.SIGNIFICANCE_LEVEL:g} % over runs; the margin is the larger of "
        f"{100 * margin:g} % of the paper's number and {verdicts.MARGIN_STDS} of its standard deviations; undecided "
        f"with fewer than {verdicts.MIN_RUNS} runs"
    )
    return Note("Paper", f"{signs}: {test}.", f"{signs}.")


def join(names: Sequence[str]) -> str:
    """A list in words: "A", "A and B", "A, B and C"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
