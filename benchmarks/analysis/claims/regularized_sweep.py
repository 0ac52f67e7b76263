"""Claims about the β of regularized GLF (Section 4.2.1): divergence, oscillation, degeneration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.analysis.claims.finding import (
    CONTRADICTED,
    FLOW_PRIORS,
    INCONCLUSIVE,
    LARGE_BETAS,
    NOT_DECIDABLE,
    NOT_TESTED,
    REGULARIZED,
    SUPPORTED,
    Finding,
    inline_label,
    keys_of,
    too_few_runs,
)
from benchmarks.analysis.claims.paper_budget import contradicted_on_paper_budget_only, scaled_beta_note
from benchmarks.analysis.distances import Values
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.learning_curves import DISTANCE, curve_points, curve_protocol
from benchmarks.analysis.paper_setting import differences_from_paper, matches_paper
from benchmarks.analysis.statistics import (
    SIGNIFICANCE_LEVEL,
    Effect,
    correct_together,
    paired_t_test,
    proportion_interval,
    welch_t_test,
)


def diverges(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 9: regularized GLF at β = 1 and 10 has a loss that is not finite, or reconstructs worse than at first."""
    return [_diverges(evidence, dataset) for dataset in datasets]


def _diverges(evidence: Evidence, dataset: str) -> Finding:
    counts: dict[int, tuple[int, int]] = {}  # β -> (diverged runs, all runs that did not fail)
    for beta in (1, 10):
        statuses = evidence.statuses(REGULARIZED[beta], dataset)
        ended = statuses[statuses != "failed"]
        diverged = {*ended[ended == "diverged"].index} | _reconstructing_worse(evidence, [*ended.index])
        counts[beta] = len(diverged), len(ended)
    keys = tuple(key for beta in (1, 10) for key in evidence.keys(REGULARIZED[beta], dataset))
    if too_few := too_few_runs({REGULARIZED[beta]: n for beta, (_, n) in counts.items()}, "runs", " that did not fail"):
        return Finding(dataset, NOT_TESTED, reason=too_few, keys=keys)
    n_diverged, n_runs = (sum(pair[i] for pair in counts.values()) for i in (0, 1))
    low, high = proportion_interval(n_diverged, n_runs)
    is_rare_at_one = any(proportion_interval(count, n)[1] < 0.5 for count, n in counts.values())
    is_common_at_both = all(count / n > 0.5 for count, n in counts.values())
    answer, reason = INCONCLUSIVE, "a share above one half is not shown at both β, nor one below it at one β"
    if is_rare_at_one or high < 0.5:
        answer, reason = CONTRADICTED, ""
    elif is_common_at_both and low > 0.5:
        answer, reason = SUPPORTED, ""
    elif matches_paper(evidence, dataset):
        reason += "; three of three diverged runs at both β would support the claim, none of six at one contradicts it"
    elif not is_common_at_both:
        answer = NOT_DECIDABLE
        reason = (
            "most runs at both β would have to diverge to support the claim; only runs with the paper’s "
            f"{' and '.join(differences_from_paper(evidence, dataset))} can contradict it"
        )
    text = "diverged runs: " + ", ".join(f"{count} of {n} at β = {beta}" for beta, (count, n) in counts.items())
    finding = Finding(
        dataset,
        answer,
        text + scaled_beta_note(evidence, dataset, [REGULARIZED[1], REGULARIZED[10]]),
        reason,
        test="Clopper and Pearson’s interval of the share against one half",
        effect=Effect(n_diverged / n_runs, low, high, float("nan")),
        effect_name="diverged runs divided by all runs",
        keys=keys,
    )
    return contradicted_on_paper_budget_only(evidence, finding)


def _reconstructing_worse(evidence: Evidence, keys: Sequence[str]) -> set[str]:
    """Keys of the runs that reconstruct worse in their last epoch than in their first."""
    recon = evidence.epochs_of(keys, ["key", "recon"]).dropna(subset=["recon"]).groupby("key")["recon"]
    last, first = recon.last(), recon.first()
    return {str(key) for key in last[last > first].index}


