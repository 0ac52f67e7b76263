"""Launches any function over any items: in this process, in worker processes, or in SLURM jobs.

It imports submitit and the standard library only; it knows nothing of models, runs or tables.
"""

from slurm.jobs import SlurmOptions, group_items, group_jobs
from slurm.launch import CLUSTERS, gpu_slots, launch, resolve_cluster
from slurm.outcome import Outcome
from slurm.resources import Resources, resources_for
from slurm.scheduler import cancel_jobs, cluster_name, is_available, list_jobs

__all__ = [
    "CLUSTERS",
    "Outcome",
    "Resources",
    "SlurmOptions",
    "cancel_jobs",
    "cluster_name",
    "gpu_slots",
    "group_items",
    "group_jobs",
    "is_available",
    "launch",
    "list_jobs",
    "resolve_cluster",
    "resources_for",
]
