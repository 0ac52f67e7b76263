"""The report, as its readers meet it: whole, by itself, true to the records, and shown by a real browser."""

import json
import re
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path

import browser
import pandas as pd
import pytest

from benchmarks.analysis.claims import CLAIMS
from benchmarks.analysis.evidence import Evidence
from benchmarks.experiments import records
from benchmarks.reporting import report
from benchmarks.reporting.report import charts
from benchmarks.reporting.report.charts import Line, Panel
from benchmarks.reporting.report.content import section
from benchmarks.reporting.report.words import alike
from benchmarks.run import main

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"


def folder(tmp_path, *names):
    """A results folder with the committed records and pictures of some others."""
    made = tmp_path / "results"
    for part in ("records", "figures"):
        (made / part).mkdir(parents=True)
        for name in names:
            for file in (MEASURED / name / part).glob("*"):
                if "samples-digits.png" not in file.name:
                    shutil.copy(file, made / part)
    return made


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    made = folder(tmp_path_factory.mktemp("demo"), "digits-demo", "mnist-quick-variants")
    return made, report.write(made).read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a page refers to, and its text."""

    def __init__(self, text):
        super().__init__()
        self.links, self.text, self.tags, self.ids, self.policy = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "meta" and dict(attributes).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attributes)["content"]
        for name, value in attributes:
            if name in ("src", "href", "srcset", "data", "action", "poster"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)
            assert not name.startswith("on"), "a script in an attribute"
            assert name != "style", "the content policy forbids it"

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_needs_nothing_but_itself(demo):
    page = Page(demo[1])
    assert "script" not in page.tags
    assert all(link.startswith(("data:", "#")) for link in page.links if link != report.PAPER)
    assert {link[1:] for link in page.links if link.startswith("#")} <= {*page.ids}
    assert len(page.ids) == len({*page.ids})
    assert page.policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in page.policy


def test_every_claim_stands_there_with_its_answer_and_how_to_decide_it(demo):
    text = demo[1]
    for claim in CLAIMS:
        block = text.split(f'id="demo-claim-{claim.number}"')[1].split("</li>")[0]
        assert claim.sentence in block
        answers = set(re.findall(r'class="badge (\w+)"', block))
        assert answers <= {"supported", "contradicted", "undecided"}
    first = text.split('id="demo-claim-1"')[1].split("</li>")[0]
    assert 'class="badge contradicted"' in first
    assert "by fd_classifier, not FID" in first
    assert "15 trainings used" in first
    fifth = text.split('id="demo-claim-5"')[1].split("</li>")[0]
    assert re.search(r"benchmarks\.run table1 --preset demo --on digits --only glf,vae-flow-prior --seeds 3", fifth)


def test_every_number_has_its_trainings_and_its_provenance(demo):
    made, text = demo
    runs = records.runs(made)
    for key, rows in runs.groupby("key"):
        assert f'title="{key}"' in text
        assert str(rows["commit"].iloc[0])[:10] in text
        assert str(rows["device"].iloc[0]) in text
    dots = text.split('id="demo-digits"')[1].split("</table>")[0]
    assert len(re.findall(r"<circle[^>]*><title>seed", dots)) == 15
    assert "2.7 ± 0.2" in dots
    assert "python -m benchmarks.run table1 --preset demo --on digits --only glf --seeds 3" in text
    assert "410e3ae690b3df8c" in text, "the metric protocol"
    assert "1 diverged" in text.split('id="quick-mnist"')[1].split("</table>")[0]


def test_the_page_is_a_pure_function_of_the_folder(demo):
    made, text = demo
    assert report.write(made).read_text(encoding="utf-8") == text


def test_all_files_that_it_writes_are_told_the_page_last(tmp_path):
    made = folder(tmp_path, "digits-demo")
    before = {*made.rglob("*")}
    paths = report.files(made)
    hidden = {path for path in made.rglob("*") if path.name.startswith(".")}  # the records' index
    assert {*paths} == {path for path in {*made.rglob("*")} - before - hidden if path.is_file()}
    assert [path.name for path in paths[:3]] == ["claims.csv", "claims.md", "figure2-demo.png"]
    assert paths[-1] == made / "report.html"


def test_no_records_and_no_folder(tmp_path, capsys):
    assert main(["report", "--results", str(tmp_path / "nothing")]) == 2
    assert "there are no records in" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "empty" / "records").mkdir(parents=True)
    assert main(["report", "--results", str(tmp_path / "empty")]) == 0
    path = Path(capsys.readouterr().out.strip().splitlines()[-1])
    assert "There is no record here yet" in path.read_text(encoding="utf-8")


def edited(made, change):
    """Change every record of a folder."""
    for i, path in enumerate(sorted((made / "records").glob("*.json"))):
        record = json.loads(path.read_text(encoding="utf-8"))
        change(i, record)
        path.write_text(json.dumps(record), encoding="utf-8")


EVIL = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'"


def test_what_records_say_is_text_not_markup(tmp_path):
    """A data set, a model, a message, a device: none of them is ours to trust."""
    made = folder(tmp_path, "digits-demo")

    def change(i, record):
        record["dataset"] = EVIL
        record["provenance"]["device"] = EVIL
        record["data"]["warnings"] = [EVIL]
        if i % 3 == 0:
            record["model"] = EVIL
            record["status"], record["error"] = "failed", {"message": EVIL}

    edited(made, change)
    page = Page(report.write(made).read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert EVIL in "".join(page.text)
    assert all(link.startswith(("data:", "#")) for link in page.links if link != report.PAPER)


def test_mixed_protocols_unknown_models_one_training_and_none(tmp_path):
    """Each is shown as what it is, and nothing crashes."""
    made = folder(tmp_path, "digits-demo")

    def change(i, record):
        if record["model"] == "glf" and record["seed"] > 0:
            for evaluation in record["evaluations"]:
                evaluation["protocol_id"] = "another"
        if record["model"] == "vae":
            record["model"] = record["label"] = "my-model"
        if record["model"] == "wae-gan":
            record["status"], record["error"] = "failed", {"message": "out of memory"}
            record["evaluations"], record["epochs"] = [], []

    edited(made, change)
    for path in (made / "records").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["model"] == "rae-gmm" and record["seed"] > 0:
            path.unlink()
    text = report.write(made).read_text(encoding="utf-8")
    board = text.split('id="demo-digits"')[1].split("</table>")[0]
    glf = re.search(r"<tr><td class=\"name\">(?:(?!</tr>).)*>GLF</a>.*?</tr>", board, re.S)[0]
    assert "1 of 3" in glf, "the cell holds one protocol's trainings"
    assert "my-model" in board
    assert "[3 failed]" in board
    assert "out of memory" in text
    rae = re.search(r"<tr><td class=\"name\">(?:(?!</tr>).)*>RAE \+ GMM</a>.*?</tr>", board, re.S)[0]
    assert "±" not in rae, "one training has no spread"


def test_records_that_say_less_are_shown_with_what_they_say(tmp_path):
    """Each part that a reader of records may miss: null, or not there at all."""
    made = folder(tmp_path, "digits-demo")

    def change(i, record):
        if i % 3 == 0:
            record["data"] = {"train": record["data"]["train"], "n_train": None}
            record["settings"] = None
        elif i % 3 == 1:
            del record["data"]["n_test"], record["settings"]["images"]
            record["settings"]["stages"] = {name: {} for name in record["settings"]["stages"]}
        else:
            record["provenance"], record["diagnostics"] = None, None

    edited(made, change)
    assert main(["report", "--results", str(made)]) == 0


def test_a_preset_that_is_not_done_says_what_is_missing(demo, tmp_path):
    """Trainings and models that the preset wants and that are not there."""
    made = folder(tmp_path, "digits-demo")
    for path in (made / "records").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["model"] == "vae" or (record["model"] == "glf" and record["seed"] > 0):
            path.unlink()
    board = report.write(made).read_text(encoding="utf-8").split('id="demo-digits"')[1].split("</table>")[0]
    told = r'>([^<>]+)</a></td>.*?<td class="num">(\d of \d|\d|not trained)(?: <small>(.*?)</small>)?</td>'
    cells = {model: (n, wanted) for model, n, wanted in re.findall(told, board, re.S)}
    assert cells["GLF"] == ("1", "(the preset: 3)")
    assert cells["VAE"] == ("not trained", "")
    assert cells["WAE-GAN"] == ("3", "")


def cell(text, name):
    """The details of one cell, as text."""
    return " ".join(Page(text.split(f'id="{name}"')[1].split("</details>")[0]).text)


def test_the_command_of_a_cell_makes_as_many_trainings_as_are_there(tmp_path):
    """In the same folder, with the preset's number, it would train the others."""
    made = folder(tmp_path, "digits-demo")
    for path in (made / "records").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if (record["model"], record["seed"]) in (("glf", 2), ("vae", 0), ("wae-gan", 1), ("wae-gan", 2)):
            path.unlink()
    text = report.write(made).read_text(encoding="utf-8")
    glf, vae, gan, whole = (cell(text, f"demo-digits-{m}") for m in ("glf", "vae", "wae-gan", "rae-gmm"))
    assert "--only glf --seeds 2 --results results/again" in glf
    assert "GLF on digits: 2 trainings (the preset: 3)" in glf
    assert "The seeds" not in glf
    assert "adds the other 1:" in glf
    assert "--only glf --seeds 3 --results results" in glf
    assert "The seeds of the trainings here are 1, 2; the command makes seeds 0 to 1." in vae
    assert "WAE-GAN on digits: 1 training (the preset: 3)" in gan
    assert "RAE + GMM on digits: 3 trainings" in whole
    assert "the preset" not in whole
    assert "adds the" not in whole


