"""A preset's section: its tables, and the findings that no command decides."""

import pandas as pd
from report_pages import MEASURED, report_html, results_folder

from benchmarks.analysis.evidence import Evidence
from benchmarks.experiments import records
from benchmarks.reporting.report.sections import preset_section


def test_a_finding_without_a_command_says_why(digits_section):
    findings = [(claim.number, finding) for claim, verdict in digits_section.claims for finding in verdict.findings]
    closed = [(number, finding) for number, finding in findings if finding.reason and not finding.command]
    assert {number for number, _ in closed} == {8, 9, 11, 12, 14}
    assert {finding.answer for _, finding in closed} == {"not decidable here"}
    assert all("paper" in finding.reason for _, finding in closed)
    with_command = [finding for _, finding in findings if finding.command]
    assert {finding.answer for finding in with_command} == {"not tested", "inconclusive"}


def test_open_claims_are_counted_by_answer(digits_section):
    answers = [verdict.answer for _, verdict in digits_section.claims]
    assert digits_section.answer_counts == [
        ("supported", 2), ("contradicted", 4), ("not tested", 2), ("inconclusive", 5), ("not decidable here", 5)
    ]  # fmt: skip
    assert dict(digits_section.answer_counts) == {answer: answers.count(answer) for answer in {*answers}}


def test_the_two_nlls_of_the_page_are_distinguished(tmp_path):
    html = report_html(results_folder(tmp_path, "digits"))
    eleventh = html.split('id="paper-claim-11"')[1].split("</li>")[0]
    assert "of the latents of training images, in the last epoch" in eleventh
    assert (
        "of the latents of test images, after training" in html.split("<h3>Latents of test images")[1].split("<h3>")[0]
    )
    assert "nats, of training images’ latents" in html.split('id="paper-digits"')[1]


def test_the_table_of_protocol_variants_is_the_committed_one(tmp_path):
    """The report identifies the variants by their protocols in the records; the table's command has a plan."""
    results = results_folder(tmp_path, "digits-demo")
    section = preset_section(Evidence(*records.read(results), "demo"), results)
    (table,) = (table.frame() for table in section.tables if table.name == "sensitivity")
    committed = pd.read_csv(MEASURED / "digits-demo" / "tables" / "sensitivity.csv", index_col=0)
    assert table.to_csv() == committed.loc[table.index, table.columns].to_csv()
    # Rows without any number are left out: crops and resize filters
    assert {*committed.drop(index=table.index).to_numpy().ravel()} == {"—"}
    assert {*table.columns} == {*committed.columns}


def test_samples_scored_under_one_protocol_have_no_table_of_variants(tmp_path):
    results = results_folder(tmp_path, "mnist-quick-variants")
    section = preset_section(Evidence(*records.read(results), "quick"), results)
    assert not {"sensitivity", "table4"} & {table.name for table in section.tables}
