"""The settings of a study: checked where they are made, and written as they always were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import InputError
from results.record.settings import Scheduler, Search, StageSettings, StudySettings
from search.planning.settings import study_settings, whole_settings
from spaces import Choice, SearchSpace, load_space
from spaces.paper import PAPER

WRITTEN = (
    '{"data": "t.csv", "device": "cpu", "ensemble": true, "epochs": 20, "features": "audio", "grace_period": 1, '
    '"held_genre": "edm", "holdout": 0.0, "mapping": null, "reduction_factor": 4, "repeats": 1, "sampler": "tpe", '
    '"scheduler": "asha", "search": "optuna", "seed": 42, '
    '"space": "name = \\"one\\"\\n\\n[parameters]\\nhidden_layers = [[8]]\\n", '
    '"split": "random", "stack_size": null, "stages": {"epochs": 100, "freeze": false, "fusion_sweep": false, '
    '"patience": null, "transfer_data": null, "transfer_epochs": 30, "transfer_seeds": 5}, "storage": null, '
    '"text_model": null, "trials": 3}'
)
ONE = SearchSpace("one", {"hidden_layers": Choice(((8,),))})


def test_names_are_written_as_their_text_and_the_space_as_toml() -> None:
    """But for what has come since, the text is that of the version before the names were enums."""
    asked = StudySettings(data="t.csv", space=ONE, search="optuna", sampler="tpe", trials=3, stages=StageSettings())
    assert asked.search is Search.OPTUNA and asked.scheduler is Scheduler.ASHA
    assert asked.to_json() == WRITTEN
    assert StudySettings.from_mapping(json.loads(WRITTEN)) == asked
    assert hash(StudySettings.from_mapping(json.loads(WRITTEN))) == hash(asked)
    older = {name: value for name, value in json.loads(WRITTEN).items() if name != "ensemble"}
    assert StudySettings.from_mapping(older) == asked


def test_equal_by_meaning_whatever_the_text_of_the_space() -> None:
    values = json.loads(WRITTEN)
    spelt = {**values, "space": "name='one'\n[parameters]\nhidden_layers = [ [ 8 ] ]  # small"}
    assert StudySettings.from_mapping(spelt) == StudySettings.from_mapping(values)
    assert StudySettings.from_mapping({"data": "t.csv"}).space == PAPER


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"search": "optunaa"},
            r"search must be one of grid, random, optuna, but got 'optunaa' \(did you mean 'optuna'",
        ),
        ({"search": "optunaa", "trials": 3}, "search must be one of"),
        ({"scheduler": "ashaa"}, "did you mean 'asha'"),
        ({"sampler": 3}, "sampler must be one of tpe, random, gp, cmaes, but got 3"),
        ({"device": None}, "device must be one of cpu, cuda, but got None"),
        ({"epochs": "many"}, "epochs must be a whole number, but got 'many'"),
        ({"epochs": True}, "epochs must be a whole number, but got True"),
        ({"trials": 2.5}, "trials must be a whole number or None, but got 2.5"),
        ({"holdout": float("nan")}, "holdout must be at least 0, but got nan"),
        ({"repeats": 0}, "repeats must be at least 1, but got 0"),
        ({"mapping": 3}, "mapping must be text or None, but got 3"),
        ({"space": "paper"}, "space must be a SearchSpace, but got 'paper'"),
        ({"stages": {}}, "stages must be StageSettings or None"),
        ({"trials": 3}, "--trials goes with --search random or optuna"),
        ({"search": "random"}, "--search random needs --trials"),
        ({"space": load_space("wide")}, "'wide' has continuous parameters"),
    ],
)
def test_what_cannot_be_is_said_where_it_is_made(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        StudySettings(**{"data": "t.csv", **wrong})
    with pytest.raises(InputError, match=said):
        replace(StudySettings(data="t.csv"), **wrong)


def test_stages_check_themselves() -> None:
    with pytest.raises(InputError, match="transfer_seeds must be at least 1, but got 0"):
        StageSettings(transfer_seeds=0)
    assert StageSettings(transfer_data=Path("edm.csv")).transfer_data == "edm.csv"  # type: ignore[arg-type]


def test_keywords_are_the_fields() -> None:
    asked = study_settings(Path("t.csv"), ONE, seed=np.int64(3), mapping=Path("m.toml"))
    assert asked == StudySettings(data="t.csv", space=ONE, seed=3, mapping="m.toml")
    assert study_settings("t.csv") == StudySettings(data="t.csv")
    with pytest.raises(InputError, match="no setting 'epoch' .did you mean 'epochs'"):
        study_settings("t.csv", epoch=1)


def test_whole_settings_are_taken_as_they_are_and_nothing_beside_them() -> None:
    asked = StudySettings(data="t.csv", epochs=3)
    assert whole_settings(asked, None, {}) == (asked, None)
    assert whole_settings("t.csv", None, {"epochs": 3}) == (asked, None)
    for space, keywords in (("paper", {}), (None, {"epochs": 3})):
        with pytest.raises(InputError, match=r"given whole, .*replace\(settings, (space|epochs)="):
            whole_settings(asked, space, keywords)


@pytest.mark.parametrize(
    ("given", "search", "trials"),
    [
        ({}, Search.RANDOM, 48),
        ({"search": "grid"}, Search.RANDOM, 48),
        ({"trials": 7}, Search.RANDOM, 7),
        ({"search": "optuna", "trials": 9}, Search.OPTUNA, 9),
    ],
)
def test_the_strong_space_has_a_plan(given: dict[str, object], search: Search, trials: int) -> None:
    found = study_settings("t.csv", "strong", **given)
    assert (found.search, found.trials) == (search, trials)
