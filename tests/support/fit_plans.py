"""Plans of fits to the latents of runs on digits at the preset "demo"."""

from benchmarks.execution.densities.planning import REQUIREMENTS, parse_densities
from benchmarks.execution.options import Options
from benchmarks.execution.planning import make_plan


def plan_of(folder, **options):
    """The plan of the runs; by default GLF and a VAE."""
    values = {"preset": "demo", "only": "glf,vae", "on": "digits", "results": str(folder), "device": "cpu"} | options
    return make_plan(Options(**values), ["auto", "inline"], REQUIREMENTS, "densities")


def specs_of(text):
    """The densities of `--density`, which must be valid."""
    errors = []
    specs = parse_densities(text, errors)
    assert not errors
    return specs
