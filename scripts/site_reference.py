"""Writes the reference of programs and settings into the pages that ask for it, from what there is.

``<!-- help: stractory-keygen -->`` becomes what that program says to ``--help``, ``<!-- settings -->`` a
table of what the files in etc/ say, in which tests see to it that all settings are. A hook of mkdocs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
COLUMNS = 100
PROGRAMS = {"registry": "registry", "workers": "pool", "worker": "worker"}
"""By the section of the file that each reads."""

SETTING = re.compile(r"(;?)([a-z][a-z-]*) = (.*)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put in what is asked for."""
    markdown = re.sub(r"<!-- help: (.+?) -->", lambda found: _help(found[1].split()), markdown)
    return markdown.replace("<!-- settings -->", _table(_rows()))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Take out of docstrings what is written for Sphinx: roles, and the colons before what is indented."""
    html = re.sub(r":(?:func|class|meth|mod|data|attr):(?=<code>)", "", html)
    return html.replace("<p>::</p>", "").replace("::</p>", ":</p>")


def _help(words: list[str]) -> str:
    """What a program of bin/ says to ``--help``, as text."""
    plain = {name: text for name, text in os.environ.items() if not name.startswith("STRACTORY_")}
    said = subprocess.run(  # noqa: S603  # a program of ours
        [sys.executable, str(ROOT / "bin" / words[0]), *words[1:], "--help"],
        env={**plain, "PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return f"```text\n{said.replace(str(Path.home()), '~')}```"


@dataclass
class Row:
    """Settings that one comment explains. ``settings``: name -> what it is by default, or may be."""

    text: str
    settings: dict[str, str] = field(default_factory=dict)
    programs: list[str] = field(default_factory=list)


def _rows() -> list[Row]:
    """What is said in more than one section, of the same settings, is one row."""
    rows: list[Row] = []
    for file in ("registry.ini", "workers.ini"):
        for section, found in _read((ROOT / "etc" / file).read_text(encoding="utf-8")):
            if section == "worker":  # it repeats those of the pool, and does not say what they are
                for known in [*rows]:
                    if {*known.settings} & {*found.settings} and "pool" in known.programs:
                        known.programs.append(PROGRAMS[section])
                told = {name for known in rows if "worker" in known.programs for name in known.settings}
                found.settings = {name: line for name, line in found.settings.items() if name not in told}
            same = next(
                (row for row in rows if (row.text, row.settings) == (found.text, found.settings)), found
            )
            same.programs.append(PROGRAMS[section])
            if same is found:
                rows.append(found)
    return rows


def _read(text: str) -> Iterator[tuple[str, Row]]:
    """The section and the row of each comment and the settings that follow it."""
    section, row = "", Row("")
    for line in [*text.splitlines(), ""]:
        setting = SETTING.fullmatch(line)
        if setting:
            unset, name, value = setting.groups()
            row.settings[name] = f"unset; such as `{value}`" if unset else f"`{value}`"
        elif row.settings:
            yield section, row
            row = Row("")
        if line.startswith("["):
            section, row = line.strip("[]"), Row("")
        elif line.startswith("; "):
            row.text = f"{row.text} {line[2:].strip()}".strip()


def _table(rows: list[Row]) -> str:
    """In the order of the files, in which a comment may speak of the one before."""
    lines = ["| setting | by default | of | |", "|---|---|---|---|"]
    for row in rows:
        names = "<br>".join(f"`{name}`" for name in row.settings)
        values = "<br>".join(row.settings.values())
        lines.append(f"| {names} | {values} | {', '.join(row.programs)} | {row.text} |")
    return "\n".join(lines)
