"""The commands of findings plan the runs that a claim needs, with the measurements of the other runs."""

import shlex

from claim_cases import first_finding
from fake_evidence import distance_evidence, fake_evaluation, make_evidence

from benchmarks.analysis.claims import judge_claims
from benchmarks.analysis.claims.training_commands import FEATURES_OF
from benchmarks.evaluation.names import BUILTIN_FEATURES
from benchmarks.execution.options import Options
from benchmarks.execution.planning import make_plan
from benchmarks.reporting.registry import REQUIREMENTS


def test_commands_are_plans_that_the_command_line_takes(tmp_path):
    """On digits at the preset demo, each command names models, data set and seeds."""
    evaluation = fake_evaluation("vae", "digits", 0, 1.0, preset="demo", metric="fd_classifier")
    n_jobs = {}
    for claim, verdict in judge_claims(make_evidence([evaluation], preset="demo"), str(tmp_path)):
        for finding in verdict.findings:
            words = shlex.split(finding.command)
            if finding.dataset != "digits" or not words or claim.number == 16:  # its plan needs VGG's weights
                continue
            assert words[:3] == ["python", "-m", "benchmarks.run"]
            arguments = dict(zip(words[4::2], words[5::2], strict=True))
            options = Options(**{name.removeprefix("--"): value for name, value in arguments.items()})
            jobs = make_plan(options, ["auto"], REQUIREMENTS[words[3]]).jobs
            n_jobs[claim.number] = len(jobs)
            assert {job.trial.model for job in jobs} == set(claim.models)
    assert n_jobs[5] == 6
    assert len(n_jobs) >= 13


def test_a_name_from_a_record_is_one_word_of_a_command():
    name = "x; touch /tmp/pwn"
    evidence = make_evidence([fake_evaluation("glf", name, 0, 1.0, preset="quick", protocol_row=name)], preset="quick")
    words = shlex.split(first_finding(5, evidence, "a b").command)
    assert words.count(name) == 2
    assert words[-2:] == ["--results", "a b"]


def test_the_features_of_a_column_are_those_that_name_it():
    columns = {"fid" if name == "inception" else f"fd_{name.replace('-', '_')}" for name in FEATURES_OF.values()}
    assert columns == {*FEATURES_OF}
    assert {*FEATURES_OF.values()} <= {*BUILTIN_FEATURES}


def test_a_command_measures_as_its_cell_was_measured():
    evidence = make_evidence(
        fake_evaluation("glf", "mnist", 0, 10.0, draw=draw, precision="bf16", n_fake=2000) for draw in range(3)
    )
    assert "--draws 3 --images 2000 --allow-few --precision bf16" in first_finding(5, evidence).command
    plain = first_finding(5, distance_evidence(("mnist",), glf=10.0)).command
    assert "--images" not in plain
    assert "--allow-few" not in plain
    assert "--precision" not in plain
