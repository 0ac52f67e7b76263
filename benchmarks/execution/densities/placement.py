"""Which fits share a SLURM job, and what the job requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.execution import placement
from benchmarks.experiments.densities.job import FitJob
from slurm import Resources

Group = tuple[str, str, int]


@dataclass(frozen=True)
class FitPlacement:
    """The jobs of some fits. A job has all fits to a run, one after the other, so that the run is encoded once.

    A job takes the fits to as many runs as a job that trains them takes (`seeds` in slurm/resources.py).

    Attributes:
        groups: key of a fit -> the model, the data set and the number of its job.
        needs: key of a fit -> the resources of its job; `seeds` is the largest number of fits in a job.
    """

    groups: dict[str, Group]
    needs: dict[str, Resources]

    def group_key(self, fit: FitJob) -> Group:
        """What the fits of one job have in common."""
        return self.groups[fit.key]

    def resources_of(self, fit: FitJob) -> Resources:
        """The resources that the job of a fit requests."""
        return self.needs[fit.key]


def place_fits(fits: Sequence[FitJob]) -> FitPlacement:
    """Assign fits to jobs. The file of resources is read here, because it may change while jobs wait."""
    groups: dict[str, Group] = {}
    needs: dict[str, Resources] = {}
    runs: dict[tuple[str, str], dict[str, int]] = {}  # model and data set -> key of a run -> its number
    for fit in fits:
        model, dataset = placement.group_key(fit.job)
        numbers = runs.setdefault((model, dataset), {})
        number = numbers.setdefault(fit.job.trial.key, len(numbers))
        row = placement.resources_of(fit.job)
        groups[fit.key] = model, dataset, number // row.seeds
        needs[fit.key] = replace(row, seeds=len(fits))
    return FitPlacement(groups, needs)


def describe_fit_arrays(fits: Sequence[FitJob]) -> Iterator[str]:
    """One line for each array of jobs that would be submitted for fits."""
    placed = place_fits(fits)
    return placement.describe_slurm_arrays(fits, placed.group_key, placed.resources_of, "fits")
