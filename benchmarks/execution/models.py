"""Models as a command names them, and whether those from outside the registry can be trained: a stranger's may not."""

from __future__ import annotations

from collections.abc import Sequence

import torch

import zoo
from benchmarks import protocols
from benchmarks.data import datasets
from benchmarks.data.datasets import ImageFolder
from benchmarks.protocols import Protocol
from zoo.base import to_float
from zoo.external import in_one_line
from zoo.losses import PRETRAINED
from zoo.nets import Decoder
from zoo.registry import is_external

IMAGES = 8  # black and white noise, on the CPU


def lenders(like: Sequence[str], only: Sequence[str], folder: bool, errors: list[str]) -> tuple[str | None, str]:
    """What --like names: the data set whose size and protocols a folder has, the model whose rows a class borrows.

    Args:
        like: the names in --like.
        only: the names in --only.
        folder: whether there is a folder of images.
        errors: takes the errors.
    """
    models = [name for name in like if name in zoo.MODELS]
    others = [name for name in like if name not in zoo.MODELS]
    if len(models) > 1 or len(others) > 1:
        errors.append(f"--like names a data set, a model, or one of each, not {','.join(like)!r}")
    if models and not any(map(is_external, only)):
        errors.append(f"--like {models[0]} lends its protocol rows to a class of your own: --only package.module:Class")
    if others and others[0] not in datasets.DATASETS and not folder:
        errors.append(f"--like {others[0]}: neither a data set (for a folder) nor a model (for a class of your own)")
        others = []
    return others[0] if others else None, models[0] if models else ""


def chosen(only: Sequence[str], lender: str, recon: str | None, errors: list[str]) -> list[str]:
    """The models of --only, classes from outside imported; with --recon, or behind a +, another reconstruction loss.

    Args:
        only: as the user wrote them.
        lender: the model whose protocol rows classes from outside borrow; "" for their own.
        recon: of --recon.
        errors: takes the errors.
    """
    found = []
    for name in only:
        base, plus, own = name.partition("+")
        try:
            zoo.adopt(base, lender)
            found.append(zoo.variant(base, recon or own) if recon is not None or plus else name)
        except ValueError as error:
            errors.append(str(error))
    return list(dict.fromkeys(found))


def find_model_errors(model: str, source: str | ImageFolder) -> list[str]:
    """What is wrong with a model for a data set's images and, for a class from outside, its protocol row.

    Of ours the decoder, which all have, is made, without memory.  A class from outside is made, its first stage
    compared with the row, and its first loss computed on `IMAGES` random images.
    """
    spec = datasets.dataset_spec(source)
    if not is_external(model):
        try:
            with torch.device("meta"):
                Decoder(spec.shape, spec.nz)
        except ValueError as error:
            return [f"{model} on {spec.label}: {error}"]
        return []
    row = source.like if isinstance(source, ImageFolder) else source
    rows = protocols.rows(model)
    if not all(isinstance(protocol, Protocol) for protocol in rows.values()):
        return [f"{model}: its attribute protocols must map data sets to benchmarks.protocols.Protocol"]
    try:
        found = rows[protocols.row(model, row)].resolve(model)
    except ValueError:
        return []  # no such row: told already
    with torch.random.fork_rng(devices=[]):
        try:
            return [f"{model} on {row}: {said}" for said in _mistakes(model, spec, found)]
        except (Exception, SystemExit) as error:  # whatever a stranger's class raises
            return [f"{model} does not work on images of {spec.shape}: {in_one_line(error)}"]


def _mistakes(model: str, spec: datasets.DatasetSpec, protocol: Protocol) -> list[str]:
    made = zoo.build(model, image_shape=spec.shape, nz=spec.nz, k=spec.k, **protocol.hyper)
    x = torch.randint(0, 256, (IMAGES, *spec.shape), dtype=torch.uint8)
    stage = next(made.stages(x), None)
    if stage is None:
        return ["it has no stage of training"]
    if stage.name not in protocol.stages:
        return [f"no schedule for its stage {stage.name!r}; its row has {', '.join(protocol.stages)}"]
    errors = []
    for update in stage.updates:
        for group in update.groups:
            try:
                protocol.stages[stage.name].rate(group, 0)
            except ValueError as error:
                errors.append(f"stage {stage.name!r}: {error}")
    if errors or protocol.hyper.get("recon") in PRETRAINED:  # it is told elsewhere where these weights are not there
        return errors
    made.train()
    batch = [to_float(tensor[:IMAGES]) for tensor in stage.data()]
    objective, parts = stage.updates[0].loss(*batch)
    if objective.ndim or any(part.ndim for part in parts.values()):
        errors.append(f"the loss of stage {stage.name!r} must be (scalar, name -> scalar)")
    made.eval()
    with torch.no_grad():
        images = made.decoder(torch.zeros(2, made.nz))
    if images.shape != (2, *spec.shape):
        errors.append(f"its decoder makes {tuple(images.shape[1:])} of {made.nz} latents, not images of {spec.shape}")
    return errors
