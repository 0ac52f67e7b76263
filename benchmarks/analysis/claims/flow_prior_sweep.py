"""Claims about the β of the VAE with a flow prior (Section 4.2.1): its gap to GLF, a learned β, posterior variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from benchmarks.analysis.claims.finding import (
    CONTRADICTED,
    FLOW_PRIORS,
    NEEDS_PAPER_SETTING,
    SUPPORTED,
    UNDECIDED,
    Finding,
    keys_of,
    missing_runs,
    survivor_caveat,
    with_caveat,
)
from benchmarks.analysis.claims.paper_budget import contradicted_on_paper_budget_only, scaled_beta_note
from benchmarks.analysis.evidence import Evidence, model_label
from benchmarks.analysis.paper_setting import matches_paper
from benchmarks.analysis.statistics import (
    SIGNIFICANCE_LEVEL,
    correct_together,
    kendall_tau,
    paired_t_test,
    welch_t_test,
)
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.execution.requirements import MARGIN

# Data set -> log10 of the posterior's variance at β = 400 (Section 4.2.1); "around" is read as the order of magnitude
LOG_VARIANCE_AT_400 = {"cifar10": -4.0}
VALUE_NOTE = "; the value, 1e-4 at β = 400, takes the paper’s budget on CIFAR-10 to judge"


def gap_shrinks(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 6: the distance of the VAE with a flow prior less GLF's is smaller at β = 400 and rises nowhere between.

    A gap of the other sign does not count as a closed one: then the VAE is better than GLF, at 400 by more than the
    margin.
    """
    return [_gap_shrinks(evidence, dataset) for dataset in datasets]


def _gap_shrinks(evidence: Evidence, dataset: str) -> Finding:
    glf = evidence.distance("glf", dataset)
    priors = {beta: evidence.distance(model, dataset) for beta, model in FLOW_PRIORS.items()}
    if too_few := missing_runs(evidence, dataset, ["glf", *FLOW_PRIORS.values()]):
        return Finding(dataset, UNDECIDED, too_few, metric="distance")
    steps = {f"{a} to {b}": (a, b) for a, b in pairwise(priors)}
    tests = correct_together(
        {
            "at 1": welch_t_test(priors[1].values, glf.values),
            "at 400": welch_t_test(priors[400].values + MARGIN * glf.mean, glf.values),  # beyond the margin
            "change": welch_t_test(priors[400].values, priors[1].values),  # GLF's part of the two gaps is the same
            **{step: welch_t_test(priors[b].values, priors[a].values) for step, (a, b) in steps.items()},
        }
    )
    positive = {name for name, test in tests.items() if test.p < SIGNIFICANCE_LEVEL and test.value > 0}
    negative = {name for name, test in tests.items() if test.p < SIGNIFICANCE_LEVEL and test.value < 0}
    reversed_at = next((beta for beta in (1, 400) if f"at {beta}" in negative), None)
    shrinks = "change" in negative and "at 1" in positive and not positive & steps.keys()
    answer = UNDECIDED
    if reversed_at or "change" in positive:
        answer = CONTRADICTED
    elif shrinks:
        answer = SUPPORTED
    gaps = ", ".join(f"{sample.mean - glf.mean:+.3g} at β = {beta}" for beta, sample in priors.items())
    text = f"gap to GLF: {gaps}".replace("-", "−")
    # The effect that is shown is the one that decides
    effect, effect_name, compared = tests["change"], "change of the gap", "β = 400 against β = 1"
    winners = [FLOW_PRIORS[1]] if answer == CONTRADICTED else ["glf", FLOW_PRIORS[400]]
    if reversed_at:
        text += f"; at β = {reversed_at} the gap is the other way round"
        gap = welch_t_test(priors[reversed_at].values, glf.values)
        effect, effect_name = replace(gap, p=tests[f"at {reversed_at}"].p), "gap to GLF"
        compared = f"β = {reversed_at} against GLF" + (f" less {100 * MARGIN:g} %" if reversed_at == 400 else "")
        winners = [FLOW_PRIORS[reversed_at]]
    finding = Finding(
        dataset,
        answer,
        text,
        test=f"Welch’s t-test of {compared}, Holm over {len(tests)} comparisons",
        effect=effect,
        effect_name=effect_name,
        metric="distance",
        keys=keys_of(glf, *priors.values()),
    )
    return with_caveat(finding, survivor_caveat(evidence, dataset, winners) if answer != UNDECIDED else "")


