import itertools
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame

from benchmarks.execution.grid import Grid
from benchmarks.experiments import records
from benchmarks.reporting import formats, tables
from benchmarks.reporting.tables import criteria, latents, sensitivity, table1
from benchmarks.reporting.tables.timing import SPEED

ID = "0123456789abcdef"


def run(key: str, value: float | None, *, draw: int | None = 0, **changes: Any) -> dict[str, Any]:
    """One row of the runs frame, as `records.read` makes it."""
    row = {"key": key, "status": "done", "source": "prior", "draw": draw, "metric": "fd_classifier", "protocol_id": ID}
    return row | {"fd_classifier": value} | changes


def lost(key: str, status: str) -> dict[str, Any]:
    return run(key, None, draw=None, status=status, metric=None, protocol_id=None)


def grid(keys: Mapping[tuple[str, str], tuple[str, ...]], **changes: Any) -> Grid:
    models = {"glf": "GLF", "vae": "VAE"}
    start = Grid(models, {"mnist": "MNIST"}, keys, "fd_classifier", {"mnist": ID}, "demo")
    return replace(start, **changes)


def text(rows: list[dict[str, Any]], wanted: int = 1, decimals: int = 1, draws: int = 1) -> str:
    """How the cell of GLF on MNIST is printed, whose trainings have the keys k0, k1, ..."""
    asked = grid({("glf", "mnist"): tuple(f"k{i}" for i in range(wanted))}, draws=draws, decimals=decimals)
    runs = DataFrame(rows, columns=[*run("", 0.0)])
    return str(table1(runs, asked).frame().loc["GLF", "MNIST"])


SMALL = DataFrame(
    [
        *(
            run("g0", 12.0, recon_sse=4.0, latent_std=0.25),
            run("g1", 13.0, recon_sse=5.0),
            run("g2", 12.5, recon_sse=4.5),
        ),
        *(run("v0", 20.0), run("v1", 22.0), lost("v2", "diverged")),
    ]
)
SMALL_GRID = grid(
    {("glf", "mnist"): ("g0", "g1", "g2"), ("vae", "mnist"): ("v0", "v1", "v2")},
    models={"glf": "GLF", "vae": "VAE, β = 1"},
    notes=("100 % of n_real = 100 images.",),
)


def test_small_table_as_csv(tmp_path: Path) -> None:
    paths = formats.write(table1(SMALL, SMALL_GRID), tmp_path)
    assert [path.name for path in paths] == [
        *("table1.csv", "table1-tidy.csv", "table1.tex", "table1-alone.tex", "table1.md", "table1.html")
    ]
    assert paths[0].read_bytes().decode() == (
        'model,MNIST\nGLF,12.5 ± 0.5\n"VAE, β = 1",21.0 ± 1.4 (2/3) [1 diverged]\n'
    )
    assert paths[1].read_bytes().decode() == (
        "model,dataset,source,protocol_id,metric,preset,mean,std,std_draws,trainings,draws,wanted,diverged,failed,"
        "recon_sse,latent_std,paper_mean,paper_std,cited,low,high,delta,delta_low,delta_high,margin,p,verdict,why\n"
        # ± t(0.975, 2) 0.5 / sqrt(3) and ± t(0.975, 1) sqrt(2) / sqrt(2)
        "glf,mnist,prior,0123456789abcdef,fd_classifier,demo,12.5,0.5,,3,1,3,0,0,4.5,,,,False,"  # one has a latent_std
        "11.257931,13.742069,,,,,,,another metric than the paper's\n"
        "vae,mnist,prior,0123456789abcdef,fd_classifier,demo,21.0,1.4142135623730951,,2,1,3,1,0,,,,,False,"
        "8.2937953,33.706205,,,,,,,another metric than the paper's\n"
    )
    assert set((tmp_path / "tables").iterdir()) == {*paths}


