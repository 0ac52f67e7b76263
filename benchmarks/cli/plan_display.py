"""The output of `--dry-run`: the states of all runs, the settings of each row, and the work that is left."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as Sheet

from benchmarks.cli.time_estimate import estimate_time
from benchmarks.execution import placement
from benchmarks.execution.plan import Plan, describe_settings
from benchmarks.experiments.job import Job
from benchmarks.experiments.trial import Trial
from benchmarks.reporting import wording
from benchmarks.reporting.tables.table import merge_notes

STATES = (
    "done",
    "diverged",
    "failed",
    "pending",
    "unreadable",
    "missing weights",
)  # in the order in which they are counted


def print_missing(plans: Sequence[Plan]) -> None:
    """Print what this machine lacks for the runs of a dry run, each item once."""
    for message in dict.fromkeys(message for plan in plans for message in plan.missing):
        print(f"missing: {message}")


def print_plan(plan: Plan, console: Console) -> None:
    """Print a plan."""
    if plan.fixed_grid is not None:
        console.print("nothing to run: this table is made from measurements of benchmarks.perf.speed", soft_wrap=True)
        return
    console.print(_grid(plan))
    reasons: dict[str, list[str]] = {}
    for outline in plan.outlines:
        reasons.setdefault(outline.reason, []).append(outline.trials[0].dataset)
    for reason, datasets in reasons.items():
        text = f"states of the runs on {', '.join(dict.fromkeys(datasets))} unknown, because {reason}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    shown = [jobs[0].trial for _, _, jobs in plan.cells()] + [outline.trials[0] for outline in plan.outlines]
    for trial in shown:
        head = f"{trial.name} on {trial.dataset}: {trial.images:,} images"
        console.print(head, style="bold", highlight=False, markup=False)
        for line in describe_settings(trial):
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    if plan.jobs:
        grid = plan.grid()
        notes = (*wording.measurement_notes(grid), *wording.budget_notes(grid), *wording.weights_notes(grid))
        for note in merge_notes(notes):
            console.print(f"{note.label}: {note.text}", highlight=False, markup=False, soft_wrap=True)
    console.print(_summary(plan), soft_wrap=True)


def print_slurm_arrays(pending: Sequence[Job], console: Console) -> None:
    """Print the arrays of SLURM jobs that would be submitted for runs."""
    for line in placement.describe_slurm_arrays(pending, placement.group_key, placement.resources_of, "runs"):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _grid(plan: Plan) -> Sheet:
    sheet = Sheet("model", "data set", "runs", "steps of a run", "left", title=f"preset {plan.preset}")
    for model, dataset, jobs in plan.cells():
        states = [plan.state(job) for job in jobs]
        counts = ", ".join(f"{states.count(state)} {state}" for state in STATES if state in states)
        left = states.count("pending") + states.count("failed")
        sheet.add_row(model, dataset, counts, f"{jobs[0].trial.steps:,}", str(left))
    for outline in plan.outlines:
        trial, count = outline.trials[0], len(outline.trials)
        sheet.add_row(trial.name, trial.dataset, f"{count} unknown", f"{trial.steps:,}", f"at most {count}")
    return sheet


def _count_runs(n: int) -> str:
    return f"{n} run{'s' * (n != 1)}"


def _summary(plan: Plan) -> str:
    """How many runs are left, and how long they train."""
    pending = plan.pending()
    unknown = [trial for outline in plan.outlines for trial in outline.trials]
    if not pending and not unknown:
        skipped = sum(plan.state(job) in plan.SKIPPED for job in plan.jobs)
        cannot = f"{_count_runs(skipped)} cannot be made here, and no other is left"
        return f"nothing to run: {cannot if skipped else 'every run is done'}"
    untrained = plan.untrained()
    counts = [f"{_count_runs(len(pending))} to do"] if pending else []
    counts += [f"at most {len(unknown)} {'more' if pending else 'runs'} whose states are unknown"] if unknown else []
    trials: list[Trial] = [job.trial for job in untrained] + unknown
    if not trials:
        return f"{', '.join(counts)}: their models are trained, and only have to be scored"
    on_gpu = plan.on_gpu or any(job.device != "cpu" for job in plan.jobs)
    workers = 0 if plan.cluster == "slurm" else plan.workers
    return f"{', '.join(counts)}: {estimate_time(trials, plan.results, workers, on_gpu)}"
