"""Stream actors: init returns a handler, as for gevent's StreamServer; any protocol."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_RULE = "init of a stream actor returns a handler(stream, address)"


class StreamKind:
    """``handler(stream, address)`` serves one connection; the stream is closed when it returns."""

    def check(self, server: Any) -> None:
        if not callable(server):
            raise TypeError(f"{_RULE}, not {type(server).__name__}")
        for function in (server, type(server).__call__):  # of an object, the latter is what runs
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                raise TypeError(f"{_RULE} that is no coroutine: 'def', not 'async def'")
            if inspect.isgeneratorfunction(function):
                raise TypeError(f"{_RULE} that does not yield: calling a generator function runs nothing")
        _check_parameters(server)

    def serve(self, server: Any, stream: Any, address: Any) -> None:
        server(stream, address)

    def wrap(self, stream: Any, options: Mapping[str, Any]) -> Any:
        return stream


def _check_parameters(server: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(server, follow_wrapped=False)
    except (TypeError, ValueError):  # some builtins tell none
        return
    parameters = signature.parameters.values()
    first_two = [parameter for parameter in parameters if parameter.kind in _POSITIONAL][:2]
    takes_any = any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters)
    needs_more = any(
        parameter.default is parameter.empty
        and parameter.kind not in _ANY_NUMBER
        and parameter not in first_two
        for parameter in parameters
    )
    if needs_more or not (takes_any or len(first_two) == 2):
        raise TypeError(
            f"{_RULE}, which is called with these two; the parameters of this one are {signature}"
        )
