"""What the command `budget` writes: two models at several training budgets, as a figure, a table and a sentence.

Numbers come from `benchmarks.analysis.budgets`; nothing here trains a model or measures a metric.
"""
