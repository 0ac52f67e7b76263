"""Collects the `Departs:` lines of the code's docstrings: where we had to choose, and how to choose otherwise.

    python -m benchmarks.reporting.departures > docs/departures.md

A test compares that file with the code, so it cannot go stale.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

HEAD = """# Departures

Where the paper is silent, contradicts itself or cannot be followed to the letter, the code says so in the docstring
of what it concerns, after the word `Departs:`. This page is made from those lines by
`python -m benchmarks.reporting.departures > docs/departures.md`; a test fails when it is not up to date.
"""


def collect(root: Path) -> list[tuple[str, str, str]]:
    """(file, class or function, text) of every `Departs:` line in the docstrings below a checkout's packages."""
    found = []
    for path in sorted([*root.glob("zoo/*.py"), *root.glob("benchmarks/**/*.py")]):
        if path.name == Path(__file__).name:
            continue
        text = path.read_text(encoding="utf-8")
        if "Departs:" not in text:  # parsing takes time
            continue
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                for item in departures(ast.get_docstring(node) or ""):
                    found.append((path.relative_to(root).as_posix(), getattr(node, "name", "the module"), item))
    return found


def departures(docstring: str) -> list[str]:
    """The `Departs:` items of a docstring, each on one line; an item ends at a blank line or at the next one."""
    items = re.findall(r"^Departs: (.*?)(?=^Departs: |^\s*$|\Z)", docstring, flags=re.M | re.S)
    return [" ".join(item.split()) for item in items]


def page(root: Path) -> str:
    """The whole page, Markdown."""
    lines = [HEAD]
    last = ""
    for file, name, text in collect(root):
        if file != last:
            lines.append(f"\n## {file}\n")
            last = file
        text = re.sub(r" (To switch:|No switch)", r" **\1**", text)
        lines.append(f"- `{name}`: {text[0].upper()}{text[1:]}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(Path(__file__).resolve().parents[2]), end="")
