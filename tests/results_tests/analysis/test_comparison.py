from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import InputError
from results.analysis.comparison import band, compare
from results.pictures.pages import comparison_page, draw_progress
from results.record.records import SegmentRecord, State
from results.record.study import Study
from search.cli.texts.tables import arms_text
from spaces import Choice, load_space
from tests.results_tests.record.test_study import manifest, row, some_trials

NAN = float("nan")
# row, first epoch, its accuracies, began, seconds
Trained = tuple[int, int, list[float], float, float]


def write(
    directory: Path, segments: Iterable[Trained], *, complete: bool = True, fingerprint: str = "f", **settings: object
) -> Path:
    """A study of two configurations and four epochs in which each segment had one member; repeats follow each other."""
    base = manifest()
    asked = replace(base.settings, **{"space": load_space("paper"), **settings})  # type: ignore[arg-type]
    trials = [
        replace(
            trial, key=replace(trial.key, seed=asked.seed + repeat), position=asked.repeats * trial.position + repeat
        )
        for trial in some_trials(2)
        for repeat in range(asked.repeats)
    ]
    about = replace(base, settings=asked, data=replace(base.data, fingerprint=fingerprint))
    with Study.create(directory, about, trials) as study, study.transaction():
        for number, (member, first, accuracies, began, seconds) in enumerate(segments, start=1):
            key = trials[member].key
            study.add_curves(row(key, first + step, accuracy) for step, accuracy in enumerate(accuracies))
            study.add_segment(
                SegmentRecord(
                    segment_id=f"{number:06d}",
                    keys=(key,),
                    first_epoch=first,
                    last_epoch=first + len(accuracies) - 1,
                    seconds=seconds,
                    host="h",
                    started=began,
                    checkpoint=None,
                    sha256=None,
                )
            )
        if complete:
            study.update_trials(replace(trial, state=State.FINISHED, epoch=4) for trial in trials)
    return directory


EXHAUSTIVE: list[Trained] = [(0, 1, [0.1, 0.2, 0.2, 0.5], 100.0, 4.0), (1, 1, [0.3, 0.3, 0.4, 0.4], 101.0, 2.0)]
ASHA: list[Trained] = [(0, 1, [0.1], 100.0, 1.0), (1, 1, [0.3], 101.0, 1.0), (1, 2, [0.3, 0.4, 0.4], 102.0, 3.0)]


def test_segments_count_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    found = compare([write(tmp_path / "a", EXHAUSTIVE, scheduler="none")])
    assert found.progress[["epochs", "seconds", "best"]].to_numpy().tolist() == [[4, 3.0, 0.4], [8, 4.0, 0.5]]
    assert found.studies.iloc[0][["epochs_to_near", "seconds_to_near", "regret"]].tolist() == [8, 4.0, 0.0]


def test_regret_is_against_the_exhaustive_study_of_the_same_rows_and_seed(tmp_path: Path) -> None:
    studies = [
        write(tmp_path / "full", EXHAUSTIVE, scheduler="none"),
        write(tmp_path / "asha", ASHA),
        write(tmp_path / "asha-near", [*ASHA, (0, 2, [0.4951], 110.0, 2.0)], stack_size=4),
        write(tmp_path / "other seed", ASHA, seed=7),
        write(tmp_path / "other rows", ASHA, seed=8, fingerprint="g"),
    ]
    table = compare(studies).studies.set_index("study")
    assert table["regret"].tolist()[:2] == [0.0, pytest.approx(0.1)]
    assert table["regret"].isna().tolist() == [False, False, False, True, True]
    assert table.loc[str(studies[1]), "epochs_to_near"] != table.loc[str(studies[1]), "epochs_to_near"], "never near"
    assert table.loc[str(studies[2]), ["epochs_to_near", "seconds_to_near"]].tolist() == [6, 12.0]


def test_a_search_of_another_space_is_measured_by_the_only_exhaustive_study(tmp_path: Path) -> None:
    wide, full = replace(load_space("paper"), name="wide"), load_space("paper-full")
    studies = [
        write(tmp_path / "grid", EXHAUSTIVE, scheduler="none"),
        write(tmp_path / "wide", [(0, 1, [0.6], 100.0, 1.0)], space=wide),
        write(tmp_path / "other rows", ASHA, space=wide, fingerprint="g"),
        write(tmp_path / "asha", ASHA),
    ]
    expected = [0.0, pytest.approx(-0.1), pytest.approx(NAN, nan_ok=True), pytest.approx(0.1)]
    assert compare(studies).studies["regret"].tolist() == expected
    assert compare(studies).studies["epochs_to_near"][1] == 1
    studies.append(write(tmp_path / "full", EXHAUSTIVE, scheduler="none", space=full))
    assert compare(studies).studies["regret"].isna().tolist() == [False, True, True, False, False], "which one is it?"


def test_an_incomplete_exhaustive_study_is_no_measure(tmp_path: Path) -> None:
    found = compare(
        [write(tmp_path / "full", EXHAUSTIVE, scheduler="none", complete=False), write(tmp_path / "asha", ASHA)]
    )
    assert found.studies["regret"].isna().all() and found.studies["complete"].tolist() == [False, True]


