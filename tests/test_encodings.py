"""Files are UTF-8 whatever the locale is, and what other programs print is decoded without an error."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for name in ("zoo", "benchmarks", "slurm", "examples") for path in (ROOT / name).rglob("*.py"))
# Modules, and our name of a zip file, whose open() takes no encoding
NOT_TEXT = {"os", "tarfile", "Image", "zipfile", "gzip", "archive"}


def name_of(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_text_file(call):
    """Whether a call opens, reads or writes a text file."""
    if name_of(call) not in ("open", "read_text", "write_text"):
        return False
    module = getattr(call.func, "value", None)
    is_binary = any(isinstance(a, ast.Constant) and "b" in str(a.value) for a in call.args if name_of(call) == "open")
    return not is_binary and not (isinstance(module, ast.Name) and module.id in NOT_TEXT)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_text_file_and_pipe_names_its_encoding(path):
    wrong = []
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call):
            continue
        keywords = {keyword.arg for keyword in call.keywords}
        reads_named = name_of(call) == "read_text" and len(call.args) == 1  # read_text("ascii"), files.read_text(path)
        writes_named = name_of(call) == "write_text" and len(call.args) == 2  # our own write_text(path, text)
        if is_text_file(call) and "encoding" not in keywords and not reads_named and not writes_named:
            wrong.append(call.lineno)
        if "text" in keywords and not {"encoding", "errors"} <= keywords and name_of(call) in ("run", "Popen"):
            wrong.append(call.lineno)
    assert not wrong
