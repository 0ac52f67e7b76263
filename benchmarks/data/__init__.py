"""Data sets as uint8 tensors: the registry, readers, folders, downloads, fingerprints.

`registry.DATASETS` has one row per data set; `datasets.load` reads a data set. The package does not depend on models or
metrics. `registry`, `paths` and `fingerprint` do not import torch, so listing the data sets is quick.
"""
