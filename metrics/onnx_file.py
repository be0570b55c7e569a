"""The constants inside an ONNX file, by name, without the onnx package: a few fields of protocol buffers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ttsbench.errors import UserError

GRAPH, INITIALIZER = 7, 5  # fields of ModelProto and GraphProto
DIMS, DATA_TYPE, FLOATS, NAME, RAW = 1, 2, 4, 8, 9  # fields of TensorProto
FLOAT = 1  # TensorProto.DataType


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of one message; raises ValueError for what is not a message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise UserError(f"wire type {kind} at byte {at}")
        yield key >> 3, data[at : at + size]
        at += size


def _dims(values: list[int | bytes]) -> list[int]:
    out: list[int] = []
    for value in values:
        if isinstance(value, int):
            out.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            out.append(number)
    return out


def floats(path: Path) -> dict[str, np.ndarray]:
    """Every float32 constant of the graph, in its shape. Raises ValueError naming a file that is no ONNX model."""
    found: dict[str, np.ndarray] = {}
    try:
        graphs = [value for field, value in _fields(path.read_bytes()) if field == GRAPH and isinstance(value, bytes)]
        for graph in graphs:
            for field, tensor in _fields(graph):
                if field != INITIALIZER or not isinstance(tensor, bytes):
                    continue
                parts = list(_fields(tensor))
                if dict(parts).get(DATA_TYPE) != FLOAT:
                    continue
                name = next(bytes(value).decode() for key, value in parts if key == NAME and isinstance(value, bytes))
                data = b"".join(value for key, value in parts if key in (RAW, FLOATS) and isinstance(value, bytes))
                shape = _dims([value for key, value in parts if key == DIMS])
                found[name] = np.frombuffer(data, dtype="<f4").reshape(shape)
    except (IndexError, ValueError, StopIteration, UnicodeDecodeError) as fault:
        raise UserError(f"{path}: not an ONNX model ({fault})") from fault
    if not found:
        raise UserError(f"{path}: no constants found in it")
    return found
