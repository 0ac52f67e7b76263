"""The table of densities, from frames made by hand."""

import pytest
from density_cases import FITS, FLOORS, density_grid, failed_fit, fit_row
from pandas import DataFrame

from benchmarks.experiments.densities.records import COLUMNS
from benchmarks.reporting.tables.densities import densities_table


def printed(fits, grid=None, floors=FLOORS):
    frame = densities_table(fits, floors, grid or density_grid()).frame()
    return {row: dict(zip(frame.columns, values, strict=True)) for row, *values in frame.itertuples()}


def test_each_density_has_the_mean_and_spread_of_its_fits():
    rows = printed(FITS)
    assert rows["GLF: GMM, 10 components"]["samples"] == "1.50 ± 0.71"
    assert rows["GLF: coupling flow"]["held-out NLL"] == "15.25 ± 0.35"
    assert rows["GLF: coupling flow"]["far, %"] == "2.0 ± 0.0"
    assert rows["GLF: coupling flow"]["parameters"] == "40,000"


def test_the_row_of_the_decoded_latents_comes_first_and_has_only_a_distance():
    rows = printed(FITS)
    assert next(iter(rows)) == "GLF: decoded training latents"
    assert rows["GLF: decoded training latents"]["samples"] == "0.55 ± 0.07"
    assert rows["GLF: decoded training latents"]["held-out NLL"] == "—"


def test_the_lowest_distance_and_likelihood_of_an_auto_encoder_are_bold():
    table = densities_table(FITS, FLOORS, density_grid())
    best = {pair for pair, cell in table.cells.items() if cell.is_best}
    assert best == {("glf|mnist|gmm:10", "distance"), ("glf|mnist|gmm:10", "held_out_nll")}


def test_fits_of_another_command_or_protocol_do_not_count():
    others = [fit_row("flow", 7, 100.0), fit_row("flow", 0, 100.0, protocol_id="another")]
    assert printed(DataFrame([*FITS.to_dict("records"), *others])) == printed(FITS)


def test_a_fit_that_failed_or_is_missing_is_counted():
    fits = DataFrame([*FITS.to_dict("records")[:3], failed_fit("flow", 1)], columns=[*COLUMNS])
    table = densities_table(fits, FLOORS, density_grid(3))
    row = table.row("glf|mnist|flow")[0]
    assert row.value + row.suffix == "4.00 (1/3) [1 failed]"
    missing = dict(note[:2] for note in table.notes)["Missing"]
    assert "3 of 6 fits are there." in missing


def test_a_density_without_a_closed_form_has_no_likelihood():
    fits = DataFrame([fit_row("flow", seed, 4.0, train_nll=None, held_out_nll=None) for seed in (0, 1)])
    row = printed(fits, density_grid(labels={"flow": "coupling flow"}))["GLF: coupling flow"]
    assert row["held-out NLL"] == "—"
    assert row["samples"].startswith("4.00")


def test_large_counts_have_all_digits_and_short_fits_one_decimal():
    sizes = {"n_parameters": 4_215_104, "fit_seconds": 0.0123}
    fits = DataFrame([fit_row("flow", seed, 4.0, **sizes) for seed in (0, 1)])
    row = printed(fits, density_grid(labels={"flow": "coupling flow"}))["GLF: coupling flow"]
    assert (row["parameters"], row["fit, s"]) == ("4,215,104", "0.0 ± 0.0")


def test_the_models_own_density_has_no_fitting_time():
    fits = DataFrame([fit_row("own", seed, 4.0, fit_seconds=0.0) for seed in (0, 1)])
    row = printed(fits, density_grid(labels={"own": "its own density"}))["GLF: its own density"]
    assert (row["samples"], row["fit, s"]) == ("4.00 ± 0.00", "—")


def test_several_sample_sets_of_a_fit_enter_one_mean():
    fits = DataFrame([fit_row("flow", seed, 4.0 + draw, draw=draw) for seed in (0, 1) for draw in (0, 1)])
    rows = printed(fits, density_grid(labels={"flow": "coupling flow"}, draws=2))
    assert rows["GLF: coupling flow"]["samples"].startswith("4.50 ± 0.00 ± 0.71")
    assert rows["GLF: coupling flow"]["fit, s"] == "3.0 ± 0.0"


def test_the_caption_does_not_call_another_distance_fid():
    caption = densities_table(FITS, FLOORS, density_grid()).caption
    assert "not FID" in caption
    assert "lower is better: mean ± standard deviation over 2 runs" in caption


@pytest.mark.parametrize("draws", [1, 2])
def test_a_results_folder_without_fits_gives_a_table_without_numbers(draws):
    rows = printed(DataFrame(columns=[*COLUMNS]), density_grid(draws=draws), FLOORS.iloc[:0])
    assert {text for row in rows.values() for text in row.values()} == {"—"}


def test_the_claim_of_ours_is_judged_below_the_table():
    notes = {label: text for label, text, _ in densities_table(FITS, FLOORS, density_grid()).notes}
    assert notes["Order"].startswith("Claim (ours, not the paper’s): likelihood on held-out latents orders densities")
    assert "Not tested." in notes["Order"]