def test_small_table_as_latex() -> None:
    assert formats.to_latex(table1(SMALL, SMALL_GRID)) == (
        r"""% needs \usepackage{booktabs}
\begin{table}
  \centering
  \caption{Fréchet distance (column fd\_classifier) between generated and real images, lower is better: mean $\pm$ """
        r"""standard deviation over 3 trainings. Preset demo, a shorter budget than the paper's.}
  \label{tab:table1}
  \small
  \begin{tabular}{lr}
    \toprule
    Model & MNIST \\
    \midrule
    GLF & 12.5 $\pm$ 0.5 \\
    VAE, $\beta$ = 1 & 21.0 $\pm$ 1.4 (2/3) [1 diverged] \\
    \bottomrule
  \end{tabular}
  \par\smallskip
  \begin{minipage}{\linewidth}\footnotesize
    (m/n): m of the n wanted trainings are done.
    [n diverged]: trainings that ended in a number that is not finite.
    100 \% of n\_real = 100 images.
  \end{minipage}
\end{table}
"""
    )


def test_small_table_as_markdown() -> None:
    assert formats.to_markdown(table1(SMALL, SMALL_GRID)) == (
        "Fréchet distance (column fd_classifier) between generated and real images, lower is better: mean ± standard "
        "deviation over 3 trainings. Preset demo, a shorter budget than the paper's. "
        "(m/n): m of the n wanted trainings are done. [n diverged]: trainings that ended in a number that is not "
        "finite. 100 % of n_real = 100 images.\n"
        "\n"
        "| Model | MNIST |\n"
        "| --- | ---: |\n"
        "| GLF | 12.5 ± 0.5 |\n"
        "| VAE, β = 1 | 21.0 ± 1.4 (2/3) [1 diverged] |\n"
    )


def test_the_document_alone_holds_the_fragment() -> None:
    table = table1(SMALL, SMALL_GRID)
    alone = formats.to_latex_alone(table)
    assert formats.to_latex(table) in alone
    assert alone.startswith(r"\documentclass")
    assert alone.endswith("\\end{document}\n")
    assert r"\input" not in alone
    assert {*re.findall(r"\\usepackage\{(\w+)\}", alone)} <= {"booktabs", "siunitx", "multirow", "threeparttable"}


@pytest.mark.parametrize(
    ("rows", "wanted", "expected"),
    [
        ([], 1, "—"),
        ([], 0, "—"),
        ([run("k0", 12.34)], 1, "12.3"),
        ([run("k0", 12.0), run("k1", 13.0)], 2, "12.5 ± 0.7"),
        ([run(f"k{i}", 12.0 + i % 2) for i in range(7)], 10, "12.4 ± 0.5 (7/10)"),
        ([run("k0", 12.0)], 2, "12.0 (1/2)"),
        ([lost(f"k{i}", "diverged") for i in range(3)], 3, "— [3 diverged]"),
        ([lost("k0", "failed")], 1, "— [1 failed]"),
        ([run("k0", 1.0), lost("k1", "diverged"), lost("k2", "failed")], 4, "1.0 (1/4) [1 diverged, 1 failed]"),
        ([run("k0", 99999.0)], 1, "99999.0"),
        ([run("k0", 123456.0), run("k1", 123456.0)], 2, "1.2e+05 ± 0.0e+00"),
        ([run("k0", float("nan"))], 1, "—"),
        ([run("k0", None, draw=None, metric=None, protocol_id=None)], 1, "—"),  # trained, not yet evaluated
        ([run("k0", float("nan")), run("k1", 13.0)], 2, "13.0 (1/2)"),
    ],
)
def test_cell_text(rows: list[dict[str, Any]], wanted: int, expected: str) -> None:
    assert text(rows, wanted) == expected


@pytest.mark.parametrize(("value", "printed"), [(12.34, "12.3"), (0.0, "0.0"), (0.123, "0.12"), (0.0123, "0.012"),
                                                (0.99, "0.99"), (1.0, "1.0")])  # fmt: skip
def test_small_numbers_keep_two_digits(value: float, printed: str) -> None:
    asked = grid({("glf", "mnist"): ("k0",)})
    assert table1(DataFrame([run("k0", value)]), asked).frame().loc["GLF", "MNIST"] == printed
    assert criteria(DataFrame([run("k0", value, n=1, n_fake=1)]), asked).frame().loc["GLF", "samples"] == printed


def test_decimals_are_a_choice() -> None:
    assert text([run("k0", 0.1234), run("k1", 0.1236)], 2, decimals=3) == "0.123 ± 0.000"


