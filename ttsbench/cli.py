"""The `ttsbench` command: finds the commands in `ttsbench.commands`, parses, calls, returns the exit status."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import re
import sys
from types import ModuleType

from ttsbench import commands
from ttsbench.errors import UserError, unknown
from ttsbench.version import __version__

EXAMPLES = """examples:
  ttsbench run                                            the in-repo systems on the embedded test sets, then a page
  ttsbench run --system flite --testset seed-mini         one outside program
  ttsbench init && ttsbench run bench.toml                the same from a file
  ttsbench score DIR --testset folder=REFERENCES          audio that somebody else made
  ttsbench report runs/*                                  the page again, from runs that exist
  ttsbench list systems                                   (or testsets, metrics, protocols)
"""


def main(arguments: list[str] | None = None) -> int:
    """Entry point. Returns the exit status: 0 done, 1 something asked for did not hold, 2 wrong use."""
    words = sys.argv[1:] if arguments is None else arguments
    names = command_names()
    if words and not words[0].startswith("-") and words[0] not in names:
        print(f"ttsbench: {unknown('command', words[0], names)}", file=sys.stderr)
        return 2
    options = _parse(words, names)
    try:
        return options.call(options)
    except KeyboardInterrupt:
        print("\nInterrupted. What was finished is kept; the same command goes on from there.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except UserError as fault:
        print(f"ttsbench: {fault}", file=sys.stderr)
        return 1


def command_names() -> list[str]:
    """The files in the folder of commands."""
    return [found.name for found in pkgutil.iter_modules(commands.__path__)]


def _parse(words: list[str], names: list[str]) -> argparse.Namespace:
    """The options of the command that is called; exits with 2 for a wrong use, 0 after help."""
    parser = argparse.ArgumentParser(
        prog="ttsbench",
        description="How good, how fast and how costly is a text-to-speech system.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ttsbench {__version__}")
    choices = parser.add_subparsers(title="commands", metavar="COMMAND")
    called = [name for name in names if words and name == words[0]]
    own = parser
    for name in called or names:
        module = importlib.import_module(f"{commands.__name__}.{name}")
        own = choices.add_parser(name, help=_about(module), description=_about(module), allow_abbrev=False)
        module.add_arguments(own)
        own.set_defaults(call=module.run, words=words[1:])
    options, rest = parser.parse_known_args(words)
    if rest:
        known = re.findall(r"--[a-z-]+", own.format_help())
        own.error(unknown("option", rest[0], known) if rest[0].startswith("--") else f"unexpected argument {rest[0]!r}")
    if not hasattr(options, "call"):
        parser.print_help()
        parser.exit(2)
    return options


def _about(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]
