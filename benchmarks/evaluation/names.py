"""Names that records, tables and the command line share.  This module loads no other package."""

import os
import re

from benchmarks.files.names import file_name

# Columns of `diagnostics.diagnose`
DIAGNOSTICS = ("recon_sse", "latent_std", "latent_mean", "prior_mean", "prior_cov", "latent_nll", "posterior_var")

# Columns of a learning curve besides the distance: NLL of training and test latents under the model's density
NLL_TRAIN, NLL_TEST = "nll_train", "nll_test"

# What `--features` accepts; `extractors.registry.FEATURES` holds the functions that make them
BUILTIN_FEATURES = ("inception", "classifier", "pixels", "clean-inception", "dinov2", "dinov2-vits14", "dinov2-vitb14",
                    "dinov2-vitl14")  # fmt: skip
FEATURE_FORMS = ("inception", "inception:PATH", "classifier", "classifier:NAME", "classifier:FILE", "pixels",
                 "clean-inception",
                 "clean-inception:PATH", "dinov2", "dinov2:PATH", "dinov2-vits14", "dinov2-vitb14", "dinov2-vitl14",
                 "package.module:Class")  # fmt: skip


def is_classifier_file(argument: str) -> bool:
    """Whether the text after `classifier:` is a file, rather than the name of a shipped classifier."""
    return argument.endswith(".pt") or "/" in argument or os.path.lexists(argument)


def is_external(features: str) -> bool:
    """Whether `--features` names a class outside the package, whose module is to be imported."""
    name, _, argument = features.partition(":")
    return name not in BUILTIN_FEATURES and bool(re.fullmatch(r"\w+(\.\w+)*", name)) and argument.isidentifier()


def image_file_name(kind: str, dataset: str, model: str) -> str:
    """File name of an image; signs of package.module:Class and of glf[beta=4] are replaced, for file systems."""
    return f"{kind}-{file_name(dataset)}-{file_name(model.replace(':', '.').removesuffix(']'))}.png"
