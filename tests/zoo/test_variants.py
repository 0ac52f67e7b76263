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
def test_a_variant_has_the_name_of_the_registry_if_there_is_one(name, recon, found):
    assert zoo.variant(name, recon) == found
    assert zoo.entry(found).model is zoo.entry(name).model
    assert protocols.rows(found) is protocols.rows(name)


def test_a_loss_in_the_model_name_equals_the_option_recon(capsys):
    assert main(["table1", "--preset", "demo", "--only", "vae+bce,vae+mse,glf+sse", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name} on digits" in out for name in ("vae-bce", "vae", "glf+sse"))
    assert "vae+" not in out


def test_the_loss_is_in_the_label_and_in_the_settings(capsys):
    assert main(["table1", "--preset", "demo", "--only", "vae-flow-prior", "--recon", "bce", "--dry-run"]) == 0
    assert "recon bce" in capsys.readouterr().out
    assert zoo.entry("vae-flow-prior+bce").label == "VAE + flow prior, BCE"
    assert zoo.hyper_parameters("vae-flow-prior+bce")["recon"] == "bce"


def test_the_error_for_a_model_with_one_loss_lists_models_with_a_choice():
    with pytest.raises(ValueError, match=r"rae-gmm has no choice of reconstruction loss .* Models with one: vae, "):
        zoo.variant("rae-gmm", "perceptual")
