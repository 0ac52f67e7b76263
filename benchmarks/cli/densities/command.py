"""The command `densities`: train or reuse auto-encoders, fit every density to their latents, write the table."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

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
from benchmarks.printing import escape_terminal_line
from benchmarks.reporting.figures.densities import write_density_figure
from benchmarks.reporting.formats.markdown import to_terminal
from benchmarks.reporting.formats.writer import selection_name, write_table
from benchmarks.reporting.style import TableStyle
from benchmarks.reporting.tables.densities import DensityGrid, densities_table
from slurm import CLUSTERS

LAUNCH_NAME = "criteria"  # the table whose command trains the same runs, for `retry` and `status`


def run(args: Namespace) -> int:
    """Run what is missing, then write the table and the figure; returns the exit code.

    Raises:
        UserErrors: all errors; nothing was started.
    """
    options = replace(options_of(args), only=args.autoencoder or ",".join(REQUIREMENTS.models or ()))
    errors = [*args.errors, *placement.find_slurm_errors(options.cluster, Path(options.results))]
    style = TableStyle.from_options(options, errors)
    specs = parse_densities(args.density or DEFAULT_DENSITIES, errors)
    plan = make_plan(options, CLUSTERS, REQUIREMENTS, "densities", errors, args.dry_run or args.existing)
    if plan.outlines and args.existing:
        raise UserErrors([*plan.missing])
    plan = placement.place_on_slurm(plan, options.device)
    fit_plan = make_fit_plan(plan, specs)
    console = make_console()
    if args.dry_run:
        print_missing([plan])
        print_plan(plan, console)
        if plan.cluster == "slurm":
            print_slurm_arrays(plan.pending(), console)
        _print_fits(fit_plan, console)
        return DONE
    if not args.existing:
        _run(fit_plan, options, args, console)
    return _write(fit_plan, style, console)


def _run(fit_plan: FitPlan, options: Options, args: Namespace, console: Console) -> None:
    """Train the missing auto-encoders, then run the missing fits."""
    plan = fit_plan.plan
    pending = plan.pending()
    if pending and plan.preset == "paper" and not args.yes:
        print_plan(plan, console)
        raise UserErrors([f"{len(pending)} runs at the paper's budget need confirmation. Add --yes to start them"])
    command = {"what": LAUNCH_NAME, "options": asdict(replace(options, cluster=args.cluster)), "force": ""}
    launcher.run(plan, pending, console, command, wait=True)
    fit_launcher.run(fit_plan, command, lambda line: print(escape_terminal_line(line), flush=True))


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