def test_a_training_counts_once_whatever_its_draws() -> None:
    # k0 has mean 11 from three draws, k1 has 14 from three
    rows = [run(key, start + draw, draw=draw) for key, start in (("k0", 10.0), ("k1", 13.0)) for draw in range(3)]
    table = table1(DataFrame(rows), grid({("glf", "mnist"): ("k0", "k1")}, draws=3))
    cell = table.cells["glf", "mnist"]
    assert cell.mean == 12.5
    assert cell.std == pytest.approx(3 / 2**0.5)
    assert cell.std_draws == 1.0
    assert (cell.done, cell.draws) == (2, 3)
    assert cell.value(1) == "12.5 ± 2.1 ± 1.0"


def test_a_training_with_too_few_draws_is_not_done_and_further_ones_do_not_count() -> None:
    rows = [run("k0", 10.0), run("k0", 20.0, draw=1), run("k0", 90.0, draw=2), run("k1", 14.0)]
    assert text(rows, 2, draws=2) == "15.0 ± — ± 7.1 (1/2)"
    assert text(rows, 2, draws=1) == "12.0 ± 2.8"
    assert text([run("k0", 1.0), run("k0", float("nan"), draw=1)], 1, draws=2) == "—"


def test_caption_counts_the_sample_sets() -> None:
    rows = [run(key, 10.0, draw=draw) for key in ("k0", "k1") for draw in range(4)]
    caption = table1(DataFrame(rows), grid({("glf", "mnist"): ("k0", "k1")}, preset="paper", draws=4)).caption
    assert (
        "lower is better: mean ± standard deviation over 2 trainings ± standard deviation over the 4 sample sets of "
        "one. Preset paper."
    ) in caption


def test_the_order_of_the_records_moves_no_digit() -> None:
    rows = [run(f"k{i}", 0.1 * 3**i, draw=draw) for i in range(4) for draw in range(2)]
    asked = grid({("glf", "mnist"): tuple(f"k{i}" for i in range(4))}, draws=2)
    tidy = [table1(DataFrame(order), asked).tidy() for order in (rows, rows[::-1], rows[3:] + rows[:3])]
    pd.testing.assert_frame_equal(tidy[0], tidy[1], check_exact=True)
    pd.testing.assert_frame_equal(tidy[0], tidy[2], check_exact=True)


@pytest.mark.parametrize(
    "row",
    [
        run("k0", 99.0, draw=1, protocol_id="another protocol"),
        run("k0", 99.0, draw=1, metric="another metric"),
        run("not in the grid", 99.0),  # e.g. of a shortened preset: its settings, hence its key, are others
        lost("not in the grid", "diverged"),
        run("k0", 99.0, draw=1, protocol_id=None),
    ],
)
def test_what_the_grid_does_not_ask_for_stays_out(row: dict[str, Any]) -> None:
    rows = [run("k0", 12.0), row]
    assert text(rows) == text(rows[::-1]) == "12.0"


def test_a_diverged_training_gives_no_number() -> None:
    assert text([run("k0", 12.0, status="diverged")]) == "— [1 diverged]"


def test_a_data_set_without_protocol_has_no_number() -> None:
    runs = DataFrame([run("k0", 12.0, protocol_id=None)])
    table = table1(runs, grid({("glf", "mnist"): ("k0",)}, protocol_ids={}))
    assert table.frame().loc["GLF", "MNIST"] == "—"


def bold(glf: float | None, vae: float | None, wae: float | None = None) -> set[str]:
    models = {"glf": "GLF", "vae": "VAE", "wae-gan": "WAE"}
    rows = [run(name, value) for name, value in zip(models, (glf, vae, wae), strict=True) if value is not None]
    asked = grid({(name, "mnist"): (name,) for name in models}, models=models)
    table = table1(DataFrame(rows, columns=[*run("", 0.0)]), asked)
    return {model for (model, _), cell in table.cells.items() if cell.best}


def test_best_is_the_lowest_as_printed() -> None:
    assert bold(2.0, 3.0, 1.0) == {"wae-gan"}
    assert bold(1.01, 1.04, 1.06) == {"glf", "vae"}  # 1.0, 1.0 and 1.1
    assert bold(2.0, 3.0) == {"glf"}
    assert bold(2.0, None) == set()  # nothing to be better than
    assert bold(2e6, 120000.0, 1.3e5) == {"vae"}


