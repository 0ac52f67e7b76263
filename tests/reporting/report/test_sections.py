"""A preset's section: its tables, and the findings that no command decides."""

import pandas as pd
from report_pages import MEASURED, report_html, results_folder

from benchmarks.analysis.evidence import Evidence
from benchmarks.experiments import records
from benchmarks.reporting.report.sections import preset_section


def test_a_finding_without_a_command_says_why(digits_section):
    undecided = [(claim.number, finding) for claim, verdict in digits_section.claims for finding in verdict.findings
                 if finding.answer == "undecided" and not finding.command]  # fmt: skip
    assert {number for number, _ in undecided} >= {9, 11, 12, 14}
    assert all(finding.undecidable_reason for _, finding in undecided)
    assert all("paper’s data and budget" in finding.undecidable_reason for number, finding in undecided if number != 12)
    others = [finding for _, verdict in digits_section.claims for finding in verdict.findings if finding.command]
    assert others
    assert not any(finding.undecidable_reason for finding in others)


def test_the_two_nlls_of_the_page_are_distinguished(tmp_path):
    html = report_html(results_folder(tmp_path, "digits"))
    eleventh = html.split('id="paper-claim-11"')[1].split("</li>")[0]
    assert "training images’ latents, in the last epoch" in eleventh
    assert "of test images’ latents, after training" in html.split("<h3>Latents of test images")[1].split("<h3>")[0]
    assert "nats, of training images’ latents" in html.split('id="paper-digits"')[1]


def test_the_table_of_protocol_variants_is_the_committed_one(tmp_path):
    """The report finds in the records which protocol is which variant; the table's command had a plan."""
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