def test_a_reader_learns_how_to_run_it(demo):
    made, text = demo
    box = text.split("Run this yourself")[1].split("</details>")[0]
    assert "pip install -e ." in box
    assert "--seeds 3 --results results/again" in box
    assert re.search(r"\([\d.]+ s to [\d.]+ s in the epochs of each training, on cpu: ", box)
    assert f"python -m benchmarks.run report --results {made.name}" in box
    assert {str(c)[:10] for c in records.runs(made)["commit"]} == {*re.findall(r"<code>([0-9a-f]{10})</code>", box)}
    assert f'href="{report.PAPER}"' in text
    assert str(made.parent) not in text, "a path of this machine"


def test_a_section_says_of_what_it_is(demo):
    text = demo[1]
    assert "Claims on digits (1,297 images of 8x8), a short budget of our own" in text
    facts = text.split('id="demo-claims"')[1].split("</dl>")[0]
    for told in ("digits, not a data set of the paper’s: 1,297 training images of 8x8, 500 test images",
                 "15, of 5 models: 15 done", "digits: ours, shortened in proportion:",
                 "fd_classifier, a Fréchet distance, not the paper’s FID",
                 "at most 500 steps"):  # fmt: skip
        assert told in facts
    assert "3 trainings of each model; not the paper’s: data, schedules, metric, budget" in text
    facts = text.split('id="quick-claims"')[1].split("</dl>")[0]
    assert "MNIST, one of the paper’s data sets: 60,000 training images of 28x28, of which 10,000 are used" in facts
    assert "MNIST: the paper’s, shortened in proportion" in facts


