"""Changed settings: `--set beta=4` makes variants of a command's models, such as `glf[beta=4]`.

The values are applied to the resolved protocol of a cell. A value that equals the protocol's changes nothing: the run
then has the key and the name of the plain model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks import protocols
from benchmarks.presets import PerGroup
from benchmarks.protocols import Protocol, Schedule
from zoo.registry import Scalar, did_you_mean

# Settings of a schedule: type of the value, which values are allowed, and their description in messages
SCHEDULE_SETTINGS: dict[str, tuple[type[int] | type[float], Callable[[float], bool], str]] = {
    "lr": (float, lambda value: value > 0, "a number above 0"),
    "batch": (int, lambda value: value > 1, "an integer from 2 on"),
    "epochs": (int, lambda value: 1 <= value <= 10**6, "an integer from 1 to 1000000"),
    "weight_decay": (float, lambda value: value >= 0, "a number from 0 on"),
}
BUDGET = "budget"  # multiplies the epochs of every stage
MAX_BUDGET = 100.0
SETTINGS = SCHEDULE_SETTINGS | {
    BUDGET: (float, lambda value: 0 < value <= MAX_BUDGET, f"a number above 0, at most {MAX_BUDGET:.0f}")
}

MAX_INTEGER = 10_000  # of an integer hyper-parameter: a model with a million layers takes hours to build


def parse_changes(text: str | None, errors: list[str]) -> dict[str, str]:
    """The settings of `--set NAME=VALUE,...`, with their values as text; errors are added to `errors`."""
    requested: dict[str, str] = {}
    for part in text.split(",") if text is not None else ():
        name, equals, value = (word.strip() for word in part.partition("="))
        if not (name and equals and value):
            errors.append(f"--set takes NAME=VALUE, got {part.strip()!r}. Example: --set lr=1e-3,beta=4")
        elif name in requested:
            errors.append(f"--set has {name} twice; give it once")
        else:
            requested[name] = value
    return requested


def split_name(name: str) -> tuple[str, str]:
    """A model and its changed settings, from the name that records use: "glf[beta=4]" -> ("glf", "beta=4")."""
    model, bracket, changes = name.partition("[")
    return (model, changes.removesuffix("]")) if bracket else (name, "")


def find_change_errors(model: str, plain: Protocol, requested: Mapping[str, str]) -> list[str]:
    """What is wrong with changed settings of a model: unknown names, values of another type, values out of range.

    Args:
        model: the model.
        plain: one of its protocols, resolved.
        requested: setting -> value, as text.
    """
    errors = []
    known = [*plain.hyper, *SETTINGS]
    by_stage = [f"{stage}.{name}" for stage in plain.stages for name in SCHEDULE_SETTINGS]
    for name, text in requested.items():
        if name not in known and name not in by_stage:
            errors.append(
                f"{model} has no setting {name!r}{did_you_mean(name, [*known, *by_stage])}. Known: {', '.join(known)}; "
                f"in one stage ({', '.join(plain.stages)}): {', '.join(f'STAGE.{each}' for each in SCHEDULE_SETTINGS)}"
            )
            continue
        try:
            _parse(name, text, plain)
        except ValueError as error:
            errors.append(f"--set {name}={text}: {name} of {model} {error}")
    if epochs := [name for name in requested if name.rpartition(".")[2] == "epochs" and BUDGET in requested]:
        errors.append(f"--set {epochs[0]} and a budget both set the number of epochs; give one of them")
    return errors


def changed_protocol(
    model: str, dataset: str, preset: str, n: int, requested: Mapping[str, str]
) -> tuple[Protocol, str]:
    """The resolved protocol of a model on n images of a data set, with changed settings.

    A changed batch size keeps the preset's number of steps, unless the number of epochs is changed, too. A changed
    number of epochs is trained in full, even if the preset limits the steps. The epochs at which a learning rate
    changes are scaled in proportion. A budget multiplies the epochs of every stage, at least to one.

    Args:
        model: as `protocols.protocol` takes it.
        dataset: likewise.
        preset: likewise.
        n: likewise.
        requested: setting -> value, as text; without errors of `find_change_errors`.

    Returns:
        The protocol, and the settings that differ from the plain one, as `--set` takes them; "" if none does.

    Raises:
        ValueError: as `protocols.protocol`; also if a changed batch is larger than the number of images.
    """
    plain = protocols.protocol(model, dataset, preset, n).resolve(model)
    values = {name: _parse(name, text, plain) for name, text in requested.items()}
    by_stage = _values_by_stage(values, plain)
    budget = float(values.get(BUDGET, 1.0))
    for stage, schedule in plain.stages.items() if budget != 1 else ():
        by_stage[stage]["epochs"] = max(1, round((schedule.epochs or 0) * budget))
    batches = {stage: {"batch": own["batch"]} for stage, own in by_stage.items() if "batch" in own}
    before = protocols.protocol(model, dataset, preset, n, batches).stages  # epochs due to a changed batch
    sizes = {stage: {name: own[name] for name in own if name in ("batch", "epochs")} for stage, own in by_stage.items()}
    stages = {
        stage: _with_rates(schedule, by_stage[stage])
        for stage, schedule in protocols.protocol(model, dataset, preset, n, sizes).stages.items()
    }
    hyper = changed_hyper(plain, requested)
    parts = [f"{name}={_format(value)}" for name, value in hyper.items()]
    parts += [f"{BUDGET}={_format(budget)}"] if budget != 1 else []
    for name in (name for name in SCHEDULE_SETTINGS if name != "epochs" or budget == 1):
        earlier = before if name == "epochs" else plain.stages
        changed = [stage for stage in stages if getattr(stages[stage], name) != getattr(earlier[stage], name)]
        parts += _describe(name, changed, stages)
    if not parts:
        return plain, ""
    text = ",".join(parts)
    source = f"{plain.source}; changed by --set: {text}"
    return replace(plain, stages=stages, hyper={**plain.hyper, **hyper}, source=source), text


def changed_hyper(plain: Protocol, requested: Mapping[str, str]) -> dict[str, Scalar]:
    """The hyper-parameters whose values change."""
    values = {name: _parse(name, text, plain) for name, text in requested.items() if name in plain.hyper}
    return {name: values[name] for name, current in plain.hyper.items() if values.get(name, current) != current}


def _parse(name: str, text: str, plain: Protocol) -> Any:
    """Parse a value; it gets the type of the value that it replaces.

    Raises:
        ValueError: it has another type, or is out of range.
    """
    if name not in plain.hyper:
        kind, is_allowed, expected = SETTINGS[name.rpartition(".")[2]]
        try:
            number = kind(text)
        except ValueError:
            raise ValueError(f"must be {expected}") from None
        if number == math.inf or not is_allowed(number):  # NaN fails every `is_allowed`
            raise ValueError(f"must be {expected}")
        return number
    current = plain.hyper[name]
    if isinstance(current, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError("must be true or false")
        return text.lower() == "true"
    if isinstance(current, str):
        return text
    try:
        value: float = int(text) if isinstance(current, int) else float(text)
    except ValueError:
        value = math.nan
    if isinstance(current, int) and not abs(value) <= MAX_INTEGER:  # NaN is not
        raise ValueError(f"must be an integer, at most {MAX_INTEGER:,}")
    if not math.isfinite(value):
        raise ValueError("must be a number")
    return value


def _values_by_stage(values: Mapping[str, Any], plain: Protocol) -> dict[str, dict[str, Any]]:
    """Stage -> its changed settings. A value for a named stage overrides a value for all stages."""
    by_stage: dict[str, dict[str, Any]] = {}
    for stage in plain.stages:
        shared = {name: values[name] for name in SCHEDULE_SETTINGS if name in values and name not in plain.hyper}
        own = {name: values[f"{stage}.{name}"] for name in SCHEDULE_SETTINGS if f"{stage}.{name}" in values}
        by_stage[stage] = shared | own
    return by_stage


def _with_rates(schedule: Schedule, changes: Mapping[str, Any]) -> Schedule:
    """A schedule with another learning rate or weight decay in all parameter groups that have one."""
    lr, decay = changes.get("lr"), changes.get("weight_decay")
    return replace(
        schedule,
        lr=schedule.lr if lr is None else _in_all_groups(schedule.lr, lr),
        weight_decay=schedule.weight_decay if decay is None else _in_all_groups(schedule.weight_decay, decay),
    )


def _in_all_groups(current: PerGroup, value: float) -> PerGroup:
    return dict.fromkeys(current, value) if isinstance(current, Mapping) else value


def _describe(name: str, changed: Sequence[str], stages: Mapping[str, Schedule]) -> list[str]:
    """The changes of one setting, as `--set` takes them; without a stage if the value is the same in all stages."""
    final = {stage: _single_value(getattr(schedule, name)) for stage, schedule in stages.items()}
    if changed and len({*final.values()}) == 1:
        return [f"{name}={_format(final[changed[0]])}"]
    return [f"{stage}.{name}={_format(final[stage])}" for stage in changed]


def _single_value(value: Any) -> Any:
    """The value that all parameter groups have; None if they differ."""
    if not isinstance(value, Mapping):
        return value
    return next(iter(value.values())) if len({*value.values()}) == 1 else None


def _format(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
