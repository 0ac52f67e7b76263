"""The output of `--dry-run`: the states of all runs, the settings of each row, and the work that is left."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as Sheet

from benchmarks.execution.plan import Plan, describe_settings, seconds_per_step
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


def print_plan(plan: Plan, console: Console) -> None:
    """Print a plan."""
    if plan.fixed_grid is not None:
        console.print("nothing to run: this table is made from measurements of benchmarks.perf.speed", soft_wrap=True)
        return
    console.print(_grid(plan))
    for model, dataset, jobs in plan.cells():
        head = f"{model} on {dataset}: {jobs[0].trial.images:,} images"
        console.print(head, style="bold", highlight=False, markup=False)
        for line in describe_settings(jobs[0].trial):
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    grid = plan.grid()
    notes = (*wording.measurement_notes(grid), *wording.budget_notes(grid), *wording.weights_notes(grid))
    for note in merge_notes(notes):
        console.print(f"{note.label}: {note.text}", highlight=False, markup=False, soft_wrap=True)
    console.print(_summary(plan), soft_wrap=True)


def _grid(plan: Plan) -> Sheet:
    sheet = Sheet("model", "data set", "runs", "steps each", "left", title=f"preset {plan.preset}")
    for model, dataset, jobs in plan.cells():
        states = [plan.state(job) for job in jobs]
        counts = ", ".join(f"{states.count(state)} {state}" for state in STATES if state in states)
        left = states.count("pending") + states.count("failed")
        sheet.add_row(model, dataset, counts, f"{jobs[0].trial.steps:,}", str(left))
    return sheet


def _summary(plan: Plan) -> str:
    """How many runs are left, and how long they take by the records of the results folder."""
    pending = plan.pending()
    if not pending:
        skipped = sum(plan.state(job) in plan.SKIPPED for job in plan.jobs)
        return "nothing to run: " + (
            f"{skipped} runs cannot be made here, the others are done" if skipped else "every run is done")  # fmt: skip
    cost = seconds_per_step(plan.results)
    seconds = 0.0
    for job in pending:
        for stage, schedule in job.trial.protocol.stages.items():
            pace = cost.get((job.trial.model, job.trial.dataset, stage))
            if pace is None:
                return f"{len(pending)} runs to do; no record of all their stages yet, so no estimate of the time"
            seconds += schedule.total(job.trial.images) * pace
    unit = "GPU-hours" if plan.jobs[0].device != "cpu" else "core-hours"
    return f"{len(pending)} runs to do, about {seconds / 3600:.2g} {unit} by this folder's records"
