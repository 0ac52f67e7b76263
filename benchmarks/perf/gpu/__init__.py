"""What only a GPU can tell, measured in one call: `python -m benchmarks.perf.speed --gpu`.

A parent process keeps the time limit and writes the records; a worker process measures one item after the other. Tables
are made from records only.
"""
