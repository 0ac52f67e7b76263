"""Which fits count at a preset, the claims of ours on them, and the best density: committed and made-up fits."""

import pandas as pd
import pytest
from density_cases import fit_row
from report_pages import MEASURED

from benchmarks.analysis.claims import NOT_TESTED, SUPPORTED
from benchmarks.analysis.density_fits import DatasetFits, best_densities, judge_our_claims, select_fits
from benchmarks.analysis.evidence import Evidence
from benchmarks.experiments import records
from benchmarks.experiments.densities.records import COLUMNS, read_densities

FOLDER = MEASURED / "densities-mnist-quick"
MODELS = {"glf": "GLF", "rae-gmm": "RAE + GMM", "vae": "VAE"}


@pytest.fixture(scope="module")
def evidence():
    return Evidence(*records.read(FOLDER), "quick")


@pytest.fixture(scope="module")
def fits():
    return read_densities(FOLDER)


def made_up(distances, dataset="mnist", **changes):
    """Fits to the latents of GLF: density -> distance by seed."""
    rows = [fit_row(name, seed, value, dataset=dataset, **changes)
            for name, values in distances.items() for seed, value in enumerate(values)]  # fmt: skip
    return DatasetFits(dataset, "fd_classifier", "p", pd.DataFrame(rows, columns=[*COLUMNS]), 0)


def test_all_fits_of_a_measured_folder_count(evidence, fits):
    (selected,) = select_fits(fits, evidence)
    assert {*selected.rows["key"]} == {*fits["key"]}
    assert (selected.dataset, selected.metric, selected.n_left_out) == ("mnist", "fd_classifier", 0)
    assert selected.models == ["glf", "rae-gmm", "vae"]
    assert [*selected.labels] == ["own", "gaussian", "gmm:10", "gmm:auto", "flow", "flow:long", "maf", "second-stage",
                                  "kde"]  # fmt: skip


def test_fits_of_other_presets_unknown_runs_and_older_revisions_do_not_count(evidence, fits):
    others = [
        fits.assign(key="preset-" + fits["key"], preset="paper"),
        fits.assign(key="run-" + fits["key"], autoencoder="unknown"),
        fits.assign(key="old-" + fits["key"], revision=0),
    ]
    (selected,) = select_fits(pd.concat([*others, fits]), evidence)
    assert {*selected.rows["key"]} == {*fits["key"]}
    assert selected.n_left_out == 2 * fits["key"].nunique(), "those of the preset are counted"


def test_distances_under_two_metric_protocols_are_not_mixed(evidence, fits):
    """That of the runs' Table 1 counts, or else that of most fits."""
    others = fits.assign(protocol_id="0", distance=1000.0)
    (selected,) = select_fits(pd.concat([others, fits]), evidence)
    assert {*selected.rows["protocol_id"]} == {*fits["protocol_id"]}
    few = fits[fits["seed"] == 0].assign(protocol_id="00", distance=1000.0)
    (selected,) = select_fits(pd.concat([others, few]), evidence)
    assert {*selected.rows["protocol_id"]} == {"0"}


def test_without_fits_there_is_nothing_to_judge(evidence, fits):
    assert select_fits(fits.iloc[:0], evidence) == []
    assert judge_our_claims([], {}, "preset quick") == []


def test_a_claim_of_ours_names_its_runs_metric_protocol_and_budget(evidence, fits):
    selected = select_fits(fits, evidence)
    ((_, verdict),) = judge_our_claims(selected, MODELS, "preset quick: short")
    assert verdict.answer == SUPPORTED
    assert [finding.models for finding in verdict.findings] == [("glf",), ("rae-gmm",), ("vae",)]
    for finding in verdict.findings:
        assert finding.settings_note == "preset quick: short"
        assert (finding.metric, finding.protocol_id) == ("fd_classifier", fits["protocol_id"].iloc[0])
        assert finding.run_counts == finding.used_counts == {finding.models[0]: 3}


def test_a_claim_of_ours_is_judged_over_all_data_sets():
    """It is supported on the first, and the second has too few seeds."""
    distances = {f"gmm:{i}": [float(i)] * 3 for i in range(1, 5)}
    few = {name: values[:2] for name, values in distances.items()}
    ((_, verdict),) = judge_our_claims([made_up(distances), made_up(few, "digits")], MODELS, "")
    assert [finding.answer for finding in verdict.findings] == [SUPPORTED, NOT_TESTED]
    assert verdict.answer == NOT_TESTED
    assert "2 seeds" in verdict.reason


def test_the_best_density_is_compared_with_the_models_own_by_seed():
    """Differences 2, 3 and 4 have mean 3, and Student's interval of it is 3 ± 4.303 / sqrt(3)."""
    (best,) = best_densities(made_up({"own": [3.0, 5.0, 7.0], "flow": [1.0, 2.0, 3.0], "kde": [9.0, 9.0, 9.0]}))
    assert (best.density, best.mean, best.own_mean, best.n_seeds) == ("flow", 2.0, 5.0, 3)
    assert best.effect.value == pytest.approx(3)
    assert best.effect.high == pytest.approx(3 + 4.302653 / 3**0.5, abs=1e-5)
    alone = next(best_densities(made_up({"own": [3.0, 5.0, 7.0], "flow": [1.0, 2.0, 3.0]})))
    assert best.effect.p == pytest.approx(2 * alone.effect.p), "Holm's correction for two comparisons"


@pytest.mark.parametrize(
    ("distances", "density", "own_mean"),
    [
        ({"own": [1.0, 1.0, 1.0], "flow": [2.0, 2.5, 3.0]}, "own", 1.0),
        ({"flow": [2.0, 2.5, 3.0]}, "flow", None),
        ({"own": [3.0, 3.0], "flow": [2.0, 1.0]}, "flow", 3.0),
    ],
)
def test_without_a_comparison_there_is_no_effect(distances, density, own_mean):
    (best,) = best_densities(made_up(distances))
    assert (best.density, best.own_mean, best.effect) == (density, own_mean, None)
