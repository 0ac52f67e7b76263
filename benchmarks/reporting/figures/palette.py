"""One color per model, in every plot and in the report.

Hues are those of Okabe and Ito and of Tol, which can be told apart with any color vision.  Variants of a model are
shades of its hue, from light to dark with β.  All colors stand out from a white page and from a dark one.
"""

from __future__ import annotations

MODEL_COLORS = {
    "glf": "#d55e00",
    "glf-two-stage": "#f29a6b",
    "glf-perceptual": "#a63603",
    "glf-4-couplings": "#e98a4d",
    "glf-bounded": "#f4b183",
    "glf-bn-eps": "#c46a2d",
    "vae": "#7f7f7f",
    "vae-bce": "#a6a6a6",
    "vae-full-sse": "#919191",
    "vae-learned": "#666666",
    "wae-gan": "#009e73",
    "wae-mmd": "#5ac8ae",
    "two-stage-vae": "#b0508f",
    "rae-gmm": "#e69f00",
    "rae-l2-gmm": "#f0bf57",
    "rae-sn-gmm": "#b57d00",
    "glann": "#8c6bb1",
    "glann-mse": "#a58fc4",
    "vae-flow-posterior": "#8a6d3b",
    "vae-flow-posterior-conditional": "#b08f5a",
    "vae-flow-prior": "#7cc4ee",
    "vae-flow-prior-10": "#4aa8dd",
    "vae-flow-prior-50": "#1c87c4",
    "vae-flow-prior-100": "#0b66a0",
    "vae-flow-prior-400": "#1f4a7d",
    "vae-flow-prior-learned": "#7a5fc0",
    "vae-flow-prior-full-sse": "#9fc6dc",
    "glf-regularized-1": "#c9c153",
    "glf-regularized-10": "#aaa32f",
    "glf-regularized-50": "#8d8719",
    "glf-regularized": "#706b10",
    "glf-regularized-400": "#57530f",
    "glf-regularized-bn-eps": "#99924a",
}
DEFAULT_COLOR = "#3b8ea5"  # a user's own model


def model_color(model: str) -> str:
    """The color of a model, #rrggbb."""
    return MODEL_COLORS.get(model, DEFAULT_COLOR)
