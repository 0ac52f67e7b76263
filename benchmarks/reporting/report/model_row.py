"""One model on one data set in the report: its cell of Table 1, all its runs, and how to rerun them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.experiments import records
from benchmarks.presets import PRESETS
from benchmarks.reporting.figures.palette import model_color
from benchmarks.reporting.report.dot_strip import Scale, dot_strip
from benchmarks.reporting.report.number_format import format_fixed
from benchmarks.reporting.report.provenance import settings_lines
from benchmarks.reporting.report.rerun import RerunCommand, format_commit, rerun_command
from benchmarks.reporting.tables.metric_cell import MetricCell
from benchmarks.reporting.tables.table import MISSING, Table

# Columns of the runs frame that the line of a run shows
RUN_COLUMNS = (
    "seed",
    "status",
    "error",
    "device",
    "torch",
    "precision",
    "revision",
    "train_fingerprint",
    "protocol_row",
    "commit",
    "dirty",
)


@dataclass(frozen=True)
class ModelRow:
    """A model's row in a data set's section.

    Attributes:
        color: of its dots and curves, #rrggbb.
        value: as the table prints it, with a note about missing runs.
        is_in_preset: whether the preset's Table 1 has the model.
        is_best: whether its mean is the lowest of the column.
        dots: a chart with a dot per run.
        published: the paper's number, or "".
        interval: 95 % interval of the mean, or "".
        delta: difference to the paper's number, with its interval and the margin, or "".
        verdict: whether the paper's number is reproduced, or "".
        reason: behind an undecided verdict, or "".
        run_count: number of runs, "2 of 3" if not all have a distance, or "not trained".
        preset_note: number of runs that the preset has, if that is more; or "".
        failures: number of runs that diverged or failed, or "".
        n_excluded: number of runs of another kind.
        runs: for each run `RUN_COLUMNS`, its key, and its distance as `value` and as `printed_value`.
        settings: how they were trained, a line per stage.
        rerun: how to rerun the cell.
    """

    model: str
    label: str
    color: str
    value: str
    is_in_preset: bool
    is_best: bool
    dots: Markup
    published: str
    interval: str
    delta: str
    verdict: str
    reason: str
    run_count: str
    preset_note: str
    failures: str
    n_excluded: int
    runs: list[dict[str, Any]]
    settings: list[str]
    rerun: RerunCommand


def table_cell(table: Table | None, model: str, dataset: str) -> MetricCell | None:
    """A cell of Table 1, or None if there is none."""
    cell = table.cells.get((model, dataset)) if table else None
    return cell if isinstance(cell, MetricCell) else None


def model_row(
    evidence: Evidence,
    model: str,
    dataset: str,
    table: Table | None,
    scale: Scale,
    first_record: Mapping[str, Any],
    results: Path,
    results_name: str,
) -> ModelRow:
    """The row of one model.

    Args:
        evidence: the records at one preset.
        model: of the row.
        dataset: of the section.
        table: the data set's Table 1.
        scale: of the section's dots.
        first_record: the record of the cell's first run; {} without runs.
        results: results folder.
        results_name: how commands name it.
    """
    keys, sample = evidence.keys(model, dataset), evidence.distance(model, dataset)
    cell = table_cell(table, model, dataset)
    values = dict(cell.run_means) if cell else dict(zip(sample.keys, map(float, sample.values), strict=True))
    texts = cell.render(table.decimals) if cell and table else {}
    decimals = (cell.decimals if cell and cell.decimals is not None else table.decimals) if table else 1
    runs = _run_lines(evidence, keys, values, decimals, results)
    dots = {f"seed {run['seed']} ({run['key'][:8]})": run["value"] for run in runs if run["value"] is not None}
    # The verdict has a column of its own here
    missing = re.sub(r" [≈<>?]$", "", cell.suffix()) if cell else ""
    preset = PRESETS.get(evidence.preset)
    statuses = evidence.statuses(model, dataset).value_counts()
    return ModelRow(
        model=model,
        label=model_label(model),
        color=model_color(model),
        value=f"{texts[''].value}{missing}" if texts else MISSING,
        is_in_preset=preset is None or model in preset.models,
        is_best=bool(cell and cell.is_best),
        dots=dot_strip(dots, scale, model_color(model), f"{model_label(model)}: {len(dots)} runs",
                              cell.paper.mean if cell and cell.paper else None),
        published=texts["paper"].value if "paper" in texts else "",
        **_verdict_texts(cell, decimals),
        run_count=_describe_run_count(len(keys), len(values)),
        preset_note=f"the preset: {preset.seeds}" if preset and 0 < len(keys) < preset.seeds else "",
        failures=", ".join(f"{n} {status}" for status, n in statuses.items() if status != "done"),
        n_excluded=evidence.n_excluded_runs(model, dataset),
        runs=runs,
        settings=settings_lines(first_record),
        rerun=rerun_command(evidence, model, dataset, results_name),
    )  # fmt: skip


def _run_lines(
    evidence: Evidence, keys: tuple[str, ...], values: Mapping[str, float], decimals: int, results: Path
) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for run in evidence.runs.loc[[*keys], [*RUN_COLUMNS]].reset_index().to_dict("records"):
        key = str(run["key"])
        lines.append({
            **{str(name): value for name, value in run.items()},
            "value": values.get(key),
            "printed_value": format_fixed(values.get(key), decimals + 2),  # runs differ in more digits than their mean
            "error": failure_message(evidence, key, results) if isinstance(run["error"], str) else "",
            "commit": format_commit(run["commit"], run["dirty"]),
        })  # fmt: skip
    return lines


def _verdict_texts(cell: MetricCell | None, decimals: int) -> dict[str, str]:
    """The fields of a `ModelRow` that compare the cell with the paper."""
    verdict = cell.verdict if cell else None
    if verdict is None:
        return dict.fromkeys(("interval", "delta", "verdict", "reason"), "")
    low, high, delta, delta_low, delta_high, margin = (
        format_fixed(value, decimals)
        for value in (
            verdict.low,
            verdict.high,
            verdict.delta,
            verdict.delta_low,
            verdict.delta_high,
            verdict.margin,
        )
    )
    return {
        "interval": f"{low} to {high}" if verdict.low is not None else "",
        "delta": f"{delta} ({delta_low} to {delta_high}), margin {margin}" if verdict.delta is not None else "",
        "verdict": verdict.outcome,
        "reason": verdict.reason,
    }


def _describe_run_count(n_runs: int, n_measured: int) -> str:
    if not n_runs:
        return "not trained"
    return str(n_runs) if n_measured == n_runs else f"{n_measured} of {n_runs}"


def failure_message(evidence: Evidence, key: str, results: Path) -> str:
    """Why a run failed.  Records count epochs from 0 in each stage; the page counts them from 1 over all stages."""
    error = (records.find(results, key) or {}).get("error") or {}
    message, epoch = str(error.get("message") or ""), error.get("epoch")
    if not isinstance(epoch, int):
        return message
    # It ended in its last stage: the epochs of all others come before
    n_before = int((evidence.epochs_of([key], ["stage"])["stage"] != error.get("stage")).sum())
    return re.sub(rf"\bepoch {epoch}\b", f"epoch {n_before + epoch + 1}", message)
