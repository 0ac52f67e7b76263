"""Which package may import which, and what no file may contain."""

import ast
import re
import sys
from pathlib import Path

import pytest

import zoo
from benchmarks.data.datasets import DATASETS

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(path for package in ("zoo", "benchmarks", "slurm") for path in (ROOT / package).rglob("*.py"))

# The packages of benchmarks/, from top to bottom: each imports only itself and those below it.
LAYERS = (
    "run",
    "cli",
    "campaign",
    "perf",
    "reporting",
    "analysis",
    "execution",
    "experiments",
    "evaluation",
    "training",
    "data",
    "settings_text",
    "protocols",
    "presets",
    "paper",
    "environment",
    "files",
    "program",
    "printing",
)
LAUNCHING = ("run", "cli", "execution")  # those that may import slurm
# Third-party packages; the standard library is always allowed.
MODELS_MAY_IMPORT = {"torch", "numpy", "sklearn", "msgspec", "zoo"}
OPTIONAL_IMPORTS = {  # imported inside a function, when it is needed
    "zoo/perceptual.py": {"torchvision"},  # VGG-16
    "zoo/densities/trained.py": {"zuko"},  # tested spline and autoregressive flows, of the extra `densities`
}
LAUNCHER_MAY_IMPORT = {"submitit", "slurm"}
MAX_MODULES = 14  # in one package, without __init__


def imports(path):
    """Dotted names of the modules that a file imports at any place in it, lazy imports too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name_of(path)}: relative import, line {node.lineno}"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top_levels(path):
    return {name.split(".")[0] for name in imports(path)}


def layer(path):
    """The layer of a file of benchmarks/: its package, or its own name beside the packages."""
    return path.relative_to(ROOT / "benchmarks").parts[0].removesuffix(".py")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def of(package):
    return [path for path in FILES if path.relative_to(ROOT).parts[0] == package]


def test_the_files_are_found():
    assert {"zoo/base.py", "benchmarks/training/loop.py", "slurm/launch.py"} <= set(map(name_of, FILES))


@pytest.mark.parametrize("path", of("zoo"), ids=name_of)
def test_the_zoo_imports_no_other_package_of_ours(path):
    allowed = MODELS_MAY_IMPORT | OPTIONAL_IMPORTS.get(name_of(path), set())
    assert top_levels(path) - set(sys.stdlib_module_names) <= allowed


@pytest.mark.parametrize("path", of("slurm"), ids=name_of)
def test_the_launcher_imports_submitit_alone(path):
    assert top_levels(path) - set(sys.stdlib_module_names) <= LAUNCHER_MAY_IMPORT


@pytest.mark.parametrize("path", of("benchmarks"), ids=name_of)
def test_imports_go_down_the_layers(path):
    own = layer(path)
    if own == "__init__":
        assert not set(imports(path)) - set(sys.stdlib_module_names)
        return
    below = set(LAYERS[LAYERS.index(own) :])
    used = {name.split(".")[1] for name in imports(path) if name.startswith("benchmarks.")}
    assert used <= below, f"imports upwards: {sorted(used - below)}"
    if own not in LAUNCHING:
        assert "slurm" not in top_levels(path)


def test_every_package_is_a_layer():
    folders = {path.parent for path in of("benchmarks") if path.parent != ROOT / "benchmarks"}
    assert {layer(folder / "x.py") for folder in folders} <= set(LAYERS)


def test_no_package_has_more_modules_than_a_reader_can_survey():
    counts = {}
    for path in FILES:
        if path.stem != "__init__":
            counts[path.parent] = counts.get(path.parent, 0) + 1
    assert {name_of(folder): n for folder, n in counts.items() if n > MAX_MODULES and folder.name != "zoo"} == {}


def test_the_loop_knows_no_model():
    text = (ROOT / "benchmarks" / "training" / "loop.py").read_text(encoding="utf-8")
    classes = {entry.model.__name__ for entry in zoo.MODELS.values()}
    code = [n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)]
    strings = [n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    assert not classes & set(code)
    assert not set(zoo.MODELS) & set(strings)


FAST = re.compile(r"graph|stream|compil|capture|autocast|channels_last|jit\b|non_blocking|pin_memory|mkldnn", re.I)


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "zoo"], ids=name_of)
def test_no_model_knows_how_it_is_made_fast(path):
    """Speed is the loop's (training/engine.py): no file of the zoo mentions graphs, streams or compilation."""
    assert not FAST.findall(path.read_text(encoding="utf-8"))


def test_the_words_of_speed_are_found_where_they_are():
    text = (ROOT / "benchmarks" / "training" / "engine.py").read_text(encoding="utf-8")
    assert {"graph", "compil", "channels_last"} <= {word.lower() for word in FAST.findall(text)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_asks_for_a_model_or_a_data_set_by_name(path):
    """Registries say it, not an if.  (The classifier's file name is made from a data set's name, not compared.)"""
    known = {*zoo.MODELS, *DATASETS}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare | ast.match_case):
            inside = node if isinstance(node, ast.Compare) else node.pattern
            constants = [n.value for n in ast.walk(inside) if isinstance(n, ast.Constant)]
            assert not known & {c for c in constants if isinstance(c, str)}, ast.unparse(inside)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_is_executed_from_files(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("eval", "exec", "pickle.load", "pickle.loads", "joblib.load")
            keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if called == "torch.load":
                assert keywords["weights_only"] == "True"
            if called == "np.load":
                assert keywords["allow_pickle"] == "False"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_reads_pickles(path):
    """The launcher alone does, over pipes to processes that it started itself."""
    found = top_levels(path) & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    assert found <= (
        {"pickle"} if name_of(path) in ("slurm/launch.py", "slurm/workers.py", "slurm/serving.py") else set()
    )
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in ("torch", "numpy"):  # calls that would go unseen
            assert "load" not in {alias.name for alias in node.names}


def test_every_module_says_what_it_is_for():
    assert all(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for path in FILES)
