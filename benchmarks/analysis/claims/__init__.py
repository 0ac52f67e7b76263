"""What the paper claims, as statements that records support, contradict or leave undecided.

`CLAIMS` is the list.  Each claim looks at the trainings of one preset, data set by data set, and says by which test,
how large the effect is, and which records it used; where they do not suffice it says what to run.

- A claim of order holds on whatever distance the records have: the classifier's cannot be set beside the paper's
  numbers, but it ranks models, and each finding names it.  Distances of two metric protocols are never compared.
- Fewer than three trainings of a model decide nothing: their spread is not known.  (Claim 12 needs none.)
- Trainings that diverged or failed have no distance: they are counted in what a finding says, and a model that seems to
  win by the trainings that are left does not.
- A shortened budget, one of our own, or images that the paper has not can make a claim of values, divergence or
  degeneration fail by themselves: such a claim is contradicted on the paper's budget and images only, and a value
  (claim 8's) is judged there only.
- The test, effect and p-value of a finding are those that decide it.  Where an interval is set against a margin (3, 7,
  8, 13, 15) there is no p-value, as that of no difference is not what is asked.
- A training whose latents, say, are `inference.FAR` times as unlikely as the others' is named: it counts all the same.
- A claim is supported where every data set that it is of supports it, and contradicted where one does.  P-values of
  claims of order (1, 2, 4, 5, 16, 17: Welch's tests) are corrected by Holm's method over models and data sets together;
  those of claims 6, 7, 10 and 11 over all comparisons that they make (between values of β, and with GLF), data set by
  data set; the others have one test or interval on each data set, and none is corrected.  Nor is anything between
  claims: of eighteen, about one false verdict is to be expected if none were true.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import zoo
from benchmarks.analysis.claims import printed
from benchmarks.analysis.claims.cost import cheap_flow, faster, small_flow
from benchmarks.analysis.claims.finding import (
    CONTRADICTED,
    LARGE,
    PAPER,
    PRIORS,
    REGULARIZED,
    SETTING,
    SUPPORTED,
    UNDECIDED,
    Finding,
    Judge,
)
from benchmarks.analysis.claims.order import beats, by_dataset, equal, improves_not, jpeg_lowers
from benchmarks.analysis.claims.sweeps import (
    degenerates,
    diverges,
    gap_shrinks,
    learned_is_worse,
    oscillates,
    variance_falls,
)
from benchmarks.analysis.evidence import Evidence, label, own_rows
from benchmarks.analysis.verdicts import ENOUGH
from benchmarks.data.datasets import DATASETS
from benchmarks.evaluation.scoring import IMAGES
from benchmarks.execution.options import Options
from benchmarks.protocols import PRESETS

__all__ = ["CLAIMS", "CONTRADICTED", "SUPPORTED", "UNDECIDED", "Claim", "Finding", "Verdict", "claim_of", "command",
           "judge"]  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """A claim's findings, and what they come to."""

    answer: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        number: as reports cite it.
        sentence: what is claimed.
        source: where in the paper.
        models: concerned; a data set with none of them has no finding at a shortened preset.
        judge: evidence and data sets -> a finding for each.
        datasets: what the claim is of; a claim not bound to these is tried on what there is at a shortened preset, and
            at the paper's where there is nothing else.
        bound: whether the claim is of those data sets alone.
        by: the command that trains what is missing.
        rule: when it counts as supported, and when as contradicted, in words that follow "Supported where: ".
        endings: whether it is of how trainings end: a diverged one then tells as much as any other.
    """

    number: int
    sentence: str
    source: str
    models: tuple[str, ...]
    judge: Judge
    datasets: tuple[str, ...] = PAPER
    bound: bool = False
    by: str = "table1"
    rule: str = ""
    endings: bool = False

    @cached_property
    def printed(self) -> str:
        """What the same rule says of the paper's own Table 1, data set by data set; "" where it lacks the models."""
        table = printed.table1()
        if self.by != "table1" or not self.models or not any(all(table.keys(m, d) for m in self.models) for d in PAPER):
            return ""
        found = [f for f in self.judge(table, self.datasets) if f.metric]
        return ", ".join(f"{f.answer} on {DATASETS[f.dataset].label}" for f in found)

    def verdict(self, evidence: Evidence, results: str = "results/local") -> Verdict:
        """The claim against the records of one preset."""
        scope = [*self.datasets]
        there = [d for d in evidence.datasets if not self.models or any(evidence.keys(m, d) for m in self.models)]
        if not self.bound and (evidence.preset != "paper" or (there and not {*there} & {*self.datasets})):
            scope = there
        findings = []
        for finding in self.judge(evidence, scope):
            models = finding.models or self.models
            known = {m: len(evidence.keys(m, finding.dataset)) for m in models if m in zoo.MODELS}
            counted = Counter(evidence.trainings.loc[[*finding.keys], "model"])
            unknown = [model for model in models if model not in zoo.MODELS]
            metric, protocol = evidence.protocols.get(finding.dataset, ("", ""))
            if finding.protocol:  # one of its own, as that of a curve
                metric, protocol = finding.metric, finding.protocol
            barred, command = finding.barred, ""
            if finding.answer == UNDECIDED and models and not barred:
                barred = self.barred(evidence, finding.dataset, models)
                tested = bool(finding.decidable)
                command = "" if barred else self.command(evidence, finding.dataset, results, models, tested)
            far = "; ".join(evidence.outliers(finding.keys)) if finding.metric else ""
            lacks = f"this version has no {', '.join(unknown)}" if unknown else ""
            findings.append(replace(
                finding,
                trainings=finding.trainings if finding.trainings is not None else known,
                used={m: counted[m] for m in known},
                note=own_rows(evidence, finding.dataset, models),
                says="; ".join(filter(None, [finding.says, far, _not_used(evidence, finding, known), lacks])),
                metric=finding.metric and metric,
                protocol=protocol if finding.metric else "",
                command=command,
                barred=barred if finding.answer == UNDECIDED else "",
            ))  # fmt: skip
        if not findings:
            where = "digits" if evidence.preset == "demo" else "mnist"
            says = "no training of " + ", ".join(label(m) for m in self.models) + f" at preset {evidence.preset}"
            hopeless = [f for f in self.judge(evidence, [where]) if f.barred]
            barred = hopeless[0].barred if hopeless else self.barred(evidence, where, self.models)
            command = "" if barred else self.command(evidence, where, results, self.models)
            says = "; ".join([says, *(finding.says for finding in hopeless)])
            findings = [Finding(where, UNDECIDED, says, command=command, barred=barred)]
        return Verdict(together(f.answer for f in findings), tuple(findings))

    def barred(self, evidence: Evidence, dataset: str, models: Sequence[str]) -> str:
        """Why no more trainings of some models can be made, or would tell anything; "" where they would."""
        if not {*models} <= zoo.MODELS.keys():
            return "it takes a model that this version has not"
        statuses = {model: evidence.statuses(model, dataset) for model in models}
        lost = [m for m, s in statuses.items() if len(s) >= ENOUGH and (s == "diverged").all()]
        if self.endings or not lost:
            return ""
        told = f"every training of {', '.join(map(label, lost))} diverged, and so would more of them"
        return told if evidence.full(dataset) else f"{told}; otherwise {SETTING}"

    def command(
        self, evidence: Evidence, dataset: str, results: str, models: Sequence[str], tested: bool = False
    ) -> str:
        """What trains and measures what a finding needs of some models; nothing that is there is trained again."""
        statuses = [evidence.statuses(model, dataset) for model in models]
        useful = [len(s) if self.endings else int((s != "diverged").sum()) for s in statuses]
        # Seeds that have ended are not trained again: what diverged is made up for by as many more
        seeds = max(PRESETS[evidence.preset].seeds if evidence.preset in PRESETS else 0,
                    *(len(s) + max(0, ENOUGH - n) for s, n in zip(statuses, useful, strict=True)))  # fmt: skip
        if tested:  # all that was asked for is there, and did not decide
            seeds = max(10, 2 * max(map(len, statuses)))
        return command(evidence, self.by, models, dataset, seeds, results)


