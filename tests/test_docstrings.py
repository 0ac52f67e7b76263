"""Docstrings, comments and messages name files, modules and definitions that exist."""

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for name in ("zoo", "benchmarks", "slurm") for path in (ROOT / name).rglob("*.py"))
# Names of other projects, commands, and words of a record's text
OTHERS: set[str] = set()


def tokens(path):
    return list(tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline))


def is_prose(token):
    return token.type == tokenize.COMMENT or (token.type == tokenize.STRING and '"""' in token.string)


@pytest.fixture(scope="module")
def known():
    """All words of the code: identifiers, strings that are no docstrings, modules."""
    words = {path.stem for path in SOURCES} | {path.parent.name for path in SOURCES}
    for path in SOURCES:
        for token in tokens(path):
            if not is_prose(token):
                words |= {*re.findall(r"\w+", token.string)}
    return words


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_in_docstrings_and_comments_exist(path, known):
    prose = [token.string for token in tokens(path) if is_prose(token)]
    names = {name for text in prose for name in re.findall(r"`([A-Za-z_][\w.]*)(?:\(\))?`", text)}
    assert not {name for name in names if not {*name.split(".")} <= known | OTHERS}


def test_files_in_texts_exist():
    texts = {path: path.read_text(encoding="utf-8") for path in SOURCES}
    missing = {(path.relative_to(ROOT), file) for path, text in texts.items()
               for file in re.findall(r"\b((?:benchmarks|zoo|slurm|docs|tests)/[\w/]+\.(?:py|md|toml|sh))\b", text)
               if not (ROOT / file).exists()}  # fmt: skip
    assert not missing