def test_rates_of_our_own_are_told(tmp_path):
    """Where the row is the paper's, and the preset has learning rates of its own."""
    text = report.write(folder(tmp_path, "mnist-quick")).read_text(encoding="utf-8")
    facts = text.split('id="quick-claims"')[1].split("</dl>")[0]
    assert re.search(r"shortened in proportion, but ours for 1 of 7 models: lr .* \(Two-Stage VAE\)", facts)


def test_claims_at_a_glance_have_effect_trainings_and_metric(demo):
    rows = demo[1].split("at a glance: digits")[1].split("</table>")[0].split("<tr>")[2:]
    assert len(rows) == len(CLAIMS)
    first, twelfth = (" ".join(Page(rows[i]).text) for i in (0, 11))
    assert re.search(r"difference of mean distances \d\.\d+ +\(\d\.\d+ to \d\.\d+\)", first)
    assert re.search(r"15\s+used\s+fd_classifier, digits", first)
    assert "counted" in twelfth
    assert "those of claim 12 are counted from the modules" in demo[1]


def test_a_finding_without_a_command_says_why(tmp_path):
    found = section(Evidence(*records.read(MEASURED / "digits"), "paper"), folder(tmp_path, "digits"))
    blank = [(claim.number, finding) for claim, verdict in found.claims for finding in verdict.findings
             if finding.answer == "undecided" and not finding.command]  # fmt: skip
    assert {number for number, _ in blank} >= {9, 11, 12, 14}
    assert all(finding.barred for _, finding in blank)
    assert all("paper’s data and budget" in finding.barred for number, finding in blank if number != 12)
    others = [finding for _, verdict in found.claims for finding in verdict.findings if finding.command]
    assert others
    assert not any(finding.barred for finding in others)