def test_records_on_disk_become_a_table(tmp_path: Path) -> None:
    """The names that `records.read` gives are those that the table looks for."""
    evaluation = {"source": "prior", "draw": 0, "metric": "fd_classifier", "protocol_id": ID, "protocol": {}}
    for key, status in (("k0", "done"), ("k1", "diverged")):
        done = [evaluation | {"values": {"fd_classifier": 7.0}}] if status == "done" else []
        rest = dict.fromkeys(("model", "label", "revision", "dataset", "row", "preset", "seed", "precision"))
        record = rest | {"key": key, "status": status, "evaluations": done, "epochs": []}
        records.write(tmp_path, record | {"schema": records.SCHEMA})
    table = tables.build("table1", {"runs": records.runs(tmp_path)}, grid({("glf", "mnist"): ("k0", "k1")}))
    assert table.frame().loc["GLF", "MNIST"] == "7.0 (1/2) [1 diverged]"


def test_an_empty_folder_becomes_an_empty_table(tmp_path: Path) -> None:
    runs, _ = records.read(tmp_path)
    for metric in ("fd_classifier", "fid"):
        table = table1(runs, grid({}, metric=metric))
        assert {*table.frame()["MNIST"]} == {"—"}
        assert len(formats.write(table, tmp_path)) == 6


def test_the_spreads_over_trainings_and_over_sample_sets_are_two_numbers() -> None:
    rows = [run(key, value, draw=d) for key, values in (("k0", (10.0, 12.0)), ("k1", (13.0, 15.0)))
            for d, value in enumerate(values)]  # fmt: skip
    assert text(rows, 2, draws=2) == "12.5 ± 2.1 ± 1.4"
    assert text(rows[:2], 1, draws=2) == "11.0 ± — ± 1.4"  # one training has no spread over trainings
    tidy = table1(DataFrame(rows), grid({("glf", "mnist"): ("k0", "k1")}, draws=2)).tidy().iloc[0]
    assert (tidy["std"], tidy["std_draws"]) == (pytest.approx(3 / 2**0.5), pytest.approx(2**0.5))


@pytest.mark.parametrize(
    ("draws", "words"), [(1, "of which there is one here, hence no such ±"), (2, "the second one")]
)
def test_the_caption_says_which_spread_the_papers_is_to_be_compared_with(draws: int, words: str) -> None:
    runs = DataFrame([run("g0", None, draw=d, metric="fid", fid=8.0 + d) for d in range(draws)])
    table = table1(runs, fid_grid(keys={("glf", "mnist"): ("g0",)}, draws=draws))
    (note,) = [note for note in table.notes if "By that sentence" in note]
    assert words in note


def test_other_metrics_stand_in_the_tidy_table() -> None:
    rows = [run("g0", 1.0, prd_f8=0.5, kid_mean=0.1), run("g0", 2.0, draw=1, prd_f8=0.7, kid_mean=0.3),
            run("g1", 1.0, prd_f8=0.9)]  # fmt: skip
    rows += [run("g1", 2.0, draw=1, prd_f8=0.9), run("g1", 9.0, source="floor", prd_f8=0.0)]
    tidy = table1(DataFrame(rows), grid({("glf", "mnist"): ("g0", "g1")}, draws=2)).tidy().iloc[0]
    assert tidy["prd_f8"] == pytest.approx((0.6 + 0.9) / 2)
    assert pd.isna(tidy["kid_mean"])  # of one training, beside a distance of two
    assert "knn_recall" not in tidy


def test_what_stands_beside_a_number_is_of_the_same_trainings() -> None:
    """A training that has no distance, or too few sample sets, brings nothing else into its cell."""
    rows = [run("g0", 1.0, prd_f8=0.5, recon_sse=3.0), run("g1", float("nan"), prd_f8=0.9, recon_sse=5.0)]
    tidy = table1(DataFrame(rows), grid({("glf", "mnist"): ("g0", "g1")})).tidy().iloc[0]
    assert [tidy[name] for name in ("trainings", "prd_f8", "recon_sse")] == [1, 0.5, 3.0]
    half = [run("g0", 1.0, prd_f8=0.5), run("g0", 1.0, draw=1, prd_f8=float("nan"))]
    assert pd.isna(table1(DataFrame(half), grid({("glf", "mnist"): ("g0",)}, draws=2)).tidy().loc[0, "prd_f8"])


