from table_cases import FRAMES, GRID, latex_body, note, paper_csv, paper_table

from benchmarks.reporting.tables import build_table


def test_table5_as_csv():
    """GLF's two measurements alone on one card have a mean of 2.0; seven others do not compare."""
    assert paper_csv("table5") == (
        "model,MNIST,MNIST (paper),CelebA,CelebA (paper)\n"
        "Two-Stage VAE,3.0/0.5 (1.75),5/2 (0.70),—,60/28 (0.81)\n"
        "GLF,2.0 (1.00),10 (1.00),—,108 (1.00)\n"
        "GLANN with perceptual loss,—,14 (1.40),—,292 (2.70)\n"
        "GLF with perceptual loss,—,16 (1.60),—,343 (3.18)\n"
    )
    table = paper_table("table5")
    assert table.caption == "Training time per epoch in seconds."
    assert note(table, "Data") == "Images per epoch: MNIST 60,000."
    assert note(table, "Statistics") == "Means of several measurements: GLF on MNIST (2)."
    assert note(table, "Environment") == "One run alone on a card, fp32, engine eager."
    assert note(table, "Missing").startswith("2 of 4 cells are there.")
    assert "Left out: 7 measurements beside other work, or of another device" in note(table, "Missing")


def test_table5_as_latex():
    assert latex_body("table5") == (
        r"""Two-Stage VAE & ours & 3.0/0.5 (1.75) & --- \\
     & paper & 5/2 (0.70) & 60/28 (0.81) \\
    GLF & ours & 2.0 (1.00) & --- \\
     & paper & 10 (1.00) & 108 (1.00) \\
    GLANN with perceptual loss & paper & 14 (1.40) & 292 (2.70) \\
    GLF with perceptual loss & paper & 16 (1.60) & 343 (3.18) \\"""
    )


def test_table5_has_the_papers_rows_for_the_shown_data_sets_only():
    table = paper_table("table5", models={"vae": "VAE"}, datasets={"mnist": "MNIST"})
    assert [*table.frame()["MNIST (paper)"]] == ["—", "5/2 (0.70)", "10 (1.00)", "14 (1.40)", "16 (1.60)"]
    assert "0 of 1 cells are there." in note(table, "Missing")  # the command did not name the others
    assert [*paper_table("table5", models={"vae": "VAE"}, datasets={"digits": "Digits"}).rows] == ["vae"]


def test_times_beside_other_work_do_not_enter_table5():
    table = build_table("table5", {"speed": FRAMES["speed"].assign(exclusive=False)}, GRID)
    assert table.frame().loc["GLF", "MNIST"] == "—"
    assert "Left out: 11 measurements beside other work" in note(table, "Missing")


def test_a_ratio_needs_the_reference():
    speed = FRAMES["speed"]
    table = build_table("table5", {"speed": speed[speed["model"] != "glf"]}, GRID)
    assert table.frame().loc["Two-Stage VAE", "MNIST"] == "3.0/0.5"
