from pandas import DataFrame
from table_cases import PROTOCOL_ID, evaluation_row, lost_run, make_grid, note

from benchmarks.reporting.tables.diagnostics import criteria_table, latents_table


def source_rows(key, floor, reconstruction, posterior, prior, **more):
    values = {"floor": floor, "reconstruction": reconstruction, "posterior": posterior, "prior": prior}
    return [evaluation_row(key, value, source=source, n=100, n_fake=100, **more) for source, value in values.items()]


def test_what_each_criterion_costs():
    """(a) is decoded posterior less training images, (b) samples less decoded posterior, run by run."""
    evaluations = DataFrame(
        [*source_rows("g0", 1.0, 2.0, 4.0, 9.0), *source_rows("g1", 1.0, 2.0, 6.0, 7.0), lost_run("v0", "diverged")]
    )
    table = criteria_table(evaluations, make_grid({("glf", "mnist"): ("g0", "g1"), ("vae", "mnist"): ("v0",)}))
    assert table.frame().to_csv(lineterminator="\n") == (
        "model,training images,reconstructions,decoded posterior,samples,(a) decoder,(b) density\n"
        "GLF,1.00 ± 0.00,2.0 ± 0.0,5.0 ± 1.4,8.0 ± 1.4,4.0 ± 1.4,3.0 ± 2.8\n"
        "VAE" + 6 * ",— [1 diverged]" + "\n"
    )
    tidy = table.tidy().set_index(["model", "source"])
    assert tidy.loc[("glf", "b"), "mean"] == 3.0
    assert not any(cell.is_best for cell in table.cells.values())


def test_a_criterion_has_no_cost_if_one_of_its_distances_is_missing():
    rows = [row for row in source_rows("g0", 1.0, 2.0, 4.0, 9.0) if row["source"] != "posterior"]
    frame = criteria_table(DataFrame(rows), make_grid({("glf", "mnist"): ("g0",)})).frame()
    assert [*frame.loc["GLF"]] == ["1.00", "2.0", "—", "9.0", "—", "—"]


def test_fewer_images_than_samples_are_noted():
    evaluations = DataFrame([row | {"n_fake": 500} for row in source_rows("g0", 1.0, 2.0, 4.0, 9.0)])
    table = criteria_table(evaluations, make_grid({("glf", "mnist"): ("g0",)}))
    assert "MNIST has only 100 images to decode. So (b) is biased downwards, and (a) in either direction." in note(
        table, "Data"
    )


def test_two_data_sets_have_a_row_each():
    datasets = {"mnist": "MNIST", "fashion": "Fashion"}
    grid = make_grid({("glf", "mnist"): ("g0",), ("glf", "fashion"): ("g1",)}, datasets=datasets,
                     protocol_ids=dict.fromkeys(datasets, PROTOCOL_ID))  # fmt: skip
    frame = criteria_table(DataFrame(source_rows("g0", 1.0, 2.0, 4.0, 9.0)), grid).frame()
    assert [*frame.index] == ["GLF, MNIST", "VAE, MNIST", "GLF, Fashion", "VAE, Fashion"]
    assert frame.loc["GLF, Fashion", "samples"] == "—"


def test_latents_are_means_over_runs():
    rows = [evaluation_row("g0", 1.0, recon_sse=4.0, prior_mean=0.5, latent_nll=10.0),
            evaluation_row("g1", 1.0, recon_sse=5.0),
            evaluation_row("g0", 1.0, draw=1, recon_sse=4.0, prior_mean=0.5, latent_nll=10.0)]  # fmt: skip
    frame = latents_table(DataFrame(rows), make_grid({("glf", "mnist"): ("g0", "g1")})).frame()
    assert [*frame.columns] == ["squared error", "std of latents", "mean", "covariance", "NLL"]
    assert [*frame.loc["GLF"]] == ["4.5 ± 0.7", "—", "0.50 (1/2)", "—", "10.0 (1/2)"]


def test_a_run_whose_latents_are_far_off_the_others_is_noted():
    """A mean that one run dominates describes none of them."""
    keys = ("g0", "g1", "g2")
    grid = make_grid({("glf", "mnist"): keys}, models={"glf": "GLF"})

    def statistics(*values):
        rows = [evaluation_row(key, 1.0, latent_nll=value) for key, value in zip(keys, values, strict=True)]
        return note(latents_table(DataFrame(rows), grid), "Statistics")

    assert "GLF, NLL: 1 of 3 runs is far off the others (2e+06); median 24.0." in statistics(24, 2e6, 23)
    assert "far off" not in statistics(24, 200, 23)
