"""Times to first audio as the Open TTS Leaderboard summarises them: batch 1, the first rows dropped, ranks rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttsbench import playback
from ttsbench.records import Synthesis

WARM_UP = 3  # rows at the head of a set that enter no percentile


def percentile(values: Sequence[float], share: float) -> float:
    """The value of rank round(share (n - 1)) from 0, half to even: no interpolation between two values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Count, percentiles and extremes with two decimals."""
    ranks = {f"p{rank}": round(percentile(values, rank / 100), 2) for rank in (50, 90, 95)}
    return {"n": len(values), **ranks, "min": round(min(values), 2), "max": round(max(values), 2)}


def sidecar(rows: Sequence[Synthesis]) -> dict[str, Any]:
    """The probe's file over rows that have chunks and a total, in the order of the set. Times in ms, lengths in s.

    A row of one chunk reports no first chunk: its time runs to the end. All rows were spoken to their end.
    """
    samples = [_sample(index, row) for index, row in enumerate(rows)]
    warm = samples[WARM_UP:] or samples
    shares = [each["ttfa_frac_of_gen"] for each in warm]
    streams = bool(playback.streams(shares)) and any(each["first_reported"] for each in warm)
    seconds, work = (sum(each[key] for each in warm) for key in ("audio_s", "gen_s"))
    return {
        "batch_size": 1,
        "n_samples": len(samples),
        "warmup_excluded": WARM_UP if len(samples) > WARM_UP else 0,
        "streaming": streams,
        "ttfa_frac_of_gen": round(sorted(shares)[len(shares) // 2], 3),
        "first_reported_but_not_early": any(each["first_reported"] for each in warm) and not streams,
        "ttfa_ms": summary([each["ttfa_ms"] for each in warm]),
        "gen_s": summary([each["gen_s"] for each in warm]),
        "full_generation_rows": len(warm),
        "early_stopped_rows": 0,
        "rtfx_batch1": round(seconds / work, 2) if work else None,
        "samples": samples,
    }


def streaming_row(devices: Mapping[str, dict[str, Any]]) -> dict[str, float | str | None]:
    """The columns of their streaming.csv but the model: of each device's sidecar the times in ms and the speed at batch
    1; whether it streams by the first device that is not the processor."""
    row: dict[str, float | str | None] = {}
    for device, data in devices.items():
        row |= {f"{device} TTFA ({rank})": data["ttfa_ms"][rank] for rank in ("p50", "p95")}
        row[f"{device} RTFx"] = data["rtfx_batch1"]
    first = min(devices, key=lambda device: device == "CPU")
    return row | {"Streaming API": "yes" if devices[first]["streaming"] else "no"}


def _sample(index: int, row: Synthesis) -> dict[str, Any]:
    total = row.total or 0.0
    several = sum(chunk.samples > 0 for chunk in row.chunks) > 1
    first = playback.first_chunk(row.chunks) if several else None
    at = total if first is None else first
    return {
        "index": index,
        "ttfa_ms": 1000 * at,
        "first_reported": first is not None,
        "full_generation": True,
        "ttfa_frac_of_gen": at / total if total else 1.0,
        "gen_s": total,
        "audio_s": row.seconds,
    }