def test_epochs_count_from_one_in_messages_as_in_curves(tmp_path):
    """A training that diverged in its second stage: records count from 0, and each stage for itself."""
    made = folder(tmp_path, "digits-demo")

    def change(i, record):
        if record["model"] == "two-stage-vae" and record["seed"] == 0:
            second = [row for row in record["epochs"] if row["stage"] == "second"][:4]
            record["epochs"] = [row for row in record["epochs"] if row["stage"] == "first"] + second
            record["status"], record["evaluations"] = "diverged", []
            record["error"] = {"stage": "second", "epoch": 3, "part": "recon",
                               "message": "recon is not finite in stage 'second', epoch 3"}  # fmt: skip
            change.epochs = len(record["epochs"])

    edited(made, change)
    text = report.write(made).read_text(encoding="utf-8")
    assert f"epoch {change.epochs}" in cell(text, "demo-digits-two-stage-vae")
    assert f"diverged, epoch {change.epochs}" in text, "in the list below the curves"


def test_numbers_that_stand_together_have_the_same_decimals(demo):
    assert alike(3.0941, 4.56) == ["3.09", "4.56"]
    assert alike(-0.0236, 0.332) == ["−0.024", "0.332"]
    assert alike(0.0, 12345.6) == ["0", "12346"]
    assert alike(0.004, 4.56) == ["0.004", "4.560"], "an end that is not zero does not look like it"
    assert alike(1e-9, 2e-9) == ["1e-09", "2e-09"]
    board = demo[1].split('id="demo-digits"')[1].split("</table>")[0]
    intervals = re.findall(r">([\d.]+) to ([\d.]+)</td>", board)
    assert len(intervals) == 5
    assert {len(end.split(".")[1]) for pair in intervals for end in pair} == {1}, "as many as the table"
    seeds = re.findall(r'<tr><td class="num">([^<]*)</td>', cell_html(demo[1], "demo-digits-glf"))
    assert seeds == ["0", "1", "2"]


def cell_html(text, name):
    return text.split(f'id="{name}"')[1].split("</details>")[0]


def test_both_nlls_are_told_apart(tmp_path):
    text = report.write(folder(tmp_path, "digits")).read_text(encoding="utf-8")
    eleventh = text.split('id="paper-claim-11"')[1].split("</li>")[0]
    assert "training images’ latents, in the last epoch" in eleventh
    assert "of test images’ latents, after training" in text.split("<h3>Latents and the density")[1].split("<h3>")[0]
    assert "nats, of training images’ latents" in text.split('id="paper-digits"')[1]


def lines(**ends):
    """A curve over four epochs for each name: (values, epoch in which it diverged)."""
    return [Line(name, "#123456", [*range(1, len(values) + 1)], values, ended)
            for name, (values, ended) in ends.items()]  # fmt: skip


def test_a_cross_is_in_its_panel_even_where_all_diverged():
    drawn = charts.curves(lines(a=([2.0, 3.0], 9), b=([], 40)), "loss", "nats")
    width = Panel.width - Panel.right
    crosses = [float(x) + 4 for x in re.findall(r'd="M([\d.]+) [\d.]+l8 8m', drawn)]
    assert len(crosses) == 2
    assert max(crosses) == width
    assert min(crosses) < width / 2


def test_a_line_is_broken_where_it_leaves_its_panel():
    """What is drawn is what was measured: no run along the edge."""
    some = lines(calm=([1.0, 2.0, 1.5, 1.2], None), wild=([1.5, 1e9, 1e9, 1.5, 1.6], 6))
    panel = Panel(some)
    assert panel.high < 3
    path = panel.path(some[1])
    assert path.count("M") == 2, "the line out of the panel, and the one back into it"
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]
    assert heights.count(panel.top) == 2
    assert panel.path(some[0]).count("L") == 3
    zero = lines(calm=([1.0, 10.0], None), none=([2.0, 0.0], 2))
    assert Panel(zero).path(zero[1]), "zero has no place on a logarithmic axis"


def test_panels_share_their_room_in_their_own_scale():
    half = lines(calm=([1.0, 10.0], None), wild=([20.0, 100.0], 3))
    assert Panel(half).log
    assert Panel(half).high > 100
    assert Panel(half, may_log=False).high < 20
    assert Panel(lines(calm=([2.0, 2.0], None), wild=([1.0, 90.0], 3))).high > 90, "one value needs no room"


