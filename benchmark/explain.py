"""What jsonargparse says of a wrong recipe, in one line and with the nearest valid name."""

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.errors import BenchmarkError, InputError
from benchmark.suggest import did_you_mean


def explained(error: Exception, recipe: type, place: object) -> InputError:
    """Jsonargparse's message in one line, with the nearest valid name where one was unknown.

    Args:
        error: What jsonargparse raised.
        recipe: The data class that was to be filled.
        place: Where its content came from.
    """
    text = " ".join(str(error).split())
    if unknown := re.search(r"(?:Option|option|arguments:|Key) '?(?:--)?([\w.]+)'?", text):
        name, names = _unknown_name(text, unknown[1], recipe)
        if name not in names:
            return InputError(f"unknown key {unknown[1]!r}", place, did_you_mean(name, names))
    if unknown := re.search(r"module '([\w.]+)' has no attribute '(\w+)'", text):
        names = [n for n, v in vars(importlib.import_module(unknown[1])).items() if inspect.isclass(v)]
        return InputError(f"{unknown[1]} has no class {unknown[2]!r}", place, did_you_mean(unknown[2], names))
    return InputError(f"wrong value: {text}", place, "print all keys with their values: add --print_config")


def _unknown_name(text: str, key: str, recipe: type) -> tuple[str, list[str]]:
    """The unknown part of a dotted key, and the names that could stand there: a class's arguments or settings."""
    classes = re.findall(r"class_path=?[: ]*'([\w.]+)'", text)
    if classes:
        module, _, name = classes[-1].rpartition(".")
        return key.rsplit(".", 1)[-1], list(
            inspect.signature(getattr(importlib.import_module(module), name)).parameters
        )
    fields = {f.name: f.type for f in dataclasses.fields(recipe)}
    group = re.search(r"Group '(\w+)'", text)
    path = [group[1], key] if group else key.split(".")
    settings = fields.get(path[0])
    if len(path) > 1 and dataclasses.is_dataclass(settings):
        return path[1], [f.name for f in dataclasses.fields(settings)]
    return path[0], list(fields)


@contextmanager
def errors_of_parts() -> Iterator[None]:
    """Let through what a part says of its arguments, which jsonargparse wraps where the part may be null."""
    try:
        yield
    except ValueError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, BenchmarkError):
            cause = cause.__cause__ or cause.__context__
        raise (cause or error) from None