def test_trainings_of_several_devices_versions_and_changed_code_are_told() -> None:
    places = [("cpu: a", "2.14.1+cu130", "a" * 40, False), ("cuda: b", "2.15.0", "b" * 40, True),
              ("cuda: b", "2.15.0+cu132", "b" * 40, True)]  # fmt: skip
    rows = [run(f"k{i}", 1.0, **dict(zip(("device", "torch", "commit", "dirty"), place, strict=True)))
            for i, place in enumerate(places)]  # fmt: skip
    said = (
        "Trained on several devices: cpu: a (1), cuda: b (2).",
        "Trained with several versions of torch: 2.14.1 (1), 2.15.0 (2).",
        "Trained by code with changes that are in no commit, on top of: bbbbbbbbbb (2).",
    )
    runs = DataFrame(rows).astype({"dirty": "boolean"})
    keys = {("glf", "mnist"): ("k0", "k1"), ("vae", "mnist"): ("k2",)}
    assert [note for note in table1(runs, grid(keys)).notes if note.startswith("Trained")] == [*said]
    # only those behind the numbers count, and builds of one version are one
    alone = table1(runs.assign(dirty=False), grid({("glf", "mnist"): ("k1", "k2")}))
    assert not [note for note in alone.notes if note.startswith("Trained")]
    one = table1(runs, grid({("glf", "mnist"): ("k1",)}))
    assert [note for note in one.notes if note.startswith("Trained")] == [said[2].replace("(2)", "(1)")]


# --- criteria, latents, sensitivity


def parts(key: str, floor: float, reconstruction: float, posterior: float, prior: float, **more: Any) -> list[Any]:
    values = {"floor": floor, "reconstruction": reconstruction, "posterior": posterior, "prior": prior}
    return [run(key, value, source=source, n=100, n_fake=100, **more) for source, value in values.items()]


def test_what_each_criterion_costs() -> None:
    """(a) is decoded posterior less training images, (b) samples less decoded posterior, training by training."""
    runs = DataFrame([*parts("g0", 1.0, 2.0, 4.0, 9.0), *parts("g1", 1.0, 2.0, 6.0, 7.0), lost("v0", "diverged")])
    table = criteria(runs, grid({("glf", "mnist"): ("g0", "g1"), ("vae", "mnist"): ("v0",)}))
    assert table.frame().to_csv(lineterminator="\n") == (
        "model,training images,reconstructions,decoded posterior,samples,(a) decoder,(b) density\n"
        "GLF,1.00 ± 0.00,2.0 ± 0.0,5.0 ± 1.4,8.0 ± 1.4,4.0 ± 1.4,3.0 ± 2.8\n"
        "VAE" + 6 * ",— [1 diverged]" + "\n"
    )
    tidy = table.tidy().set_index(["model", "source"])
    assert tidy.loc[("glf", "b"), "mean"] == 3.0
    assert not any(cell.best for cell in table.cells.values())


def test_a_criterion_without_its_parts_has_no_cost() -> None:
    runs = DataFrame([row for row in parts("g0", 1.0, 2.0, 4.0, 9.0) if row["source"] != "posterior"])
    frame = criteria(runs, grid({("glf", "mnist"): ("g0",)})).frame()
    assert [*frame.loc["GLF"]] == ["1.00", "2.0", "—", "9.0", "—", "—"]


def test_fewer_images_than_samples_are_told() -> None:
    runs = DataFrame([row | {"n_fake": 500} for row in parts("g0", 1.0, 2.0, 4.0, 9.0)])
    notes = criteria(runs, grid({("glf", "mnist"): ("g0",)})).notes
    said = "On MNIST there are only 100 images to decode, which biases (b) down and (a) either way."
    assert said in notes


