import pytest
from fake_records import record
from pandas import DataFrame
from table_cases import (
    EVALUATION_COLUMNS,
    MODELS,
    evaluation_row,
    fid_grid,
    latex_body,
    make_grid,
    note,
    paper_csv,
    paper_table,
    ranked_table,
)

from benchmarks.experiments import records
from benchmarks.paper import published_values
from benchmarks.reporting.formats.latex import to_latex
from benchmarks.reporting.formats.markdown import to_markdown
from benchmarks.reporting.formats.writer import write_table
from benchmarks.reporting.tables import build_table
from benchmarks.reporting.tables.quality import table1

DATASETS = {"mnist": "MNIST", "fashion": "Fashion", "cifar10": "CIFAR-10", "celeba": "CelebA"}
TABLE1_MODELS = [
    *("vae", "wae-gan", "two-stage-vae", "rae-gmm", "vae-flow-prior", "vae-flow-posterior"),
    *("glf", "glann", "glf-perceptual"),
]


def test_table1_as_csv():
    assert paper_csv("table1") == (
        "model,MNIST,MNIST (paper),CelebA,CelebA (paper)\n"
        "Two-Stage VAE,13.0 ± 0.1 >,10.9 ± 0.7,65.2 ± 5.2 ?,65.2 ± 0.8\n"
        "GLF,8.2 ± 0.1 ≈,8.2 ± 0.1,50.5 ± 0.7 (2/3) [1 diverged] ?,53.2 ± 0.2\n"
        "GLANN with perceptual loss,—,8.6 ± 0.1 (cited),—,46.3 ± 0.1 (cited)\n"
    )


def test_table1_as_latex():
    assert latex_body("table1") == (
        r"""Two-Stage VAE & ours & 13.0 $\pm$ 0.1 $>$ & 65.2 $\pm$ 5.2 ? \\
     & paper & 10.9 $\pm$ 0.7 & 65.2 $\pm$ 0.8 \\
    GLF & ours & \textbf{8.2 $\pm$ 0.1} $\approx$ & 50.5 $\pm$ 0.7 (2/3) [1 diverged] ? \\
     & paper & 8.2 $\pm$ 0.1 & 53.2 $\pm$ 0.2 \\
    GLANN with perceptual loss & paper & 8.6 $\pm$ 0.1 (cited) & 46.3 $\pm$ 0.1 (cited) \\"""
    )


def test_table4_as_csv():
    assert paper_csv("table4") == (
        "model,MNIST,MNIST (paper),CelebA,CelebA (paper)\n"
        "MM GAN,—,9.8 ± 0.9 (cited),—,65.6 ± 4.2 (cited)\n"
        "NS GAN,—,6.8 ± 0.5 (cited),—,55.0 ± 3.3 (cited)\n"
        "LSGAN,—,7.8 ± 0.6 (cited),—,53.9 ± 2.8 (cited)\n"
        "WGAN,—,6.7 ± 0.4 (cited),—,41.3 ± 2.0 (cited)\n"
        "WGAN GP,—,20.3 ± 5.0 (cited),—,30.3 ± 1.0 (cited)\n"
        "DRAGAN,—,7.6 ± 0.4 (cited),—,42.3 ± 3.0 (cited)\n"
        "BEGAN,—,13.1 ± 1.0 (cited),—,38.9 ± 0.9 (cited)\n"
        "Two-Stage VAE,13.0 ± 0.1 >,10.9 ± 0.7,65.2 ± 5.2 ?,65.2 ± 0.8\n"
        "GLANN (with perceptual loss),—,8.6 ± 0.1 (cited),—,46.3 ± 0.1 (cited)\n"
        "GLF,8.2 ± 0.1 ≈,8.2 ± 0.1,50.5 ± 0.7 (2/3) [1 diverged] ?,53.2 ± 0.2\n"
    )


def test_table4_as_latex():
    lines = latex_body("table4").splitlines()
    assert len(lines) == 8 + 4
    assert lines[4] == r"    WGAN GP & paper & 20.3 $\pm$ 5.0 (cited) & 30.3 $\pm$ 1.0 (cited) \\"
    assert [lines[7].strip(), lines[8]] == latex_body("table1").splitlines()[:2]


def test_table4_has_no_gans_beside_another_metric():
    table = paper_table("table4", metric="fd_classifier")
    assert [*table.rows] == [*MODELS]
    assert "they are not shown" in note(table, "Paper")


def bold_models(glf, vae, wae=None):
    models = {"glf": "GLF", "vae": "VAE", "wae-gan": "WAE"}
    rows = [
        evaluation_row(name, value) for name, value in zip(models, (glf, vae, wae), strict=True) if value is not None
    ]
    grid = make_grid({(name, "mnist"): (name,) for name in models}, models=models)
    table = table1(DataFrame(rows, columns=EVALUATION_COLUMNS), grid)
    return {model for (model, _), cell in table.cells.items() if cell.is_best}


def test_best_is_the_lowest_as_printed():
    assert bold_models(2.0, 3.0, 1.0) == {"wae-gan"}
    assert bold_models(1.01, 1.04, 1.06) == {"glf", "vae"}  # 1.0, 1.0 and 1.1
    assert bold_models(2.0, 3.0) == {"glf"}
    assert bold_models(2.0, None) == set()  # nothing to be better than
    assert bold_models(2e6, 120000.0, 1.3e5) == {"vae"}


