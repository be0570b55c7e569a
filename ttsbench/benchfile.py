"""A benchmark as one file: the options of `ttsbench run` in TOML, one key an option, and nothing else.

A key is an option's name without the dashes. An option that may be given several times takes a list, under its own name
or with an s at the end; one of the form NAME=VALUE takes a table; one without a value takes true or false.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ttsbench import arguments
from ttsbench.errors import UserError, unknown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME = "bench.toml"
FIRST = ("title", "system", "testset", "protocol", "seeds")  # what a file begins with, in this order
HEAD = """\
# A benchmark of ttsbench. Run it, and run it again to go on where it stopped:  ttsbench run {name}
# Every option of `ttsbench run` can be a key. One on the command line takes the place of the file's.
"""


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is a UserError, so that file and key can be put before it."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message.partition(": ")[2] if message.startswith("argument ") else message)


def merged(path: Path, given: Sequence[str], parser: Parser) -> argparse.Namespace:
    """The options of file `path`; those that the command line gives (`given`, the file among them) take their place.

    `parser` knows the options of `ttsbench run`. Raises UserError: the file, the key, the value and what to do.
    """
    said = {word.partition("=")[0] for word in given if word.startswith("--")}
    words = [word for option, own in read(path, parser).items() if option not in said for word in own]
    return parser.parse_args([*words, *given])


def read(path: Path, parser: Parser) -> dict[str, list[str]]:
    """The words of the command line that the keys of a file stand for, by option."""
    if path.suffix != ".toml":
        raise UserError(f"{str(path)!r} is no benchmark file (*.toml); name systems with --system, sets with --testset")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise UserError(f"{path}: {fault.strerror}; ttsbench init {path} writes one") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise UserError(f"{path}: not a TOML file: {fault}") from fault
    known = {name: action for action in options(parser) for name in names(action)}
    found: dict[str, list[str]] = {}
    for key, value in table.items():
        if key not in known:
            raise UserError(f"{path}: {unknown('key', key, known)}")
        option = known[key].option_strings[-1]
        try:
            if option in found:
                raise UserError(f"{option} is given under two names")
            found[option] = list(_words(known[key], option, value))
            parser.parse_args(found[option])
        except UserError as fault:
            raise UserError(f"{path}: {key} = {toml(value)}: {fault}") from fault
    return found


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The options that a file may hold, in the order of the help."""
    return [each for each in parser._actions if each.option_strings and each.dest != "help"]  # no public way


def names(action: argparse.Action) -> list[str]:
    """The keys of an option; the last is the one that `template` writes."""
    name = action.option_strings[-1].lstrip("-")
    return [name, f"{name}s"] if _several(action) else [name]


def _several(action: argparse.Action) -> bool:
    return isinstance(action, argparse._AppendAction)


def _listed(action: argparse.Action) -> bool:
    """Whether an option takes names with commas between, or is given several times."""
    return _several(action) or action.type in (arguments.words, arguments.devices)


def _pairs(action: argparse.Action) -> bool:
    """Whether an option takes NAME=VALUE."""
    return _several(action) and "=" in str(action.metavar)


def _words(action: argparse.Action, option: str, value: Any) -> Iterator[str]:
    """A key's value as words of the command line. Raises UserError for a value of the wrong kind."""
    if action.nargs == 0 or (action.nargs == "?" and isinstance(value, bool)):
        if not isinstance(value, bool):
            raise UserError("give true or false")
        yield from [option] if value else []
    elif isinstance(value, dict) and _pairs(action):
        yield from (f"{option}={name}={_word(each)}" for name, each in value.items())
    elif isinstance(value, list) and _several(action):
        yield from (f"{option}={_word(each)}" for each in value)
    elif isinstance(value, list) and _listed(action):
        yield f"{option}={','.join(map(_word, value))}"
    else:
        yield f"{option}={_word(value)}"


def _word(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UserError("give a text or a number")
    return str(value)


def template(parser: argparse.ArgumentParser, given: Mapping[str, Any], name: str) -> str:
    """A new file that sets `given` (by the name in the program, `dest`) and has every other option in a comment."""
    order = sorted(options(parser), key=lambda each: (_pairs(each), _place(each), each.dest not in given))
    lines = [HEAD.format(name=name)]
    for action in order:
        key, value = names(action)[-1], given.get(action.dest)
        about = " ".join(str(action.help).split())
        if _pairs(action):
            pairs = [tuple(each.split("=", 1)) if isinstance(each, str) else each for each in value or ()]
            rows = [f"{json.dumps(name)} = {toml(each)}" for name, each in pairs]
            mark = "" if rows else "# "
            example = str(action.metavar).replace("=", " = ")
            lines += ["", f"{mark}[{key}]  # {about}", *(rows or [mark + example])]
        else:
            mark = "# " if value is None else ""
            lines.append(f"{mark}{key} = {toml(_example(action) if value is None else value)}  # {about}")
    return "\n".join(lines) + "\n"


def _place(action: argparse.Action) -> int:
    return FIRST.index(action.dest) if action.dest in FIRST else len(FIRST)


def _example(action: argparse.Action) -> Any:
    """A value of the right kind, to stand in a comment."""
    if action.nargs == 0:
        return True
    if action.default not in (None, (), "", 0):
        return action.default
    if isinstance(action.default, float):
        return 0.05
    if action.default == 0:
        return 1
    if action.type is arguments.words:
        return ["wer", "sim-o"]
    if _listed(action):
        return []
    return next(each for each in (action.metavar or action.dest.upper(), 1, "1/2") if _takes(action, str(each)))


def _takes(action: argparse.Action, word: str) -> bool:
    try:
        return not callable(action.type) or action.type(word) is not None
    except argparse.ArgumentTypeError:
        return False


def toml(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(each)}" for name, each in value.items()) + "}"
    return json.dumps(value if isinstance(value, (bool, int, float)) else str(value), ensure_ascii=False)
