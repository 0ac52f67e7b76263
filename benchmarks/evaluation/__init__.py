"""How a trained model becomes numbers: feature extractors, metrics, metric protocols, scoring, diagnostics.

Nothing here trains a model of the zoo, writes a record, or knows a table.  `names`, `protocol`, `sources` and `metrics`
load neither torch, SciPy nor scikit-learn; the command line lists them without delay.
"""
