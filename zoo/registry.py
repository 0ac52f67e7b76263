"""The registry of models, `MODELS`. To add a model, add one file and one row.

This module does not import torch. A row names its class, which is imported on first use.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.base import LatentModel

Scalar = float | int | str | bool
DATASET_ARGUMENTS = ("image_shape", "nz", "k")  # arguments of a model's class that the data set sets
RECON_LABELS = {
    "half-sse": "MSE",
    "sse": "β SSE",
    "bce": "BCE",
    "perceptual": "perceptual loss",
}  # as tables print them
RECON_ALIASES = {"mse": "half-sse"}  # alias -> name of the loss


@dataclass(frozen=True)
class Entry:
    """One row of the registry.

    Attributes:
        source: "module:Class" in this package, imported on first use, or the class itself.
        label: label in tables.
        revision: version of the model's mathematics. Raise it when they change, so that old records no longer count.
        hyper: hyper-parameters that distinguish this row from other rows of its class; JSON scalars.
        like: model whose protocol rows it borrows; "" if it has its own.
        code: folder that an external class was imported from; "" for classes of this package.
    """

    source: str | type[LatentModel]
    label: str
    revision: int = 1
    hyper: Mapping[str, Scalar] = field(default_factory=dict)
    like: str = ""
    code: str = ""

    @cached_property
    def model(self) -> type[LatentModel]:
        """The class. Its arguments are image_shape, nz, k (only if it has a flow) and hyper-parameters."""
        if not isinstance(self.source, str):
            return self.source
        module, _, name = self.source.partition(":")
        model_class: type[LatentModel] = getattr(importlib.import_module(f"zoo.{module}"), name)
        return model_class


# One row per line, in the order of the paper's tables.
# fmt: off
MODELS: dict[str, Entry] = {
    # Table 1's rows
    "vae":                        Entry("vae:VAE",               "VAE"),
    "wae-gan":                    Entry("wae:WAEGAN",            "WAE-GAN"),
    "two-stage-vae":              Entry("two_stage:TwoStageVAE", "Two-Stage VAE"),
    "rae-gmm":                    Entry("rae:RAE",               "RAE + GMM"),
    "vae-flow-prior":             Entry("vae:FlowPriorVAE",      "VAE + flow prior"),
    "vae-flow-posterior":         Entry("vae:FlowPosteriorVAE",  "VAE + flow posterior"),
    "glf":                        Entry("glf:GLF",               "GLF"),
    "glann":                      Entry("glann:GLANN",           "GLANN with perceptual loss"),
    "glf-perceptual":             Entry("glf:GLF",               "GLF + perceptual loss", hyper={"recon": "perceptual"}),
    # mentioned in the text
    "wae-mmd":                    Entry("wae:WAEMMD",            "WAE-MMD"),
    "glf-two-stage":              Entry("glf:TwoStageGLF",       "GLF, two stages"),
    "glann-mse":                  Entry("glann:GLANN",           "GLANN, MSE", hyper={"recon": "half-sse"}),
    # Figure 4: regularized GLF
    "glf-regularized":            Entry("glf:GLF",               "Regularized GLF, β = 100", hyper={"stop_gradient": False, "beta": 100.0}),
    "glf-regularized-1":          Entry("glf:GLF",               "Regularized GLF, β = 1",   hyper={"stop_gradient": False, "beta": 1.0}),
    "glf-regularized-10":         Entry("glf:GLF",               "Regularized GLF, β = 10",  hyper={"stop_gradient": False, "beta": 10.0}),
    "glf-regularized-50":         Entry("glf:GLF",               "Regularized GLF, β = 50",  hyper={"stop_gradient": False, "beta": 50.0}),
    "glf-regularized-400":        Entry("glf:GLF",               "Regularized GLF, β = 400", hyper={"stop_gradient": False, "beta": 400.0}),
    # Figure 3: the decoder's precision
    "vae-flow-prior-10":          Entry("vae:FlowPriorVAE",      "VAE + flow prior, β = 10",  hyper={"beta": 10.0}),
    "vae-flow-prior-50":          Entry("vae:FlowPriorVAE",      "VAE + flow prior, β = 50",  hyper={"beta": 50.0}),
    "vae-flow-prior-100":         Entry("vae:FlowPriorVAE",      "VAE + flow prior, β = 100", hyper={"beta": 100.0}),
    "vae-flow-prior-400":         Entry("vae:FlowPriorVAE",      "VAE + flow prior, β = 400", hyper={"beta": 400.0}),
    "vae-flow-prior-learned":     Entry("vae:FlowPriorVAE",      "VAE + flow prior, learned γ", hyper={"learn_gamma": True}),
    # other readings of the paper, and variants from the papers that it cites
    "vae-flow-posterior-conditional": Entry("vae:FlowPosteriorVAE",  "VAE + flow posterior given x", hyper={"conditional": True}),
    "rae-l2-gmm":                 Entry("rae:RAE",               "RAE (L2) + GMM",  hyper={"decoder_l2": 1e-7}),  # Ghosh et al.: 1e-7
    "rae-sn-gmm":                 Entry("rae:RAE",               "RAE (SN) + GMM",  hyper={"spectral_norm": True}),
    "vae-bce":                    Entry("vae:VAE",               "VAE, BCE",        hyper={"recon": "bce"}),
    "vae-full-sse":               Entry("vae:VAE",               "VAE, β SSE",      hyper={"recon": "sse"}),
    "vae-learned":                Entry("vae:VAE",               "VAE, learned γ",  hyper={"learn_gamma": True}),
    "vae-flow-prior-full-sse":    Entry("vae:FlowPriorVAE",      "VAE + flow prior, β SSE", hyper={"recon": "sse"}),
    "glf-4-couplings":            Entry("glf:GLF",               "GLF, 4 couplings",         hyper={"blocks": 2}),
    "glf-bounded":                Entry("glf:GLF",               "GLF, |s| ≤ 1",             hyper={"bound": 1.0}),
    "glf-bn-eps":                 Entry("glf:GLF",               "GLF, batch norm ε = 1e-3", hyper={"bn_eps": 1e-3}),
    "glf-regularized-bn-eps":     Entry("glf:GLF",               "Regularized GLF, β = 100, ε = 1e-3", hyper={"stop_gradient": False, "beta": 100.0, "bn_eps": 1e-3}),
}
# fmt: on

ADOPTED: dict[str, Entry] = {}  # external classes that `adopt` has imported in this process


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a message about an unknown name: " (did you mean 'glf'?)", or "" if no known name is similar."""
    matches = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def is_external(name: str) -> bool:
    """Whether a name has the form package.module:Class, with or without a loss: package.module:Class+bce."""
    return re.fullmatch(r"\w+(\.\w+)*:\w+(\+.*)?", name) is not None


