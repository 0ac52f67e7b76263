"""Tables and figures: plan a command, run what is missing, write the result."""

from __future__ import annotations

import sys
import uuid
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from benchmarks.cli import output
from benchmarks.cli.commands import DONE
from benchmarks.cli.console import make_console
from benchmarks.cli.data import data_root
from benchmarks.cli.plan_display import print_missing, print_plan, print_slurm_arrays
from benchmarks.execution import launcher, launches, placement
from benchmarks.execution.options import MissingErrors, Options, UserErrors, names
from benchmarks.execution.plan import Plan
from benchmarks.execution.planning import make_plan
from benchmarks.execution.selection import UntrainedClassifiers, train_classifiers
from benchmarks.experiments import records
from benchmarks.experiments.job import Job
from benchmarks.experiments.restart import is_forced
from benchmarks.program import suggest
from benchmarks.reporting.registry import FIGURES, REQUIREMENTS, TABLES
from benchmarks.reporting.style import TableStyle
from slurm import CLUSTERS, resolve_cluster


def run(args: Namespace) -> int:
    """Run what is missing for a table or figure, then write it; returns the exit code."""
    options = options_of(args)
    return _run_plans(args, {args.command if args.is_known else "table1": options}, args.errors)


def run_all(args: Namespace) -> int:
    """Run and write every table and figure of the paper, including Table 3."""
    from benchmarks.cli.report import write_table3

    options = options_of(args)
    errors = list(args.errors)
    if options.keep != "weights":
        errors.append("all --keep logs would train each model again for each table. Leave out --keep logs, and delete "
                      "RESULTS/runs afterwards")  # fmt: skip
    code = _run_plans(args, _tables_and_figures(options), errors)
    return code if args.dry_run else max(code, write_table3(args))


def options_of(args: Namespace) -> Options:
    """The options of a command that plans runs, with the data root of the environment and the cluster resolved."""
    values = {field.name: value for field in fields(Options) if (value := getattr(args, field.name, None)) is not None}
    root = data_root(args)
    return Options(
        **{**values, "data_root": None if root is None else str(root), "cluster": resolve_cluster(args.cluster)}
    )


def _tables_and_figures(options: Options) -> dict[str, Options]:
    """What `all` writes: the tables of the paper, and the figures whose models the command asks for.

    Figures with learning curves come first. Runs made without a learning curve would have to be repeated.
    """
    only = None if options.only is None else names(options.only)
    requested = {}
    for name in sorted(REQUIREMENTS, key=lambda name: not REQUIREMENTS[name].learning_curve):
        if name in TABLES and name.startswith("table"):
            requested[name] = options
        elif name in FIGURES:
            models = [model for model in FIGURES[name].available_models if only is None or model in only]
            # If the command names no models, the plan leaves out those that cannot run here.
            if models:
                requested[name] = options if only is None else replace(options, only=",".join(models))
    return requested


def _run_plans(args: Namespace, requested: Mapping[str, Options], errors: Sequence[str]) -> int:
    """Check everything, then run one table or figure after the other; returns the highest exit code.

    Raises:
        UserErrors: all errors; nothing was started. Those of the command are reported without what this machine lacks.
    """
    options = next(iter(requested.values()))
    errors, missing = [*errors, *placement.find_slurm_errors(options.cluster, Path(options.results))], list[str]()
    style = TableStyle.from_options(options, errors)
    plans: dict[str, Plan] = {}
    untrained: UntrainedClassifiers | None = None
    for name, table_options in requested.items():
        try:
            plan = make_plan(table_options, CLUSTERS, REQUIREMENTS[name], name, errors, args.dry_run or args.existing)
            plans[name] = placement.place_on_slurm(plan, table_options.device)
            output.refuse_to_replace(name, plans[name])
        except UntrainedClassifiers as error:
            untrained = error
        except MissingErrors as error:
            missing += error.errors
        except UserErrors as error:
            errors += error.errors
    if errors or missing:
        raise UserErrors(errors or missing)
    if untrained is not None:
        _train_classifiers(untrained, args, options)
        return _run_plans(args, requested, [])
    if args.existing and not args.dry_run:
        _check_existing([*plans.values()])
    else:
        print_missing([*plans.values()])
    first = next(iter(plans.values()))
    if args.no_wait and first.cluster != "slurm" and not args.dry_run:
        if first.preset == "paper" and not args.yes and (pending := first.pending()):
            raise UserErrors([_ask_first(len(pending))])
        return launcher.detach([word for word in args.arguments if word != "--no-wait"], first.results)
    commands = {
        name: {"what": name, "options": asdict(replace(requested[name], cluster=args.cluster))} for name in plans
    }
    force = _force_id(next(iter(commands.values())), [*plans.values()]) if args.force else ""
    codes = [DONE]
    for name, plan in plans.items():
        if args.dry_run and len(plans) > 1:
            print(name)
        command = commands[name] | {"force": force}
        code, waiting = execute(name, with_force(plan, force), command, style,
                                dry_run=args.dry_run, yes=args.yes, wait=not args.no_wait,
                                existing=args.existing)  # fmt: skip
        codes.append(code)
        if waiting:
            codes.append(submit_in_background(args, plan.results))
            break
    return max(codes)


