import pytest
from pandas import DataFrame
from table_cases import FRAMES, GRID, evaluation_row, fid_grid, make_grid, note, paper_table

from benchmarks.reporting.tables import build_table
from benchmarks.reporting.tables.quality import table1


def test_a_note_names_the_number_of_sample_sets():
    rows = [evaluation_row(key, 10.0, draw=draw) for key in ("k0", "k1") for draw in range(4)]
    grid = make_grid({("glf", "mnist"): ("k0", "k1")}, preset="paper", draws=4)
    table = table1(DataFrame(rows), grid)
    assert "lower is better: mean ± standard deviation over 2 runs. Preset paper." in table.caption
    assert "the second that over the 4 sample sets of one run" in note(table, "Statistics")


@pytest.mark.parametrize(("draws", "expected"), [(1, "which one sample set does not have"), (2, "the second one")])
def test_a_note_says_which_spread_compares_with_the_papers(draws, expected):
    evaluations = DataFrame([evaluation_row("g0", None, draw=d, metric="fid", fid=8.0 + d) for d in range(draws)])
    table = table1(evaluations, fid_grid(keys={("glf", "mnist"): ("g0",)}, draws=draws))
    assert expected in note(table, "Paper")


def test_notes_name_differing_devices_and_versions_and_uncommitted_code():
    environments = [("cpu: a", "2.14.1+cu130", "a" * 40, False), ("cuda: b", "2.15.0", "b" * 40, True),
                    ("cuda: b", "2.15.0+cu132", "b" * 40, True)]  # fmt: skip
    columns = ("device", "torch", "commit", "dirty")
    rows = [evaluation_row(f"k{i}", 1.0, **dict(zip(columns, environment, strict=True)))
            for i, environment in enumerate(environments)]  # fmt: skip
    expected = [
        "Devices of the runs: cpu: a (1); cuda: b (2).",
        "Versions of torch: 2.14.1 (1); 2.15.0 (2).",
        "The code of some runs had uncommitted changes, on top of bbbbbbbbbb (2).",
    ]
    evaluations = DataFrame(rows).astype({"dirty": "boolean"})

    def environment(evaluations, keys):
        return note(table1(evaluations, make_grid(keys)), "Environment")

    assert environment(evaluations, {("glf", "mnist"): ("k0", "k1"), ("vae", "mnist"): ("k2",)}) == " ".join(expected)
    # Only the runs behind the numbers count, and builds of one version are one version
    assert environment(evaluations.assign(dirty=False), {("glf", "mnist"): ("k1", "k2")}) == ""
    assert environment(evaluations, {("glf", "mnist"): ("k1",)}) == expected[2].replace("(2)", "(1)")


@pytest.mark.parametrize("name", ["table1", "table4", "table6"])
def test_a_note_says_that_runs_are_missing(name):
    evaluations = FRAMES["evaluations"].iloc[1:]
    assert "runs are there" not in note(paper_table(name), "Missing")
    assert note(build_table(name, {"evaluations": evaluations}, GRID), "Missing").startswith("11 of 12 runs are there.")
