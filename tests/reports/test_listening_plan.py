"""Rating sheets: who hears what, in which order, with which anchors and repeats."""

from __future__ import annotations

import collections
import json
import shutil

import pytest

from ttsbench.reports.listening import plan as plans
from ttsbench.reports.tables import ReportError

from .ratings import SYSTEMS, TEXTS, main, rated


@pytest.fixture(scope="module")
def runs(make_run, tmp_path_factory):
    return rated(make_run, tmp_path_factory.mktemp("rated"))


def plan(runs, design="mos", raters=8, **more):
    return plans.plan(plans.gather(runs), plans.DESIGNS[design], raters, more.pop("seed", 0), **more)


def test_latin_square_is_balanced(runs):
    study = plan(runs)
    heard = collections.Counter()
    for items in study.sheets.values():
        rated = [item for item in items if item.role == "rated"]
        per_system = collections.Counter(item.systems for item in rated)
        assert len(per_system) == 4 and max(per_system.values()) - min(per_system.values()) <= 1
        assert len({(item.sample, item.systems) for item in rated}) == len(rated) == len(TEXTS)
        heard.update((item.sample, item.systems) for item in rated)
    assert set(heard.values()) == {2} and len(heard) == 4 * len(TEXTS)  # everything is rated by two


def test_anchors_and_repeats_are_hidden_and_far_apart(runs):
    study = plan(runs)
    for items in study.sheets.values():
        roles = collections.Counter(item.role for item in items)
        assert roles["anchor"] >= 2 and roles["repeat"] >= 2
        assert [item.id for item in items] == [f"{i:03d}" for i in range(1, len(items) + 1)]
        at = {item.id: place for place, item in enumerate(items)}
        for item in items:
            if item.role == "repeat":
                first = items[at[item.repeats]]
                assert first.sample == item.sample and first.systems == item.systems
                assert first.clips != item.clips and at[item.id] - at[item.repeats] >= len(items) // 4
    codes = {code for items in study.sheets.values() for item in items for code in item.clips}
    assert all(len(code) == 12 and not any(name in code for name in SYSTEMS) for code in codes)


def test_plans_are_seeded(runs):
    assert plan(runs, seed=1).sheets == plan(runs, seed=1).sheets != plan(runs, seed=2).sheets


def test_pairs_change_their_order(runs):
    study = plan(runs, "ab", raters=6)
    first = collections.Counter(i.systems[0] for items in study.sheets.values() for i in items if i.role == "rated")
    assert set(first) == set(SYSTEMS) and max(first.values()) < 1.5 * min(first.values())
    assert sum(len([i for i in items if i.role == "anchor"]) for items in study.sheets.values()) >= 12


def test_smos_has_the_prompt_and_another_voice_as_anchor(runs):
    study = plan(runs, "smos")
    for items in study.sheets.values():
        assert all(item.reference in study.sources for item in items)
        for item in items:
            if item.role == "anchor":
                assert study.sources[item.clips[0]][0] != study.sources[item.reference][0]


def test_limit_keeps_categories_balanced(runs):
    study = plan(runs, limit=10)
    chosen = {(item.sample, item.category) for items in study.sheets.values() for item in items}
    assert sorted(collections.Counter(category for _, category in chosen).values()) == [5, 5]


def test_runs_need_no_scores_to_be_rated(runs, make_run, tmp_path):
    run = make_run(tmp_path, "unscored", texts=TEXTS)
    shutil.rmtree(run / "scores")
    assert plan([run]).sheets


def test_what_cannot_be_planned_is_said(runs, make_run, tmp_path, capsys):
    with pytest.raises(ReportError, match="no criteria"):
        plan([make_run(tmp_path, "x")], "category")
    with pytest.raises(ReportError, match="at least two"):
        plan(runs[:1], "ab")
    with pytest.raises(ReportError, match="one test set"):
        plan([runs[0], make_run(tmp_path, "y", testset="other")])
    with pytest.raises(ReportError, match="would see the key"):
        main("export", *runs, "--out", tmp_path / "o", "--key", tmp_path / "o" / "key.json")
    broken = make_run(tmp_path / "z", "z", texts=TEXTS, failed=(0, 1))
    assert plan([broken]).left_out == ["utt-0000", "utt-0001"]
    capsys.readouterr()
    main("export", broken, "--out", tmp_path / "o", "--raters", 2, "--sentences", 3, "--json")
    about = json.loads(capsys.readouterr().out)
    assert about["left_out"] == ["utt-0000", "utt-0001"] and set(about["items"]) == {"rater-01", "rater-02"}