def test_a_model_that_lost_a_run_is_not_the_best():
    table = ranked_table({"glf": (1.0, None), "vae": (3.0, 3.1), "wae-gan": (4.0, 4.1)}, ["glf", "vae", "wae-gan"])
    assert [model for (model, _), cell in table.cells.items() if cell.is_best] == ["vae"]
    assert "Bold: the lowest of its column, of the models without diverged or failed runs." in note(table, "Statistics")


def test_records_on_disk_become_a_table(tmp_path):
    """The names that `records.read` gives are those that the table looks for."""
    evaluation = {"key": "e0", "source": "prior", "draw": 0, "metric": "fd_classifier",
                  "protocol_id": "0123456789abcdef", "protocol": {}}  # fmt: skip
    for key, status in (("k0", "done"), ("k1", "diverged")):
        done = [evaluation | {"values": {"fd_classifier": 7.0}}] if status == "done" else []
        error = {} if status == "done" else {"error": {"message": "objective is NaN"}}
        records.write(tmp_path, record(key, status=status, evaluations=done, epochs=[], dataset="mnist", **error))
    evaluations, _ = records.read(tmp_path)
    table = build_table("table1", {"evaluations": evaluations}, make_grid({("glf", "mnist"): ("k0", "k1")}))
    assert table.frame().loc["GLF", "MNIST"] == "7.0 (1/2) [1 diverged]"


@pytest.mark.parametrize("metric", ["fd_classifier", "fid"])
def test_an_empty_folder_becomes_an_empty_table(metric, tmp_path):
    evaluations, _ = records.read(tmp_path)
    table = table1(evaluations, make_grid({}, metric=metric))
    assert {*table.frame()["MNIST"]} == {"—"}
    assert len(write_table(table, tmp_path)) == 6


def test_the_papers_numbers_stand_beside_fid():
    evaluations = DataFrame([evaluation_row("g0", None, metric="fid", fid=8.24)])
    table = table1(evaluations, fid_grid(keys={("glf", "mnist"): ("g0",)}))
    assert table.frame().to_csv(lineterminator="\n") == (
        "model,Digits,MNIST,MNIST (paper)\n"
        "RAE + GMM,—,—,10.8 ± 0.1\n"
        "GLF,—,8.2 ?,8.2 ± 0.1\n"
        "GLANN with perceptual loss,—,—,8.6 ± 0.1 (cited)\n"
        '"GLF, perceptual",—,—,5.8 ± 0.1\n'
    )
    assert table.caption.startswith("FID of samples, lower is better: one run.")
    assert not any(cell.is_best for cell in table.cells.values())  # the paper's numbers do not compete with ours
    latex = to_latex(table)
    body = latex[latex.index(r"\begin{tabular*}") : latex.index(r"\end{tabular*}")]
    assert (
        body
        == r"""\begin{tabular*}{0.75\linewidth}{@{\extracolsep{\fill}}llrr}
    \toprule
    Model &  & Digits & MNIST \\
    \midrule
    RAE + GMM & paper & --- & 10.8 $\pm$ 0.1 \\
    GLF & ours & --- & 8.2 ? \\
     & paper & --- & 8.2 $\pm$ 0.1 \\
    GLANN with perceptual loss & paper & --- & 8.6 $\pm$ 0.1 (cited) \\
    GLF, perceptual & paper & --- & 5.8 $\pm$ 0.1 \\
    \bottomrule
  """
    )
    assert "| GLF | — | 8.2 ? | 8.2 ± 0.1 |" in to_markdown(table)
    tidy = table.tidy().set_index(["model", "dataset"])
    assert tidy.loc[("glann", "mnist"), "paper_cited"]
    assert tidy.loc[("glann", "mnist"), "paper_mean"] == 8.6
    assert tidy["mean"].count() == 1


def test_a_trained_glann_is_not_listed_twice():
    evaluations = DataFrame([evaluation_row("n0", None, metric="fid", fid=9.0)])
    grid = fid_grid(models={"glann": "GLANN", "glf": "GLF"}, keys={("glann", "mnist"): ("n0",)})
    table = table1(evaluations, grid)
    assert [*table.frame().index] == ["GLANN", "GLF"]
    assert [*table.frame().loc["GLANN"]] == ["—", "9.0", "8.6 ± 0.1 (cited)"]


@pytest.mark.parametrize(("dataset", "has_footnote"), [("mnist", False), ("cifar10", True)])
def test_the_papers_footnote_comes_with_its_cell(dataset, has_footnote):
    grid = fid_grid(models={"two-stage-vae": "Two-Stage VAE"}, datasets={dataset: DATASETS[dataset]})
    assert ("Footnote 2" in note(table1(DataFrame(columns=EVALUATION_COLUMNS), grid), "Paper")) == has_footnote


def test_another_metric_shows_neither_the_papers_numbers_nor_its_name(tmp_path):
    models = {name: name.upper() for name in TABLE1_MODELS if name != "glann"}
    keys = {(model, dataset): (f"{model}-{dataset}",) for model in models for dataset in DATASETS}
    evaluations = DataFrame([evaluation_row(key, 1.0) for (key,) in keys.values()])
    ids = dict.fromkeys(DATASETS, "0123456789abcdef")
    table = table1(evaluations, make_grid(keys, models=models, datasets=DATASETS, protocol_ids=ids))
    assert [*table.rows] == [*models]
    assert [*table.frame().columns] == [*DATASETS.values()]
    assert all(cell.paper is None for cell in table.cells.values())
    for path in write_table(table, tmp_path):
        written = path.read_text(encoding="utf-8")
        assert "fid" not in written.lower().replace("not fid", "")
        for value in published_values("table1").values():
            assert f"{value.mean} ± {value.std}" not in written
            assert f"{value.mean} $\\pm$ {value.std}" not in written