def _train_classifiers(untrained: UntrainedClassifiers, args: Namespace, options: Options) -> None:
    """Train the classifiers of a command's images, which are scored by their features.

    Raises:
        UserErrors: the command returns at once, or needs a confirmation before anything starts.
    """
    if args.no_wait:
        raise UserErrors([f"{error}; --no-wait does not wait for it" for error in untrained.errors])
    if options.preset == "paper" and not args.yes:
        raise UserErrors(["a classifier has to be trained before runs at the paper's budget. Add --yes to start both"])
    train_classifiers(untrained, lambda line: print(line, flush=True))


def submit_in_background(args: Namespace, results: Path) -> int:
    """Start a launcher that submits the runs that SLURM does not accept yet, and waits for their ends."""
    print("a launcher in the background submits the rest as jobs end. If it dies, run: "
          f"{suggest('retry', results)}")  # fmt: skip
    confirmed = ["--yes"] if hasattr(args, "yes") and not args.yes else []
    return launcher.detach([*(word for word in args.arguments if word != "--no-wait"), *confirmed], results)


def execute(
    name: str,
    plan: Plan,
    command: dict[str, Any],
    style: TableStyle,
    *,
    dry_run: bool,
    yes: bool,
    wait: bool = True,
    existing: bool = False,
    pending: list[Job] | None = None,
) -> tuple[int, int]:
    """Run what is missing for one table or figure and write it.

    Args:
        name: name of the table or figure.
        plan: its plan.
        command: the command as launch files store it, for `retry`.
        style: how the table is printed.
        dry_run: only print the plan.
        yes: do not ask before runs at the paper's budget.
        wait: until all runs have ended; else submit them and return.
        existing: start nothing; write the result of the existing runs.
        pending: the jobs to run; None: all that have something left to do.

    Returns:
        The exit code, and the number of runs that SLURM does not accept yet; 0 if `wait`.

    Raises:
        UserErrors: the paper's budget needs `--yes`, or SLURM refused all runs.
    """
    console = make_console()
    pending = plan.pending() if pending is None else pending
    if dry_run:
        print_plan(plan, console)
        if plan.cluster == "slurm":
            print_slurm_arrays(pending, console)
        return DONE, 0
    if existing:
        output.write(name, plan, style, console)
        return DONE, 0
    if pending and plan.preset == "paper" and not yes:
        print_plan(plan, console)
        if not sys.stdin.isatty():
            raise UserErrors([_ask_first(len(pending))])
        if input(f"Train {len(pending)} models at the paper's budget? [y/N] ").strip().lower() not in ("y", "yes"):
            print("nothing started")
            return DONE, 0
    waiting = launcher.run(plan, pending, console, command, wait)
    if pending and not wait:
        return DONE, waiting
    return output.write(name, plan, style, console), 0


def _check_existing(plans: Sequence[Plan]) -> None:
    """Check that there are runs for the tables of `--existing`.

    Raises:
        UserErrors: data is missing, so that the keys of the runs are unknown; or no run of any table has ended.
    """
    if missing := dict.fromkeys(message for plan in plans if plan.outlines for message in plan.missing):
        raise UserErrors([*missing])
    if any(plan.state(job) in ("done", "diverged", "failed") for plan in plans for job in plan.jobs):
        return
    results = plans[0].results
    runs = records.read_evaluations(results).drop_duplicates("key")
    kinds = Counter(zip(runs["preset"], runs["precision"], strict=True))
    listed = ", ".join(
        f"{n} of preset {preset} with --precision {precision}" for (preset, precision), n in kinds.items()
    )
    raise UserErrors([f"no run of this command is in {results}. Records there: {listed or 'none'}"])


def _ask_first(count: int) -> str:
    return f"{count} runs at the paper's budget need confirmation. Add --yes to start them"


def with_force(plan: Plan, force: str) -> Plan:
    """The plan with all of its runs to be restarted for the `--force` with this id; "" for none."""
    return replace(plan, jobs=tuple(replace(job, force_id=force) for job in plan.jobs))


def _force_id(command: dict[str, Any], plans: Sequence[Plan]) -> str:
    """The id of this `--force`, for all tables of the command, so that each run is restarted once.

    If the same command was interrupted, its id is used again, and the runs that it has finished are not restarted.
    """
    last_id = launches.last_force(plans[0].results, command)
    if last_id is not None and any(is_forced(job.run_folder, last_id) for plan in plans for job in plan.jobs):
        return last_id
    return uuid.uuid4().hex
