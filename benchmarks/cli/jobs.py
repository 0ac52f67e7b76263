"""Commands for launched runs: status, retry, cancel."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cli.commands import DONE, FAILED, USER_ERROR
from benchmarks.execution.options import Options, UserErrors, names
from benchmarks.program import suggest
from slurm import CLUSTERS, cancel_jobs, cluster_name, list_jobs, resolve_cluster

if TYPE_CHECKING:
    from benchmarks.experiments.job import Job


def status(args: Namespace) -> int:
    """Print what is done, running, pending and failed."""
    from benchmarks.execution.status import report

    print(report(Path(args.results), list_jobs, cluster_name))
    return DONE


def cancel(args: Namespace) -> int:
    """Stop everything that runs for a results folder, wherever it runs; return 1 if SLURM did not answer."""
    from benchmarks.execution import launches

    results = Path(args.results)
    code, count = DONE, 0
    queue: Mapping[str, str] | None = None
    name: str | None = None
    for path, launch in launches.launches(results).items():
        if launch["jobs"] and queue is None:
            queue, name = list_jobs(), cluster_name()
        # Without an answer from SLURM the jobs may still be there.
        jobs = [*launch["jobs"]] if queue is None else [j for j in launches.jobs(launch, name) if j in queue]
        # A launch that was cancelled before may still have jobs, if SLURM did not answer.
        if not jobs and (launch["cancelled"] or not launches.is_launcher_alive(path, launch)):
            continue
        launches.cancel(path)
        count += 1
        # Read again: the launcher may have submitted more before it saw that it was cancelled.
        later = launches.launches(results)[path]
        jobs += [job for job in later["jobs"] if job not in launch["jobs"]]
        # Without an answer the job numbers may belong to others by now: they are not reported as cancelled.
        if jobs and (queue is None or not cancel_jobs(jobs)):
            print(f"error: SLURM did not answer, so jobs {', '.join(jobs[:5])} may still run; cancel again where it "
                  "answers", file=sys.stderr)  # fmt: skip
            code = FAILED
        where = f"{len(jobs)} SLURM jobs" if jobs else f"the launcher on {launch['owner']['host']}"
        print(f"cancelled: {where}, started {time.strftime('%Y-%m-%d %H:%M', time.localtime(launch['at']))}")
    print("finished runs are kept; `retry` runs the rest" if count else "nothing is running")
    return code


def retry(args: Namespace) -> int:
    """Run the launched commands of a results folder again: runs that failed, are missing or were lost.

    If a launch names external classes, their modules are imported. Anyone who can write into the folder can add such a
    name, so the command line of `retry` must name each of them, too.

    Raises:
        UserErrors: the command line names a class that no launch names.
    """
    from benchmarks.execution.launches import launches

    launched: dict[str, list[dict[str, Any]]] = {}
    for launch in launches(Path(args.results)).values():
        launched.setdefault(json.dumps(launch["command"]), []).append(launch)
    commands = {text: same_command[0]["command"] for text, same_command in launched.items()}
    allowed = _external_classes(vars(args))
    launched_classes = set().union(*(_external_classes(command["options"]) for command in commands.values()))
    named = {("--only", name) for name in names(args.only or "") if name}
    named |= {("--features", args.features)} if args.features else set()
    if errors := sorted(named - launched_classes):
        raise UserErrors([f"retry {' '.join(pair)}: no launch in {args.results} names such a class of your own; retry "
                        "takes these options to allow what is imported, not to choose" for pair in errors])  # fmt: skip
    codes, waiting = [DONE], 0
    for text, command in commands.items():
        if refused := sorted(_external_classes(command["options"]) - allowed):
            allow = _as_options(sorted({*allowed, *refused}))
            _print_errors(command, [f"its launch file would import this code: "
                                    f"{', '.join(name for _, name in refused)}. If it is yours, allow it by: "
                                    f"{suggest(f'retry {allow}', args.results)}"])  # fmt: skip
            codes.append(USER_ERROR)
            continue
        result = _retry(args, command, launched[text])
        if result is not None:
            codes.append(result[0])
            waiting += result[1]
    if waiting:
        from benchmarks.cli.tables import submit_in_background

        codes.append(submit_in_background(args, Path(args.results)))
    if len(codes) == 1:
        what = "every run that was launched is done" if commands else f"nothing was launched into {args.results}"
        print(f"nothing to retry: {what}")
    return max(codes)


def _retry(args: Namespace, command: dict[str, Any], launched: Sequence[dict[str, Any]]) -> tuple[int, int] | None:
    """Run the rest of one launched command again; return what `execute` returns, or None if nothing is left to do.

    Only runs that the launch files name are started. If settings have changed since the launch, for example by an
    update, all runs of the command have new keys. Runs that were done before are not started again even then.
    """
    from benchmarks.cli import output
    from benchmarks.cli.densities import command as densities
    from benchmarks.cli.plan_display import print_missing
    from benchmarks.cli.tables import execute, with_force
    from benchmarks.execution import placement
    from benchmarks.execution.launches import current_options
    from benchmarks.execution.planning import make_plan
    from benchmarks.execution.status import unfinished_cells
    from benchmarks.reporting.registry import REQUIREMENTS
    from benchmarks.reporting.style import TableStyle

    name = command["what"]
    if name not in REQUIREMENTS and name != densities.NAME:
        known = ", ".join((*REQUIREMENTS, densities.NAME))
        _print_errors(command, [f"this version has no such command; known: {known}"])
        return USER_ERROR, 0
    cluster = resolve_cluster(command["options"].get("cluster", "auto") if args.cluster == "auto" else args.cluster)
    options = Options(**{**current_options(command["options"]), "results": args.results, "cluster": cluster})
    keys = {key for launch in launched for key in launch["cells"]}
    unfinished = unfinished_cells(Path(args.results), launched)
    launched_at = time.strftime("%Y-%m-%d %H:%M", time.localtime(launched[-1]["at"]))
    if name == densities.NAME:
        try:
            code = densities.retry(options, command, lambda job: _is_left(job, keys, unfinished, launched),
                                   launched_at, args.dry_run)  # fmt: skip
        except UserErrors as error:  # the other commands go on
            _print_errors(command, error.errors)
            code = USER_ERROR
        return None if code is None else (code, 0)
    errors = placement.find_slurm_errors(options.cluster, Path(options.results))
    style = TableStyle.from_options(options, errors)
    try:
        plan = make_plan(options, CLUSTERS, REQUIREMENTS[name], name, errors, args.dry_run)
        plan = placement.place_on_slurm(plan, options.device)
        output.refuse_to_replace(name, plan)
    except UserErrors as error:  # the other commands go on
        if keys and not unfinished:
            return None
        _print_errors(command, error.errors)
        return USER_ERROR, 0
    plan = with_force(plan, command.get("force", ""))
    pending = [job for job in plan.pending() if not keys or _is_left(job, keys, unfinished, launched)]
    outlined = [outline for outline in plan.outlines if not keys or unfinished]
    if not pending and not outlined:
        return None
    states = Counter(plan.state(job) for job in pending)
    counts = ", ".join(f"{count} {state}" for state, count in states.items()) or "unknown runs"
    print(f"retry {name}, launched {launched_at}: {counts}")
    if args.dry_run:
        print_missing([plan])
        plan = replace(plan, jobs=tuple(pending))
    wait = not args.no_wait or cluster != "slurm"
    return execute(name, plan, command, style, dry_run=args.dry_run, yes=True, wait=wait, pending=pending)


def _is_left(
    job: Job, keys: set[str], unfinished: Mapping[str, Mapping[str, Any]], launched: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether a pending job is a launched run of a command that has not finished.

    Args:
        job: a pending job of the command's plan.
        keys: all runs that the command has launched.
        unfinished: those without a complete record.
        launched: launches of the command.
    """
    key, trial = job.trial.key, job.trial
    if key not in keys:  # its settings have changed since the launch
        return any((cell.get("model"), cell.get("dataset"), cell.get("seed"))
                   == (trial.name, trial.dataset, trial.seed) for cell in unfinished.values())  # fmt: skip
    if job.force_id and key not in unfinished and not job.run_folder.exists():
        # Only the run's record is left. It is that of the forced run if it is newer than the launch.
        begun = min(float(launch["at"]) for launch in launched if key in launch["cells"])
        return _recording_time(job.results, key) + 1 <= begun  # records have full seconds
    return True


def _recording_time(results: Path, key: str) -> float:
    """When a run was recorded, in seconds since 1970; 0 if its record does not say."""
    from benchmarks.experiments import records

    finished = (records.find(results, key) or {"provenance": {}})["provenance"].get("finished")
    return datetime.fromisoformat(finished).timestamp() if finished else 0.0


def _print_errors(command: Mapping[str, Any], errors: Sequence[str]) -> None:
    for error in errors:
        print(f"error: {command['what']}: {error}", file=sys.stderr)


def _external_classes(options: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The external classes that options would import, each with its option."""
    import zoo
    from benchmarks.evaluation import names as feature_names

    models = {name.partition("+")[0] for name in names(str(options.get("only") or ""))}
    features = str(options.get("features") or "")
    classes = {("--only", model) for model in models if zoo.is_external(model)}
    return classes | ({("--features", features)} if feature_names.is_external(features) else set())


def _as_options(classes: Sequence[tuple[str, str]]) -> str:
    """The command-line options that name these classes."""
    by_option: dict[str, list[str]] = {}
    for option, name in classes:
        by_option.setdefault(option, []).append(name)
    return " ".join(f"{option} {','.join(class_names)}" for option, class_names in by_option.items())
