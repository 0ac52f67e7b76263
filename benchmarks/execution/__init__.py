"""Which runs a command needs, and running them: planning, locks, workers, SLURM jobs, launches, status.

`planning.make_plan` checks a command and reports all errors at once; `launcher.run` runs what is missing.  What a run
does belongs to `experiments`, what its numbers mean to `analysis`.
"""
