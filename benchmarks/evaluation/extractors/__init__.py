"""Feature extractors: images in, a feature matrix (n, d) out.

A distance is called `fid` only with the Inception weights of 2015-12-05 and the resize of pytorch-fid.  Other Inception
weights give `fd_inception_unknown`, other extractors `fd_` and their name.  Metrics of features are in
`benchmarks.evaluation.metrics`.
"""

from benchmarks.evaluation.extractors.base import Extractor, check_images
from benchmarks.evaluation.extractors.clean_inception import CleanInceptionExtractor
from benchmarks.evaluation.extractors.dinov2 import Dinov2Extractor
from benchmarks.evaluation.extractors.external import make_external_extractor
from benchmarks.evaluation.extractors.inception import InceptionExtractor, MissingWeights
from benchmarks.evaluation.extractors.registry import FEATURES, make_extractor
from benchmarks.evaluation.extractors.residual import ResidualExtractor, UntrainedClassifier
from benchmarks.evaluation.extractors.simple import ClassifierExtractor, PixelExtractor

__all__ = [
    "FEATURES",
    "ClassifierExtractor",
    "CleanInceptionExtractor",
    "Dinov2Extractor",
    "Extractor",
    "InceptionExtractor",
    "MissingWeights",
    "PixelExtractor",
    "ResidualExtractor",
    "UntrainedClassifier",
    "check_images",
    "make_external_extractor",
    "make_extractor",
]
