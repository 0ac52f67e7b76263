"""The command `ae-bench`, as an installer writes it."""

import os
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def write_script(folder: Path) -> Path:
    """The script of `[project.scripts]` in pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        module, _, function = tomllib.load(file)["project"]["scripts"]["ae-bench"].partition(":")
    path = folder / "ae-bench"
    path.write_text(f"import sys\nfrom {module} import {function}\n"
                    f"if __name__ == '__main__':\n    sys.exit({function}())\n")  # fmt: skip
    return path


def environment(*folders: Path) -> dict[str, str]:
    """The variables of a process that imports this checkout, and some folders before it."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*folders, ROOT]))}
