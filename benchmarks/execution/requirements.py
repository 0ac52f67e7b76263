"""What a table or figure wants: measurements of each run's record, and a grid of cells.  It imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.paper import Pair

if TYPE_CHECKING:
    from benchmarks.evaluation.protocol import MetricProtocol

MARGIN = 0.05  # share of a published value within which ours counts as equal to it


@dataclass(frozen=True)
class Grid:
    """What a table should hold; made from the registry and the protocols."""

    models: Mapping[str, str]  # name -> label, in the table's order
    datasets: Mapping[str, str]  # name -> label, in the table's order
    keys: Mapping[Pair, tuple[str, ...]]  # keys of its runs, one per seed; () where a pair cannot run
    metric: str  # a column of the runs frame: "fid", "fd_classifier", ...
    protocol_ids: Mapping[str, str]  # dataset -> the only protocol_id whose evaluations count
    preset: str
    seeds: tuple[int, ...] = ()  # those of a cell's runs
    draws: int = 1  # sample sets of each run; a run with fewer is not done
    metric_protocols: Mapping[str, MetricProtocol] = field(default_factory=dict)  # data set -> that of protocol_ids
    extractor_notes: Mapping[str, str] = field(default_factory=dict)  # data set -> the extractor's test accuracy, or so
    own_settings: Mapping[Pair, str] = field(default_factory=dict)  # settings of a pair's runs that are not the paper's
    data_warnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # data set -> what is odd about it
    missing_weights: Mapping[str, str] = field(default_factory=dict)  # model -> which weights, and where to get them
    variants: Mapping[Pair, str] = field(default_factory=dict)  # (dataset, variant) -> protocol_id, where it can be had
    variant_labels: Mapping[str, str] = field(default_factory=dict)  # variant -> label, in the table's order
    cell_notes: Mapping[Pair, str] = field(default_factory=dict)  # why a pair's runs cannot be done, for its cell
    stages: Mapping[Pair, Mapping[str, int]] = field(default_factory=dict)  # stage -> epochs of the protocol
    decimals: int | None = None  # digits printed behind the point; None: as many as the table's numbers need
    margin: float = MARGIN  # share of a published value within which ours counts as equal to it


@dataclass(frozen=True)
class Requirements:
    """What a table or figure needs of each run's record.

    Attributes:
        models: rows where a command names none, of those that the zoo has; None: the preset's.
        datasets: columns where a command names none, at the paper's budget; None: the preset's.
        sources: keys of `sources.SOURCES`.
        variants: keys of `protocol.VARIANTS`; None: all that a data set can have.
        metrics: keys of `metrics.METRICS`, beside those that a command names.
        diagnostics: those of `names.DIAGNOSTICS` that it needs.
        learning_curve: whether it draws the distance while a model trains.
        trains: whether what is missing is trained.
    """

    models: tuple[str, ...] | None = None
    datasets: tuple[str, ...] | None = None
    sources: tuple[str, ...] = ("prior",)
    variants: tuple[str, ...] | None = ("base",)
    metrics: tuple[str, ...] = ("fd",)
    diagnostics: tuple[str, ...] = ()
    learning_curve: bool = False
    trains: bool = True
