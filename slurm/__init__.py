"""Call a function on many items: in this process, in worker processes, or in SLURM jobs.

The package depends on submitit and the standard library only. It does not know models, runs or tables.
"""

from slurm.jobs import SlurmOptions, group_items, group_jobs
from slurm.launch import CLUSTERS, gpu_slots, launch, resolve_cluster
from slurm.outcome import Outcome
from slurm.resources import Resources, resources_for
from slurm.sbatch import find_path_error
from slurm.scheduler import cancel_jobs, cluster_name, is_available, list_jobs, max_array_size
from slurm.turns import Postponed

__all__ = [
    "CLUSTERS",
    "Outcome",
    "Postponed",
    "Resources",
    "SlurmOptions",
    "cancel_jobs",
    "cluster_name",
    "find_path_error",
    "gpu_slots",
    "group_items",
    "group_jobs",
    "is_available",
    "launch",
    "list_jobs",
    "max_array_size",
    "resolve_cluster",
    "resources_for",
]
