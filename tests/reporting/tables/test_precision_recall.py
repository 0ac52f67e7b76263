from table_cases import FRAMES, GRID, RUN_KEYS, latex_body, note, paper_csv

from benchmarks.reporting.tables import build_table


def test_table6_as_csv():
    assert paper_csv("table6") == (
        "model,MNIST,MNIST (±),MNIST (swapped),MNIST (paper),CelebA,CelebA (±),CelebA (swapped),CelebA (paper)\n"
        'Two-Stage VAE,"(0.130, 0.500)","(0.001, 0.000)","(0.500, 0.130)",—,'
        '"(0.652, 0.500)","(0.052, 0.000)","(0.500, 0.652)",—\n'
        'GLF,"(0.082, 0.500)","(0.001, 0.000)","(0.500, 0.082)","(0.981, 0.963)",'
        '"(0.505, 0.500) (2/3) [1 diverged]","(0.007, 0.000)","(0.500, 0.505)","(0.447, 0.726)"\n'
    )


def test_table6_as_latex():
    assert latex_body("table6") == (
        r"""Two-Stage VAE & ours & (0.130, 0.500) & (0.652, 0.500) \\
     & $\pm$ & (0.001, 0.000) & (0.052, 0.000) \\
     & swapped & (0.500, 0.130) & (0.500, 0.652) \\
    GLF & ours & (0.082, 0.500) & (0.505, 0.500) (2/3) [1 diverged] \\
     & $\pm$ & (0.001, 0.000) & (0.007, 0.000) \\
     & swapped & (0.500, 0.082) & (0.500, 0.505) \\
     & paper & (0.981, 0.963) & (0.447, 0.726) \\"""
    )


def test_recall_and_precision_are_of_the_same_runs():
    evaluations = FRAMES["evaluations"].copy()
    evaluations.loc[evaluations["key"].isin(RUN_KEYS["glf", "mnist"][1:]), "prd_f1_8"] = None
    table = build_table("table6", {"evaluations": evaluations}, GRID)
    assert table.frame().loc["GLF", "MNIST"] == "(0.081, 0.500) (1/3)"  # F8 of all three is 0.082
    assert table.tidy().set_index(["model", "dataset"]).loc[("glf", "mnist"), "runs"] == 1


def test_records_without_prd_leave_table6_empty_and_incomplete():
    evaluations = FRAMES["evaluations"].drop(columns=["prd_f8", "prd_f1_8"])
    table = build_table("table6", {"evaluations": evaluations}, GRID)
    assert table.frame().loc["GLF", "MNIST"] == "—"
    assert "1 of 12 runs are there." in note(table, "Missing")  # the one that diverged
