"""Apache Parquet, with the types of the columns."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path

from ttsbench.errors import UserError
from ttsbench.exchange import _frames
from ttsbench.store import Run, write_atomically

ABOUT = "results.parquet and rows.parquet, as csv with types (needs pyarrow)"


def write(runs: Sequence[Run], out: Path) -> list[Path]:
    """Write both files into folder `out`. Raises UserError where pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UserError("--to parquet needs pyarrow: python -m pip install pyarrow")
    tables = {"results": _frames.results(runs).infer_objects(), "rows": _frames.rows(runs)}
    for name, data in tables.items():
        file = io.BytesIO()
        data.to_parquet(file, engine="pyarrow", index=False)
        write_atomically(out / f"{name}.parquet", file.getvalue())
    return [out / f"{name}.parquet" for name in tables]