def learned_is_worse(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 7: a learned decoder variance is worse than the best of the fixed ones."""
    return [_learned_is_worse(evidence, dataset) for dataset in datasets]


def _learned_is_worse(evidence: Evidence, dataset: str) -> Finding:
    learned_model = "vae-flow-prior-learned"
    learned = evidence.distance(learned_model, dataset)
    fixed = {beta: evidence.distance(model, dataset) for beta, model in FLOW_PRIORS.items()}
    if too_few := missing_runs(evidence, dataset, [learned_model, *FLOW_PRIORS.values()]):
        return Finding(dataset, UNDECIDED, too_few, metric="distance")
    tests = correct_together({beta: welch_t_test(learned.values, sample.values) for beta, sample in fixed.items()})
    best = min(fixed, key=lambda beta: fixed[beta].mean)
    effect, margin = tests[best], MARGIN * fixed[best].mean
    answer = UNDECIDED
    if effect.high < margin:
        answer = CONTRADICTED
    elif effect.p < SIGNIFICANCE_LEVEL and effect.value > 0:
        answer = SUPPORTED
    test = "Welch’s t-test against the best β, Holm over 5 comparisons"
    if answer == CONTRADICTED:
        effect, test = effect.without_p(), "Welch’s interval against the best β and a margin of 5 %"
    finding = Finding(
        dataset,
        answer,
        f"learned {learned.mean:.3g}, the best fixed β ({best}) {fixed[best].mean:.3g}",
        test=test,
        effect=effect,
        effect_name="difference of mean distances",
        metric="distance",
        keys=keys_of(learned, *fixed.values()),
    )
    winners = {CONTRADICTED: [learned_model], SUPPORTED: [FLOW_PRIORS[best]], UNDECIDED: []}[answer]
    return with_caveat(finding, survivor_caveat(evidence, dataset, winners))


def variance_falls(evidence: Evidence, datasets: Sequence[str]) -> list[Finding]:
    """Claim 8: the posterior's variance falls with β, and is about 1e-4 at 400 on CIFAR-10 at the paper's budget."""
    return [_variance_falls(evidence, dataset) for dataset in datasets]


def _variance_falls(evidence: Evidence, dataset: str) -> Finding:
    judges_value = dataset in LOG_VARIANCE_AT_400 and matches_paper(evidence, dataset)
    reason = "" if judges_value else NEEDS_PAPER_SETTING  # elsewhere only the fall can be seen
    samples = {beta: evidence.run_values("posterior_var", model, dataset) for beta, model in FLOW_PRIORS.items()}
    too_few = [f"{model_label(FLOW_PRIORS[b])}: {len(s)}" for b, s in samples.items() if len(s) < MIN_RUNS]
    if too_few:
        text = f"too few trainings with a measured posterior variance ({MIN_RUNS} are needed): {', '.join(too_few)}"
        return Finding(dataset, UNDECIDED, text + ("" if judges_value else VALUE_NOTE), undecidable_reason=reason)
    betas = [beta for beta, sample in samples.items() for _ in sample.values]
    effect = kendall_tau(betas, [value for sample in samples.values() for value in sample.values])
    falls = effect.p < SIGNIFICANCE_LEVEL and effect.value < 0
    rises = effect.p < SIGNIFICANCE_LEVEL and effect.value > 0
    answer = SUPPORTED if falls else CONTRADICTED if rises else UNDECIDED
    test, effect_name = "Kendall’s τ of variance and β", "τ"
    text = "posterior variance " + ", ".join(f"{sample.mean:.2g} at β = {beta}" for beta, sample in samples.items())
    if judges_value:
        expected = LOG_VARIANCE_AT_400[dataset]
        logs = np.log10(samples[400].values)
        at_400 = paired_t_test(logs - expected).without_p()
        text += f"; at 400 its logarithm is {logs.mean():.2f}, asked within ±0.5 of {expected:g}"
        is_inside = at_400.low > -0.5 and at_400.high < 0.5
        is_outside = at_400.low > 0.5 or at_400.high < -0.5
        if not rises and (is_outside or (falls and not is_inside)):  # the value decides, or leaves the claim open
            answer, effect = CONTRADICTED if is_outside else UNDECIDED, at_400
            test = "Student’s interval against margins of ±0.5"
            effect_name = f"logarithm at β = 400, less {expected:g}".replace("-", "−")
    else:
        text += ("; that it falls is shown" if falls else "") + VALUE_NOTE
        answer = UNDECIDED if answer == SUPPORTED else answer
    finding = Finding(
        dataset,
        answer,
        text + scaled_beta_note(evidence, dataset, [*FLOW_PRIORS.values()]),
        test=test,
        effect=effect,
        effect_name=effect_name,
        keys=keys_of(*samples.values()),
        undecidable_reason=reason,
    )
    return contradicted_on_paper_budget_only(evidence, finding)
