"""The whole page: its content, its independence of other files, and its agreement with the records."""

import json
import re
import time
from pathlib import Path

import pytest
from PIL import Image
from report_pages import (
    MEASURED,
    ParsedPage,
    edit_records,
    read_records,
    remove_runs,
    report_html,
    results_folder,
    section_html,
)

from benchmarks.analysis.claims import ANSWERS, CLAIMS
from benchmarks.experiments import records
from benchmarks.reporting.report import write_report
from benchmarks.reporting.report.page import PAPER_URL
from benchmarks.run import main


def test_the_page_needs_no_other_file(demo_html):
    page = ParsedPage(demo_html)
    assert "script" not in page.tags
    assert all(link.startswith(("data:", "#")) for link in page.links if link != PAPER_URL)
    assert {link[1:] for link in page.links if link.startswith("#")} <= {*page.ids}
    assert len(page.ids) == len({*page.ids})
    assert page.content_policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in page.content_policy


def test_every_claim_is_shown_with_its_answer_and_how_to_decide_it(demo_html):
    for claim in CLAIMS:
        block = section_html(demo_html, f"demo-claim-{claim.number}", "</li>")
        assert claim.statement in block
        (badge,) = re.findall(r'class="badge ([\w-]+)">([\w ]+)<', block)
        assert badge[0] == badge[1].replace(" ", "-")
        assert badge[1] in ANSWERS
    first = section_html(demo_html, "demo-claim-1", "</li>")
    assert 'class="badge contradicted"' in first
    assert "by fd_classifier, not FID" in first
    assert "15 runs used" in first
    fifth = section_html(demo_html, "demo-claim-5", "</li>")
    assert re.search(r"benchmarks\.run table1 --preset demo --on digits --only glf,vae-flow-prior --seeds 3", fifth)


def test_the_first_screen_says_what_reproduces_at_which_budget_and_how_sure(demo_html):
    """Before any table, for each preset; Table 1 comes before the claims."""
    top = demo_html.split("<main>")[0]
    for preset, statuses in (("demo", "15 done"), ("quick", "8 done, 1 diverged")):
        answer = top.split(f"(preset {preset})")[1].split("</section>")[0]
        terms = re.findall(r"<dt>([^<]+)</dt><dd>(.*?)</dd>", answer, re.S)
        assert [name for name, _ in terms] == ["What reproduces", "At which budget", "How sure"]
        assert re.search(r"\d+ not decidable here</strong> of the paper’s 18", terms[0][1])
        assert "steps in each stage" in terms[1][1]
        assert statuses in terms[2][1]
        positions = [demo_html.index(f'id="{preset}-{part}"') for part in ("tables", "claims")]
        assert positions == sorted(positions)


def test_terms_are_explained_at_their_first_use(demo_html):
    for word in ("Fréchet distance", "metric protocol", "NLL", "FID"):
        assert re.search(rf'<abbr title="[^"]+">{word}</abbr>', demo_html), word


def test_every_number_has_its_runs_and_its_provenance(demo_results, demo_html):
    for key, rows in records.read_evaluations(demo_results).groupby("key"):
        assert f'title="{key}"' in demo_html
        assert str(rows["commit"].iloc[0])[:10] in demo_html
        assert str(rows["device"].iloc[0]) in demo_html
    dots = section_html(demo_html, "demo-digits", "</table>")
    assert len(re.findall(r"<circle[^>]*><title>seed", dots)) == 15
    assert "2.7 ± 0.2" in dots
    assert "python -m benchmarks.run table1 --preset demo --on digits --only glf --seeds 3" in demo_html
    assert "410e3ae690b3df8c" in demo_html, "the metric protocol"
    assert "1 diverged" in section_html(demo_html, "quick-mnist", "</table>")


def test_the_page_is_a_pure_function_of_the_folder(demo_results, demo_html):
    assert report_html(demo_results) == demo_html


def test_all_files_that_are_written_are_returned_the_page_last(tmp_path):
    results = results_folder(tmp_path, "digits-demo")
    before = {*results.rglob("*")}
    paths = write_report(results)
    hidden = {path for path in results.rglob("*") if path.name.startswith(".")}  # the records' index
    assert {*paths} == {path for path in {*results.rglob("*")} - before - hidden if path.is_file()}
    assert [path.name for path in paths[:3]] == ["claims.csv", "claims.md", "figure2-demo.png"]
    assert paths[-1] == results / "report.html"


def test_a_folder_without_records_has_an_empty_report_and_a_missing_folder_is_an_error(tmp_path, capsys):
    assert main(["report", "--results", str(tmp_path / "nothing")]) == 2
    assert "there are no records in" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "empty" / "records").mkdir(parents=True)
    assert main(["report", "--results", str(tmp_path / "empty")]) == 0
    path = Path(capsys.readouterr().out.strip().splitlines()[-1])
    assert "There is no record here yet" in path.read_text(encoding="utf-8")


EVIL_NAME = "a<script>alert(1)<img src=x onerror=alert(2)>\"'"
EVIL = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'"


