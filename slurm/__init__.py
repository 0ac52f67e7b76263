"""Launches any function over any items; may import submitit and the standard library only."""

from slurm.array import Follow, arrays, groups
from slurm.launch import CLUSTERS, choose, gpu_slots, launch
from slurm.outcome import Outcome
from slurm.resources import Resources, resources
from slurm.scheduler import answers, cancel, cluster, listed

__all__ = ["CLUSTERS", "Follow", "Outcome", "Resources", "answers", "arrays", "cancel", "choose", "cluster",
           "gpu_slots", "groups", "launch", "listed", "resources"]  # fmt: skip
