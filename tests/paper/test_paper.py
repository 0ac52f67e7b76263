"""The paper's tables, typed a second time in the paper's format, to detect typing errors."""

import re
from collections import Counter
from importlib import resources

import pytest

from benchmarks.paper import published_cells

TABLE1_DATASETS = ("mnist", "fashion", "cifar10", "celeba")
TABLE1 = """
vae                | VAE                        | 28.2 ± 0.3 | 57.5 ± 0.4 | 142.5 ± 0.6 | 71.0 ± 0.5
wae-gan            | WAE-GAN                    | 12.4 ± 0.2 | 31.5 ± 0.4 | 93.1 ± 0.5  | 66.5 ± 0.7
two-stage-vae      | Two-Stage VAE              | 10.9 ± 0.7 | 26.1 ± 0.9 | 96.1 ± 0.9  | 65.2 ± 0.8
rae-gmm            | RAE + GMM                  | 10.8 ± 0.1 | 25.1 ± 0.2 | 91.6 ± 0.6  | 57.8 ± 0.4
vae-flow-prior     | VAE+flow prior             | 28.3 ± 0.2 | 51.8 ± 0.3 | 110.4 ± 0.5 | 54.3 ± 0.3
vae-flow-posterior | VAE+flow posterior         | 26.7 ± 0.3 | 55.1 ± 0.3 | 143.6 ± 0.8 | 67.9 ± 0.3
glf                | GLF (ours)                 | 8.2 ± 0.1  | 21.3 ± 0.2 | 88.3 ± 0.4  | 53.2 ± 0.2
glann              | GLANN with perceptual loss | 8.6 ± 0.1  | 13.0 ± 0.1 | 46.5 ± 0.2  | 46.3 ± 0.1
glf-perceptual     | GLF+perceptual loss (ours) | 5.8 ± 0.1  | 10.3 ± 0.1 | 44.6 ± 0.3  | 41.8 ± 0.2
"""
TABLE4 = """
mm-gan             | MM GAN                       | 9.8 ± 0.9  | 29.6 ± 1.6 | 72.7 ± 3.6  | 65.6 ± 4.2
ns-gan             | NS GAN                       | 6.8 ± 0.5  | 26.5 ± 1.6 | 58.5 ± 1.9  | 55.0 ± 3.3
lsgan              | LSGAN                        | 7.8 ± 0.6  | 30.7 ± 2.2 | 87.1 ± 47.5 | 53.9 ± 2.8
wgan               | WGAN                         | 6.7 ± 0.4  | 21.5 ± 1.6 | 55.2 ± 2.3  | 41.3 ± 2.0
wgan-gp            | WGAN GP                      | 20.3 ± 5.0 | 24.5 ± 2.1 | 55.8 ± 0.9  | 30.3 ± 1.0
dragan             | DRAGAN                       | 7.6 ± 0.4  | 27.7 ± 1.2 | 69.8 ± 2.0  | 42.3 ± 3.0
began              | BEGAN                        | 13.1 ± 1.0 | 22.9 ± 0.9 | 71.4 ± 1.6  | 38.9 ± 0.9
vae                | VAE                          | 28.2 ± 0.3 | 57.5 ± 0.4 | 142.5 ± 0.6 | 71.0 ± 0.5
wae-gan            | WAE-GAN                      | 12.4 ± 0.2 | 31.5 ± 0.4 | 93.1 ± 0.5  | 66.5 ± 0.7
two-stage-vae      | Two-Stage VAE                | 10.9 ± 0.7 | 26.1 ± 0.9 | 96.1 ± 0.9  | 65.2 ± 0.8
rae-gmm            | RAE + GMM                    | 10.8 ± 0.1 | 25.1 ± 0.2 | 91.6 ± 0.6  | 57.8 ± 0.4
glann              | GLANN (with perceptual loss) | 8.6 ± 0.1  | 13.0 ± 0.1 | 46.5 ± 0.2  | 46.3 ± 0.1
vae-flow-prior     | VAE+flow prior               | 28.3 ± 0.2 | 51.8 ± 0.3 | 110.4 ± 0.5 | 54.3 ± 0.3
vae-flow-posterior | VAE+flow posterior           | 26.7 ± 0.3 | 55.1 ± 0.3 | 143.6 ± 0.8 | 67.9 ± 0.3
glf                | GLF (ours)                   | 8.2 ± 0.1  | 21.3 ± 0.2 | 88.3 ± 0.4  | 53.2 ± 0.2
glf-perceptual     | GLF+perceptual loss (ours)   | 5.8 ± 0.1  | 10.3 ± 0.1 | 44.6 ± 0.3  | 41.8 ± 0.2
"""
# the columns MNIST/Fashion, CIFAR-10, CelebA
TABLE2 = """
two-stage-vae | Two-stage VAE First/Second | 400/800 | 1000/2000 | 120/300
glann         | GLANN First/Second         | 500/50  | 500/50    | 500/50
glf           | GLF                        | 100     | 200       | 40
"""
# the columns MNIST, CIFAR-10, CelebA
TABLE5 = """
two-stage-vae  | 2-stage VAE 1st/2nd        | 5/2 | 6/2 | 60/28
glf            | GLF                        | 10  | 13  | 108
glann          | GLANN with perceptual loss | 14  | 16  | 292
glf-perceptual | GLF with perceptual loss   | 16  | 19  | 343
"""
TABLE6 = "glf | GLF | (0.981, 0.963) | (0.974, 0.955) | (0.685, 0.805) | (0.447, 0.726)"
PAPER = {
    "table1": (TABLE1, TABLE1_DATASETS, 36),
    "table2": (TABLE2, ("mnist fashion", "cifar10", "celeba"), 20),
    "table4": (TABLE4, TABLE1_DATASETS, 64),
    "table5": (TABLE5, ("mnist", "cifar10", "celeba"), 15),
    "table6": (TABLE6, TABLE1_DATASETS, 8),
}


