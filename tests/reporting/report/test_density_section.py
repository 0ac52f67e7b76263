"""The section of densities, and the claims of ours in the files of claims."""

import csv
import json

import pandas as pd
import pytest
from report_pages import MEASURED, ParsedPage, report_html, results_folder, section_html

from benchmarks.analysis.density_fits import BestDensity
from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.statistics import Effect
from benchmarks.experiments import records
from benchmarks.experiments.densities.records import read_densities
from benchmarks.reporting.report.density_section import density_section, describe_best
from benchmarks.reporting.report.page import PAPER_URL

FOLDERS = {"densities-digits": "demo", "densities-mnist-quick": "quick"}


@pytest.fixture(scope="module")
def quick_html(density_results):
    return (density_results / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "preset"), FOLDERS.items())
def test_the_table_has_the_numbers_that_the_command_prints(name, preset, tmp_path):
    evidence = Evidence(*records.read(MEASURED / name), preset)
    (dataset,) = density_section(read_densities(MEASURED / name), evidence, tmp_path, "").datasets
    with (MEASURED / name / "tables" / "densities.csv").open(encoding="utf-8", newline="") as file:
        header, *printed = csv.reader(file)
    made = [[label, *row] for label, row in zip(dataset.table.rows.values(), dataset.table.frame().to_numpy().tolist(),
                                                strict=True)]  # fmt: skip
    assert ["auto-encoder: density", *dataset.table.header()] == header
    assert sorted(made) == sorted([value.removeprefix("'") for value in row] for row in printed)
    assert dataset.files[0].name == f"densities-{preset}-{name.split('-')[1]}.png"


def test_a_fit_that_a_seed_lacks_is_counted_as_missing(tmp_path):
    folder = MEASURED / "densities-digits"
    fits, evidence = read_densities(folder), Evidence(*records.read(folder), "demo")
    lost = fits[(fits["density"] == "kde") & (fits["model"] == "glf")]["key"].iloc[0]
    (dataset,) = density_section(fits[fits["key"] != lost], evidence, tmp_path, "").datasets
    cell = dataset.table.row("glf|digits|kde")[0]
    assert "(9/10)" in cell.value + cell.suffix


def test_the_page_has_a_section_of_densities_and_stays_one_file(quick_html):
    page = ParsedPage(quick_html)
    assert all(link.startswith(("data:", "#")) for link in page.links if link != PAPER_URL)
    assert {link[1:] for link in page.links if link.startswith("#")} <= {*page.ids}
    assert len(page.ids) == len({*page.ids})
    assert "#quick-densities" in page.links
    section = section_html(quick_html, "quick-densities", "</section>")
    assert section.count("data:image/png;base64,") == 1
    assert "GLF: “GMM, components by held-out likelihood” has the lowest distance (6.48), and its own density (15.00)" \
           " is behind it" in section  # fmt: skip
    claim = section_html(section, "quick-claim-ours-1", "</li>")
    assert 'class="badge supported"' in claim
    assert "at most 1,000 steps in each stage" in claim
    assert claim.count("mean ρ") == 3


def test_a_claim_of_ours_is_a_row_of_its_own_beside_the_papers(density_results):
    frame = pd.read_csv(density_results / "tables" / "claims.csv")
    ours = frame[frame["claim"] == "ours-1"]
    assert [*ours["effect"]] == [f"Spearman’s ρ over densities, {name}" for name in ("GLF", "RAE + GMM", "VAE")]
    assert {*ours["source"]} == {"ours, not the paper’s"}
    assert {*ours["verdict"]} == {"supported"}
    assert [*ours["runs_used"]] == ["glf:3", "rae-gmm:3", "vae:3"]
    assert ours["settings_note"].str.startswith("preset quick: at most 10,000 training images").all()
    assert ours["finding"].str.contains("95 %").all()
    assert len(frame[frame["claim"] != "ours-1"]["claim"].unique()) == 18
    text = (density_results / "tables" / "claims.md").read_text(encoding="utf-8")
    papers, own = text.split("Claims of ours, which the paper does not make, at preset quick")
    assert "| ours-1 |" in own
    assert "ours-1" not in papers


def test_without_fits_neither_the_page_nor_the_claims_mention_densities_of_ours(demo_results, demo_html):
    assert "-densities" not in demo_html
    for name in ("claims.csv", "claims.md"):
        assert "ours-" not in (demo_results / "tables" / name).read_text(encoding="utf-8")
    assert not list((demo_results / "figures").glob("densities*"))


def test_text_from_a_density_record_adds_no_markup(tmp_path):
    results = results_folder(tmp_path, "densities-mnist-quick", subfolders=("records", "densities"))
    for path in (results / "densities").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(record | {"label": f"<b>$x$</b> {record['density']}"}), encoding="utf-8")
    section = section_html(report_html(results), "quick-densities", "</section>")
    assert "<b>" not in section
    assert "&lt;b&gt;$x$&lt;/b&gt; gmm:auto" in section


OWN, FLOW = "own", "flow"
LABELS = {OWN: "its own density", FLOW: "coupling flow"}


@pytest.mark.parametrize(
    ("best", "text"),
    [
        (BestDensity("glf", FLOW, 2.0, 5.0, Effect(3.0, 0.5, 5.5, 0.03), 3),
         "GLF: “coupling flow” has the lowest distance (2.00), and its own density (5.00) is behind it: the difference "
         "is 3.00 (95 %: 0.50 to 5.50), corrected p = 0.03, 3 seeds."),
        (BestDensity("glf", FLOW, 2.0, 5.0, Effect(3.0, -1.0, 7.0, 0.09), 3),
         "GLF: “coupling flow” has the lowest distance (2.00), and its own density (5.00) is not shown to be behind "
         "it: the difference is 3.00 (95 %: −1.00 to 7.00), corrected p = 0.09, 3 seeds."),
        (BestDensity("rae-gmm", OWN, 2.0, 2.0, None, 3), "RAE + GMM: its own density has the lowest distance (2.00)."),
        (BestDensity("wae-mmd", FLOW, 2.0, None, None, 0),
         "WAE-MMD: “coupling flow” has the lowest distance (2.00); its own density was not measured."),
        (BestDensity("glf", FLOW, 2.0, 5.0, None, 2),
         "GLF: “coupling flow” has the lowest distance (2.00), and its own density (5.00) is not tested against it: "
         "2 of 3 seeds that are needed have both."),
    ],
)  # fmt: skip
def test_a_sentence_says_which_density_is_best_and_whether_the_models_own_is_behind(best, text):
    assert describe_best(best, LABELS) == text
