"""The command `densities`: train or reuse auto-encoders, fit every density to their latents, write the table."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.cli.commands import DONE, FAILED
from benchmarks.cli.console import make_console
from benchmarks.cli.plan_display import print_missing, print_plan, print_slurm_arrays
from benchmarks.cli.tables import options_of
from benchmarks.data.fingerprint import digest
from benchmarks.execution import launcher, placement
from benchmarks.execution.densities import launcher as fit_launcher
from benchmarks.execution.densities.placement import describe_fit_arrays
from benchmarks.execution.densities.planning import (
    DEFAULT_DENSITIES,
    REQUIREMENTS,
    FitPlan,
    make_fit_plan,
    parse_densities,
)
from benchmarks.execution.options import Options, UserErrors
from benchmarks.execution.planning import make_plan
from benchmarks.experiments import records
from benchmarks.experiments.densities.records import read_densities, read_record
from benchmarks.experiments.job import Job
from benchmarks.printing import escape_terminal_line
from benchmarks.reporting.figures.densities import write_density_figure
from benchmarks.reporting.formats.markdown import to_terminal
from benchmarks.reporting.formats.writer import selection_name, write_table
from benchmarks.reporting.style import TableStyle
from benchmarks.reporting.tables.densities import DensityGrid, densities_table
from slurm import CLUSTERS

NAME = "densities"  # of the command, also in launch files


def run(args: Namespace) -> int:
    """Run what is missing, then write the table and the figure; returns the exit code.

    Raises:
        UserErrors: all errors; nothing was started.
    """
    options = replace(options_of(args), only=args.autoencoder or ",".join(REQUIREMENTS.models or ()))
    density = args.density or DEFAULT_DENSITIES
    fit_plan, style = _make_plan(options, density, args.errors, args.dry_run, args.existing)
    console = make_console()
    if args.dry_run:
        return _print_dry_run(fit_plan, console)
    if not args.existing:
        plan = fit_plan.plan
        pending = plan.pending()
        if pending and plan.preset == "paper" and not args.yes:
            print_plan(plan, console)
            raise UserErrors([f"{len(pending)} runs at the paper's budget need confirmation. Add --yes to start them"])
        stored = {**asdict(replace(options, cluster=args.cluster)), "density": density}
        _run(fit_plan, pending, {"what": NAME, "options": stored, "force": ""}, console)
    return _write(fit_plan, style, console)


def retry(
    options: Options, command: Mapping[str, Any], is_left: Callable[[Job], bool], launched_at: str, dry_run: bool
) -> int | None:
    """Run again what a launched command has left; returns the exit code, or None if nothing is left.

    Args:
        options: those of the command, where it runs now.
        command: the command, from its launch file.
        is_left: whether a run is one that the command has launched.
        launched_at: when it was launched, for the message.
        dry_run: only print what would run.

    Raises:
        UserErrors: all errors; nothing was started.
    """
    density = str(command["options"].get("density") or DEFAULT_DENSITIES)
    fit_plan, style = _make_plan(options, density, [], dry_run, existing=False)
    left = FitPlan(fit_plan.plan, tuple(fit for fit in fit_plan.fits if is_left(fit.job)))
    pending = [job for job in fit_plan.plan.pending() if is_left(job)]
    if not pending and not left.pending():
        return None
    print(f"retry {NAME}, launched {launched_at}: {len(pending)} runs, {len(left.pending())} fits")
    console = make_console()
    if dry_run:
        return _print_dry_run(left, console)
    _run(left, pending, command, console)
    return _write(fit_plan, style, console)


def _make_plan(
    options: Options, density: str, known_errors: Sequence[str], dry_run: bool, existing: bool
) -> tuple[FitPlan, TableStyle]:
    """Check a command, and list its fits.

    Raises:
        UserErrors: all errors.
    """
    errors = [*known_errors, *placement.find_slurm_errors(options.cluster, Path(options.results))]
    style = TableStyle.from_options(options, errors)
    specs = parse_densities(density, errors)
    plan = make_plan(options, CLUSTERS, REQUIREMENTS, NAME, errors, dry_run or existing)
    if plan.outlines and existing:
        raise UserErrors([*plan.missing])
    return make_fit_plan(placement.place_on_slurm(plan, options.device), specs), style


def _run(fit_plan: FitPlan, pending: list[Job], command: Mapping[str, Any], console: Console) -> None:
    """Train the pending auto-encoders, then run the pending fits."""
    launcher.run(fit_plan.plan, pending, console, command, wait=True)
    fit_launcher.run(fit_plan, command, lambda line: print(escape_terminal_line(line), flush=True))


def _print_dry_run(fit_plan: FitPlan, console: Console) -> int:
    plan = fit_plan.plan
    print_missing([plan])
    print_plan(plan, console)
    if plan.cluster == "slurm":
        print_slurm_arrays(plan.pending(), console)
    _print_fits(fit_plan, console)
    return DONE


def _print_fits(fit_plan: FitPlan, console: Console) -> None:
    states = [fit_plan.state(fit) for fit in fit_plan.fits]
    for name in dict.fromkeys(fit.spec.name for fit in fit_plan.fits):
        own = [state for fit, state in zip(fit_plan.fits, states, strict=True) if fit.spec.name == name]
        counts = ", ".join(f"{own.count(state)} {state}" for state in dict.fromkeys(own))
        console.print(f"density {name}: {counts}", highlight=False, markup=False, soft_wrap=True)
        hyper = next(fit.hyper for fit in fit_plan.fits if fit.spec.name == name)
        if hyper:
            text = ", ".join(f"{key} {value}" for key, value in hyper.items())
            console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)
    if fit_plan.plan.cluster == "slurm":
        for line in describe_fit_arrays(fit_plan.pending()):
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def make_density_grid(fit_plan: FitPlan) -> DensityGrid:
    """The rows of the table and the fits that each should have."""
    keys: dict[tuple[str, str, str], list[str]] = {}
    labels: dict[str, str] = {}
    for fit in fit_plan.fits:
        keys.setdefault((fit.job.trial.name, fit.job.trial.dataset, fit.spec.name), []).append(fit.key)
        labels[fit.spec.name] = fit.label
    return DensityGrid(fit_plan.plan.grid(), labels, {row: tuple(some) for row, some in keys.items()})


def _write(fit_plan: FitPlan, style: TableStyle, console: Console) -> int:
    """Write the table and the figure, and print the errors of fits that failed."""
    plan, grid = fit_plan.plan, make_density_grid(fit_plan)
    grid = replace(grid, grid=replace(grid.grid, decimals=style.decimals))
    frame, evaluations = read_densities(plan.results), records.read_evaluations(plan.results)
    table = densities_table(frame, evaluations, grid)
    selection = f"{selection_name(table.name, grid.grid)}-{digest([*grid.labels])[:8]}"
    paths = write_table(table, plan.results, style.formats, notes=style.notes, selection=selection)
    console.print(to_terminal(table, style.notes or "full"), highlight=False, markup=False, soft_wrap=True)
    figures = write_density_figure(frame, grid, plan.results)
    states = [fit_plan.state(fit) for fit in fit_plan.fits]
    _print_failures(fit_plan, states)
    for path in [*paths[1:], *figures, paths[0]]:
        print(path)
    return DONE if {*states} == {"done"} else FAILED


def _print_failures(fit_plan: FitPlan, states: Sequence[str]) -> None:
    for fit, state in zip(fit_plan.fits, states, strict=True):
        trial = fit.job.trial
        where = f"{fit.spec.name} on {trial.name} {trial.dataset}, seed {trial.seed}"
        if state == "failed" and (record := read_record(fit.record_file)):
            print(escape_terminal_line(f"failed: {where}: {record['error']['message']}"), file=sys.stderr)
        elif state == "blocked":
            print(escape_terminal_line(f"not fitted: {where}: the run has no usable weights"), file=sys.stderr)
