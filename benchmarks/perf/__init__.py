"""Benchmarks of the suite itself: speed beside other loops, faults, many records, the cost of metrics.

Each is a program of its own: `python -m benchmarks.perf.speed`, `.faults`, `.scale`, `.metric_cost`.  No run of a model
that enters a table is made here.
"""
