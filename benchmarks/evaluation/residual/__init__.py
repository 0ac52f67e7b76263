"""Classifiers of any labelled images, whose penultimate features `--features classifier` uses.

Here live the network, the recipe of its training, the checks of its images, and its weights files.  Extractors and
metrics do not live here.
"""
