"""Trials: what their keys depend on, and messages without paths."""

from dataclasses import replace

from trials import job, trial, with_learning_rate

from benchmarks.evaluation.sources import stream_seed


def test_the_key_depends_on_everything_that_determines_the_numbers():
    base = trial()
    slower = with_learning_rate(base, 1e-4)
    other = replace(base, protocol=replace(base.protocol, hyper={**base.protocol.hyper, "gamma": 7.0}))
    different = [
        slower,
        other,
        replace(base, seed=1),
        replace(base, images=500),
        replace(base, precision="tf32"),
        replace(base, revision=2),
        replace(base, train_fingerprint="0" * 64),
        replace(base, nz=10),
    ]
    assert len({base.key, *(t.key for t in different)}) == len(different) + 1


def test_the_key_does_not_depend_on_names():
    assert trial().key == trial(preset="quick", dataset="mine", protocol_row="mnist").key


def test_a_message_has_no_path_of_the_users_own_code(tmp_path):
    """The code's folder may contain the results or lie beside them."""
    own = replace(job(tmp_path / "code" / "results", trial()), code=str(tmp_path / "code"))
    said = own.without_paths(f"{tmp_path}/code/my_model.py: no {tmp_path}/code/results/x")
    assert said == "<code>/my_model.py: no <results>/x"
    within = replace(job(tmp_path, trial()), code=str(tmp_path / "code"))
    assert str(tmp_path) not in within.without_paths(f"{tmp_path}/code/my_model.py")


def test_random_streams_of_different_purposes_and_numbers_differ():
    seeds = {stream_seed(purpose, a, b) for purpose in ("train", "draw") for a in range(5) for b in range(5)}
    assert len(seeds) == 50
