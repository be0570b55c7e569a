"""Whether a system can speak here, found out before the first utterance and without loading a model."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import socket
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ttsbench.errors import UserError
from ttsbench.systems import cards
from ttsbench.systems.adapters import request
from ttsbench.systems.digests import weights_file

SECONDS = 5.0  # that a server has to accept a connection


def device(names: str) -> None:
    """Raise UserError for a device that is not here: cpu, cuda, cuda:N or mps, or several with commas between."""
    for name in names.split(","):
        _device(name)


def _device(name: str) -> None:
    kind, mark, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (mark and not (kind == "cuda" and number.isdigit())):
        raise UserError(f"--device {name}: no such device; give cpu, cuda, cuda:1 or mps")
    if kind == "cpu":
        return
    import torch

    have = torch.cuda.device_count() if kind == "cuda" else int(torch.backends.mps.is_available())
    if not have:
        raise UserError(f"--device {name}: this machine has no {kind} device that PyTorch can use; give --device cpu")
    if int(number or 0) >= have:
        raise UserError(f"--device {name}: this machine has {have} of them; give cuda:0 to cuda:{have - 1}")


def card(path: Path) -> None:
    """Raise UserError where a card file names a program, server, Python file or weights that are not here."""
    _, options = cards.read(path)
    for name in request.variables(options):
        request.variable(name, str(path))
    packages(path, options)
    weights(path, options)
    adapter = options.get("adapter")
    if adapter in ("command", "json-lines"):
        program(path, options)
    elif adapter == "http":
        server(request.with_variables(str(options.get("url", "")), str(path)), str(path))
    elif adapter == "python":
        python(str(options.get("source", "")), path.resolve().parent, str(path))


def packages(path: Path, options: dict[str, Any]) -> None:
    """The packages listed under `packages`."""
    if absent := missing_packages(options):
        raise UserError(f"{path}: {', '.join(absent)} is not installed: {options.get('install', 'install it')}")


def missing_packages(options: dict[str, Any]) -> list[str]:
    """The installed packages that a card needs and that are not here."""
    absent = []
    for name in options.get("packages", []):
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
    return absent


def weights(path: Path, options: dict[str, Any]) -> None:
    """The files listed under `weights`."""
    for name in options.get("weights", []):
        place = weights_file(name, path)
        if not place.is_file():
            raise UserError(
                f"{path}: no weights {name} in {place.parent}; put the file there or make it: ttsbench train"
            )


def program(path: Path, options: dict[str, Any]) -> None:
    """The program of a command line, in its folder or on the PATH."""
    name = str((options.get("argv") or [""])[0])
    folder = path.resolve().parent
    name = name.replace("{python}", sys.executable).replace("{here}", str(folder))
    if not name or "{" in name or shutil.which(name) or ("/" in name and shutil.which(str(folder / name))):
        return
    how = options.get("install") or "install it or correct argv in the card"
    raise UserError(f"{path}: argv: no program {name!r} on this machine: {how}")


def server(url: str, where: str) -> None:
    """A server that accepts a connection; behind a proxy nothing is tried."""
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise UserError(f"{where}: url = {url!r}; give http://HOST:PORT/v1/audio/speech")
    if urllib.request.getproxies().get(parts.scheme) and not urllib.request.proxy_bypass(parts.hostname):
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), SECONDS).close()
    except OSError as fault:
        why = fault.strerror or str(fault) or type(fault).__name__
        raise UserError(f"{url}: no server answers ({why}); start it or correct the address") from fault


def python(source: str, folder: Path, where: str) -> None:
    """The file or module of FILE.py:CLASS or MODULE:CLASS."""
    place, mark, name = source.rpartition(":")
    if not mark or not name.isidentifier():
        raise UserError(f"{where}: {source!r}; give FILE.py:CLASS or MODULE:CLASS")
    if place.endswith(".py"):
        if not (folder / place).is_file():
            raise UserError(f"{where}: no Python file {folder / place}")
    elif importlib.util.find_spec(place.partition(".")[0]) is None:
        raise UserError(f"{where}: no Python module {place!r}; install it, or give FILE.py:CLASS")
