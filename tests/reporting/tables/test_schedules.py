from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame
from table_cases import FRAMES, GRID, RUN_KEYS, curve_epochs, latex_body, note, paper_csv, paper_table

from benchmarks.reporting.tables import build_table
from benchmarks.reporting.tables.schedules import convergence_epoch


def table2(epochs, **changes):
    return build_table("table2", FRAMES | {"epochs": epochs}, replace(GRID, **changes))


def test_table2_as_csv():
    assert paper_csv("table2") == (
        "model,MNIST,MNIST (paper),MNIST (reached),CelebA,CelebA (paper),CelebA (reached)\n"
        "Two-Stage VAE,400/800,400/800,—,120/300,120/300,—\n"
        "GLANN First/Second,—,500/50 (cited),—,—,500/50 (cited),—\n"
        "GLF,100,100,4 ± 1,40,40,— [1 diverged]\n"
    )


def test_table2_as_latex():
    assert latex_body("table2") == (
        r"""Two-Stage VAE & ours & 400/800 & 120/300 \\
     & paper & 400/800 & 120/300 \\
    GLANN First/Second & paper & 500/50 (cited) & 500/50 (cited) \\
    GLF & ours & 100 & 40 \\
     & paper & 100 & 40 \\
     & reached & 4 $\pm$ 1 & --- [1 diverged] \\"""
    )


def test_table2_without_the_curves_of_all_runs_is_incomplete():
    """Twelve runs ended; three have a curve to its end, and one diverged."""
    assert "4 of 12 runs are there." in note(paper_table("table2"), "Missing")
    keys = {("glf", "mnist"): RUN_KEYS["glf", "mnist"]}
    assert "runs are there" not in note(paper_table("table2", keys=keys), "Missing")
    one = FRAMES["epochs"][FRAMES["epochs"]["key"] == RUN_KEYS["glf", "mnist"][0]]
    assert "1 of 3 runs are there." in note(table2(one, keys=keys), "Missing")


def test_points_of_two_metric_protocols_are_not_mixed():
    epochs = FRAMES["epochs"].copy()
    epochs.loc[epochs["key"] == RUN_KEYS["glf", "mnist"][2], "protocol_id"] = "another"
    assert table2(epochs).frame().loc["GLF", "MNIST (reached)"] == "4 ± 1 (2/3)"  # of 3 and 4


def test_each_data_set_has_a_metric_protocol_of_its_own():
    more = [{"key": RUN_KEYS["glf", "celeba"][0], "epoch": i, "protocol_id": "of celeba", "fid": d}
            for i, d in enumerate((9.0, 5.0, 5.0))]  # fmt: skip
    table = table2(DataFrame([row for row in curve_epochs() if "celeba" not in row["key"]] + more))
    cells = table.frame().loc["GLF", ["MNIST (reached)", "CelebA (reached)"]]
    assert [*cells] == ["4 ± 1", "2 (1/3) [1 diverged]"]
    assert "CelebA: of celeba" in note(table, "Metric protocol")
    assert table.tidy().query("dataset == 'celeba' and model == 'glf'")["protocol_id"].tolist() == ["of celeba"]
    assert "first measured epoch" not in note(table, "Statistics")


def test_convergence_at_the_first_point_is_noted():
    epochs = DataFrame({"key": RUN_KEYS["glf", "mnist"][0], "epoch": [0, 1], "protocol_id": "p", "fid": [5.0, 5.0]})
    assert "may have been near its final value before" in note(table2(epochs), "Statistics")


def test_runs_without_distances_during_training_have_a_dash():
    table = table2(FRAMES["epochs"].drop(columns="fid"))
    assert table.frame().loc["GLF", "MNIST (reached)"] == "—"
    assert "--eval-every E measures one" in note(table, "Missing")


@given(st.lists(st.floats(0.1, 1e3), min_size=1, max_size=30))
def test_the_convergence_epoch_is_the_first_near_the_final_distance(distances):
    first = convergence_epoch([*range(1, len(distances) + 1)], distances)
    assert distances[first - 1] <= 1.05 * distances[-1] * (1 + 1e-12)
    assert all(distance > 1.05 * distances[-1] for distance in distances[: first - 1])
