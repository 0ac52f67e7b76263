"""The presets: how long to train, and what runs by default.  It imports no torch, so that `--help` starts quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PerGroup = float | Mapping[str, float]  # one number, or one per parameter group of an optimizer


@dataclass(frozen=True)
class Preset:
    """A training budget, and what a command runs under it by default.

    Departs: "10 independent trials" can mean ten runs or ten sample sets of one run; both are kept apart, as seeds and
    draws.  To switch: --seeds, --draws.

    Attributes:
        images: training images at most (those with the smallest digests); None: all.
        steps: training steps at most in each stage, and schedules shrink in proportion; None: Appendix B's epochs.
        seeds: runs per cell.
        draws: sample sets per run.
        datasets: columns of a table.
        models: rows of a table.
        features: name of the feature extractor.
        eval_every: epochs between two points of a learning curve, for the figures that draw one.
        lr: model -> stage -> learning rates, where the paper's rates need more steps than the budget has.
    """

    images: int | None
    steps: int | None
    seeds: int
    draws: int
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    features: str
    eval_every: int
    lr: Mapping[str, Mapping[str, PerGroup]] = field(default_factory=dict)


# Ours: B.4's 1e-4 is for 240,000 steps.  In 1,000 steps it moves log gamma by 0.1 at most.
FASTER_LR = {"vae": 1e-3, "gamma": 5e-3}
SHORT_BUDGET_LR = {"two-stage-vae": {"first": FASTER_LR, "second": FASTER_LR}}

# Table 1's models whose loss needs no downloaded weights (VGG-16), and one model for each kind of training stage.
TABLE1 = ("vae", "wae-gan", "two-stage-vae", "rae-gmm", "vae-flow-prior", "vae-flow-posterior", "glf")
FIVE = ("vae", "wae-gan", "two-stage-vae", "rae-gmm", "glf")
PAPER_DATASETS = ("mnist", "fashion", "cifar10", "celeba")

# The rows line up as a table.
# fmt: off
PRESETS = {
    #               images  steps  seeds draws  data sets        models                        features     eval  lr
    "paper": Preset(None,   None,  10,   10,    PAPER_DATASETS,  (*TABLE1, "glf-perceptual"),  "inception",  10),
    "quick": Preset(10_000, 1_000,  1,    1,    ("mnist",),      TABLE1,                       "classifier",  1, SHORT_BUDGET_LR),
    "demo":  Preset(None,     500,  3,    1,    ("digits",),     FIVE,                         "classifier",  1, SHORT_BUDGET_LR),
}
# fmt: on