def test_two_data_sets_have_a_row_each() -> None:
    both = {"mnist": "MNIST", "fashion": "Fashion"}
    asked = grid({("glf", "mnist"): ("g0",), ("glf", "fashion"): ("g1",)}, datasets=both,
                 protocol_ids=dict.fromkeys(both, ID))  # fmt: skip
    frame = criteria(DataFrame([*parts("g0", 1.0, 2.0, 4.0, 9.0)]), asked).frame()
    assert [*frame.index] == ["GLF, MNIST", "VAE, MNIST", "GLF, Fashion", "VAE, Fashion"]
    assert frame.loc["GLF, Fashion", "samples"] == "—"


def test_latents_are_means_over_trainings() -> None:
    rows = [run("g0", 1.0, recon_sse=4.0, prior_mean=0.5, latent_nll=10.0), run("g1", 1.0, recon_sse=5.0),
            run("g0", 1.0, draw=1, recon_sse=4.0, prior_mean=0.5, latent_nll=10.0)]  # fmt: skip
    frame = latents(DataFrame(rows), grid({("glf", "mnist"): ("g0", "g1")})).frame()
    assert [*frame.columns] == ["squared error", "std of latents", "mean", "covariance", "NLL"]
    assert [*frame.loc["GLF"]] == ["4.5 ± 0.7", "—", "0.50 (1/2)", "—", "10.0 (1/2)"]


def test_a_training_whose_latents_are_far_off_the_others_is_told() -> None:
    """Its mean with theirs is a number of nobody's."""
    keys = ("g0", "g1", "g2")
    asked = grid({("glf", "mnist"): keys}, models={"glf": "GLF"})

    def notes(*values: float) -> str:
        rows = [run(key, 1.0, latent_nll=value) for key, value in zip(keys, values, strict=True)]
        return " ".join(latents(DataFrame(rows), asked).notes)

    assert "GLF: the NLL of 1 of 3 trainings is far off the others (2e+06); the median is 24.0." in notes(24, 2e6, 23)
    assert "far off" not in notes(24, 200, 23)


def variants(**changes: Any) -> Grid:
    ids = {("mnist", "base"): ID, ("mnist", "jpeg75"): "jpeg", ("mnist", "train"): "train"}
    labels = {"base": "as they are", "train": "reals: train", "jpeg75": "reals: JPEG", "crop": "reals: cropped"}
    return grid({("glf", "mnist"): ("g0", "g1")}, models={"glf": "GLF"}, variants=ids, labels=labels, **changes)


def test_variants_stand_beside_the_protocol_of_the_tables() -> None:
    rows = [run("g0", 10.0), run("g1", 20.0), run("g0", 5.0, protocol_id="jpeg"), run("g1", 15.0, protocol_id="jpeg"),
            run("g0", 11.0, protocol_id="train"), run("g0", 0.5, source="floor"), run("g1", 0.5, source="floor"),
            run("g0", 0.75, source="floor", protocol_id="jpeg")]  # fmt: skip
    table = sensitivity(DataFrame(rows), variants())
    assert table.frame().to_csv(lineterminator="\n") == (
        "protocol,GLF,training images\n"
        "as they are,15.0 ± 7.1,0.50\n"
        "reals: train,11.0 (+10 %) (1/2),—\n"
        "reals: JPEG,10.0 ± 7.1 (−38 %),0.75 (+50 %)\n"  # the mean of −50 % and −25 %, training by training
        "reals: cropped,—,—\n"
    )
    assert r"10.0 $\pm$ 7.1 ($-$38 \%)" in formats.to_latex(table)
    assert r"    Protocol & GLF & training images \\" in formats.to_latex(table).splitlines()
    tidy = table.tidy().set_index(["variant", "source"])
    assert tidy.loc[("jpeg75", "prior"), "protocol_id"] == "jpeg"
    assert tidy.loc[("jpeg75", "prior"), "mean"] == 10.0


def test_there_is_no_share_of_a_base_that_is_not_there() -> None:
    rows = [run("g0", 1.0, protocol_id="train"), run("g0", 2.0, protocol_id="jpeg")]
    table = sensitivity(DataFrame(rows), variants())
    assert [*table.frame()["GLF"]] == ["—", "1.0 (1/2)", "2.0 (1/2)", "—"]
    assert "Metric protocols on MNIST: as they are: " + ID + ", reals: train: train, reals: JPEG: jpeg." in table.notes


