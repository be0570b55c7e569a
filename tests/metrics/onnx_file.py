"""A small ONNX file without package onnx: the mean of `feats` (batch, frames, bands) over the frames, as `embs`."""

from __future__ import annotations

from pathlib import Path


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: bytes | str | int) -> bytes:
    """One field of a protocol buffer: a number, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _tensor(name: str, dimensions: tuple[str, ...]) -> bytes:
    """A named float tensor with named dimensions."""
    shape = b"".join(_field(1, _field(2, each)) for each in dimensions)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))


def write_mean(path: Path) -> None:
    """Write it for opset 13 (ReduceMean with its axes as an attribute)."""
    axes = _field(1, "axes") + _field(8, 1) + _field(20, 7)
    keep = _field(1, "keepdims") + _field(3, 0) + _field(20, 2)
    node = _field(1, "feats") + _field(2, "embs") + _field(4, "ReduceMean") + _field(5, axes) + _field(5, keep)
    inputs, outputs = _tensor("feats", ("batch", "frames", "bands")), _tensor("embs", ("batch", "bands"))
    graph = _field(1, node) + _field(2, "mean") + _field(11, inputs) + _field(12, outputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(2, 13)))
