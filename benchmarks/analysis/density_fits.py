"""The fitted densities of a results folder at one preset: which fits count, the claims of ours, and which is best.

The command `densities` has a plan, which lists its fits. The report has none, so this module selects them. The fits of
the runs that count (`evidence.Evidence`) count; of several fits of one density to one run, the newest revision does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pandas import DataFrame

import zoo
from benchmarks.analysis.claims.claim import ClaimVerdict, combine_answers
from benchmarks.analysis.claims.our_claims import NOT_FITTED, OUR_CLAIMS, OurClaim
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.statistics import Effect, correct_together, paired_t_test
from benchmarks.analysis.verdicts import MIN_RUNS
from zoo.densities.registry import DENSITIES

FIRST = ("glf", "rae-gmm", "vae")  # auto-encoders of the command by default, in its order
ORDER = (NOT_FITTED, *DENSITIES)  # of the rows; a name with a value, such as gmm:10, follows its row


@dataclass(frozen=True)
class DatasetFits:
    """The fits that count on one data set at one preset.

    Attributes:
        dataset: its name.
        metric: column of the distance.
        protocol_id: the metric protocol whose distances count.
        rows: rows of `read_densities`: those under the metric protocol, and those of fits without a distance.
        n_left_out: number of other fits at this preset: of runs that do not count, of an older revision, or
            measured under another metric protocol only.
    """

    dataset: str
    metric: str
    protocol_id: str
    rows: DataFrame
    n_left_out: int

    @property
    def models(self) -> list[str]:
        """The auto-encoders, those of `FIRST` first, then as in the registry."""
        first = [*FIRST, *zoo.MODELS]
        known = {*map(str, self.rows["model"])}
        return sorted(known, key=lambda model: (first.index(model) if model in first else len(first), model))

    @property
    def labels(self) -> dict[str, str]:
        """Density -> label, in the order of `ORDER`."""
        known = dict(zip(map(str, self.rows["density"]), map(str, self.rows["label"]), strict=True))
        return {name: known[name] for name in sorted(known, key=lambda name: (_position(name), name))}

    def autoencoders(self, model: str) -> dict[str, int]:
        """Key -> seed of the runs of an auto-encoder that have any fit, by seed."""
        own = self.rows[self.rows["model"] == model].sort_values(["seed", "autoencoder"])
        return dict(zip(map(str, own["autoencoder"]), map(int, own["seed"]), strict=True))

    def distances(self, model: str) -> dict[str, dict[int, float]]:
        """Density -> seed -> distance of samples, the mean over the fit's sample sets; densities as in `labels`."""
        own = self.rows[(self.rows["model"] == model) & (self.rows["status"] == "done")].dropna(subset=["distance"])
        found = {}
        for name in self.labels:
            means = own[own["density"] == name].groupby("seed")["distance"].mean()
            if len(means):
                found[name] = {int(str(seed)): float(value) for seed, value in means.items()}
        return found


def select_fits(densities: DataFrame, evidence: Evidence) -> list[DatasetFits]:
    """The fits that count, for each data set that has any.

    The metric protocol is that of the data set's Table 1 if there are fits under it, else that of most fits.

    Args:
        densities: the frame of `experiments.densities.records.read_densities`.
        evidence: the runs at one preset.
    """
    at_preset = densities[densities["preset"] == evidence.preset]
    own = at_preset[at_preset["autoencoder"].isin(evidence.runs.index)]
    newest = own.drop_duplicates("key").sort_values(["revision", "status", "key"], ascending=[False, True, True])
    newest = newest.drop_duplicates(["autoencoder", "density"])
    own = own[own["key"].isin(newest["key"])]
    selected = []
    for dataset in evidence.datasets:
        rows = own[own["dataset"] == dataset]
        measured = rows.dropna(subset=["distance"])
        counts = measured.groupby(["metric", "protocol_id"])["key"].nunique()
        pairs = [(str(metric), str(protocol_id)) for metric, protocol_id in counts.index]
        if not pairs:
            continue
        preferred = evidence.distances.protocols.get(dataset)
        chosen = preferred if preferred in pairs else pairs[int(counts.to_numpy().argmax())]
        counted = rows[(rows["protocol_id"] == chosen[1]) | rows["distance"].isna()]
        counted = counted.sort_values(["model", "seed", "key", "draw"])
        n_left_out = at_preset.loc[at_preset["dataset"] == dataset, "key"].nunique() - counted["key"].nunique()
        selected.append(DatasetFits(dataset, *chosen, counted, n_left_out))
    return selected


def _position(density: str) -> int:
    """The place of a density's row in `ORDER`; names that this version does not know come last."""
    for name in (density, density.partition(":")[0]):
        if name in ORDER:
            return ORDER.index(name)
    return len(ORDER)


def judge_our_claims(
    selected: Sequence[DatasetFits], models: Mapping[str, str], budget: str
) -> list[tuple[OurClaim, ClaimVerdict]]:
    """The claims of ours, each with its verdict over all data sets; [] without fits.

    Args:
        selected: the fits that count.
        models: auto-encoder -> label.
        budget: preset and budget, which the findings name as their settings.
    """
    if not selected:
        return []
    verdicts = []
    for claim in OUR_CLAIMS:
        findings = []
        for fits in selected:
            labels = {model: models[model] for model in fits.models}
            for finding in claim.verdict(fits.rows, labels, fits.dataset).findings:
                (model,) = finding.models
                findings.append(replace(
                    finding, metric=fits.metric, protocol_id=fits.protocol_id, settings_note=budget,
                    run_counts={model: len(fits.autoencoders(model))}, used_counts={model: len(finding.keys)},
                ))  # fmt: skip
        verdicts.append((claim, ClaimVerdict(combine_answers(f.answer for f in findings), tuple(findings))))
    return verdicts


@dataclass(frozen=True)
class BestDensity:
    """The density with the lowest distance of samples on the latents of one auto-encoder, beside its own density.

    Attributes:
        model: the auto-encoder.
        density: the best one.
        mean: its distance, mean over seeds.
        own_mean: distance of the model's own density; None if it was not measured.
        effect: own minus best, paired by seed; `p` is corrected by Holm's method for the comparisons of the model's own
            density with all others. None if the best is its own density, or with fewer than `MIN_RUNS` common seeds.
        n_seeds: number of common seeds.
    """

    model: str
    density: str
    mean: float
    own_mean: float | None
    effect: Effect | None
    n_seeds: int


def best_densities(fits: DatasetFits) -> Iterator[BestDensity]:
    """The best density of each auto-encoder that has any distance."""
    for model in fits.models:
        distances = fits.distances(model)
        if not distances:
            continue
        means = {name: sum(values.values()) / len(values) for name, values in distances.items()}
        best = min(means, key=means.__getitem__)
        own = distances.get(NOT_FITTED, {})
        differences = {
            name: [own[seed] - value for seed, value in values.items() if seed in own]
            for name, values in distances.items()
            if name != NOT_FITTED
        }
        tests = {name: paired_t_test(values) for name, values in differences.items() if len(values) >= MIN_RUNS}
        n_seeds = len(differences.get(best, own))
        yield BestDensity(
            model, best, means[best], means.get(NOT_FITTED), correct_together(tests).get(best), n_seeds
        )  # fmt: skip
