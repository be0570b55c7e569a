"""The functions of `import ttsbench`: load, speak, score, report, compare, and one clip in one line.

Speaking and scoring run in worker processes that import the calling program: in a script, call them below
`if __name__ == "__main__":`. Every function raises `ttsbench.errors.UserError` for what cannot be done as asked.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from ttsbench import audio, benchmark, exchange, reports, scoring, systems, testsets
from ttsbench.errors import UserError
from ttsbench.exchange import _frames as frames
from ttsbench.progress import Progress
from ttsbench.records import Recorded, Sample, Score, System, TestSet
from ttsbench.reports.comparison import judge, thresholds
from ttsbench.reports.comparison.result import Comparison
from ttsbench.stats import cell
from ttsbench.store import Run


@dataclass(frozen=True)
class Result:
    """One system on one test set: a run folder. Everything is read from its files when asked for."""

    folder: Path

    @property
    def run(self) -> Run:
        """The open run folder. Raises UserError where there is none."""
        return Run.open(self.folder)

    def frame(self) -> pandas.DataFrame:
        """One row an utterance, in the test set's order, under its id.

        Columns: system, testset, text, language, speaker, category, audio (a path, "" where there is none), seconds
        (of speech), error (why there is no speech), and one column a metric, named protocol/metric; a value that is
        missing is NaN here, and `errors` says why.
        """
        run = self.run
        spoken = run.syntheses
        rows = []
        for sample in run.samples:
            row = spoken.get(sample.id)
            rows.append(
                {
                    "id": sample.id,
                    "system": run.info["system"]["name"],
                    "testset": run.info["testset"]["name"],
                    "text": sample.text,
                    "language": sample.language,
                    "speaker": sample.speaker,
                    "category": sample.category,
                    "audio": str(run.audio(row) or "") if row else "",
                    "seconds": row.seconds if row else 0.0,
                    "error": row.error if row else "not spoken",
                }
            )
        found = pandas.DataFrame(rows).set_index("id")
        for name, scores in self._scores():
            found[name] = pandas.Series({score.sample: score.value for score in scores}, dtype="float64")
        return found

    def errors(self) -> pandas.DataFrame:
        """One row for each metric that could not be measured on an utterance: id, metric, error."""
        rows = [
            {"id": score.sample, "metric": name, "error": score.error}
            for name, scores in self._scores()
            for score in scores
            if score.error
        ]
        return pandas.DataFrame(rows, columns=["id", "metric", "error"])

    def summary(self) -> pandas.DataFrame:
        """One row a metric, under its name.

        Columns: system, testset, protocol, title, unit, better, value (None where nothing was measured), low and high
        (its 95 % interval), by_seed (the value of each seed, () for one), scored, asked, failed (rows), busy (rows
        timed while other programs used the machine, which do not count), na (why the metric does not apply).
        """
        run = self.run
        clusters = {sample.id: sample.speaker for sample in run.samples}
        rows = []
        for protocol in run.protocols():
            for metric in run.metrics(protocol):
                found = cell(metric, run.scores(protocol, metric.name), clusters)
                rows.append(
                    {
                        "metric": metric.name,
                        "system": run.info["system"]["name"],
                        "testset": run.info["testset"]["name"],
                        "protocol": protocol,
                        "title": metric.title,
                        "unit": metric.unit,
                        "better": metric.better,
                        "value": found.value,
                        "low": found.low,
                        "high": found.high,
                        "by_seed": found.by_seed,
                        "scored": found.scored,
                        "asked": found.asked,
                        "failed": found.failed,
                        "busy": found.busy,
                        "na": found.na,
                    }
                )
        if not rows:
            raise UserError(f"{self.folder} has no scores yet: ttsbench.score(result)")
        return pandas.DataFrame(rows).set_index("metric")

    def _scores(self) -> list[tuple[str, list[Score]]]:
        run = self.run
        return [
            (f"{protocol}/{metric.name}", run.scores(protocol, metric.name))
            for protocol in run.protocols()
            for metric in run.metrics(protocol)
        ]


def load_testset(spec: str, limit: int = 0) -> TestSet:
    """A test set by its name or as LAYOUT=PATH (`ttsbench list testsets`), or `limit` of its samples (0: all).

    >>> testset = load_testset("seed-mini", limit=2)
    >>> len(testset.samples), testset.samples[0].language
    (2, 'en')
    >>> load_testset("seed-mni")
    Traceback (most recent call last):
    ...
    ttsbench.testsets.faults.TestSetError: ...
    """
    if limit < 0:
        raise UserError(f"limit={limit}: give 0 for all samples, or how many")
    return benchmark.limited(testsets.load(spec), limit)


def load_system(spec: str) -> System | Recorded:
    """A system, loaded and ready to speak in this process, by its name, CARD.toml, http:URL or python:FILE.py:CLASS.

    `synthesize(sample, seed)` of what comes back yields float32 chunks in [-1, 1] at `card.sample_rate`.

    >>> system = load_system("silence")
    >>> sample = load_testset("seed-mini", limit=1).samples[0]
    >>> sum(len(chunk) for chunk in system.synthesize(sample, seed=0)) > system.card.sample_rate
    True
    """
    return systems.load(spec)


def speak(
    system: str | type,
    testset: TestSet | str,
    out: Path | str = "runs",
    *,
    name: str = "",
    seed: int = 0,
    seeds: int = 1,
    jobs: int = 1,
    device: str = "cpu",
    timeout: float = 300.0,
    again: bool = False,
    retry: bool = False,
    shared_machine: bool = False,
) -> Result:
    """Let a system speak a test set, each utterance timed, into a run folder below `out`. Goes on where it was.

    `system`: a spec as for `load_system`, `recorded:DIR`, or a class of your own from a file (see docs/tutorial.md).
    `seeds`: every sample is spoken with so many seeds, from `seed` on; each is a row of its own.
    `jobs` utterances are spoken at once (above 1 spoils latency), each for at most `timeout` seconds. `again` starts
    over, `retry` speaks failed rows once more. Timings taken while other programs use the machine are kept and do not
    count, unless `shared_machine`. A row that fails is a row with an error, never an exception.

    >>> result = speak("silence", load_testset("seed-mini", limit=2), "runs")
    >>> result.frame()[["system", "error"]].values.tolist()
    [['silence', ''], ['silence', '']]
    """
    plan = benchmark.Plan(
        protocols=(),
        out=Path(out),
        seed=seed,
        seeds=seeds,
        jobs=jobs,
        device=device,
        timeout=timeout,
        again=again,
        retry=retry,
        shared_machine=shared_machine,
    )
    loaded = benchmark.repeated(testsets.load(testset) if isinstance(testset, str) else testset, seeds)
    progress = Progress()
    run = benchmark.run_one(_spec(system), loaded, plan, progress.named(loaded.name), name, progress.say)
    progress.close()
    return Result(run.path)


def score(
    result: Result | Path | str,
    protocols: str | Sequence[str] = "embedded",
    *,
    only: Sequence[str] = (),
    transcripts: Path | str | None = None,
    jobs: int = 0,
    device: str = "cpu",
    timeout: float = 300.0,
) -> Result:
    """Score a run under one or several protocols, in `jobs` processes (0: one a core). What is computed is kept.

    `only`: some metrics alone, such as ("wer", "sim-o"). `transcripts`: a file of ids and texts that a recogniser of
    your own heard, in place of the protocol's; then only the columns made of transcripts are computed.

    A metric that cannot be measured on an utterance is an error of that row: see `Result.errors`.

    >>> result = score(speak("silence", load_testset("seed-mini", limit=2), "runs"), only=["wer"])
    >>> row = result.summary().loc["wer"]
    >>> print(f"WER {row['value']:.0%}, failed {row['failed']} of {row['asked']}")
    WER 100%, failed 2 of 2
    >>> len(result.errors()) >= 2
    True
    """
    names = (protocols,) if isinstance(protocols, str) else tuple(protocols)
    scoring.protocols_of(names, only)
    run = _result(result).run
    progress = Progress()
    plan = benchmark.Plan(
        protocols=names,
        metrics=tuple(only),
        transcripts=Path(transcripts) if transcripts is not None else None,
        score_jobs=jobs,
        device=device,
        timeout=timeout,
    )
    benchmark.score_run(run, plan, progress.named(run.path.name))
    progress.close()
    return Result(run.path)


def report(results: Iterable[Result | Path | str], out: Path | str) -> Path:
    """Write report.html and results.csv about scored runs into the folder `out`. Returns the page.

    >>> result = score(speak("silence", load_testset("seed-mini", limit=2), "runs"), only=["wer"])
    >>> report([result], "pages").name
    'report.html'
    """
    return reports.write_report(reports.load([_result(each).folder for each in results]), Path(out))


def frame(results: Iterable[Result | Path | str]) -> pandas.DataFrame:
    """The numbers of scored runs: one row a system, test set, protocol and metric, with interval; rates are fractions.

    >>> result = score(speak("silence", load_testset("seed-mini", limit=2), "runs"), only=["wer"])
    >>> frame([result])[["system", "metric", "value"]].values.tolist()
    [['silence', 'wer', 1.0]]
    """
    return frames.results([Run.open(_result(each).folder) for each in results])


def export(results: Iterable[Result | Path | str], to: str, out: Path | str = "exported") -> list[Path]:
    """Write runs in another format, as `ttsbench export --to`: csv, parquet, latex, model-index, mlflow, wandb, ...

    Returns the files below `out`. Raises UserError for an unknown format, and where its package is not installed.
    """
    runs = [Run.open(_result(each).folder) for each in results]
    return exchange.format_named(to).write(runs, Path(out))


def compare(base: Result | Path | str, new: Result | Path | str, fail_on: str = "", alpha: float = 0.01) -> Comparison:
    """Whether `new` is worse than `base`, metric by metric: `.passed`, `.sentence()`, `.rows`, `.regressions`.

    `fail_on`: thresholds as for `ttsbench compare --fail-on`. `alpha`, in (0, 1): the chance of a false alarm.

    >>> result = score(speak("silence", load_testset("seed-mini", limit=2), "runs"), only=["wer"])
    >>> compare(result, result).passed
    True
    """
    if not 0 < alpha < 1:
        raise UserError(f"alpha={alpha}: give a number above 0 and below 1")
    return judge.compare([_result(base).folder], [_result(new).folder], thresholds.parse(fail_on), alpha)


def score_clip(
    wav: Path | str,
    *,
    text: str = "",
    prompt: Path | str | None = None,
    truth: Path | str | None = None,
    language: str = "en",
    protocol: str = "embedded",
    only: Sequence[str] = (),
    device: str = "cpu",
) -> dict[str, Score]:
    """Score one audio file: what it should say, whose voice it should have, the recording it stands for.

    `only`: some metrics alone. Returns the metrics that apply; `.value` of each is the number, `.error` why there is
    none. Without `text` there are no error rates, without `prompt` no similarity.

    >>> clip = load_testset("seed-mini", limit=1).samples[0]
    >>> found = score_clip(clip.truth, text=clip.text, prompt=clip.prompt, only=["wer", "sim-o", "rtf"])
    >>> 0 <= found["wer"].value <= 1, 0.5 < found["sim-o"].value <= 1, "rtf" in found
    (True, True, False)
    """
    columns = [each.metric for found in scoring.protocols_of([protocol], only) for each in found.measures]
    wanted = tuple(metric.name for metric in columns if text or metric.family != "intelligibility")
    if not wanted:
        raise UserError(f"only={list(only)}: give text=, what the clip should say")
    if Path(wav).suffix.lower() not in audio.SUFFIXES:
        raise UserError(f"{wav}: not an audio file; give one of {', '.join(audio.SUFFIXES)}")
    wav, heard, meant = _file(wav), prompt and _file(prompt), truth and _file(truth)
    with tempfile.TemporaryDirectory(prefix="ttsbench-") as place:
        (Path(place) / "in").mkdir()
        (Path(place) / "in" / f"clip{wav.suffix}").write_bytes(wav.read_bytes())
        sample = Sample("clip", text or "-", language=language, prompt=heard or None, truth=meant or None)
        testset = TestSet("clip", (sample,), licence="", source="", digest="clip")
        plan = benchmark.Plan(protocols=(protocol,), metrics=wanted, out=Path(place), score_jobs=1, device=device)
        run = benchmark.run_one(f"recorded:{Path(place) / 'in'}", testset, plan, lambda *_: None)
        error = run.syntheses["clip"].error
        if error:
            raise UserError(f"{wav}: {error}")
        found = {
            metric.name: run.scores(each, metric.name)[0] for each in run.protocols() for metric in run.metrics(each)
        }
    return {name: each for name, each in found.items() if not each.na}


def _result(given: Result | Path | str) -> Result:
    return given if isinstance(given, Result) else Result(Path(given))


def _file(path: Path | str) -> Path:
    """The absolute path of a file. Raises UserError where there is none."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    return Path(path).resolve()


def _spec(system: Any) -> str:
    """What a worker can load: the spec itself, or for a class the file it is written in."""
    if isinstance(system, str):
        return system
    file = inspect.getsourcefile(system) if inspect.isclass(system) else None
    if file is None or not Path(file).is_file():
        raise UserError(f"{system!r}: give the name of a system, a spec, or a class that is written in a file")
    return f"python:{file}:{system.__name__}"
