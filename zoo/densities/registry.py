"""The list of densities, `DENSITIES`, and the names that commands accept: NAME[:VALUE][:OPTION=VALUE]...

This module does not import torch. A row names its class, which is imported on first use.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from zoo.registry import Scalar, did_you_mean

if TYPE_CHECKING:
    from zoo.densities.base import Density


@dataclass(frozen=True)
class Row:
    """One row of the list.

    Attributes:
        source: "module:Class" in this package.
        label: label in tables; {NAME} is replaced by the value of a hyper-parameter.
        hyper: hyper-parameters that the row sets. Options override them.
        value: the hyper-parameter that a value without a name sets: `gmm:10`.
        package: the optional package that it needs; "" for none.
        revision: version of its mathematics. Raise it when they change, so that old records no longer count.
    """

    source: str
    label: str
    hyper: Mapping[str, Scalar] = field(default_factory=dict)
    value: str = ""
    package: str = ""
    revision: int = 1

    @property
    def density(self) -> type[Density]:
        """The class. Its first argument is nz."""
        module, _, name = self.source.partition(":")
        density: type[Density] = getattr(importlib.import_module(f"zoo.densities.{module}"), name)
        return density


# "patience": epochs without a lower held-out loss after which a fit ends, and its best epoch is kept. The paper's flow
# has none.  "length": factor of the epochs of the flow's schedule.
# fmt: off
DENSITIES: dict[str, Row] = {
    "gaussian":     Row("mixture:GaussianMixture", "Gaussian", {"components": 1}),
    "gmm":          Row("mixture:GaussianMixture", "GMM, {components} components", value="components"),      # RAE's: 10
    "gmm:auto":     Row("mixture:AutoMixture",     "GMM, components by held-out likelihood"),
    "flow":         Row("trained:CouplingFlow",    "coupling flow"),
    "flow:long":    Row("trained:CouplingFlow",    "coupling flow, {length:g} times as long, early stopping", {"length": 4.0, "patience": 20}),
    "nsf":          Row("trained:ZukoFlow",        "neural spline flow",          {"kind": "NSF", "patience": 20, "weight_decay": 0.0}, package="zuko"),
    "maf":          Row("trained:ZukoFlow",        "masked autoregressive flow",  {"kind": "MAF", "patience": 20, "weight_decay": 0.0}, package="zuko"),
    "second-stage": Row("trained:SecondStage",     "second-stage VAE",            {"weight_decay": 0.0}),
    "kde":          Row("kernel:KernelDensity",    "kernel density", value="bandwidth"),
}
# fmt: on
EXTRA = "densities"  # the optional extra of this package that installs the packages of the rows
HIDDEN = ("kind", "factors")  # hyper-parameters that are no options


@dataclass(frozen=True)
class DensitySpec:
    """A density as a command names it.

    Attributes:
        row: key of `DENSITIES`.
        options: hyper-parameters that the name sets.
    """

    row: str
    options: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name, as `parse_density` accepts it: "gmm:10:covariance=diag"."""
        value = DENSITIES[self.row].value if self.row in DENSITIES else ""
        texts = {name: str(v).lower() if isinstance(v, bool) else str(v) for name, v in self.options.items()}
        others = sorted(f"{name}={text}" for name, text in texts.items() if name != value)
        return ":".join([self.row, *([texts[value]] if value in texts else []), *others])

    def hyper(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """All hyper-parameters, including defaults. Records store them.

        Args:
            defaults: values that replace those of the class, such as the schedule of a data set. Names that the class
                does not have are ignored.
        """
        known, row = hyper_parameters(DENSITIES[self.row]), DENSITIES[self.row]
        usable = {name: value for name, value in defaults.items() if name in known}
        return {**known, **usable, **row.hyper, **self.options}

    def label(self, hyper: Mapping[str, Any]) -> str:
        """The label in tables, from all hyper-parameters."""
        template = DENSITIES[self.row].label
        others = [f"{name}={value}" for name, value in self.options.items() if f"{{{name}" not in template]
        return ", ".join([template.format(**hyper), *others])

    def build(self, nz: int, hyper: Mapping[str, Any], seed: int) -> Density:
        """The density, not fitted. Its initial weights depend on the seed alone.

        Args:
            nz: size of the latents.
            hyper: all hyper-parameters, as `hyper` returns them.
            seed: of the initial weights.
        """
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return DENSITIES[self.row].density(nz, **hyper)


def hyper_parameters(row: Row) -> dict[str, Any]:
    """Hyper-parameters of a row's class, with their defaults; those of its base classes, too."""
    known: dict[str, Any] = {}
    for base in row.density.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = [*inspect.signature(base).parameters.values()]
        named = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "nz"]
        known = {**{p.name: p.default for p in named}, **known}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return known


def parse_density(text: str) -> DensitySpec:
    """A density from its name: "gmm:10", "gmm:20:covariance=diag", "flow:long", "kde:bandwidth=0.3".

    Raises:
        ValueError: the name or an option is unknown, or a value is invalid. The message lists what is known.
    """
    words = [word.strip() for word in text.split(":")]
    row = next((name for n in (2, 1) if (name := ":".join(words[:n])) in DENSITIES), None)
    if row is None:
        known = f"Known: {', '.join(DENSITIES)} (zoo/densities/registry.py)"
        raise ValueError(f"unknown density {text!r}{did_you_mean(words[0], DENSITIES)}. {known}")
    known_options, options = hyper_parameters(DENSITIES[row]), dict[str, Scalar]()
    for word in words[row.count(":") + 1 :]:
        name, equals, value = word.partition("=")
        if not equals:
            name, value = DENSITIES[row].value, word
        if name not in known_options or name in HIDDEN:
            shown = ", ".join(option for option in known_options if option not in HIDDEN)
            raise ValueError(f"density {text!r}: {row} has no option {word!r}. Known: {shown}")
        options[name] = _convert(value, known_options[name], f"density {text!r}: {name}")
    spec = DensitySpec(row, options)
    if find_missing_package(spec) is None:
        try:
            spec.build(2, spec.hyper({}), seed=0)
        except ValueError as reason:
            raise ValueError(f"density {text!r}: {reason}") from None
    return spec


def _convert(text: str, default: Any, what: str) -> Scalar:
    """The value of an option, of the type of its default."""
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise ValueError(f"{what} must be true or false, got {text!r}")
        return text == "true"
    if isinstance(default, str):
        return text
    try:
        return int(text) if isinstance(default, int) else float(text)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise ValueError(f"{what} must be {kind}, got {text!r}") from None


def find_missing_package(spec: DensitySpec) -> str | None:
    """Why a density cannot be used here: its optional package is not installed; None if it can."""
    package = DENSITIES[spec.row].package
    if not package or find_spec(package) is not None:
        return None
    return f"density {spec.row} needs the package {package}: pip install 'ae-bench[{EXTRA}]'"
