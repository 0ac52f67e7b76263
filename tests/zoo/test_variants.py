"""Variants of models by their reconstruction loss."""

import pytest

import zoo
from benchmarks import protocols
from benchmarks.run import main


@pytest.mark.parametrize(
    ("name", "recon", "found"),
    [("glf", "perceptual", "glf-perceptual"), ("vae", "bce", "vae-bce"), ("vae", "half-sse", "vae"),
     ("glf", "mse", "glf"), ("vae-bce", "mse", "vae"), ("glann", "mse", "glann-mse"),
     ("glann-mse", "perceptual", "glann"), ("vae", "perceptual", "vae+perceptual"),
     ("glf-regularized", "bce", "glf-regularized+bce")],
)  # fmt: skip
def test_another_reconstruction_loss_is_another_model_or_one_that_is_there(name, recon, found):
    assert zoo.variant(name, recon) == found
    assert zoo.entry(found).model is zoo.entry(name).model
    assert protocols.rows(found) is protocols.rows(name)


def test_a_loss_behind_a_plus_is_that_of_the_option(capsys):
    assert main(["table1", "--preset", "demo", "--only", "vae+bce,vae+mse,glf+sse", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name} on digits" in out for name in ("vae-bce", "vae", "glf+sse"))
    assert "vae+" not in out


def test_the_loss_is_in_the_label_and_in_the_settings(capsys):
    assert main(["table1", "--preset", "demo", "--only", "vae-flow-prior", "--recon", "bce", "--dry-run"]) == 0
    assert "recon bce" in capsys.readouterr().out
    assert zoo.entry("vae-flow-prior+bce").label == "VAE + flow prior, BCE"
    assert zoo.hyper_parameters("vae-flow-prior+bce")["recon"] == "bce"


def test_a_model_without_a_choice_says_which_have_one():
    with pytest.raises(ValueError, match=r"rae-gmm has no choice of reconstruction loss .* Models with one: vae, "):
        zoo.variant("rae-gmm", "perceptual")
