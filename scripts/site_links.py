"""Has the site show the files of the repository that the documents link to, so that links hold there too.

A link that leads out of docs/, as ``../etc/workers.ini``, becomes one to a page with that file, under
``repository/``; links on such a page are treated alike. A hook of mkdocs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS, SHOWN = "docs/", "repository/"
MADE = (".", "__", "node_modules")
"""How the names of what is no source begin."""

LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
MADE = (".", "__", "node_modules")
"""Names of what is in folders and no part of the repository begin so."""
LANGUAGES = {".py": "python", ".ini": "ini", ".conf": "ini", ".service": "ini", ".json": "json", ".js": "js"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file of the repository that is linked to, from wherever."""
    todo = [(file.src_uri, file.content_string) for file in files.documentation_pages()]
    while todo:
        page, text = todo.pop()
        for target in _targets(page, text):
            shown = _page_of(target)
            if files.get_file_from_path(shown) is None and not (ROOT / DOCS / shown).exists():
                content = _show(target)
                files.append(File.generated(config, shown, content=content))
                todo.append((shown, content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have the links of a page lead to where their targets are on the site."""
    here = page.file.src_uri

    def lead(found: re.Match[str]) -> str:
        target = _resolve(here, found[1])
        if target is None:
            return found[0]
        return posixpath.relpath(_page_of(target), posixpath.dirname(here)) + (found[2] or "")

    return LINK.sub(lead, markdown)


def _targets(page: str, text: str) -> Iterator[str]:
    for found in LINK.finditer(text):
        target = _resolve(page, found[1])
        if target is not None:
            yield target


def _resolve(page: str, link: str) -> str | None:
    """The path in the repository that a link on a page of the site means; None where there is nothing."""
    source = page.removeprefix(SHOWN) if page.startswith(SHOWN) else DOCS + page
    folder = source if (ROOT / source.removesuffix(".md")).is_dir() else posixpath.dirname(source)
    target = posixpath.normpath(posixpath.join(folder.removesuffix(".md"), link))
    return target if (ROOT / target).exists() and not target.startswith("..") else None


def _page_of(target: str) -> str:
    """Of a path in the repository, the path on the site."""
    if target.startswith(DOCS):
        return target.removeprefix(DOCS)
    return SHOWN + (target if target.endswith(".md") else f"{target}.md")


def _show(target: str) -> str:
    """A page with a file or folder of the repository."""
    path = ROOT / target
    if target.endswith(".md"):
        return path.read_text(encoding="utf-8")
    if path.is_dir():
        inside = sorted(entry for entry in path.iterdir() if not entry.name.startswith(MADE))
        return f"# {target}\n\n" + "".join(f"* [{entry.name}]({entry.name})\n" for entry in inside)
    language = LANGUAGES.get(path.suffix, "text")
    return f"# {target}\n\n````{language}\n{path.read_text(encoding='utf-8')}````\n"
