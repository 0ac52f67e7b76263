"""The claims as data and as a list."""

import pandas as pd
from report_pages import report_html

from benchmarks.analysis.claims import CLAIMS
from benchmarks.analysis.evidence import Evidence
from benchmarks.experiments import records
from benchmarks.reporting.report.claims_table import COLUMNS, MARKDOWN_COLUMNS
from benchmarks.reporting.report.sections import preset_section


def test_the_written_columns_are_the_documented_ones(demo_results):
    frame = pd.read_csv(demo_results / "tables" / "claims.csv")
    assert [*frame] == [*COLUMNS]
    assert all(COLUMNS.values()), "a column without a description"
    header = (demo_results / "tables" / "claims.md").read_text(encoding="utf-8").splitlines()[2]
    assert header == f"| {' | '.join(MARKDOWN_COLUMNS)} |"
    assert {*MARKDOWN_COLUMNS} <= {*COLUMNS}, "one word for one thing"


def test_the_claims_are_written_as_data_and_as_a_list(demo_results):
    frame = pd.read_csv(demo_results / "tables" / "claims.csv")
    assert {*frame["preset"]} == {"demo", "quick"}
    for preset in ("demo", "quick"):
        rows = frame[frame["preset"] == preset]
        assert [*dict.fromkeys(rows["claim"])] == [claim.number for claim in CLAIMS]
        verdicts = dict(preset_section(Evidence(*records.read(demo_results), preset), demo_results).claims)
        for claim, (_, own) in zip(CLAIMS, rows.groupby("claim"), strict=True):
            assert [*own["dataset_verdict"]] == [finding.answer for finding in verdicts[claim].findings]
            assert {*own["verdict"]} == {verdicts[claim].answer}
            assert [*own["reason"].fillna("")] == [finding.reason for finding in verdicts[claim].findings]
    first = frame[frame["preset"] == "demo"].iloc[0]  # GLF against RAE + GMM, on digits
    assert (first["dataset_verdict"], first["dataset"], first["metric"]) == ("contradicted", "digits", "fd_classifier")
    assert first["ci_low"] < first["value"] < first["ci_high"]
    assert first["p_value"] < 0.05
    assert first["effect"] == "GLF minus RAE + GMM"
    lines = (demo_results / "tables" / "claims.md").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("| ") for line in lines) == 2 * (len(CLAIMS) + 2)
    assert str(demo_results) not in "".join(lines)


def test_without_records_the_list_of_claims_is_empty_and_can_be_read(tmp_path):
    (tmp_path / "records").mkdir()
    report_html(tmp_path)
    assert pd.read_csv(tmp_path / "tables" / "claims.csv").empty
