"""The presets: training budgets, and what a command runs by default. No torch here, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PerGroup = float | Mapping[str, float]  # one number, or one per parameter group of an optimizer


@dataclass(frozen=True)
class Preset:
    """A training budget, and the defaults of a command that uses it.

    Departs: "10 independent trials" can mean ten runs or ten sample sets of one run. The preset sets both numbers, as
    seeds and draws.  To switch: --seeds, --draws.

    Attributes:
        images: maximum number of training images, those with the smallest digests; None means all.
        steps: maximum number of steps per stage. Schedules shrink in proportion. None means Appendix B's epochs.
        seeds: runs per cell.
        draws: sample sets per run.
        datasets: columns of a table.
        models: rows of a table.
        features: name of the feature extractor.
        eval_every: epochs between two points of a learning curve, in figures that show one.
        lr: model -> stage -> learning rates that replace the paper's, if these need more steps than the budget has.
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


# Ours: B.4's 1e-4 is for 240,000 steps. In 1,000 steps, it changes log gamma by at most 0.1.
FASTER_LR = {"vae": 1e-3, "gamma": 5e-3}
SHORT_BUDGET_LR = {"two-stage-vae": {"first": FASTER_LR, "second": FASTER_LR}}

# TABLE1: the models of Table 1 whose loss does not need VGG-16's weights. FIVE: one model per kind of training stage.
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
