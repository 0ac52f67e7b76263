"""Run a list of commands for a limited time, and merge the results of several machines."""

from __future__ import annotations

import heapq
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.campaign.archive import ArchiveError, import_archives, pack
from benchmarks.campaign.definition import begin_campaign, end_campaign, new_records, read_steps
from benchmarks.cli.commands import DONE, FAILED
from benchmarks.cli.console import make_console
from benchmarks.cli.options import OPTIONS, parameter
from benchmarks.cli.parser import parse
from benchmarks.cli.tables import options_of
from benchmarks.cli.time_estimate import estimate_seconds, format_time
from benchmarks.execution import launcher, placement
from benchmarks.execution.options import MissingErrors, Options, UserErrors
from benchmarks.execution.plan import Plan
from benchmarks.execution.planning import make_plan
from benchmarks.experiments.job import Job
from benchmarks.program import suggest
from benchmarks.reporting.registry import REQUIREMENTS
from slurm import CLUSTERS

# Options of `campaign` itself, which hold for all of its steps
SHARED = ("results", "data-root", "cluster", "workers", "runs-per-gpu", "device", "precision", "engine",
          "nondeterministic")  # fmt: skip
# Options that a step may not name, besides those
NOT_IN_STEPS = ("keep", "no-wait", "existing", "dry-run", "yes", "force", "format", "decimals", "notes", "margin")
# The share of the time that is kept for the end of the current epoch and for the archive, and its bounds in seconds
RESERVE, MIN_RESERVE, MAX_RESERVE = 0.1, 15.0, 60.0


@dataclass(frozen=True)
class Step:
    """One command of a campaign.

    Attributes:
        text: the command, as in the file.
        name: the table or figure.
        options: the options of the command and of the campaign.
        plan: its runs; None if this machine lacks data or weights for them.
        missing: the data and weights that this machine lacks, as messages.
    """

    text: str
    name: str
    options: Options
    plan: Plan | None = None
    missing: tuple[str, ...] = ()


def run(args: Namespace) -> int:
    """Run the missing runs of a campaign until all are done or the time is up, then pack the new results.

    Returns:
        0: all runs are done, or the time is up; 1: some runs failed.

    Raises:
        UserErrors: what is wrong with the command or the campaign's file; nothing was started.
    """
    started, errors = time.monotonic(), list[str]()
    if len(args.names) != 1:
        errors.append(f"campaign needs one file, got {' '.join(args.names) or 'none'}")
    minutes = _parse_positive_number("--minutes", args.minutes, errors)
    limit = _parse_positive_number("--archive-mb", args.archive_mb, errors)
    if limit is not None and limit < 1:
        errors.append(f"--archive-mb must be at least 1, so that every record fits, got {args.archive_mb!r}")
    errors += _archive_errors(args.archive)
    steps = _plan_steps(args, read_steps(Path(args.names[0])), errors) if not errors else []
    if errors:
        raise UserErrors(errors)
    for step in steps:
        for message in step.missing:
            print(f"warning: step skipped: {step.text}: {message}", file=sys.stderr)
    if all(step.plan is None for step in steps):
        raise UserErrors(["this machine cannot run any step of the campaign; the reasons are above"])
    if args.dry_run:
        _print_plan(steps)
        return DONE
    if minutes is None and not args.yes and any(step.options.preset == "paper" for step in steps):
        raise UserErrors(["a campaign at the paper's budget needs --minutes, or --yes to run until all is done"])
    results = Path(args.results)
    before = begin_campaign(results)
    deadline = None if minutes is None else started + _time_to_train(60 * minutes)
    is_complete = _run_steps(steps, deadline, args.states)
    code = _report(steps, results, new_records(results, before), args, (limit or 16.0) * 2**20, is_complete)
    end_campaign(results)
    return code