def test_text_from_records_is_escaped(tmp_path):
    """Names of data sets, models and devices, and messages, may contain any text."""
    results = results_folder(tmp_path, "digits-demo")

    def edit(i, record):
        record["dataset"] = EVIL_NAME
        record["provenance"]["device"] = EVIL
        record["data"]["warnings"] = [EVIL]
        if i % 3 == 0:
            record["model"] = EVIL_NAME
            record["status"], record["error"] = "failed", {"message": EVIL}

    edit_records(results, edit)
    page = ParsedPage(report_html(results))
    assert "script" not in page.tags
    assert EVIL in "".join(page.text)
    assert EVIL_NAME in "".join(page.text)
    assert all(link.startswith(("data:", "#")) for link in page.links if link != PAPER_URL)


def test_mixed_protocols_unknown_models_failures_and_single_runs_are_shown_as_such(tmp_path):
    results = results_folder(tmp_path, "digits-demo")

    def edit(i, record):
        if record["model"] == "glf" and record["seed"] > 0:
            for evaluation in record["evaluations"]:
                evaluation["protocol_id"] = "another"
        if record["model"] == "vae":
            record["model"] = record["label"] = "my-model"
        if record["model"] == "wae-gan":
            record["status"], record["error"] = "failed", {"message": "out of memory"}
            record["evaluations"], record["epochs"] = [], []

    edit_records(results, edit)
    remove_runs(results, lambda model, seed: model == "rae-gmm" and seed > 0)
    html = report_html(results)
    table = section_html(html, "demo-digits", "</table>")
    glf = re.search(r"<tr><td class=\"name\">(?:(?!</tr>).)*>GLF</a>.*?</tr>", table, re.S)[0]
    assert "1 of 3" in glf, "the cell holds one protocol's runs"
    assert "my-model" in table
    assert "[3 failed]" in table
    assert "out of memory" in html
    rae = re.search(r"<tr><td class=\"name\">(?:(?!</tr>).)*>RAE \+ GMM</a>.*?</tr>", table, re.S)[0]
    assert "±" not in rae, "one run has no standard deviation"


def test_incomplete_records_are_shown_with_what_they_have(tmp_path):
    """Each field that a record may lack is null or missing."""
    results = results_folder(tmp_path, "digits-demo")

    def edit(i, record):
        if i % 3 == 0:
            record["data"] = {"train": record["data"]["train"], "n_train": None}
            record["settings"] = None
        elif i % 3 == 1:
            del record["data"]["n_test"], record["settings"]["images"]
            record["settings"]["stages"] = {name: {} for name in record["settings"]["stages"]}
        else:
            record["provenance"], record["diagnostics"] = None, None

    edit_records(results, edit)
    assert main(["report", "--results", str(results)]) == 0


def test_a_reader_learns_how_to_run_it(demo_results, demo_html):
    box = demo_html.split("Run this yourself")[1].split("</details>")[0]
    assert "pip install -e ." in box
    assert "--seeds 3 --results results/again" in box
    assert re.search(r"\([\d.]+ s to [\d.]+ s of training per run, on cpu: ", box)
    assert f"python -m benchmarks.run report --results {demo_results.name}" in box
    commits = {str(commit)[:10] for commit in records.read_evaluations(demo_results)["commit"]}
    assert commits == {*re.findall(r"<code>([0-9a-f]{10})</code>", box)}
    assert f'href="{PAPER_URL}"' in demo_html
    assert str(demo_results.parent) not in demo_html, "a path of this machine"


@pytest.mark.slow
def test_thousands_of_records_make_a_report_in_seconds(tmp_path):
    """The target is 10,000 records in 10 s. Other tests run at the same time, so 2,500 records may take as long."""
    results = tmp_path / "results"
    (results / "records").mkdir(parents=True)
    kinds = [*read_records(MEASURED / "digits-demo").values()]
    for i in range(2500):
        record = kinds[i % len(kinds)]
        record |= {"key": f"{i:064x}", "seed": i // len(kinds)}
        (results / "records" / f"{i:064x}.json").write_text(json.dumps(record), encoding="utf-8")
    before = time.process_time()
    path = write_report(results)[-1]
    assert time.process_time() - before < 10
    assert path.stat().st_size < 5e6


def test_pictures_of_single_runs_are_shown_and_other_files_are_not(tmp_path):
    results = results_folder(tmp_path, "digits-demo")
    (results / "figures").mkdir(exist_ok=True)
    for name in ("reconstruct-digits-glf", "interpolate-digits-glf", "memorization-classifier_digits-digits-glf",
                 "reconstruct-letters-glf", "reconstruct-digits-other"):  # fmt: skip
        Image.new("RGB", (4, 4)).save(results / "figures" / f"{name}.png")
    block = section_html(report_html(results), "pictures", "</section>")
    assert re.findall(r"<figcaption>(.*?)</figcaption>", block) == [
        "Test images, each with its reconstruction to its right: GLF on digits",
        "Interpolations between samples: GLF on digits",
        "Samples, and below them test images, closest to a training image: GLF on digits",
    ]
