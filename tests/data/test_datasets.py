"""Loading data sets: known names and sizes, and missing files."""

import pickle
import re
from pathlib import Path

import pytest

from benchmarks.data import datasets
from benchmarks.data.datasets import DATASETS, DataError, ImageFolder
from benchmarks.data.paths import data_root


def test_sizes_of_latents_and_flows_are_those_of_the_paper():
    ours = ("digits", "celeba-hq")
    sizes = {name: (spec.shape, spec.nz, spec.k) for name, spec in DATASETS.items() if name not in ours}
    assert sizes == {
        "mnist": ((1, 28, 28), 20, 64),
        "fashion": ((1, 28, 28), 20, 64),
        "cifar10": ((3, 32, 32), 64, 256),
        "celeba": ((3, 64, 64), 64, 256),
    }


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown data set 'minst' .*. Known: digits, .*folder:PATH \(benchmarks/"):
        datasets.load("minst", None)
    assert "unknown data set 'minst'" in datasets.find_errors("minst", None)[0]


def test_every_row_can_be_pickled(tmp_path):
    for dataset in (*DATASETS, ImageFolder(tmp_path, "mine", "mnist")):
        copy = pickle.loads(pickle.dumps(datasets.dataset_spec(dataset)))  # noqa: S301 - made on this line
        assert copy.label == datasets.dataset_spec(dataset).label


def test_default_root_is_in_the_users_cache(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert data_root(None) == Path("/somewhere/ae-bench/data")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert data_root(None) == Path.home() / ".cache/ae-bench/data"


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "digits"])
def test_missing_files_are_named_by_the_check_and_by_loading(name, tmp_path):
    problems = datasets.find_errors(name, tmp_path)
    assert problems
    assert len(problems) == 1, "one message for each data set"
    assert all(text in problems[0] for text in (str(tmp_path), f"Get it: {DATASETS[name].get}"))
    with pytest.raises(DataError, match=re.escape(str(tmp_path))) as error:
        datasets.load(name, tmp_path)
    assert DATASETS[name].get in str(error.value)