def run_import(args: Namespace) -> int:
    """Merge archives into a results folder; existing files are kept, except for incomplete records.

    Raises:
        UserErrors: an archive cannot be imported; nothing was written.
    """
    if not args.names:
        raise UserErrors(["import needs at least one archive, as the command campaign writes them"])
    try:
        imported = import_archives([Path(name) for name in args.names], Path(args.results))
    except ArchiveError as error:
        raise UserErrors(str(error).splitlines()) from None
    except OSError as error:
        raise UserErrors([f"{error.filename}: {error.strerror}"]) from None
    records = [sum(name.startswith("records/") for name in names)
               for names in (imported.added, imported.extended, imported.equal)]  # fmt: skip
    extended = f", {records[1]} completed" if records[1] else ""
    print(f"{records[0]} records added to {args.results}{extended}, {records[2]} were there already")
    for name in imported.kept:
        if name.startswith("records/"):
            print(f"kept {Path(args.results, name)}: the archive has another record of the same run")
    return DONE


def _time_to_train(seconds: float) -> float:
    """The seconds in which a campaign may train: its time without what is kept for its end."""
    return max(0.0, seconds - min(MAX_RESERVE, max(MIN_RESERVE, RESERVE * seconds)))


def _archive_errors(text: str | None) -> list[str]:
    """Why no archive can be written at a path: an archive replaces nothing, neither a file nor a device."""
    if not text:
        return []
    path = Path(text)
    if os.path.lexists(path):
        return [f"--archive {text} exists already; name a new file"]
    folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return [f"--archive {text} cannot be written: {folder} is no folder that you may write to; name another file"]
    return []


def _parse_positive_number(option: str, text: str | None, errors: list[str]) -> float | None:
    """The number of an option, above 0 and below a million; None if it is not given or wrong."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        errors.append(f"{option} must be a number above 0 and below 1000000, got {text!r}")
        return None
    return value


def _plan_steps(args: Namespace, steps: Sequence[Sequence[str]], errors: list[str]) -> list[Step]:
    """Check all steps and plan them; what is wrong with them is added to `errors`, each message once."""
    planned = []
    steps_by_message: dict[str, list[str]] = {}
    for number, words in enumerate(steps, start=1):
        text = " ".join(words)
        try:
            planned.append(_plan_step(args, text, words))
        except UserErrors as error:
            for message in error.errors:
                steps_by_message.setdefault(message, []).append(f"step {number}, {text!r}")
    for message, where in steps_by_message.items():
        others = f" and {len(where) - 1} other step{'s' * (len(where) > 2)}" if len(where) > 1 else ""
        errors.append(f"{where[0]}{others}: {message}")
    return planned


def _plan_step(args: Namespace, text: str, words: Sequence[str]) -> Step:
    if help_words := sorted({"-h", "--help", "--version"} & {*words}):
        raise UserErrors([f"a step takes no {', '.join(help_words)}"])
    parsed, problems = parse(words or ["(an empty step)"])
    if parsed.is_known and parsed.command not in REQUIREMENTS:
        problems.append(f"a step writes a table or figure: {', '.join(REQUIREMENTS)}")
    named = [option for option in (*SHARED, *NOT_IN_STEPS)
             if getattr(parsed, parameter(option), None) not in (OPTIONS[option].default, None, False)]  # fmt: skip
    where = "; name it on the command line of campaign"
    problems += [f"a step takes no --{option}{where if option in SHARED else ''}" for option in named]
    if problems:
        raise UserErrors(problems)
    for option in SHARED:
        setattr(parsed, parameter(option), getattr(args, parameter(option)))
    options = options_of(parsed)
    try:
        needs = REQUIREMENTS[parsed.command]
        plan = make_plan(options, CLUSTERS, needs, parsed.command, dry_run=args.dry_run)
        return Step(text, parsed.command, options, placement.place_on_slurm(plan, options.device))
    except MissingErrors as error:
        return Step(text, parsed.command, options, missing=tuple(error.errors))


def _print_plan(steps: Sequence[Step]) -> None:
    """How many runs each step has left, and how long they train; a run of an earlier step is not counted again."""
    plans = [step.plan for step in steps if step.plan is not None]
    for message in dict.fromkeys(message for plan in plans for message in plan.missing):
        print(f"missing: {message}")
    seen: set[str] = set()
    for step in steps:
        if step.plan is None:
            continue
        new = [job for job in step.plan.pending() if job.trial.key not in seen]
        seen |= {job.trial.key for job in new}
        seconds = _estimate(new, step.plan)
        known = [value for value in seconds if value is not None]
        time_left = f", {format_time(sum(known))} of training" if known else ""
        unknown = sum(len(outline.trials) for outline in step.plan.outlines)
        counts = [f"{len(new)} of {len(step.plan.jobs)} runs to do"] if step.plan.jobs else []
        counts += [f"at most {unknown} runs to do, whose states are unknown"] if unknown else []
        print(f"{step.text}: {', '.join(counts)}{time_left}")


def _run_steps(steps: Sequence[Step], deadline: float | None, states: bool) -> bool:
    """Run one step after the other; returns whether all of them were completed before the deadline."""
    try:
        with _interrupted_at(deadline):  # inside the try: a deadline in the past interrupts it on entry
            for step in steps:
                if step.plan is None:
                    continue
                pending = step.plan.pending()
                chosen = pending if deadline is None or states else _select_runs_that_fit(pending, step.plan, deadline)
                print(f"step: {step.text}: {len(chosen)} of {len(pending)} missing runs", flush=True)
                command = {"what": step.name, "options": asdict(step.options), "force": ""}
                launcher.run(replace(step.plan, jobs=tuple(chosen)), chosen, make_console(), command, wait=True)
    except KeyboardInterrupt:
        if deadline is None or time.monotonic() < deadline:
            raise
        return False
    return True


@contextmanager
def _interrupted_at(deadline: float | None) -> Iterator[None]:
    """Interrupt the block at the deadline, as a user's `kill` does: runs save their state before they end."""
    if deadline is None:
        yield
        return
    earlier = signal.signal(signal.SIGTERM, signal.default_int_handler)
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.signal(signal.SIGTERM, earlier)


