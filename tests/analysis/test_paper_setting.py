"""What differs from the paper's setting is named."""

from fake_evidence import fake_evaluation, make_evidence

from benchmarks.analysis.paper_setting import differences_from_paper, full_budget_note, matches_paper


def test_differences_from_the_paper_are_named():
    """A shorter budget; other images at the paper's budget; CelebA-HQ, which is one of the paper's data sets."""
    rows = [fake_evaluation("glf", "digits", 0), fake_evaluation("glf", "letters", 0, protocol_row="mnist"),
            fake_evaluation("glf", "celeba-hq", 0), fake_evaluation("glf", "small", 0, protocol_row="digits"),
            fake_evaluation("glf", "fashion", 0, protocol_row="mnist")]  # fmt: skip
    evidence = make_evidence(rows)
    assert {d: differences_from_paper(evidence, d) for d in evidence.datasets} == {
        "celeba-hq": (), "digits": ("budget", "images"), "fashion": (), "letters": ("images",),
        "small": ("budget", "images"),
    }  # fmt: skip
    assert {d: full_budget_note(evidence, d) for d in evidence.datasets if not matches_paper(evidence, d)} == {
        "digits": "all images, schedules of ours (the paper does not use this data set)",
        "letters": "all images, Appendix B’s schedules for MNIST (the paper does not use this data set)",
        "small": "all images, schedules of ours (the paper does not use this data set)",
    }
    quick = make_evidence([row | {"preset": "quick"} for row in rows], preset="quick")
    assert differences_from_paper(quick, "celeba-hq") == ("budget",)
    assert {full_budget_note(quick, d) for d in quick.datasets} == {""}
