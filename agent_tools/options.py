"""Command-line options from the fields of a frozen dataclass: a command with many options takes one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


def with_options(kind: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Turn a function of one value into a command with an option for each field of that value.

        @dataclass(frozen=True, kw_only=True)
        class Request:
            data: Annotated[Path, typer.Option("--data")]
            seed: Annotated[int, typer.Option("--seed")] = 0

        @app.command()
        @with_options(Request)
        def measure(request: Request) -> None: ...

    Args:
        kind: a dataclass; each field is annotated as a parameter of a typer command would be. Fields without a default
            come first in the help, the others keep their order.
    Returns: a decorator; the command keeps the function's name and docstring.
    """
    hints = get_type_hints(kind, include_extras=True)
    by_need = sorted(fields(kind), key=lambda field: field.default is not MISSING)  # type: ignore[arg-type]  # a dataclass
    parameters = [_parameter(field, hints[field.name]) for field in by_need]

    def decorate(function: Callable[[T], None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(**values: Any) -> None:
            function(kind(**values))

        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect reads
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _parameter(field: Field[Any], annotation: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