def test_of_configurations_with_repeats_the_mean_is_compared(tmp_path: Path) -> None:
    """The best single row belongs to a configuration whose other repeat is weak."""
    rows = [[0.2, 0.9], [0.3, 0.1], [0.4, 0.5], [0.7, 0.6]]
    segments: list[Trained] = [(number, 1, scores, 100.0 + number, 1.0) for number, scores in enumerate(rows)]
    found = compare([write(tmp_path / "s", segments, scheduler="none", repeats=2)])
    assert found.progress["best"].tolist() == pytest.approx([NAN, 0.6, 0.6, 0.6], nan_ok=True)
    rows_of_asha: list[Trained] = [*segments[2:], (0, 1, [0.9], 110.0, 1.0)]
    more: list[Trained] = [*segments, (2, 3, [0.8], 110.0, 1.0)]
    found = compare(
        [write(tmp_path / "t", more, scheduler="none", repeats=2), write(tmp_path / "a", rows_of_asha, repeats=2)]
    )
    assert found.studies["best"].tolist() == pytest.approx([0.75, 0.6])
    assert found.studies["regret"].tolist() == pytest.approx([0.0, 0.15])
    assert found.arms["repeats"].tolist() == [2, 2] and list(arms_text(found.arms))[2] == "best mean"
    assert "mean over repeats" in draw_progress(found, "epochs").layout.yaxis.title.text


def test_studies_that_differ_in_seed_alone_are_one_arm(tmp_path: Path) -> None:
    better: list[Trained] = [(0, 1, [0.4], 0.0, 1.0)]
    studies = [
        write(tmp_path / "1", ASHA, seed=1, stack_size=2),
        write(tmp_path / "2", better, seed=2),
        write(tmp_path / "3", ASHA, scheduler="none", reduction_factor=3),
        write(tmp_path / "4", ASHA, scheduler="none"),
        write(tmp_path / "5", ASHA, features="text"),
    ]
    arms = compare(studies).arms.set_index("arm")
    assert arms["studies"].to_dict() == {
        "asha, audio, factor 4, grace 1": 2,
        "none, audio": 2,
        "asha, text, factor 4, grace 1": 1,
    }
    assert arms["epochs"].tolist() == [3.0, 5.0, 5.0]
    assert arms["best"].tolist() == pytest.approx([0.4, 0.4, 0.4])


def test_the_usual_sampler_is_the_same_by_its_name(tmp_path: Path) -> None:
    shared = {"search": "optuna", "trials": 9}
    studies = [
        write(tmp_path / str(seed), ASHA, seed=seed, sampler=sampler, **shared)
        for seed, sampler in enumerate((None, "tpe", "random"))
    ]
    assert compare(studies).arms["studies"].to_dict() == {0: 2, 1: 1}


def test_arms_whose_names_would_be_equal_are_told_apart(tmp_path: Path) -> None:
    paper = load_space("paper")
    other = replace(paper, parameters={**paper.parameters, "dropout": Choice((0.5, 0.7))})
    spaces = (paper, other, other)
    studies = [write(tmp_path / str(seed), ASHA, seed=seed, space=space) for seed, space in enumerate(spaces)]
    assert compare(studies).arms["arm"].tolist() == ["asha, paper", "asha, paper (2)"]


def test_the_clock_stands_still_until_a_study_is_resumed(tmp_path: Path) -> None:
    resumed: list[Trained] = [(0, 1, [0.1], 0.0, 10.0), (0, 2, [0.2], 65.0, 10.0), (1, 1, [0.2], 5000.0, 10.0)]
    found = compare([write(tmp_path / "s", resumed)])
    assert found.progress["seconds"].tolist() == [10.0, 75.0, 85.0]


def test_what_has_no_score_yet_cannot_be_compared(tmp_path: Path) -> None:
    write(tmp_path / "none", [], complete=False)
    write(tmp_path / "nan", [(0, 1, [NAN], 0.0, 1.0)], complete=False)
    for name in ("none", "nan"):
        with pytest.raises(InputError, match=f"{name} has no score yet"):
            compare([tmp_path / name])


def test_a_study_named_twice_is_refused(tmp_path: Path) -> None:
    study = write(tmp_path / "s", ASHA)
    with pytest.raises(InputError, match="named twice"):
        compare([study, tmp_path / "." / "s"])


def test_the_band_begins_with_the_last_and_holds_where_one_has_ended(tmp_path: Path) -> None:
    late: list[Trained] = [(0, 1, [NAN, 0.2], 0.0, 1.0), (1, 1, [0.6], 1.0, 1.0)]
    found = compare([write(tmp_path / "1", ASHA, seed=1), write(tmp_path / "2", late, seed=2)])
    line = band(found.progress, "epochs")
    assert line["at"].tolist() == [2, 3, 5]
    assert line["low"].tolist() == [0.2, 0.3, 0.4] and line["high"].tolist() == [0.3, 0.6, 0.6]
    assert line["mean"].tolist() == pytest.approx([0.25, 0.45, 0.5])


def test_figures_show_every_arm_and_the_page_stands_alone(tmp_path: Path) -> None:
    studies = [write(tmp_path / "<b>1", ASHA, seed=1), write(tmp_path / "2", ASHA, seed=2)]
    found = compare([*studies, write(tmp_path / "3", EXHAUSTIVE, scheduler="none")])
    drawn = draw_progress(found, "seconds")
    assert [trace.name for trace in drawn.data if trace.showlegend is not False] == [
        "asha, factor 4, grace 1 (2)",
        "none (1)",
    ]
    page = comparison_page(found)
    assert "<b>1" not in page and 'src="http' not in page and "epochs spent" in page
