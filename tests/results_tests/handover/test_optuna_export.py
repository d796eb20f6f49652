from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from data.errors import InputError
from results.dataframes.frames import load_curves, load_trials
from results.handover.optuna_export import distributions, export_to_optuna, optuna_trials
from results.record.records import SegmentRecord, State
from results.record.study import Study
from spaces import Choice, SearchSpace, Uniform
from tests.results_tests.analysis.test_importance import write

ENDINGS = {
    1: (State.STOPPED, 2),
    2: (State.EARLY_STOPPED, 3),
    3: (State.DIVERGED, 1),
    4: (State.FAILED, 0),
    5: (State.PENDING, 0),
    6: (State.PENDING, 2),
    7: (State.RUNNING, 1),
}
STATES = {1: "PRUNED", 2: "COMPLETE", 3: "FAIL", 4: "FAIL", 5: "WAITING", 6: "RUNNING", 7: "RUNNING"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write(tmp_path_factory.mktemp("optuna") / "mine", endings=ENDINGS)
    with Study.open_for_writing(directory) as opened, opened.transaction():
        trials = opened.trials()
        opened.update_trials([replace(trials[1], reason="rung 2: too weak")])
        for number, began in enumerate((1000.0, 2000.0)):
            opened.add_segment(
                SegmentRecord(
                    segment_id=f"{number:06d}",
                    keys=(trials[0].key,),
                    first_epoch=2 * number + 1,
                    last_epoch=2 * number + 2,
                    seconds=30.0,
                    host="h",
                    started=began,
                    checkpoint=None,
                    sha256=None,
                )
            )
    return directory


@pytest.fixture(scope="module")
def storage(study: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("exports") / "optuna.db"
    assert export_to_optuna(study, path) == 12
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def loaded(storage: str) -> optuna.Study:
    return optuna.load_study(study_name="mine", storage=storage)


class TestOptunaReadsIt:
    def test_as_if_it_had_been_written_by_optuna(self, study: Path, loaded: optuna.Study, tmp_path: Path) -> None:
        """Trial by trial, what diverged among them."""
        with Study.open(study) as opened:
            trials = optuna_trials(opened)
        own = optuna.create_study(storage=f"sqlite:///{tmp_path / 'own.db'}", direction="maximize")
        own.add_trials(trials)
        assert [repr(trial) for trial in loaded.trials] == [repr(trial) for trial in own.trials]

    def test_every_trial_with_its_state_and_its_best_accuracy(self, study: Path, loaded: optuna.Study) -> None:
        frame = load_trials(study)
        assert len(loaded.trials) == len(frame) == 12
        for place, (trial, config_id) in enumerate(zip(loaded.trials, frame["config_id"], strict=True)):
            assert trial.number == place and trial.user_attrs["config_id"] == config_id
            assert trial.user_attrs["seed"] == 42 and trial.user_attrs["state"] == frame["state"][place]
            assert trial.state.name == STATES.get(place, "COMPLETE")
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                assert trial.value == frame["val_accuracy"][place]
        assert loaded.trials[1].user_attrs["reason"] == "rung 2: too weak"
        complete = frame[frame["state"].isin(["finished", "early_stopped"])]
        assert loaded.best_value == complete["val_accuracy"].max()
        assert loaded.best_trial.user_attrs["best_epoch"] == 4

    def test_learning_curves(self, study: Path, loaded: optuna.Study) -> None:
        curves = load_curves(study)
        for trial in loaded.trials:
            own = curves[curves["config_id"] == trial.user_attrs["config_id"]]
            assert trial.intermediate_values == dict(zip(own["epoch"], own["val_accuracy"], strict=True))

    def test_parameters_and_importance(self, study: Path, loaded: optuna.Study) -> None:
        assert loaded.trials[0].params == {"hidden_layers": "8", "dropout": 0.1, "clip_norm": None, "batch_size": 32}
        found = optuna.importance.get_param_importances(
            loaded, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
        )
        assert max(found, key=lambda name: found[name]) == "dropout"

    def test_times_are_the_records(self, loaded: optuna.Study) -> None:
        trial = loaded.trials[0]
        assert trial.datetime_start == datetime.fromtimestamp(1000.0)
        assert trial.datetime_complete == datetime.fromtimestamp(2030.0)
        assert loaded.trials[5].datetime_start is None
        assert json.loads(json.dumps(loaded.user_attrs))["settings"]["epochs"] == 4


def get(app: Any, path: str) -> dict[str, Any]:
    """What a WSGI app answers to GET."""
    status: list[str] = []
    environment = {
        **{"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "here", "SERVER_PORT": "80"},
        **{"wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.url_scheme": "http"},
    }
    body = b"".join(app(environment, lambda line, headers, error=None: status.append(line)))
    assert status == ["200 OK"], body
    return dict(json.loads(body))


def test_optuna_dashboard_shows_it(study: Path, storage: str) -> None:
    app = optuna_dashboard.wsgi(optuna.storages.RDBStorage(storage))
    (summary,) = get(app, "/api/studies")["study_summaries"]
    assert summary["study_name"] == "mine" and summary["directions"] == ["maximize"]
    shown = get(app, f"/api/studies/{summary['study_id']}")
    assert [trial["state"].upper() for trial in shown["trials"]] == [STATES.get(n, "COMPLETE") for n in range(12)]
    assert shown["has_intermediate_values"] and len(shown["trials"][0]["intermediate_values"]) == 4
    accuracies = load_trials(study)["val_accuracy"]
    history = {trial["number"]: trial["values"] for trial in shown["trials"] if trial["state"].upper() == "COMPLETE"}
    assert history == {n: [accuracies[n]] for n in (0, 2, 8, 9, 10, 11)}
    (weights,) = get(app, f"/api/studies/{summary['study_id']}/param_importances")["param_importances"]
    assert max(weights, key=lambda weight: weight["importance"])["name"] == "dropout"
    assert {parameter["name"] for parameter in shown["union_search_space"]} == {
        *("hidden_layers", "dropout", "clip_norm", "batch_size")
    }


class TestFile:
    @pytest.mark.parametrize("name", ["there.db", "new.csv", "folder.db"])
    def test_refused_and_left_alone(self, study: Path, tmp_path: Path, name: str) -> None:
        (tmp_path / "there.db").write_text("mine")
        (tmp_path / "folder.db").mkdir()
        with pytest.raises(InputError, match=r"exists already|written as \.db"):
            export_to_optuna(study, tmp_path / name)
        assert (tmp_path / "there.db").read_text() == "mine"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.db", "there.db"]

    def test_whole_or_not_at_all(self, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*arguments: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("results.handover.optuna_export.insert_trials", fail)
        with pytest.raises(InputError, match="No space left"):
            export_to_optuna(study, tmp_path / "new.db")
        assert list(tmp_path.iterdir()) == []


def test_distributions_of_every_kind() -> None:
    space = SearchSpace(
        "s",
        {
            "hidden_layers": Choice(((8,), (16, 8))),
            "learning_rate": Uniform(1e-4, 1e-1, log=True),
            "dropout": Uniform(0.0, 0.5),
            "batch_norm": Choice((True, False)),
            "clip_norm": Choice((None, 1.0)),
        },
    )
    assert distributions(space) == {
        "hidden_layers": CategoricalDistribution(["8", "16-8"]),
        "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
        "batch_norm": CategoricalDistribution([True, False]),
        "clip_norm": CategoricalDistribution([None, 1.0]),
    }
