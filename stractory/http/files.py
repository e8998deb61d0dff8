"""The registry's page: the files of stractory/http/page, as they are."""

from __future__ import annotations

from importlib.resources import files

from stractory.http.answers import HTML, OK, Answer
from stractory.http.request import Request

TYPES = {
    "html": HTML,
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
}
"""Of files, by what their names end in; others are not shown."""

INDEX = "index.html"


class Files:
    """What is there when this is made."""

    names = "/"

    def __init__(self) -> None:
        there = (file for file in (files("stractory.http") / "page").iterdir() if file.is_file())
        self._files = {f"/page/{file.name}": file for file in there if _type(file.name)}
        self._files["/"] = self._files[f"/page/{INDEX}"]

    def answer(self, request: Request) -> Answer | None:
        """As a part of pages."""
        file = self._files.get(request.path)
        return None if file is None else Answer(OK, file.read_bytes(), _type(file.name))


def _type(name: str) -> str:
    return TYPES.get(name.rpartition(".")[2], "")
