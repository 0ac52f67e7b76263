"""Writing what a command asked for: a table or figure, its sample grids, and the paths that are printed last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmarks.analysis.evidence import Evidence
from benchmarks.cli.commands import DONE, FAILED
from benchmarks.evaluation import image_grid
from benchmarks.evaluation.names import image_file_name
from benchmarks.execution.options import UserErrors
from benchmarks.execution.plan import Plan
from benchmarks.experiments import records
from benchmarks.experiments.log import failure_log
from benchmarks.files.names import file_name
from benchmarks.files.writing import replacing
from benchmarks.printing import escape_terminal_line
from benchmarks.reporting import speed_records
from benchmarks.reporting.figures.writer import write_figure
from benchmarks.reporting.formats.markdown import to_terminal
from benchmarks.reporting.formats.writer import selection_name, write_table
from benchmarks.reporting.registry import FIGURES, TABLES
from benchmarks.reporting.style import TableStyle
from benchmarks.reporting.tables import build_table


def refuse_to_replace(name: str, plan: Plan) -> None:
    """Check that a figure of preset paper is not overwritten by one of another preset.

    Raises:
        UserErrors: it would be overwritten.
    """
    path = plan.results / f"figures/{name}.md"
    if name not in FIGURES or plan.preset == "paper" or not path.is_file():
        return
    if "Preset paper" in path.read_text(encoding="utf-8"):
        message = f"{path} is of preset paper and is not replaced by preset {plan.preset}"
        raise UserErrors([f"{message}. Choose another folder with --results DIR"])


def write(name: str, plan: Plan, style: TableStyle, console: Console) -> int:
    """Build a table or figure from the records and write it; its path is printed last.

    Returns:
        The exit code: whether all of its runs are done.
    """
    grids: list[Path] = []
    selection = ""
    if name in FIGURES:
        paths = _write_figure(name, plan, console)
    else:
        grid = replace(plan.grid(), decimals=style.decimals, margin=style.margin)
        table = build_table(name, _frames(plan.results, TABLES[name].inputs), grid)
        selection = selection_name(name, grid)
        paths = write_table(table, plan.results, style.formats, notes=style.notes, selection=selection)
        grids = _copy_sample_grids(plan) if TABLES[name].has_image_grids else []
        console.print(to_terminal(table, style.notes or "full"), highlight=False, markup=False, soft_wrap=True)
    states = [plan.state(job) for job in plan.jobs]
    for job, state in zip(plan.jobs, states, strict=True):
        run = f"{job.trial.name} on {job.trial.dataset}, seed {job.trial.seed}"
        if state == "unreadable":
            console.print(f"{state}: {run}: the warning above says why", markup=False, soft_wrap=True)
        elif state in ("failed", "diverged") and (record := records.find(plan.results, job.trial.key)):
            where = f"; traceback: {failure_log(plan.results, job.trial.key)}" if state == "failed" else ""
            text = f"{state}: {run}: {record['error']['message']}{where}"
            console.print(escape_terminal_line(text), highlight=False, markup=False, soft_wrap=True)
    if name in TABLES:
        print(f"The same files are kept as {paths[0].parent / f'{name}--{selection}'}.*")
    for path in [*paths[1:], *grids, paths[0]]:
        print(path)
    return FAILED if {*states} & {"failed", "pending", "unreadable"} else DONE


def _write_figure(name: str, plan: Plan, console: Console) -> list[Path]:
    """Draw a figure of the plan's runs, and print its caption."""
    grid, (evaluations, epochs) = plan.grid(), records.read(plan.results)
    keys = {job.trial.key for job in plan.jobs}
    evidence = Evidence(evaluations[evaluations["key"].isin(keys)], epochs[epochs["key"].isin(keys)], plan.preset)
    paths = write_figure(name, evidence, grid.models, grid.datasets, plan.results)
    console.print(paths[2].read_text(encoding="utf-8").strip(), highlight=False, markup=False, soft_wrap=True)
    return paths


def _frames(results: Path, needed: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The frames that a table needs. Epochs are read only if needed, because they take longest."""
    if "epochs" in needed:
        return dict(zip(("evaluations", "epochs"), records.read(results), strict=True))
    if "speed" in needed:
        return {
            "evaluations": records.read_evaluations(results),
            "speed": speed_records.read_epoch_seconds(results / "speed"),
        }
    return {"evaluations": records.read_evaluations(results)}


def _copy_sample_grids(plan: Plan) -> list[Path]:
    """Copy one sample grid per cell, of its first finished run, and put those of each data set side by side."""
    folder = plan.results / "figures"
    grids: dict[str, dict[str, Path]] = {}
    for model, dataset, jobs in plan.cells():
        target = folder / image_file_name("samples", dataset, model)
        source = next((path for job in jobs if (path := job.run_folder / "samples.png").is_file()), None)
        if source is not None:
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(target) as temporary:
                temporary.write_bytes(source.read_bytes())
            grids.setdefault(dataset, {})[jobs[0].trial.label] = target
    return [
        image_grid.save_grids_side_by_side(by_label, folder / f"samples-{file_name(dataset)}.png")
        for dataset, by_label in grids.items()
    ]
