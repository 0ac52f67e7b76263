"""A section names its data, schedules, metric and budget."""

import re

from report_pages import edit_records, report_html, results_folder, section_html


def test_a_section_names_its_data_schedules_metric_and_budget(demo_html):
    assert "The paper’s claims, tested on digits (1,297 images of 8x8), shortened schedules" in demo_html
    rows = section_html(demo_html, "demo-claims", "</dl>")
    for text in ("digits, not a data set of the paper’s: 1,297 training images of 8x8, 500 test images",
                 "15, of 5 models: 15 done", "digits: ours, shortened in proportion:",
                 "fd_classifier, a Fréchet distance, not the paper’s FID",
                 "at most 500 steps"):  # fmt: skip
        assert text in rows
    assert "Not the paper’s: data, schedules, metric, budget." in demo_html
    assert "<dt>How sure</dt><dd>3 runs of each model; 15 done." in demo_html
    rows = section_html(demo_html, "quick-claims", "</dl>")
    assert "MNIST, one of the paper’s data sets: 60,000 training images of 28x28, of which 10,000 are used" in rows
    assert "MNIST: the paper’s, shortened in proportion" in rows
    assert len(re.findall(r"images</dt><dd>[\d,]+ \(fingerprint [0-9a-f]{16}\)", demo_html)) == 4, "of both splits"


def test_learning_rates_of_our_own_are_named(tmp_path):
    """The row of settings is the paper's, and the preset has learning rates of its own."""
    rows = section_html(report_html(results_folder(tmp_path, "mnist-quick")), "quick-claims", "</dl>")
    assert re.search(r"shortened in proportion, but ours for 1 of 7 models: lr .* \(Two-Stage VAE\)", rows)


def test_measurement_details_are_of_the_protocol_that_is_compared(tmp_path):
    """The first run of the first model was measured under another protocol."""
    results = results_folder(tmp_path, "digits-demo")

    def edit(i, record):
        if record["seed"] == 0:
            for evaluation in record["evaluations"]:
                evaluation["protocol_id"] = "another"

    edit_records(results, edit)
    details = report_html(results).split("metric protocol</abbr></h4>")[1].split("</dl>")[0]
    assert "410e3ae690b3df8c" in details
    assert "classifier:digits" in details
