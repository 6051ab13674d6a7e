"""Groups of options: declared once, as the fields of a frozen record, which a command gets as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that has the fields of its groups as options of its own.

    Args:
        command: a function. Parameters annotated with a dataclass are groups; the fields are annotated as options are.
    """
    own = signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {p.name: p.annotation for p in own if is_dataclass(p.annotation)}

    @wraps(command)
    def run(**words: Any) -> None:
        records = {
            name: group(**{field.name: words.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**words, **records)

    parameters: list[Parameter] = []
    for parameter in own:
        if parameter.name in groups:
            kind = groups[parameter.name]
            hints = get_type_hints(kind, include_extras=True)
            parameters += [_option(field, hints[field.name]) for field in fields(kind)]
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _option(field: Field[Any], annotation: Any) -> Parameter:
    default = Parameter.empty if field.default is MISSING else field.default
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