def _not_used(evidence: Evidence, finding: Finding, models: Iterable[str]) -> str:
    """What a finding does not rest on although it is there: ended badly, or of another kind; "" where all is used."""
    told = []
    for model in models:
        statuses = evidence.statuses(model, finding.dataset)
        ends = statuses[~statuses.index.isin(finding.keys)]
        counts = {word: int((ends == word).sum()) for word in ("diverged", "failed")}
        counts["of another revision, precision, row or training part"] = evidence.left_out(model, finding.dataset)
        if any(counts.values()):
            told.append(f"{label(model)} " + ", ".join(f"{n} {word}" for word, n in counts.items() if n))
    return f"not counted: {'; '.join(told)}" if told else ""


def command(evidence: Evidence, what: str, models: Sequence[str], dataset: str, seeds: int, results: str) -> str:
    """A command line for some cells of one data set; names come from records, so all of them are quoted."""
    preset = PRESETS.get(evidence.preset)
    words = ["python", "-m", "benchmarks.run", what, "--preset", evidence.preset]
    if dataset in DATASETS:
        words += ["--on", dataset]
    else:
        mine = evidence.trainings[evidence.trainings["dataset"] == dataset]
        like = str(mine["row"].iloc[0]) if len(mine) else "mnist"
        words += ["--on", "folder:PATH", "--name", dataset, "--like", like]
    words += ["--only", ",".join(models), "--seeds", str(seeds)]
    metric = evidence.protocols.get(dataset, ("", ""))[0]
    features = {"fid": "inception", "fd_classifier": "classifier", "fd_pixels": "pixels"}.get(metric)
    if features and (preset is None or features != preset.features):
        words += ["--features", features]
    # What differs from the defaults; a data set with no distance yet has none of it
    how = evidence.how(dataset)
    if how and preset and how["draws"] != preset.draws:
        words += ["--draws", str(how["draws"])]
    if how.get("n_fake", IMAGES) != IMAGES:
        words += ["--images", str(how["n_fake"])]
    if "dims" in how and min(how.get("n_real", IMAGES), how.get("n_fake", IMAGES)) <= how["dims"]:
        words.append("--allow-few")
    used = [p for model in models for p in evidence.trainings.loc[[*evidence.keys(model, dataset)], "precision"][:1]]
    if len({*used}) == 1 and used[0] != Options.precision:
        words += ["--precision", str(used[0])]
    if results != Options.results:
        words += ["--results", results]
    return shlex.join(words)


