"""What a table or figure needs of each training's record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Requirements:
    """What a table or figure needs of each training's record.

    Attributes:
        models: rows where a command names none, of those that the zoo has; None: the preset's.
        datasets: columns where a command names none, at the paper's budget; None: the preset's.
        sources: keys of `scoring.SOURCES`.
        variants: keys of `scoring.VARIANTS`; None: all that a data set can have.
        metrics: keys of `metrics.METRICS`, beside those that a command names.
        diagnostics: those of `columns.DIAGNOSTICS` that it needs.
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
