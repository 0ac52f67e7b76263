"""The output of a launcher: progress bars on a terminal, and one line for the outcome of each run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.evaluation.scoring import Scorer
from benchmarks.execution import locks
from benchmarks.experiments.job import Job
from benchmarks.experiments.log import failure_log, read_progress
from benchmarks.experiments.new_record import record_failure
from benchmarks.printing import escape_terminal_line
from slurm import Outcome


@contextmanager
def progress_bars(pending: list[Job], console: Console) -> Iterator[tuple[Callable[[], None], Callable[[str], None]]]:
    """Show a bar for all runs and one for each that is running."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        total_bar = progress.add_task("steps of all runs", total=sum(job.trial.steps for job in pending))
        bars: dict[Path, TaskID] = {}
        ended: set[Path] = set()

        def poll() -> None:
            done = 0
            for job in pending:
                state = read_progress(job.run_folder)
                if state is None:
                    if job.run_folder in bars and job.run_folder not in ended:
                        ended.add(job.run_folder)
                        progress.update(bars[job.run_folder], visible=False)
                    done += job.trial.steps if job.run_folder in ended else 0
                    continue
                if job.run_folder not in bars:
                    description = f"{job.trial.name} {job.trial.dataset} seed {job.trial.seed}"
                    bars[job.run_folder] = progress.add_task(description, total=state["total"])
                progress.update(bars[job.run_folder], completed=state["done"])
                done += state["done"]
            progress.update(total_bar, completed=done)

        yield poll, lambda line: progress.console.print(line, highlight=False, markup=False, soft_wrap=True)


def describe_outcome(outcome: Outcome[Job, dict[str, Any] | None], scorer: Scorer) -> str:
    """An outcome in one line; a failure that could not record itself is recorded here.

    Args:
        outcome: of a job.
        scorer: what scores the job's data set in this command.
    """
    if outcome.error is None:
        return escape_terminal_line(_describe_record(outcome.value or {}, scorer, outcome.item))
    last_line = outcome.error.strip().splitlines()[-1]
    if not outcome.ran:
        return f"not submitted: {last_line}"
    try:
        with locks.locked(outcome.item.run_folder) as is_ours:
            if not is_ours:
                return f"failed: {last_line}; another launcher runs it now"
            record_failure(outcome.item, outcome.error)
            log = failure_log(outcome.item.results, outcome.item.trial.key)
    except (OSError, ValueError) as reason:  # a full disk, removed data, a record of a newer version
        return f"failed: {last_line}; not recorded: {reason}"
    return f"failed: {last_line}; traceback: {log}"


def _format(value: float) -> str:
    """A number with two decimals, or two digits if it is small."""
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def _describe_record(record: dict[str, Any], scorer: Scorer, job: Job) -> str:
    """The metrics that the command asks for, under its metric protocol. A record may hold further ones."""
    if record["status"] == "failed":
        return f"failed: {record['error']['message']}; traceback: {failure_log(job.results, job.trial.key)}"
    if record["status"] != "done":
        return f"{record['status']}: {record['error']['message']}"
    values: dict[str, list[float]] = {name: [] for name in scorer.metric_parameters(job.metrics)}
    for evaluation in record["evaluations"]:
        if evaluation["source"] == "prior" and evaluation["protocol_id"] == scorer.base_protocol.id:
            for name in values.keys() & evaluation["values"].keys():
                values[name].append(evaluation["values"][name])
    seconds = sum(row["seconds"] for row in record["epochs"])
    numbers = ", ".join(f"{name} {_format(sum(v) / len(v))}" for name, v in values.items() if v)
    return f"{numbers or 'done'} ({seconds:.0f} s of training)"