@pytest.mark.parametrize("table", PAPER)
def test_the_files_hold_the_papers_tables(table):
    typed, columns, count = PAPER[table]
    expected = {}
    for line in typed.strip().splitlines():
        name, label, *cells = (part.strip() for part in line.split("|"))
        for column, cell in zip(columns, cells, strict=True):
            for dataset in column.split():
                numbers = [float(number) for number in re.findall(r"[\d.]+", cell)]
                expected[name, dataset] = label, numbers
    read = {}
    for pair, values in published_cells(table).items():
        numbers = [number for value in values for number in (value.mean, value.std) if number is not None]
        (label,) = {value.label for value in values}
        read[pair] = label, numbers
    assert read == expected
    rows = [*dict.fromkeys(model for model, _ in expected)]
    assert [*dict.fromkeys(model for model, _ in read)] == rows
    assert sum(map(len, published_cells(table).values())) == count


def test_every_number_has_its_unit_and_its_stage():
    kinds = {
        table: Counter(
            (value.metric, value.unit, value.stage) for values in published_cells(table).values() for value in values
        )
        for table in PAPER
    }
    assert kinds == {
        "table1": {("fid", "1", ""): 36},
        "table4": {("fid", "1", ""): 64},
        "table2": {("epochs", "epoch", "first"): 8, ("epochs", "epoch", "second"): 8, ("epochs", "epoch", "train"): 4},
        "table5": {("seconds_per_epoch", "s", "first"): 3, ("seconds_per_epoch", "s", "second"): 3,
                   ("seconds_per_epoch", "s", "train"): 6, ("seconds_per_epoch", "s", ""): 3},
        "table6": {("prd_f8", "1", ""): 4, ("prd_f1_8", "1", ""): 4},
    }  # fmt: skip


def test_cited_rows_are_marked():
    cited = {
        table: {model for (model, _), values in published_cells(table).items() for value in values if value.is_cited}
        for table in PAPER
    }
    gans = {"mm-gan", "ns-gan", "lsgan", "wgan", "wgan-gp", "dragan", "began"}
    assert cited == {"table1": {"glann"}, "table2": {"glann"}, "table4": {"glann", *gans}, "table5": set(),
                     "table6": set()}  # fmt: skip


def test_odd_numbers_have_notes():
    noted = {
        table: {pair for pair, values in published_cells(table).items() if any(value.note for value in values)}
        for table in PAPER
    }
    glann = {("glann", dataset) for dataset in TABLE1_DATASETS}
    assert noted["table1"] == {("two-stage-vae", "cifar10"), *glann}
    assert noted["table2"] == {("glann", "mnist")}
    assert {model for model, _ in noted["table5"]} == {"two-stage-vae"}
    assert noted["table4"] == {("lsgan", "cifar10"), *glann}
    assert len(noted["table6"]) == 4


def test_the_package_has_no_other_file():
    files = {entry.name for entry in (resources.files("benchmarks") / "paper").iterdir() if entry.name.endswith(".csv")}
    assert files == {f"{table}.csv" for table in PAPER}