def test_ticks_are_round_and_a_logarithmic_axis_says_so():
    assert charts.ticks(1, 200, False) == [50, 100, 150, 200]
    assert charts.ticks(0.3, 90, True) == [0.3, 1, 3, 10, 30]
    assert charts.ticks(-6, 33, False) == [0, 10, 20, 30]
    assert all(3 <= len(charts.ticks(1.0, high, log)) <= 6 for high in (1.3, 2, 7, 60, 1e3, 1e9, 1e30)
               for log in (False, True))  # fmt: skip
    some = lines(a=([1.0, 90.0], None))
    assert "log scale" in charts.curves(some, "loss", "nats")
    assert "log scale" not in charts.curves(some, "loss", "nats", may_log=False)


def test_each_curve_has_its_number_and_its_name(tmp_path):
    some = lines(low=([3.0, 1.0], None), high=([1.0, 2.0], None), gone=([2.0, 5.0], 2))
    drawn = charts.curves(some, "loss", "nats")
    assert re.findall(r'class="name">(\d)<', drawn) == ["1", "2", "3"]
    assert re.findall(r"</svg> (\w+): <small>(.*?)</small>", drawn) == [
        ("gone", "5; diverged, epoch 2"), ("high", "2"), ("low", "1")]  # fmt: skip


def test_table_1s_models_have_curves_of_their_own(tmp_path):
    found = section(Evidence(*records.read(MEASURED / "digits"), "paper"), folder(tmp_path, "digits"))
    (board,) = found.boards
    main, others = "".join(board.curves), "".join(board.others)
    assert "GLF: <small>" in main
    assert "Regularized GLF, β = 10" not in main
    assert "Regularized GLF, β = 10" in others
    assert "</svg> GLF: <small>" not in others


def test_a_board_says_what_its_table_says(demo):
    board = demo[1].split('id="demo-digits"')[1].split("<h3")[0]
    assert "bootstrap over 3 trainings" in board
    assert "95 % interval" in board


def test_how_it_was_measured_is_of_the_protocol_that_is_compared(tmp_path):
    """The first training of the first model was measured under another one."""
    made = folder(tmp_path, "digits-demo")

    def change(i, record):
        if record["seed"] == 0:
            for evaluation in record["evaluations"]:
                evaluation["protocol_id"] = "another"

    edited(made, change)
    about = report.write(made).read_text(encoding="utf-8").split("How it was measured")[1].split("</dl>")[0]
    assert "410e3ae690b3df8c" in about
    assert "classifier:digits" in about


@pytest.fixture(scope="module")
def chromium():
    program = browser.found()
    if program is None:
        pytest.skip("there is no Chromium here (Debian: apt-get install --no-install-recommends chromium)")
    with browser.Browser(program) as one:
        yield one


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it(demo, chromium, width, dark):
    chromium.open(demo[0] / "report.html", width, dark=dark)
    assert chromium.requests() == []
    assert chromium.complaints() == []
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    images = "[...document.images]"
    assert chromium.evaluate(f"{images}.length") >= 14
    assert chromium.evaluate(f"{images}.filter(i => !(i.complete && i.naturalWidth > 0)).length") == 0
    back = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)"), "the page's style is not applied"


@pytest.mark.slow
def test_dots_of_a_table_stand_under_one_axis_on_a_phone(demo, chromium):
    chromium.open(demo[0] / "report.html", 390)
    strips = """[...document.querySelectorAll(".board")].map(board => [...board.querySelectorAll(".strip")].map(
        strip => [strip.getBoundingClientRect().left, strip.getBoundingClientRect().width]))"""
    boards = chromium.evaluate(strips)
    assert len(boards) == 2
    assert all(len(board) > 5 and len({*map(tuple, board)}) == 1 for board in boards)
    assert all(board[0][1] > 330 for board in boards), "as wide as the page"
    cut = "[...document.querySelectorAll('.board *')].filter(e => e.getBoundingClientRect().right > 390).length"
    assert chromium.evaluate(cut) == 0


