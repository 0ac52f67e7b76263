"""The registry: its names are unique and exist, and it is fast to import."""

import subprocess
import sys
from importlib import import_module
from inspect import signature

import pytest

from benchmarks.reporting import gallery
from benchmarks.reporting.figures.curves import PANELS
from benchmarks.reporting.figures.image_panels import KIND_LABELS
from benchmarks.reporting.registry import FIGURES, IMAGE_GRIDS, REQUIREMENTS, TABLES
from benchmarks.reporting.tables.diagnostics import LATENT_COLUMNS
from zoo import MODELS

HEAVY = ("torch", "torchvision", "numpy", "pandas", "scipy", "matplotlib", "sklearn", "PIL", "zoo")


@pytest.mark.parametrize("module", ["registry", "style"])
def test_names_are_listed_without_heavy_imports(module):
    code = f"import sys, benchmarks.reporting.{module}; print(*sorted({{*{HEAVY!r}}} & {{*sys.modules}}))"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert completed.stdout.split() == []


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_builder_for_its_inputs(name):
    module, function = TABLES[name].builder.split(":")
    builder = getattr(import_module(f"benchmarks.reporting.tables.{module}"), function)
    assert [*signature(builder).parameters] == [*TABLES[name].inputs, "grid"]


def test_no_two_results_share_a_name():
    assert len(REQUIREMENTS) == len(TABLES) + len(FIGURES)
    assert not {*REQUIREMENTS} & {*IMAGE_GRIDS}


def test_figures_name_existing_panels_and_image_kinds():
    assert {panel for spec in FIGURES.values() for panel in spec.panels} <= {*PANELS}
    assert {kind for spec in FIGURES.values() for kind in spec.image_kinds} <= {*KIND_LABELS}
    assert all(bool(spec.panels) != bool(spec.image_kinds) for spec in FIGURES.values())


def test_a_figure_skips_models_that_the_zoo_does_not_have():
    for spec in FIGURES.values():
        assert spec.available_models == tuple(model for model in spec.models if model in MODELS)


def test_the_latents_table_requires_the_diagnostics_that_it_shows():
    assert TABLES["latents"].requirements.diagnostics == tuple(LATENT_COLUMNS)


def test_every_image_grid_is_described():
    assert all(f'"{kind}"' in gallery.draw_image_grid.__doc__ for kind in IMAGE_GRIDS)