def oscillates(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 10: regularized GLF's distance oscillates at large β, GLF's does not."""
    return [_oscillates(evidence, dataset) for dataset in datasets]


def _oscillates(evidence: Evidence, dataset: str) -> Finding:
    models = {0: "glf"} | {beta: REGULARIZED[beta] for beta in LARGE_BETAS}
    points = curve_points(evidence, [*models.values()], dataset, [DISTANCE])
    curves = points[~points["ended"].astype(bool)].groupby(["model", "key"])["value"]
    by_model: dict[str, dict[str, float]] = {model: {} for model in models.values()}
    for names, values in curves:
        model, key = map(str, names)
        if (value := oscillation(values.to_numpy(float))) is not None:
            by_model[model][key] = value
    oscillations = {beta: by_model[model] for beta, model in models.items()}
    counts = {models[beta]: len(values) for beta, values in oscillations.items()}
    keys = tuple(key for values in oscillations.values() for key in values)
    if too_few := too_few_runs(counts, "runs", " with a learning curve of the distance"):
        return Finding(dataset, NOT_TESTED, reason=too_few, keys=keys)
    logs = {beta: np.log([*values.values()]) for beta, values in oscillations.items()}
    tests = correct_together({beta: welch_t_test(logs[beta], logs[0]) for beta in LARGE_BETAS})
    significant = [beta for beta in LARGE_BETAS if tests[beta].p < SIGNIFICANCE_LEVEL]
    larger = [beta for beta in significant if tests[beta].value > 0]
    smaller = [beta for beta in significant if tests[beta].value < 0]
    answer = CONTRADICTED if smaller else SUPPORTED if len(larger) == len(LARGE_BETAS) else INCONCLUSIVE
    not_larger = ", ".join(str(beta) for beta in LARGE_BETAS if beta not in larger)
    calmest = min(smaller or LARGE_BETAS, key=lambda beta: tests[beta].value)
    metric, protocol_id = curve_protocol(evidence, [*models.values()], dataset) or ("", "")
    return Finding(
        dataset,
        answer,
        "relative step of the distance from one point of the learning curve to the next: "
        + ", ".join(f"{np.exp(v.mean()):.2g} {f'at β = {beta}' if beta else 'for GLF'}" for beta, v in logs.items()),
        f"larger steps than GLF’s are not shown at β = {not_larger}" if answer == INCONCLUSIVE else "",
        test="Welch’s t-test of logarithms, Holm over 3 comparisons",
        effect=tests[calmest].exp(),
        effect_name=f"relative step of {inline_label(models[calmest])} divided by that of GLF",
        metric=metric,
        protocol_id=protocol_id,
        keys=keys,
    )


def oscillation(distances: Values) -> float | None:
    """How much a distance oscillates: the spread of its relative steps in the second half of training.

    A step is the difference of the logarithms of two neighboring points.  The standard deviation of the steps is zero
    for a steady fall.  None with fewer than five points in that half.
    """
    half = distances[len(distances) // 2 :]
    if len(half) < 5 or (half <= 0).any():
        return None
    return float(np.diff(np.log(half)).std()) or 1e-12


def degenerates(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 11: regularized GLF's NLL becomes negative at large β, that of the VAE with a flow prior does not."""
    return [_degenerates(evidence, dataset) for dataset in datasets]


def _degenerates(evidence: Evidence, dataset: str) -> Finding:
    regularized = "regularized GLF"
    families = {regularized: REGULARIZED, "VAE + flow prior": FLOW_PRIORS}
    nlls = {
        (family, beta): evidence.last_values("nll", evidence.keys(models[beta], dataset))
        for family, models in families.items()
        for beta in LARGE_BETAS
    }
    keys = keys_of(*nlls.values())
    counts = {families[family][beta]: len(nll) for (family, beta), nll in nlls.items()}
    if too_few := too_few_runs(counts, "runs", " with an NLL"):
        return Finding(dataset, NOT_TESTED, reason=too_few, keys=keys)
    tests = correct_together({name: paired_t_test(nll.values) for name, nll in nlls.items()})
    # Positive where the sign is the claimed one
    agreement = {name: test.value * (-1 if name[0] == regularized else 1) for name, test in tests.items()}
    significant = [name for name, test in tests.items() if test.p < SIGNIFICANCE_LEVEL]
    opposite = [name for name in significant if agreement[name] < 0]
    agreeing = [name for name in significant if agreement[name] > 0]
    answer = CONTRADICTED if opposite else SUPPORTED if len(agreeing) == len(tests) else INCONCLUSIVE
    unclear = ", ".join(f"{family} at β = {beta}" for family, beta in tests if (family, beta) not in agreeing)
    means: dict[str, list[str]] = {}
    for (family, beta), nll in nlls.items():
        means.setdefault(family, []).append(f"{nll.mean:.3g} at β = {beta}")
    text = "NLL in the last epoch: " + "; ".join(f"{family} {', '.join(some)}" for family, some in means.items())
    # The comparison that decides, or is furthest from it
    worst = family, beta = min(opposite or tests, key=lambda name: agreement[name])
    finding = Finding(
        dataset,
        answer,
        text.replace("-", "−") + scaled_beta_note(evidence, dataset, [*REGULARIZED.values(), *FLOW_PRIORS.values()]),
        f"the sign of the NLL is not shown for {unclear}" if answer == INCONCLUSIVE else "",
        test="t-tests of the sign, Holm over 6 comparisons",
        effect=tests[worst],
        effect_name=f"NLL in nats of {family} (β = {beta})",
        keys=keys,
    )
    return contradicted_on_paper_budget_only(evidence, finding)
