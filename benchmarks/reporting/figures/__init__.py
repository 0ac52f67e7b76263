"""Figures: records and kept sample images in; PNG, PDF, caption and drawn numbers out; one module per kind of figure.

Nothing here trains a model or measures a metric.  The list of figures is `benchmarks.reporting.registry.FIGURES`.
"""