def together(answers: Iterable[str]) -> str:
    """Contradicted where one is, supported where all are, else undecided."""
    there = {*answers}
    if CONTRADICTED in there:
        return CONTRADICTED
    return SUPPORTED if there == {SUPPORTED} else UNDECIDED


REST = ("vae", "wae-gan", "two-stage-vae", "vae-flow-prior", "vae-flow-posterior")
RIVALS = (*REST, "rae-gmm")
HELP, NO_HELP = beats("vae-flow-prior", ("vae",)), improves_not("vae-flow-prior", "vae")
CIFAR = ("cifar10",)


def lower(better: str, other: str = "") -> str:
    """The rule of `beats`: of one other model, or of several."""
    each, one = (other, other) if other else ("each other model", "one of them")
    return (
        f"{better} has a significantly smaller distance than {each}; "
        f"contradicted where {one} has a significantly smaller one than {better}"
    )


# fmt: off - a claim a row
CLAIMS: tuple[Claim, ...] = (
    Claim(
        1,
        "GLF is the best of the models trained with squared error, on each data set",
        "Section 4.2, Table 1",
        ("glf", *RIVALS),
        beats("glf", RIVALS),
        rule=lower("GLF"),
    ),
    Claim(
        2,
        "RAE + GMM is GLF’s closest competitor: the best of the others",
        "Section 4.2",
        RIVALS,
        beats("rae-gmm", REST),
        rule=lower("RAE + GMM"),
    ),
    Claim(
        3,
        "A flow posterior does not improve on the VAE",
        "Section 4.2",
        ("vae", "vae-flow-posterior"),
        improves_not("vae-flow-posterior", "vae"),
        rule="the flow posterior’s distance is shown to be smaller by no more than 5 % of the VAE’s; contradicted "
        "where it is shown to be smaller by more",
    ),
    Claim(
        4,
        "A flow prior improves on the VAE on CIFAR-10 and CelebA, but not on MNIST",
        "Table 1",
        ("vae", "vae-flow-prior"),
        by_dataset({"mnist": NO_HELP, "cifar10": HELP, "celeba": HELP}),
        ("mnist", "cifar10", "celeba"),
        bound=True,
        rule="the flow prior’s distance is significantly smaller than the VAE’s on CIFAR-10 and CelebA, and on "
        "MNIST shown to be smaller by no more than 5 %; contradicted where the VAE’s is significantly smaller "
        "on one of the two, or the flow prior’s shown to be smaller by more on MNIST",
    ),
    Claim(
        5,
        "GLF beats the VAE with a flow prior at β = 1",
        "Section 4.2",
        ("glf", "vae-flow-prior"),
        beats("glf", ("vae-flow-prior",)),
        rule=lower("GLF", "the VAE with a flow prior"),
    ),
    Claim(
        6,
        "The gap between the two (claim 5) shrinks as β grows",
        "Section 4.2.1, Figure 3a",
        ("glf", *PRIORS.values()),
        gap_shrinks,
        CIFAR,
        by="figure3",
        rule="GLF is significantly better at β = 1, the gap at 400 is significantly smaller, and it rises "
        "significantly nowhere between; contradicted where it is significantly larger at 400, or the other "
        "way round: the VAE is significantly better than GLF at β = 1, or at 400 by more than 5 %",
    ),
    Claim(
        7,
        "A learned β is not effective",
        "Section 4.2.1",
        (*PRIORS.values(), "vae-flow-prior-learned"),
        learned_is_worse,
        CIFAR,
        by="figure3",
        rule="significantly worse than the best fixed β; contradicted where it is shown to be worse by less than 5 %",
    ),
    Claim(
        8,
        "The posterior’s variance falls with β, to about 1e-4 at β = 400",
        "Section 4.2.1, Figure 3b",
        tuple(PRIORS.values()),
        variance_falls,
        CIFAR,
        by="figure3",
        rule="it falls significantly with β and, on CIFAR-10 at the paper’s budget, is shown to be 1e-4 at 400 "
        "within half an order of magnitude; contradicted, at that budget, where it rises significantly or is "
        "shown to be beyond",
    ),
    Claim(
        9,
        "Regularized GLF diverges at β = 1 and 10",
        "Section 4.2.1",
        (REGULARIZED[1], REGULARIZED[10]),
        diverges,
        CIFAR,
        by="figure4",
        endings=True,
        rule="most trainings at each β, and by the interval over both more than half, end with a loss that is not "
        "finite or reconstruct worse than after their first epoch; contradicted, on the paper’s budget and "
        "images, where by the interval of one β or of both fewer than half do",
    ),
    Claim(
        10,
        "Regularized GLF oscillates at β = 50, 100 and 400, and GLF does not",
        "Section 4.2.1, Figure 4a",
        ("glf", *(REGULARIZED[b] for b in LARGE)),
        oscillates,
        CIFAR,
        by="figure4",
        rule="the relative steps of the distance in the second half of training are significantly larger than "
        "GLF’s at each β; contradicted where they are significantly smaller at one",
    ),
    Claim(
        11,
        "Regularized GLF’s NLL degenerates, that of the VAE with a flow prior does not",
        "Figures 3c, 4c",
        (*(REGULARIZED[b] for b in LARGE), *(PRIORS[b] for b in LARGE)),
        degenerates,
        CIFAR,
        by="figure4",
        rule="the one’s last NLL is significantly negative at β = 50, 100 and 400, the other’s positive; "
        "contradicted, on the paper’s budget and images, where one of the six has significantly the other sign",
    ),
    Claim(
        12,
        "The flow adds less than 3 % of parameters",
        "Section 4",
        (),
        small_flow,
        bound=True,
        rule="the parameters of the flow of 8 couplings, as in the paper’s 3.1, are less than 3 % of those of "
        "encoder and decoder, counted from the modules on each data set; contradicted where they are 3 % or "
        "more on one even with the 4 that Figure 1b may be read to have",
    ),
    Claim(
        13,
        "Training the flow adds little time",
        "Appendix E",
        ("glf", "rae-gmm"),
        cheap_flow,
        rule="a step is shown to take less than 25 % longer than without a flow (a limit of ours: the paper gives "
        "no number); contradicted where it is shown to take more than that",
    ),
    Claim(
        14,
        "GLF needs fewer epochs and less total time than the Two-Stage VAE",
        "Section 4.3, Tables 2 and 5",
        ("glf", "two-stage-vae"),
        faster,
        rule="it trains for fewer epochs, and on one device in significantly less time; contradicted, on the "
        "paper’s budget and images, where it trains for as many, or significantly longer",
    ),
    Claim(
        15,
        "GLF trained in two stages equals GLF trained in one",
        "Section 3.3",
        ("glf", "glf-two-stage"),
        equal("glf-two-stage", "glf"),
        rule="their distances are shown to differ by less than 5 %; contradicted where they are shown to differ by "
        "more",
    ),
    Claim(
        16,
        "The perceptual loss improves GLF",
        "Section 4.2, Table 1",
        ("glf", "glf-perceptual"),
        beats("glf-perceptual", ("glf",)),
        rule=lower("GLF + perceptual loss", "GLF"),
    ),
    Claim(
        17,
        "WAE-GAN beats WAE-MMD",
        "Section 4.2",
        ("wae-gan", "wae-mmd"),
        beats("wae-gan", ("wae-mmd",)),
        rule=lower("WAE-GAN", "WAE-MMD"),
    ),
    Claim(
        18,
        "Reals that went through JPEG lower the score (Appendix B.4)",
        "Appendix B.4",
        ("glf", "two-stage-vae"),
        jpeg_lowers,
        CIFAR,
        by="sensitivity",
        rule="the same samples are significantly closer to JPEG reals; contradicted where they are significantly "
        "farther",
    ),
)
# fmt: on


def claim_of(number: int) -> Claim:
    """The claim of a number."""
    return next(claim for claim in CLAIMS if claim.number == number)


def judge(evidence: Evidence, results: str | Path = "results/local") -> list[tuple[Claim, Verdict]]:
    """All claims against the records of one preset."""
    return [(claim, claim.verdict(evidence, str(results))) for claim in CLAIMS]
