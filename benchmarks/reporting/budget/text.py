"""The table of two models at several budgets, and the sentences on their order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pandas import DataFrame

from benchmarks.analysis.budgets import Comparison, find_turns, spread
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.reporting.tables.table import MISSING
from benchmarks.reporting.wording import join

Labels = tuple[str, str]  # of the first and of the second model
AT_THIS_BUDGET = "At this budget"


def format_budget(budget: float) -> str:
    """A budget with two digits: 0.042."""
    return f"{budget:.2g}"


def format_distance(values: Sequence[float]) -> str:
    """Mean, and standard deviation if there are several runs: "2.98 ± 0.18"."""
    if not values:
        return MISSING
    mean, deviation = sum(values) / len(values), spread(values)
    decimals = 1 if mean >= 10 else 2
    return f"{mean:.{decimals}f}" + ("" if math.isnan(deviation) else f" ± {deviation:.{decimals}f}")


def format_runs(item: Comparison) -> str:
    """Numbers of finished runs: "3 runs of each", "one run of each", "3 and 2 runs"."""
    a, b = map(len, item.values)
    if a != b:
        return f"{a} and {b} runs"
    return "one run of each" if a == 1 else f"{a} runs of each"


def describe_order(item: Comparison, labels: Labels) -> str:
    """Which model is ahead at one budget, with the reason if none is."""
    if item.leader is not None and item.difference is not None:
        return f"{labels[item.leader]} is ahead ({format_p(item.difference.p)})"
    if any(item.lost):
        lost = [f"{n} of {label}" for n, label in zip(item.lost, labels, strict=True) if n]
        return f"undecided (diverged or failed: {join(lost)})"
    if item.difference is None:
        return f"not enough runs (needs {MIN_RUNS} of each)"
    return f"no difference shown ({format_p(item.difference.p)})"


def format_p(p: float) -> str:
    """A p-value with two digits; below 0.001 with one."""
    return f"p = {p:.1g}" if p < 0.001 else f"p = {p:.2g}"


def budget_table(compared: Sequence[Comparison], labels: Labels, datasets: Mapping[str, str]) -> DataFrame:
    """The two models at each budget, as text.

    Args:
        compared: by data set and budget.
        labels: of the models.
        datasets: name -> label.
    """
    return DataFrame(
        [
            {
                "Images": datasets.get(item.dataset, item.dataset),
                "Budget": format_budget(item.budget) + " of ours" * item.is_of_ours,
                "Training images": f"{item.images:,}",
                **{label: format_distance(values) for label, values in zip(labels, item.values, strict=True)},
                "Runs": format_runs(item),
                AT_THIS_BUDGET: describe_order(item, labels),
                "Device": " and ".join(item.devices),
                "Records": item.folder,
            }
            for item in compared
        ]
    )


def order_sentence(dataset: str, compared: Sequence[Comparison], labels: Labels) -> str:
    """One sentence: how the order of the two models on a data set changes with the budget.

    Args:
        dataset: its label.
        compared: its budgets, in order.
        labels: of the models.
    """
    turns = find_turns(compared)
    decided = sum(item.leader is not None for item in compared)
    if turns:
        between = join([f"between {format_budget(a)} and {format_budget(b)}" for a, b in turns])
        lead = f"the order turns {between} of the full budget"
    elif decided > 1:
        lead = "the order is the same at all budgets that decide it"
    elif decided:
        lead = "only one budget decides the order"
    else:
        lead = "no budget decides the order"
    parts = [f"{_clause(item, labels)} ({format_runs(item)})" for item in compared]
    return f"On {dataset} {lead}: {join(parts)}." if parts else f"On {dataset} the models have no budget in common."


def _clause(item: Comparison, labels: Labels) -> str:
    at = f"at {format_budget(item.budget)}"
    if item.leader is not None:
        return f"{at} {labels[item.leader]} is ahead"
    if any(item.lost):
        n = sum(item.lost)
        return f"{at} it is undecided, as {n} run{'s' * (n != 1)} diverged or failed"
    return f"{at} no difference is shown" if item.has_enough_runs else f"{at} there are not enough runs"
