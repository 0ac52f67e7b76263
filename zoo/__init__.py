"""The models.  `MODELS` is the registry, in the order of Table 1; adding a model is one file and one line here.

A class of your own needs no line: `package.module:Class` is a name, too (see README.md beside this file).

The zoo knows nothing of data sets, schedules or tables: it imports torch, numpy, scikit-learn and itself.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from zoo.base import LatentModel, Loss, NotFitted, Stage, Update, check_sizes
from zoo.glann import GLANN
from zoo.glf import GLF, TwoStageGLF
from zoo.losses import LABELS, RECON, SPELLINGS
from zoo.named import Entry, Scalar, defaults, imported, is_foreign, meant
from zoo.rae import RAE
from zoo.two_stage import TwoStageVAE
from zoo.vae import VAE, FlowPosteriorVAE, FlowPriorVAE
from zoo.wae import WAEGAN, WAEMMD

__all__ = ["MODELS", "Entry", "LatentModel", "Loss", "NotFitted", "Stage", "Update"]
__all__ += ["adopt", "build", "entry", "hyper_parameters", "is_foreign", "load", "save", "variant"]

# fmt: off - one row per line, as the tables have them
MODELS: dict[str, Entry] = {
    # Table 1's rows
    "vae": Entry(VAE, "VAE"),
    "wae-gan": Entry(WAEGAN, "WAE-GAN"),
    "two-stage-vae": Entry(TwoStageVAE, "Two-Stage VAE"),
    "rae-gmm": Entry(RAE, "RAE + GMM"),
    "vae-flow-prior": Entry(FlowPriorVAE, "VAE + flow prior"),
    "vae-flow-posterior": Entry(FlowPosteriorVAE, "VAE + flow posterior"),
    "glf": Entry(GLF, "GLF"),
    "glann": Entry(GLANN, "GLANN with perceptual loss"),
    "glf-perceptual": Entry(GLF, "GLF + perceptual loss", hyper={"recon": "perceptual"}),
    # told of in the text
    "wae-mmd": Entry(WAEMMD, "WAE-MMD"),
    "glf-two-stage": Entry(TwoStageGLF, "GLF, two stages"),
    "glann-mse": Entry(GLANN, "GLANN, MSE", hyper={"recon": "half-sse"}),
    # Figure 4: regularized GLF
    "glf-regularized": Entry(GLF, "Regularized GLF, β = 100", hyper={"stop_gradient": False, "beta": 100.0}),
    "glf-regularized-1": Entry(GLF, "Regularized GLF, β = 1", hyper={"stop_gradient": False, "beta": 1.0}),
    "glf-regularized-10": Entry(GLF, "Regularized GLF, β = 10", hyper={"stop_gradient": False, "beta": 10.0}),
    "glf-regularized-50": Entry(GLF, "Regularized GLF, β = 50", hyper={"stop_gradient": False, "beta": 50.0}),
    "glf-regularized-400": Entry(GLF, "Regularized GLF, β = 400", hyper={"stop_gradient": False, "beta": 400.0}),
    # Figure 3: the decoder's precision
    "vae-flow-prior-10": Entry(FlowPriorVAE, "VAE + flow prior, β = 10", hyper={"beta": 10.0}),
    "vae-flow-prior-50": Entry(FlowPriorVAE, "VAE + flow prior, β = 50", hyper={"beta": 50.0}),
    "vae-flow-prior-100": Entry(FlowPriorVAE, "VAE + flow prior, β = 100", hyper={"beta": 100.0}),
    "vae-flow-prior-400": Entry(FlowPriorVAE, "VAE + flow prior, β = 400", hyper={"beta": 400.0}),
    "vae-flow-prior-learned": Entry(FlowPriorVAE, "VAE + flow prior, learned γ", hyper={"learn_gamma": True}),
    # other readings of the paper, and its ancestors' variants
    "vae-flow-posterior-conditional": Entry(
        FlowPosteriorVAE, "VAE + flow posterior given x", hyper={"conditional": True}
    ),
    "rae-l2-gmm": Entry(RAE, "RAE (L2) + GMM", hyper={"decoder_l2": 1e-7}),  # Ghosh et al.: 1e-7
    "rae-sn-gmm": Entry(RAE, "RAE (SN) + GMM", hyper={"spectral_norm": True}),
    "vae-bce": Entry(VAE, "VAE, BCE", hyper={"recon": "bce"}),
    "vae-full-sse": Entry(VAE, "VAE, β SSE", hyper={"recon": "sse"}),
    "vae-learned": Entry(VAE, "VAE, learned γ", hyper={"learn_gamma": True}),
    "vae-flow-prior-full-sse": Entry(FlowPriorVAE, "VAE + flow prior, β SSE", hyper={"recon": "sse"}),
    "glf-4-couplings": Entry(GLF, "GLF, 4 couplings", hyper={"blocks": 2}),
    "glf-bounded": Entry(GLF, "GLF, |s| ≤ 1", hyper={"bound": 1.0}),
    "glf-bn-eps": Entry(GLF, "GLF, batch norm ε = 1e-3", hyper={"bn_eps": 1e-3}),
    "glf-regularized-bn-eps": Entry(
        GLF, "Regularized GLF, β = 100, ε = 1e-3", hyper={"stop_gradient": False, "beta": 100.0, "bn_eps": 1e-3}
    ),
}
# fmt: on

ADOPTED: dict[str, Entry] = {}  # classes from outside that this process was told to import, by `adopt`


def entry(name: str) -> Entry:
    """The row of a model: of the registry, of a variant such as "vae+perceptual", or of a class that was adopted.

    Raises:
        ValueError: unknown; lists the known names.
    """
    if name in MODELS or name in ADOPTED:
        return MODELS.get(name) or ADOPTED[name]
    base, plus, recon = name.rpartition("+")
    if plus and (base in MODELS or base in ADOPTED):
        return _with_recon(base, recon)
    if is_foreign(name):
        raise ValueError(f"{name} was not imported here: zoo.adopt({name!r}) does it, where its text is trusted")
    known = f"{', '.join(MODELS)} (zoo/__init__.py), package.module:Class"
    raise ValueError(f"unknown model {name!r}{meant(name, MODELS)}. Known: {known}")


def adopt(name: str, like: str = "", folder: Path | None = None) -> Entry:
    """`entry`, but a name of the form package.module:Class is imported: its module's code runs.

    Args:
        name: as `entry` takes it.
        like: a model whose protocol rows such a class borrows; "" for its own, in its class attribute `protocols`.
        folder: where to look for its module before the Python path; None is the current folder.

    Raises:
        ValueError: unknown, not importable, or no model; says why.
    """
    base = name.partition("+")[0]
    if is_foreign(base):
        ADOPTED[base] = imported(base, MODELS, like, folder)
    return entry(name)


def variant(name: str, recon: str) -> str:
    """The name of a model with another reconstruction loss: "vae" -> "vae+perceptual", "glf" -> "glf-perceptual".

    Raises:
        ValueError: unknown model or loss, or the model has no such choice.
    """
    wanted = _with_recon(name, recon)

    def resolved(row: Entry) -> dict[str, Scalar]:
        return {**defaults(row), **row.hyper}

    rows = {name: entry(name), **MODELS}
    same = (other for other, row in rows.items() if row.model is wanted.model and resolved(row) == resolved(wanted))
    return next(same, f"{name}+{SPELLINGS.get(recon, recon)}")


def _with_recon(name: str, recon: str) -> Entry:
    row, recon = entry(name), SPELLINGS.get(recon, recon)
    if recon not in RECON:
        raise ValueError(f"unknown reconstruction loss {recon!r}. Known: {', '.join(RECON)} (zoo/losses.py)")
    if "recon" not in defaults(row):
        having = ", ".join(other for other, its in MODELS.items() if "recon" in defaults(its) and not its.hyper)
        raise ValueError(f"{name} has no choice of reconstruction loss (a hyper-parameter recon); these have: {having}")
    return replace(row, label=f"{row.label}, {LABELS[recon]}", hyper={**row.hyper, "recon": recon})


def hyper_parameters(name: str, **hyper: Scalar) -> dict[str, Scalar]:
    """All hyper-parameters of a model, defaults included: what a record says it was trained with.

    Raises:
        ValueError: unknown model, or a hyper-parameter that it does not have.
    """
    row = entry(name)
    known = defaults(row)
    given = {**row.hyper, **hyper}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(
            f"{name} has no hyper-parameter {', '.join(map(repr, unknown))}. Known: {', '.join(known) or 'none'}"
        )
    # 10 and 10.0 are the same training: they must not differ in its key.
    floats = {name: float(value) for name, value in given.items() if isinstance(known[name], float)}
    return {**known, **given, **floats}


def build(name: str, *, image_shape: Sequence[int], nz: int, k: int | None = None, **hyper: Scalar) -> LatentModel:
    """A new model with random weights (from torch's global generator).

    Args:
        name: as `entry` takes it.
        image_shape: (C, H, W), C 1 or 3, H = W divisible by 4.
        nz: size of the latent, even.
        k: width of the flow's networks; models without a flow ignore it.
        hyper: the model's hyper-parameters; the registry's values and the defaults stand for the others.

    Raises:
        ValueError: unknown model or hyper-parameter, or sizes that the networks cannot have.
    """
    row, values = entry(name), hyper_parameters(name, **hyper)
    if "k" in inspect.signature(row.model).parameters:
        if k is None:
            raise ValueError(f"{name} has a flow: give its width k (the paper has 64 for MNIST, 256 for CIFAR-10)")
        check_sizes(image_shape, nz, k)  # with k, so that all sizes that are wrong are told at once
        values["k"] = k
    model = row.model(image_shape=tuple(image_shape), nz=nz, **values)
    model.spec = {"model": name, "image_shape": list(image_shape), "nz": nz, "k": k, "hyper": dict(hyper)}
    return model


def save(model: LatentModel, path: str | os.PathLike[str]) -> None:
    """Write weights and what `load` needs to rebuild the model, by rename; tensors and JSON values only."""
    if model.spec is None:
        raise ValueError("only models made by zoo.build can be saved: others have no description to rebuild them by")
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        torch.save({"spec": dict(model.spec), "state": model.state_dict()}, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # or a power cut may leave a renamed file with holes
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # half a file must not fill a disk that is full already


def load(path: str | os.PathLike[str]) -> LatentModel:
    """The model that `save` wrote, on the CPU, in evaluation mode.  Runs nothing that is in the file.

    Raises:
        ValueError: its class is from outside the registry and was not adopted: a file must not choose what is imported.
    """
    content = torch.load(path, map_location="cpu", weights_only=True)
    spec = content["spec"]
    model = build(spec["model"], image_shape=spec["image_shape"], nz=spec["nz"], k=spec["k"], **spec["hyper"])
    model.load_state_dict(content["state"])
    return model.eval()
