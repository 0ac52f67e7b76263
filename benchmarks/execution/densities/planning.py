"""From the options of the command `densities` to a list of fits: everything is checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.execution.options import UserErrors, names
from benchmarks.execution.plan import Plan
from benchmarks.execution.requirements import Requirements
from benchmarks.experiments.densities.job import OWN, FitJob, find_encoder_error, find_fit_errors, resolve_hyper
from benchmarks.experiments.densities.records import read_record
from benchmarks.experiments.densities.run_fit import is_finished
from benchmarks.experiments.job import Job
from benchmarks.experiments.log import has_file
from zoo.densities.registry import DENSITIES, DensitySpec, find_missing_package, parse_density
from zoo.registry import did_you_mean

DEFAULT_DENSITIES = "own,gmm:10,gmm:auto,flow,flow:long,nsf,maf,kde"
REQUIREMENTS = Requirements(models=("glf", "rae-gmm", "vae"), sources=("prior", "posterior"))  # of the auto-encoders


@dataclass(frozen=True)
class FitPlan:
    """The fits of a command, and the runs whose latents they need.

    Attributes:
        plan: the runs of the auto-encoders.
        fits: all fits, ordered by seed, run and density.
    """

    plan: Plan
    fits: tuple[FitJob, ...]

    def state(self, fit: FitJob) -> str:
        """The state of a fit: done, failed, pending, or blocked: its run has no weights, and is not to be trained."""
        record = read_record(fit.record_file)
        if is_finished(record, fit, self.plan.scorers[fit.job.trial.dataset]):
            return "done"
        if self.plan.state(fit.job) in ("diverged", "unreadable", "missing weights"):
            return "blocked"
        return "failed" if record is not None and record["status"] == "failed" else "pending"

    def pending(self) -> list[FitJob]:
        """Fits that have something left to do; failed ones are tried again."""
        return [fit for fit in self.fits if self.state(fit) in ("pending", "failed")]


def parse_densities(text: str, errors: list[str]) -> list[DensitySpec]:
    """The densities of `--density`; what is wrong is added to `errors`, also packages that are missing."""
    specs = []
    for name in names(text):
        if name == OWN.row:
            specs.append(OWN)
            continue
        try:
            spec = parse_density(name)
        except ValueError as reason:
            hint = did_you_mean(name, [OWN.row]) if name.partition(":")[0] not in DENSITIES else ""
            errors.append(f"{reason}{hint}")
            continue
        if missing := find_missing_package(spec):
            errors.append(missing)
        specs.append(spec)
    return list({spec.name: spec for spec in specs}.values())


def make_fit_plan(plan: Plan, specs: Sequence[DensitySpec]) -> FitPlan:
    """The fits of some densities to the latents of the runs of a plan.

    Raises:
        UserErrors: a model has no encoder, there are too few latents for a density, or weights were removed.
    """
    errors: list[str] = []
    fits = []
    resolved: dict[tuple[str, str, str], dict[str, object]] = {}
    for job in plan.jobs:
        pair = job.trial.name, job.trial.dataset
        is_new = not any(key[:2] == pair for key in resolved)
        if is_new and (problem := find_encoder_error(job)):
            errors.append(problem)
        for spec in specs:
            if (*pair, spec.name) not in resolved:
                resolved[*pair, spec.name] = resolve_hyper(spec, job)
            data = plan.scorers[job.trial.dataset].data
            fit = FitJob(job, spec, resolved[*pair, spec.name], min(len(data.test), 10_000))
            fits.append(fit)
            if is_new:
                errors += find_fit_errors(fit)
    fit_plan = FitPlan(plan, tuple(fits))
    if not errors:
        errors += _find_missing_weights(fit_plan)
    if errors:
        raise UserErrors(errors)
    return fit_plan


def _find_missing_weights(fit_plan: FitPlan) -> list[str]:
    """One message for each finished run whose weights were removed, if a fit needs them."""
    needed: dict[str, Job] = {fit.job.trial.key: fit.job for fit in fit_plan.pending()}
    return [
        f"the weights of {job.trial.name} on {job.trial.dataset}, seed {job.trial.seed}, were removed from "
        f"{job.results}. To train them again, repeat the command that made the run with --force, or name another "
        "folder with --results"
        for job in needed.values()
        if fit_plan.plan.state(job) == "done" and not has_file(job.run_folder / "weights.pt")
    ]