def _select_runs_that_fit(pending: Sequence[Job], plan: Plan, deadline: float) -> list[Job]:
    """The runs whose estimated end is before the deadline, and the runs without an estimate.

    The archive has no saved states, so the training of other runs would be lost with this machine.
    """
    workers = [0.0] * max(1, plan.workers)  # when each worker is free, in seconds from now
    left = deadline - time.monotonic()
    chosen = []
    for job, seconds in zip(pending, _estimate(pending, plan), strict=True):
        free = workers[0]
        if free + (seconds or 0.0) <= left:
            chosen.append(job)
            heapq.heapreplace(workers, free + (seconds or 0.0))
    return chosen


def _estimate(jobs: Sequence[Job], plan: Plan) -> list[float | None]:
    """Seconds of training of each job: 0 if it only has to be scored, None if its speed is not known."""
    on_gpu = plan.on_gpu or any(job.device != "cpu" for job in jobs)
    untrained = {job.trial.key for job in plan.untrained()}
    estimates = estimate_seconds([job.trial for job in jobs], plan.results, on_gpu)
    return [seconds if job.trial.key in untrained else 0.0 for job, seconds in zip(jobs, estimates, strict=True)]


def _report(
    steps: Sequence[Step], results: Path, keys: Sequence[str], args: Namespace, max_bytes: float, is_complete: bool
) -> int:
    """Pack the new results, and print what was done and what is left; returns the exit code."""
    plans = [step.plan for step in steps if step.plan is not None]
    jobs = {job.trial.key: (plan, job) for plan in plans for job in plan.jobs}
    states = {key: plan.state(job) for key, (plan, job) in jobs.items()}
    left = sum(state == "pending" for state in states.values())
    if not is_complete:
        print("the time is up")
    again = ": run the same command again" + (" with another --archive" if args.archive else "")
    print(f"new records: {len(keys)}; runs left: {left}" + (again if left else ""))
    cut = [key for key in jobs if args.states and (results / "runs" / key / "state.pt").is_file()]
    name = time.strftime("campaign-%Y%m%d-%H%M%S.zip")
    target = Path(args.archive) if args.archive else results / "archives" / name
    for path in pack(results, {*keys, *cut}, target, int(max_bytes), states=args.states):
        print(f"packed: {path} ({path.stat().st_size / 2**20:.1f} MiB)")
        print(f"to merge it on another machine: {suggest(f'import {path.name}', 'RESULTS')}")
    return FAILED if "failed" in states.values() else DONE
