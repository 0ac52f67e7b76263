"""Learning curves in the report."""


def test_models_outside_table_1_have_charts_of_their_own(digits_section):
    (dataset,) = digits_section.datasets
    main, others = "".join(dataset.charts), "".join(dataset.other_charts)
    assert "GLF: <small>" in main
    assert "Regularized GLF, β = 10" not in main
    assert "Regularized GLF, β = 10" in others
    assert "</svg> GLF: <small>" not in others