def test_a_distance_of_zero_has_no_share() -> None:
    rows = [run("g0", 0.0), run("g0", 1.0, protocol_id="jpeg")]
    assert sensitivity(DataFrame(rows), variants()).frame().loc["reals: JPEG", "GLF"] == "1.0 (1/2)"


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_of_no_records_has_all_layouts(name: str, tmp_path: Path) -> None:
    runs, epochs = records.read(tmp_path)
    assert "no training wanted" in table1(runs, grid({}, draws=2)).caption
    frames = {"runs": runs, "epochs": epochs, "speed": DataFrame(columns=[*SPEED])}
    table = tables.build(name, frames, variants())
    ours = [shown.value for row in table.rows for column in table.columns
            for part, shown in table.cells[row, column].shown(1).items() if part != "paper"]  # fmt: skip
    assert {*ours} == {"—"}
    assert len(formats.write(table, tmp_path)) == 6


# --- the paper's numbers

SETS = {"mnist": "MNIST", "fashion": "Fashion", "cifar10": "CIFAR-10", "celeba": "CelebA"}

NAMES = [
    *("vae", "wae-gan", "two-stage-vae", "rae-gmm", "vae-flow-prior", "vae-flow-posterior"),
    *("glf", "glann", "glf-perceptual"),
]


def fid_grid(**changes: Any) -> Grid:
    models = {"rae-gmm": "RAE + GMM", "glf": "GLF", "glf-perceptual": "GLF, perceptual"}
    start = Grid(models, {"digits": "Digits", "mnist": "MNIST"}, {}, "fid", {"mnist": ID}, "paper")
    return replace(start, **changes)


