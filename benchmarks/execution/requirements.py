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
    """The content that a table should have, from the registry and the protocols."""

    models: Mapping[str, str]  # name -> label, in the table's order
    datasets: Mapping[str, str]  # name -> label, in the table's order
    keys: Mapping[Pair, tuple[str, ...]]  # keys of a pair's runs, one per seed; () if the pair cannot run
    metric: str  # a column of the runs frame: "fid", "fd_classifier", ...
    protocol_ids: Mapping[str, str]  # dataset -> the only protocol_id whose evaluations count
    preset: str
    seeds: tuple[int, ...] = ()  # of the runs of a cell
    draws: int = 1  # sample sets of each run; a run with fewer is not done
    metric_protocols: Mapping[str, MetricProtocol] = field(default_factory=dict)  # data set -> the protocol itself
    extractor_notes: Mapping[str, str] = field(default_factory=dict)  # data set -> such as the extractor's accuracy
    own_settings: Mapping[Pair, str] = field(default_factory=dict)  # settings that differ from the paper's
    data_warnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # data set -> what is unusual
    folders: Mapping[str, str] = field(default_factory=dict)  # folder of images -> label of the data set in --like
    missing_weights: Mapping[str, str] = field(default_factory=dict)  # model -> which weights, and where to get them
    variants: Mapping[Pair, str] = field(default_factory=dict)  # (dataset, variant) -> protocol_id, if available
    variant_labels: Mapping[str, str] = field(default_factory=dict)  # variant -> label, in the table's order
    cell_notes: Mapping[Pair, str] = field(default_factory=dict)  # for a cell: why its runs cannot be done
    stages: Mapping[Pair, Mapping[str, int]] = field(default_factory=dict)  # stage -> epochs of the protocol
    decimals: int | None = None  # digits after the decimal point; None: as many as the table's numbers need
    margin: float = MARGIN  # share of a published value within which ours counts as equal to it


@dataclass(frozen=True)
class Requirements:
    """What a table or figure needs of each run's record.

    Attributes:
        models: default rows, as far as the zoo has the models; None: the preset's.
        datasets: default columns at the paper's budget; None: the preset's.
        sources: keys of `sources.SOURCES`.
        variants: keys of `protocol.VARIANTS`; None: all that are available for a data set.
        metrics: keys of `metrics.METRICS`, in addition to those that a command names.
        diagnostics: those of `names.DIAGNOSTICS` that it needs.
        learning_curve: whether it draws the distance while a model trains.
        trains: whether missing runs are trained.
    """

    models: tuple[str, ...] | None = None
    datasets: tuple[str, ...] | None = None
    sources: tuple[str, ...] = ("prior",)
    variants: tuple[str, ...] | None = ("base",)
    metrics: tuple[str, ...] = ("fd",)
    diagnostics: tuple[str, ...] = ()
    learning_curve: bool = False
    trains: bool = True
