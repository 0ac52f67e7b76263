"""Write the page of departures from the paper, from the `Departs:` paragraphs of all docstrings.

    python -m benchmarks.reporting.departures > docs/departures.md

A test fails if the page and the docstrings differ.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

HEADER = """# Departures

Each departure from the paper is a paragraph `Departs:` in the docstring of the code concerned. The reasons are that the
paper leaves a choice open, contradicts itself, or cannot be followed exactly. This page is made from these paragraphs:
`python -m benchmarks.reporting.departures > docs/departures.md`. A test fails if it is not up to date.
"""


def collect_departures(root: Path) -> list[tuple[str, str, str]]:
    """(file, class or function or "", text) of every `Departs:` paragraph in a checkout's docstrings."""
    collected = []
    for path in sorted([*root.glob("zoo/*.py"), *root.glob("benchmarks/**/*.py")]):
        if path.name == Path(__file__).name:
            continue
        source = path.read_text(encoding="utf-8")
        if "Departs:" not in source:  # parsing takes time
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                for text in parse_departures(ast.get_docstring(node) or ""):
                    collected.append((path.relative_to(root).as_posix(), getattr(node, "name", ""), text))
    return collected


def parse_departures(docstring: str) -> list[str]:
    """The `Departs:` paragraphs of a docstring, each as one line. A blank line or another `Departs:` ends one."""
    items = re.findall(r"^Departs: (.*?)(?=^Departs: |^\s*$|\Z)", docstring, flags=re.M | re.S)
    return [" ".join(item.split()) for item in items]


def departures_page(root: Path) -> str:
    """The whole page, as Markdown."""
    lines = [HEADER]
    last_file = ""
    for file, name, text in collect_departures(root):
        if file != last_file:
            lines.append(f"\n## {file}\n")
            last_file = file
        text = re.sub(r" (To switch:|No switch)", r" **\1**", text)
        lines.append(f"- {f'`{name}`: ' if name else ''}{text[0].upper()}{text[1:]}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # what is printed becomes a file
    print(departures_page(Path(__file__).resolve().parents[2]), end="")
