"""What a function of the user's can be called with: asked before it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_UNUSUAL = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def simply_takes_two(function: Any) -> bool:
    """Whether it is a usual function of two parameters. Most are, and to ask inspect takes far longer."""
    if type(function) is not FunctionType or vars(function):
        return False
    code = function.__code__
    return code.co_argcount == 2 and not (code.co_kwonlyargcount or code.co_flags & _UNUSUAL)


def positional(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The parameters that may be given by their place; None for builtins that tell none."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [parameter for parameter in parameters if parameter.kind in _POSITIONAL]


def check_takes_two(function: Callable[..., Any], rule: str) -> None:
    """Raises TypeError for a function that cannot be called with two arguments; ``rule`` names them."""
    try:
        signature = inspect.signature(function, follow_wrapped=False)
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
        raise TypeError(f"{rule}, which is called with these two; the parameters of this one are {signature}")
