"""Reports that several test files read."""

import pytest
from report_pages import MEASURED, report_html, results_folder

from benchmarks.analysis.evidence import Evidence
from benchmarks.experiments import records
from benchmarks.reporting.report.sections import preset_section


@pytest.fixture(scope="session")
def demo_results(tmp_path_factory):
    """A results folder with two presets, and its report."""
    results = results_folder(tmp_path_factory.mktemp("demo"), "digits-demo", "mnist-quick-variants")
    report_html(results)
    return results


@pytest.fixture(scope="session")
def demo_html(demo_results):
    return (demo_results / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def density_results(tmp_path_factory):
    """A results folder with fitted densities on MNIST, and its report."""
    parent = tmp_path_factory.mktemp("densities")
    results = results_folder(parent, "densities-mnist-quick", subfolders=("records", "densities"))
    report_html(results)
    return results


@pytest.fixture(scope="session")
def digits_section(tmp_path_factory):
    """All models on digits, at the preset "paper"."""
    results = results_folder(tmp_path_factory.mktemp("digits"), "digits")
    return preset_section(Evidence(*records.read(MEASURED / "digits"), "paper"), results)
