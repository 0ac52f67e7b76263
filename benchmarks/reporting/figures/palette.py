"""One colour per model, in every plot and in the report.

Hues are Okabe and Ito's and Tol's, told apart with any colour vision; variants of a model are shades of its hue, from
light to dark with β.  All stand out from white and from a dark page.
"""

from __future__ import annotations

COLOURS = {
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
OTHER = "#3b8ea5"  # a model of the user's


def colour(model: str) -> str:
    """The colour of a model, #rrggbb."""
    return COLOURS.get(model, OTHER)
