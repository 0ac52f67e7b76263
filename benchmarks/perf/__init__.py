"""Benchmarks of the suite itself: speed compared to other loops, operators, faults, many records, the cost of metrics.

Each is a separate program: `python -m benchmarks.perf.speed`, `.operators`, `.faults`, `.scale`, `.metric_cost`. They
make no runs that enter the tables of results.
"""