def entry(name: str) -> Entry:
    """The row of a model of the registry, of a variant such as "vae+perceptual", or of an adopted class.

    Raises:
        ValueError: the name is unknown. The message lists the known names.
    """
    if name in MODELS or name in ADOPTED:
        return MODELS.get(name) or ADOPTED[name]
    base, plus, recon = name.rpartition("+")
    if plus and (base in MODELS or base in ADOPTED):
        return _with_recon(base, recon)
    if is_external(name):
        raise ValueError(f"{name} has not been imported: call zoo.adopt({name!r}) first, if you trust its code")
    known = f"{', '.join(MODELS)} (zoo/registry.py), package.module:Class"
    raise ValueError(f"unknown model {name!r}{did_you_mean(name, MODELS)}. Known: {known}")


def adopt(name: str, like: str = "", folder: Path | None = None) -> Entry:
    """Like `entry`, but import a name of the form package.module:Class. The code of its module runs.

    Args:
        name: a name that `entry` accepts.
        like: model whose protocol rows an external class borrows; "" if its class attribute `protocols` has its own.
        folder: folder to search for the module before the Python path; None means the current folder.

    Raises:
        ValueError: the name is unknown, cannot be imported, or is not a model. The message gives the reason.
    """
    base = name.partition("+")[0]
    if is_external(base):
        from zoo.external import import_external  # imports torch

        ADOPTED[base] = import_external(base, MODELS, like, folder)
    return entry(name)


def variant(name: str, recon: str) -> str:
    """The name of a model with another reconstruction loss: "vae" -> "vae+perceptual", "glf" -> "glf-perceptual".

    Raises:
        ValueError: the model or the loss is unknown, or the model has only one loss.
    """
    requested = _with_recon(name, recon)

    def resolved(row: Entry) -> dict[str, Scalar]:
        return {**defaults(row), **row.hyper}

    rows = {name: entry(name), **MODELS}
    same = (
        other for other, row in rows.items() if row.model is requested.model and resolved(row) == resolved(requested)
    )
    return next(same, f"{name}+{RECON_ALIASES.get(recon, recon)}")


def _with_recon(name: str, recon: str) -> Entry:
    row, recon = entry(name), RECON_ALIASES.get(recon, recon)
    if recon not in RECON_LABELS:
        raise ValueError(f"unknown reconstruction loss {recon!r}. Known: {', '.join(RECON_LABELS)} (zoo/losses.py)")
    if "recon" not in defaults(row):
        supported = ", ".join(m for m, its in MODELS.items() if "recon" in defaults(its) and not its.hyper)
        raise ValueError(
            f"{name} has no choice of reconstruction loss (no hyper-parameter recon). Models with one: {supported}"
        )
    return replace(row, label=f"{row.label}, {RECON_LABELS[recon]}", hyper={**row.hyper, "recon": recon})


def defaults(entry: Entry) -> dict[str, Any]:
    """Hyper-parameters of a row's class, with their defaults."""
    parameters = inspect.signature(entry.model).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in DATASET_ARGUMENTS}


def hyper_parameters(name: str, **hyper: Scalar) -> dict[str, Scalar]:
    """All hyper-parameters of a model, including defaults. Records store them.

    Raises:
        ValueError: the model is unknown, or it does not have one of the hyper-parameters.
    """
    row = entry(name)
    known = defaults(row)
    values = {**row.hyper, **hyper}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(
            f"{name} has no hyper-parameter {', '.join(map(repr, unknown))}. Known: {', '.join(known) or 'none'}"
        )
    # 10 and 10.0 are the same setting, so they must give the same key.
    floats = {name: float(value) for name, value in values.items() if isinstance(known[name], float)}
    return {**known, **values, **floats}