def test_the_paper_stands_beside_fid() -> None:
    runs = DataFrame([run("g0", None, metric="fid", fid=8.24)])
    table = table1(runs, fid_grid(keys={("glf", "mnist"): ("g0",)}))
    assert table.frame().to_csv(lineterminator="\n") == (
        "model,Digits,MNIST,MNIST (paper)\n"
        "RAE + GMM,—,—,10.8 ± 0.1\n"
        "GLF,—,8.2 ?,8.2 ± 0.1\n"
        "GLANN with perceptual loss,—,—,8.6 ± 0.1 (cited)\n"
        '"GLF, perceptual",—,—,5.8 ± 0.1\n'
    )
    assert table.caption.startswith("FID (column fid) between generated and real images, lower is better")
    assert not any(cell.best for cell in table.cells.values())  # the paper's numbers compete with nothing of ours
    latex = formats.to_latex(table)
    body = latex[latex.index(r"\begin{tabular}") : latex.index(r"\end{tabular}")]
    assert (
        body
        == r"""\begin{tabular}{llrr}
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
    assert "| GLF | — | 8.2 ? | 8.2 ± 0.1 |" in formats.to_markdown(table)
    tidy = table.tidy().set_index(["model", "dataset"])
    assert tidy.loc[("glann", "mnist"), "cited"]
    assert tidy.loc[("glann", "mnist"), "paper_mean"] == 8.6
    assert tidy["mean"].count() == 1


def test_a_trained_glann_is_not_listed_twice() -> None:
    table = table1(DataFrame([run("n0", None, metric="fid", fid=9.0)]), fid_grid(
        models={"glann": "GLANN", "glf": "GLF"}, keys={("glann", "mnist"): ("n0",)}
    ))  # fmt: skip
    assert [*table.frame().index] == ["GLANN", "GLF"]
    assert [*table.frame().loc["GLANN"]] == ["—", "9.0", "8.6 ± 0.1 (cited)"]


def test_the_papers_footnote_comes_with_its_cell() -> None:
    models = {"two-stage-vae": "Two-Stage VAE"}
    runs = DataFrame(columns=[*run("", 0.0)])
    for dataset, footnote in (("mnist", False), ("cifar10", True)):
        table = table1(runs, fid_grid(models=models, datasets={dataset: SETS[dataset]}))
        assert ("Footnote 2" in " ".join(table.notes)) == footnote


def test_another_metric_shows_neither_the_papers_numbers_nor_its_name(tmp_path: Path) -> None:
    models = {name: name.upper() for name in NAMES if name != "glann"}
    keys = {(model, dataset): (f"{model}-{dataset}",) for model in models for dataset in SETS}
    runs = DataFrame([run(key, 1.0) for (key,) in keys.values()])
    asked = grid(keys, models=models, datasets=SETS, protocol_ids=dict.fromkeys(SETS, ID))
    table = table1(runs, asked)
    assert [*table.rows] == [*models]
    assert [*table.frame().columns] == [*SETS.values()]
    assert all(cell.paper is None for cell in table.cells.values())
    for path in formats.write(table, tmp_path):
        written = path.read_text(encoding="utf-8")
        assert "fid" not in written.lower()
        for entry in tables.published("table1").values():
            assert f"{entry.mean} ± {entry.std}" not in written
            assert f"{entry.mean} $\\pm$ {entry.std}" not in written


# --- characters

COMMAND = r"\\text(?:backslash|asciicircum|asciitilde)\{\}|\\texttt\{U\+[0-9A-F]{4,6}\}|\\dots\{\}|\{\}"
ESCAPED = re.compile(rf"\\[{{}}$&#%_]|{COMMAND}|\$(?:\\[A-Za-z]+|\^\d|[<>|-])\$")
SPECIAL = st.text("\\{}$&#%_^~<>|\"'`-[]*±²³×—–βλγΩ−…\n\tÄéあ\u00ad\u0301 aZ0", max_size=30)


@given(SPECIAL | st.text(max_size=20))
def test_latex_has_no_unescaped_special(plain: str) -> None:
    rest = ESCAPED.sub("", formats._latex(plain))
    assert not set(rest) & set('\\{}$&#%_^~<>|"\n')
    # What is left, pdflatex has in its standard fonts
    assert all(character.isascii() or "À" <= character <= "ÿ" for character in rest)


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        ("50% of n_real", r"50\% of n\_real"),
        ("8 × 8, σ² ≤ 1 ± 0", r"8 $\times$ 8, $\sigma$$^2$ $\leq$ 1 $\pm$ 0"),
        ("β, λ, γ, Γ, Λ", r"$\beta$, $\lambda$, $\gamma$, $\Gamma$, $\Lambda$"),
        ("a — b – c", "a --- b -- c"),
        ("--like mnist", "-{}-like mnist"),
        ("C:\\x~^{}", r"C:\textbackslash{}x\textasciitilde{}\textasciicircum{}\{\}"),
        ("“a” & #1 $", r"``a'' \& \#1 \$"),
        ("two\n\nparagraphs", "two paragraphs"),
        ("[x]", "[x]"),
        ("Fréchet 画", r"Fréchet \texttt{U+753B}"),
    ],
)
def test_latex_escapes(plain: str, escaped: str) -> None:
    assert formats._latex(plain) == escaped


def test_every_layout_survives_a_hostile_label() -> None:
    label = 'a|b_c & *50%* \\ <b> "q"\n[x](y)'
    asked = grid({}, models={"glf": label}, datasets={"mnist": label}, notes=(label,))
    table = table1(DataFrame(columns=[*run("", 0.0)]), asked)
    body = formats.to_markdown(table).splitlines()
    assert len(body) == 5
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in body[2:]] == [3, 3, 3]
    rows = [line for line in formats.to_latex(table).splitlines() if line.endswith(r"\\")]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in rows] == [1, 1]


@pytest.mark.parametrize("label", ["[x]", "*", " [x"])
def test_a_row_never_begins_with_an_argument(label: str) -> None:
    table = table1(DataFrame(columns=[*run("", 0.0)]), grid({}, models={"glf": label}))
    assert rf"    {{}}{label.strip()} & --- \\" in formats.to_latex(table).splitlines()


def test_bytes_are_deterministic(tmp_path: Path) -> None:
    written = [
        [path.read_bytes() for path in formats.write(table1(SMALL, SMALL_GRID), tmp_path / name)] for name in "ab"
    ]
    assert written[0] == written[1]
    for one, other in itertools.combinations(written[0], 2):
        assert one != other
