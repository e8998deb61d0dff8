"""completion: what has a shell complete the command line."""

from __future__ import annotations

from stractory.commands.ctl.arguments import PROGRAM, make_parser
from stractory.commands.ctl.session import Session
from stractory.errors import StractoryError

FUNCTIONS = {
    "bash": """_stractoryctl_{what}() {{
  local name
  {program} {command} -q 2>/dev/null | while IFS= read -r name; do
    printf -v name %q "$name"
    [[ $name == "$1"* ]] && printf '%s\\n' "$name"
  done
}}""",
    "zsh": """_stractoryctl_{what}() {{ compadd -- ${{(f)"$({program} {command} -q 2>/dev/null)"}} }}""",
}
"""They ask the registry for the names there are. Those are others' choice: nothing in them is to be run by a
shell, neither now (as compgen -W would) nor when the line that they come to stand in is."""

ASKED = (("actors", "ls"), ("workers", "ps"))


def completion(session: Session) -> None:
    """The script for one shell, made of the parser."""
    try:
        import shtab
    except ImportError:
        raise StractoryError("completion needs shtab: pip install shtab") from None
    shell = session.arguments.shell
    functions = [
        FUNCTIONS[shell].format(what=what, command=command, program=PROGRAM) for what, command in ASKED
    ]
    session.output.line(shtab.complete(make_parser(), shell, preamble="\n".join(functions)))
