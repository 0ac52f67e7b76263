"""Launches any function over any items; may import submitit and the standard library only."""

from slurm.launch import CLUSTERS, Outcome, launch

__all__ = ["CLUSTERS", "Outcome", "launch"]
