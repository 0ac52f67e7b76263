"""Data sets as uint8 tensors: the registry, readers, folders, downloads, fingerprints.

`registry.DATASETS` has one row per data set; `datasets.load` reads one.  Nothing here knows a model or a metric.
`registry`, `paths` and `fingerprint` import no torch, so that listing the data sets is quick.
"""
