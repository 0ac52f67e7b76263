"""Learning curves in the report."""

from fake_evidence import evidence_with_epochs

from benchmarks.reporting.report.curve_charts import training_charts


def nll_values(seed, epoch):
    return {"recon": 1.0, "nll_train": 20.0 + epoch, "nll_test": 22.0 + epoch}


def test_the_nll_of_training_and_test_images_is_in_one_chart_for_flows_alone():
    evidence = evidence_with_epochs({(model, "train"): nll_values for model in ("glf", "rae-gmm")}, ("digits",), n=2)
    main, _ = training_charts(evidence, ["glf", "rae-gmm"], "digits")
    (chart,) = [chart for chart in main if "NLL of training and test images" in chart]
    assert "GLF, training: <small>31" in chart
    assert "GLF, test: <small>33" in chart
    assert chart.count("stroke-dasharray") == 1
    assert "RAE + GMM" not in chart


def test_records_without_these_columns_have_no_such_chart(digits_section):
    (dataset,) = digits_section.datasets
    assert "NLL of training and test images" not in "".join([*dataset.charts, *dataset.other_charts])


def test_models_outside_table_1_have_charts_of_their_own(digits_section):
    (dataset,) = digits_section.datasets
    main, others = "".join(dataset.charts), "".join(dataset.other_charts)
    assert "GLF: <small>" in main
    assert "Regularized GLF, β = 10" not in main
    assert "Regularized GLF, β = 10" in others
    assert "</svg> GLF: <small>" not in others
