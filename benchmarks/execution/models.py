"""The models that a command names, and checks of models from outside the registry before they are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

import zoo
from benchmarks import protocols
from benchmarks.data import datasets
from benchmarks.data.datasets import ImageFolder
from benchmarks.experiments import changes
from benchmarks.program import program
from benchmarks.protocols import Protocol
from zoo.base import to_float
from zoo.external import in_one_line
from zoo.losses import PRETRAINED
from zoo.nets import Decoder
from zoo.registry import is_external

CHECK_IMAGES = 8  # images of noise on which an external model is tried, on the CPU


def parse_like(like: Sequence[str], only: Sequence[str], has_folder: bool, errors: list[str]) -> tuple[str | None, str]:
    """Parse --like: the data set whose size and protocols a folder uses, and the model whose protocols a class uses.

    Args:
        like: the names in --like.
        only: the names in --only.
        has_folder: whether the command has a folder of images.
        errors: takes the errors.
    """
    models = [name for name in like if name in zoo.MODELS]
    dataset_names = [name for name in like if name not in zoo.MODELS]
    if len(models) > 1 or len(dataset_names) > 1:
        errors.append(f"--like takes a data set, a model, or one of each, got {','.join(like)!r}")
    if models and not any(map(is_external, only)):
        errors.append(f"--like {models[0]} needs a model of your own. Name it: --only package.module:Class")
    if dataset_names and dataset_names[0] not in datasets.DATASETS and not has_folder:
        errors.append(
            f"--like {dataset_names[0]}: there is neither such a data set nor such a model. Names: {program()} list"
        )
        dataset_names = []
    return dataset_names[0] if dataset_names else None, models[0] if models else ""


def select_models(only: Sequence[str], like: str, recon: str | None, errors: list[str]) -> list[str]:
    """The models of --only, by the names that records use; external classes are imported.

    Args:
        only: names as the user wrote them; a name may end in +LOSS, a reconstruction loss.
        like: the model whose protocols external classes use; "" for their own.
        recon: reconstruction loss of --recon, for all models.
        errors: takes the errors.
    """
    selected = []
    for name in only:
        base, plus, loss = name.partition("+")
        try:
            zoo.adopt(base, like)
            selected.append(zoo.variant(base, recon or loss) if recon is not None or plus else name)
        except ValueError as error:
            errors.append(str(error))
    return list(dict.fromkeys(selected))


def find_model_errors(model: str, source: str | ImageFolder) -> list[str]:
    """Why a model cannot be trained on a data set's images.

    For a model of the registry, the decoder is built on the device "meta", which needs no memory. An external class is
    built, its first stage is compared with its protocol, and its first loss is computed on `CHECK_IMAGES` random
    images.
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
    if not all(isinstance(value, Protocol) for value in rows.values()):
        return [f"{model}: its attribute `protocols` must be a dict from data set to benchmarks.protocols.Protocol"]
    try:
        protocol = rows[protocols.row(model, row)].resolve(model)
    except ValueError:
        return []  # no such row: `find_missing_protocols` reports it
    with torch.random.fork_rng(devices=[]):
        try:
            return [f"{model} on {row}: {error}" for error in _find_external_errors(model, spec, protocol)]
        except (Exception, SystemExit) as error:  # whatever the external class raises
            return [f"{model} does not work on images of {spec.shape}: {in_one_line(error)}"]


def find_change_errors(
    models: Sequence[str], sources: Sequence[str | ImageFolder], requested: Mapping[str, str]
) -> list[str]:
    """Why models cannot have the settings of --set: unknown names, invalid values, values that their class rejects.

    Args:
        models: the models.
        sources: their data sets.
        requested: setting -> value, as text.
    """
    errors = {model: _find_change_errors(model, sources, requested) for model in models} if requested else {}
    possible = [model for model, own in errors.items() if not own]
    hint = f". Name the models that have these settings: --only {','.join(possible)}" if possible else ""
    return [error + hint for own in errors.values() for error in own]


def _find_change_errors(model: str, sources: Sequence[str | ImageFolder], requested: Mapping[str, str]) -> list[str]:
    rows = protocols.rows(model)
    for source in sources:
        spec, row = datasets.dataset_spec(source), source.like if isinstance(source, ImageFolder) else source
        if not protocols.has_row(model, row) or not isinstance(base := rows[protocols.row(model, row)], Protocol):
            continue  # reported elsewhere
        plain = base.resolve(model)
        if errors := changes.find_change_errors(model, plain, requested):
            return errors
        hyper = {**plain.hyper, **changes.changed_hyper(plain, requested)}
        if hyper == plain.hyper or hyper.get("recon") in PRETRAINED:  # weights that are missing are reported elsewhere
            continue
        try:
            with torch.random.fork_rng(devices=[]):
                zoo.build(model, image_shape=spec.shape, nz=spec.nz, k=spec.k, **hyper)
        except (Exception, SystemExit) as error:  # whatever a class raises
            reason = str(error) if isinstance(error, ValueError) else in_one_line(error)
            return [f"{model} does not accept the settings of --set: {reason}"]
    return []


def _find_external_errors(model: str, spec: datasets.DatasetSpec, protocol: Protocol) -> list[str]:
    built = zoo.build(model, image_shape=spec.shape, nz=spec.nz, k=spec.k, **protocol.hyper)
    x = torch.randint(0, 256, (CHECK_IMAGES, *spec.shape), dtype=torch.uint8)
    stage = next(built.stages(x), None)
    if stage is None:
        return ["its stages() yields no stage"]
    if stage.name not in protocol.stages:
        return [f"its protocol row has no schedule for stage {stage.name!r}. It has: {', '.join(protocol.stages)}"]
    errors = []
    for update in stage.updates:
        for group in update.groups:
            try:
                protocol.stages[stage.name].rate(group, 0)
            except ValueError as error:
                errors.append(f"stage {stage.name!r}: {error}")
    if errors or protocol.hyper.get("recon") in PRETRAINED:  # weights that are missing are reported elsewhere
        return errors
    built.train()
    batch = [to_float(tensor[:CHECK_IMAGES]) for tensor in stage.data()]
    objective, parts = stage.updates[0].loss(*batch)
    if objective.ndim or any(part.ndim for part in parts.values()):
        errors.append(f"the loss of stage {stage.name!r} must return a scalar and a dict of scalars")
    built.eval()
    with torch.no_grad():
        images = built.decoder(torch.zeros(2, built.nz))
    if images.shape != (2, *spec.shape):
        errors.append(
            f"its decoder returns {tuple(images.shape[1:])} for {built.nz} latents, expected images of {spec.shape}"
        )
    return errors
