"""What a table should hold: its rows, columns and the runs that it wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.paper import Pair

MARGIN = 0.05  # share of a published value within which ours counts as equal to it


@dataclass(frozen=True)
class Grid:
    """What a table should hold; made from the registry and the protocols."""

    models: Mapping[str, str]  # name -> label, in the table's order
    datasets: Mapping[str, str]  # name -> label, in the table's order
    keys: Mapping[Pair, tuple[str, ...]]  # training keys wanted, one per seed; () where a pair cannot run
    metric: str  # a column of the runs frame: "fid", "fd_classifier", ...
    protocol_ids: Mapping[str, str]  # dataset -> the only protocol_id whose evaluations count
    preset: str
    draws: int = 1  # sample sets wanted of each training; one with fewer is not done
    protocols: tuple[str, ...] = ()  # sentences for the caption of a table of distances: their metric protocols
    notes: tuple[str, ...] = ()  # sentences for every caption: budget, own rows, warnings
    variants: Mapping[Pair, str] = field(default_factory=dict)  # (dataset, variant) -> protocol_id, where it can be had
    labels: Mapping[str, str] = field(default_factory=dict)  # variant -> label, in the table's order
    asides: Mapping[Pair, str] = field(default_factory=dict)  # why a pair's trainings cannot be done, for its cell
    stages: Mapping[Pair, Mapping[str, int]] = field(default_factory=dict)  # stage -> epochs of the protocol
    decimals: int | None = None  # digits printed behind the point; None: as many as the table's numbers need
    margin: float = MARGIN  # share of a published value within which ours counts as equal to it
