"""What profile.json holds, made by hand."""

from __future__ import annotations


def cell(value: float) -> dict[str, list[float]]:
    return {name: [value, value * 0.9, value * 1.1] for name in ("p50", "p90", "p95", "p99")}


def row(words: int, concurrency: int = 1, batch: int = 1, chunk: int | None = None) -> dict:
    alone = concurrency == 1 and batch == 1
    work = {
        "gflop_per_audio_second": 3.53,
        "gflop_per_s": 47.1,
        "gb_per_s": 9.25,
        "arithmetic": 0.243,
        "bandwidth": 0.74,
    }
    return {
        "words": words, "prompt_seconds": 3.0, "concurrency": concurrency, "batch": batch, "chunk_frames": chunk,
        "n": 2, "audio_seconds": words / 3, "rtf": 0.0625 if alone else None, "rtf_each": cell(0.07) if alone else None,
        "throughput": 3.25, "throughput_each": cell(3.2), "frames_per_second": 162.0, "total": cell(words / 50),
        "first_chunk": cell(0.123), "first_audible": cell(0.2), "gap": cell(0.12 * concurrency),
        "stall": cell(0.0), "stalled": 0.0,
        "failed": 0, "busy": 0, "streams": batch == 1, "first_share": cell(0.4), "leading_silence": cell(0.01),
        "audible_under": {"50": 0.0, "100": 0.5, "200": 1 / concurrency},
        "stalled_under": {"50": 0.5, "100": 0.5, "200": 1.0},
        "stalls": 1, "host_bytes": 700 * 2**20, "device_bytes": None, "load_seconds": 1.0, "joules_per_second": None,
        "work": work if alone else None,
    }  # fmt: skip


def profile() -> dict:
    """One system, every setting swept, a name that would be a script."""
    name = "<script>window.broken = 1</script>"
    rows = [row(5), row(20), row(20, 2), row(20, batch=8), row(20, chunk=2), row(20, chunk=10)]
    system = {"name": name, "version": "1", "parameters": 1234567, "load_seconds": 1.0, "rows": rows,
              "frame_rate": 50.0, "timeline": [(0.1, 0.1, 0.5), (0.9, 0.9, 0.5)],
              "errors": ["Point: it broke <b>here</b>"]}  # fmt: skip
    return {
        "machine": {"processor": "A Processor", "cores": 2}, "probe": {"read_gb_per_s": 12.5},
        "energy": "no counter here", "device": "cpu", "repeat": 2, "systems": [system],
        "base": {"words": 20, "prompt_seconds": 3.0, "concurrency": 1, "batch": 1, "chunk_frames": None},
    }  # fmt: skip
