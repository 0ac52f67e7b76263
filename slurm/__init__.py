"""Launches any function over any items; may import submitit and the standard library only."""

from slurm.array import Follow, arrays, groups
from slurm.launch import CLUSTERS, choose, gpu_slots, launch
from slurm.outcome import Outcome
from slurm.resources import Resources, resources
from slurm.scheduler import cancel, listed

__all__ = ["CLUSTERS", "Follow", "Outcome", "Resources", "arrays", "cancel", "choose", "gpu_slots", "groups", "launch",
           "listed", "resources"]  # fmt: skip