@pytest.mark.slow
def test_curves_can_be_read_on_a_phone(demo, chromium):
    """One below the other, with letters of their own size, and nothing beyond the page."""
    chromium.open(demo[0] / "report.html", 390)
    chromium.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    charts = chromium.evaluate("[...document.querySelectorAll('.curve')].map(c => c.getBoundingClientRect()).map("
                               "c => [c.left, c.width])")  # fmt: skip
    assert len(charts) >= 4
    assert {left for left, _ in charts} == {charts[0][0]}
    assert all(width > 0.95 * Panel.width for _, width in charts)
    beyond = "[...document.querySelectorAll('.curve *, .legend *')].filter(e => e.getBoundingClientRect().right > 391)"
    assert chromium.evaluate(f"{beyond}.length") == 0
    assert chromium.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_the_browser_would_notice(tmp_path, chromium):
    """A request, a complaint, a missing picture and an overflow are seen where there are any."""
    path = tmp_path / "bad.html"
    path.write_text('<!doctype html><meta name="viewport" content="width=device-width"><img src="http://localhost:1/a.png">'
                    '<div style="width:900px">x</div><script>console.log(1)</script>', encoding="utf-8")  # fmt: skip
    chromium.open(path, 390)
    assert chromium.requests() == ["http://localhost:1/a.png"]
    assert chromium.complaints()
    assert chromium.evaluate("document.documentElement.scrollWidth") > 390
    assert chromium.evaluate("[...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).length") == 1


@pytest.mark.slow
def test_thousands_of_records_make_a_report_in_seconds(tmp_path):
    """10,000 are to take 10 s: a quarter of them here, with as much time, as other tests run beside this one."""
    made = tmp_path / "results"
    (made / "records").mkdir(parents=True)
    files = sorted((MEASURED / "digits-demo" / "records").glob("*.json"))
    kinds = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    for i in range(2500):
        record = kinds[i % len(kinds)]
        record |= {"key": f"{i:064x}", "seed": i // len(kinds)}
        (made / "records" / f"{i:064x}.json").write_text(json.dumps(record), encoding="utf-8")
    before = time.process_time()
    path = report.write(made)
    assert time.process_time() - before < 10
    assert path.stat().st_size < 5e6


def test_the_samples_scored_under_other_protocols_are_there_as_in_their_own_table(tmp_path):
    """The report finds by itself, in the records, which protocol is which; the table's command had a plan."""
    made = folder(tmp_path, "digits-demo")
    found = section(Evidence(*records.read(made), "demo"), made)
    (table,) = (table for table in found.tables if table.name == "sensitivity")
    committed = pd.read_csv(MEASURED / "digits-demo" / "tables" / "sensitivity.csv", index_col=0)
    found = table.frame()
    assert found.to_csv() == committed.loc[found.index, found.columns].to_csv()
    # What is left out could not be had: crops and resize filters
    assert {*committed.drop(index=found.index).to_numpy().ravel()} == {"—"}
    assert {*found.columns} == {*committed.columns}


def test_samples_scored_under_one_protocol_have_no_table_of_several(tmp_path):
    made = folder(tmp_path, "mnist-quick-variants")
    found = section(Evidence(*records.read(made), "quick"), made)
    assert not {"sensitivity", "table4"} & {table.name for table in found.tables}


def test_the_claims_are_there_as_data_and_as_a_list(demo):
    made, _ = demo
    frame = pd.read_csv(made / "tables" / "claims.csv")
    assert {*frame["preset"]} == {"demo", "quick"}
    for preset in ("demo", "quick"):
        mine = frame[frame["preset"] == preset]
        assert [*dict.fromkeys(mine["claim"])] == [claim.number for claim in CLAIMS]
        judged = dict(section(Evidence(*records.read(made), preset), made).claims)
        for claim, rows in zip(CLAIMS, (rows for _, rows in mine.groupby("claim")), strict=True):
            assert [*rows["answer"]] == [f.answer for f in judged[claim].findings]
            assert {*rows["verdict"]} == {judged[claim].answer}
    first = frame[frame["preset"] == "demo"].iloc[0]  # GLF against RAE + GMM, on digits
    assert (first["answer"], first["dataset"], first["metric"]) == ("contradicted", "digits", "fd_classifier")
    assert first["low"] < first["value"] < first["high"]
    assert first["p"] < 0.05
    lines = (made / "tables" / "claims.md").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("| ") for line in lines) == 2 * (len(CLAIMS) + 2)
    assert str(made) not in "".join(lines)


def test_without_records_the_list_of_claims_is_empty_and_can_be_read(tmp_path):
    (tmp_path / "records").mkdir()
    report.write(tmp_path)
    assert pd.read_csv(tmp_path / "tables" / "claims.csv").empty
