"""Hooks of MkDocs: the README and CONTRIBUTING become pages, and files outside docs/ that pages link to are copied."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
GENERATED = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md"}  # page -> file of the repository
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
COPIED = "repository"  # folder of the site that has the copied files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and every file of the repository that a page links to."""
    for page, source in GENERATED.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for file in [file for file in files if file.src_uri.endswith(".md")]:
        for match in LINK.finditer(file.content_string):
            path = _repository_path(file.src_uri, match["target"])
            copy = f"{COPIED}/{path}"
            if path and (ROOT / path).is_file() and files.get_file_from_path(copy) is None:
                files.append(File.generated(config, copy, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at the pages and copies of the site; a link to a folder becomes its text."""
    source = page.file.src_uri

    def replace(match: re.Match[str]) -> str:
        target, anchor = match["target"], match["anchor"] or ""
        path = _repository_path(source, target)
        if path is None:
            return match[0]
        pages = {name: page_name for page_name, name in GENERATED.items()}
        if path in pages or path.startswith("docs/"):
            new = pages.get(path, path.removeprefix("docs/"))
        elif (ROOT / path).is_file():
            new = f"{COPIED}/{path}"
        else:
            return f"{match['text']} (`{path}`)"
        relative = posixpath.relpath(new, posixpath.dirname(source) or ".")
        return f"{match['image']}[{match['text']}]({relative}{anchor})"

    return LINK.sub(replace, markdown)


def _repository_path(page: str, target: str) -> str | None:
    """The path of a link's target in the repository; None for an address."""
    if re.match(r"[a-z]+:", target):
        return None
    base = "" if page in GENERATED else posixpath.join("docs", posixpath.dirname(page))
    return posixpath.normpath(posixpath.join(base, target))
