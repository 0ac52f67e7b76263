"""Records with learning curves of three models, one of which diverged."""

import numpy as np
from fake_evidence import evidence_with_epochs


def epoch_values(level, diverged_at=None):
    """The values of an epoch: a distance at every second epoch; NaN from the epoch on in which the run diverged."""

    def values(seed, epoch):
        is_diverged = diverged_at is not None and epoch >= diverged_at
        value = np.nan if is_diverged else level + seed + 1 / (1 + epoch)
        columns = {"fid": value if epoch % 2 else np.nan, "recon": value, "nll": value, "entropy": value}
        return columns | ({"status": "diverged"} if is_diverged else {})

    return values


def curves_evidence():
    cells = {("glf", "train"): epoch_values(1.0), ("glf-regularized-1", "train"): epoch_values(5.0, diverged_at=3),
             ("glf-regularized", "train"): epoch_values(3.0)}  # fmt: skip
    return evidence_with_epochs(cells, ("digits",), n=3, epochs=6)
