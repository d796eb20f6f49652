"""Work that is no segment: where it runs, whose answers count, and what its errors look like."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import ray
from ray import cloudpickle

from data.errors import InputError
from data.titles.text_model import TextModel
from results.record.settings import StageSettings
from results.record.study import StudyError
from search.cluster.placement import Places, Resources
from search.cluster.tasks import map_remote, remote_encoder
from search.planning.settings import study_settings
from search.scheduling.listener import Listener
from search.studies.draft import Draft
from search.studies.stages.context import Run

CPU = {"CPU": 1.0}
HEAD = "node:__internal_head__"


@pytest.fixture(autouse=True, scope="module")
def shipped() -> Iterator[None]:
    """Workers do not have the tests: their functions travel whole."""
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    yield
    cloudpickle.unregister_pickle_by_value(module)


def places(limit: int | None = None, trusted: list[str] | None = None, **more: float) -> Places:
    def trust(node: str) -> bool:
        if trusted is not None:
            trusted.append(node)
        return True

    return Places(ray.nodes, {**CPU, **more}, limit, trust)


def _span(number: int) -> tuple[int, float, float]:
    began = time.time()
    time.sleep(0.3)
    return number, began, time.time()


def _assigned() -> dict[str, float]:
    return dict(ray.get_runtime_context().get_assigned_resources())


def _stepwise(steps: int) -> Generator[int, None, str]:
    for step in range(1, steps + 1):
        yield step
        if step == 4:
            raise InputError("no fourth step")
    return f"{steps} done"


def _wrong(message: str) -> None:
    raise InputError(message)


@pytest.mark.usefixtures("ray_session")
class TestMapRemote:
    def test_results_are_in_order_and_no_more_at_once_than_places(self) -> None:
        spans = map_remote(_span, [(number,) for number in range(4)], places(limit=1))
        assert [number for number, _, _ in spans] == [0, 1, 2, 3]
        in_time = sorted(spans, key=lambda span: span[1])
        assert all(ended <= began for (_, _, ended), (_, began, _) in pairwise(in_time))

    def test_a_call_takes_what_a_segment_takes(self) -> None:
        assert map_remote(_assigned, [()], places(**{HEAD: 0.25})) == [{"CPU": 1.0, HEAD: 0.25}]

    def test_a_node_is_trusted_before_its_result_counts(self) -> None:
        trusted: list[str] = []
        map_remote(_assigned, [(), ()], places(trusted=trusted))
        here = ray.get_runtime_context().get_node_id()
        assert trusted == [here, here]

        def refuse(node: str) -> bool:
            raise StudyError(f"{node} computes something else")

        with pytest.raises(StudyError, match=here):
            map_remote(_assigned, [()], Places(ray.nodes, CPU, None, refuse))

    def test_the_work_of_a_node_that_left_before_it_could_be_asked_is_done_again(self) -> None:
        answers = [False, True, True]
        found = map_remote(_span, [(0,), (1,)], Places(ray.nodes, CPU, 1, lambda node: answers.pop(0)))
        assert [number for number, _, _ in found] == [0, 1] and not answers

    def test_an_error_is_raised_as_it_was(self) -> None:
        with pytest.raises(InputError) as caught:
            map_remote(_wrong, [("give more rows",)], places())
        assert type(caught.value) is InputError and str(caught.value) == "give more rows"

    def test_work_tells_its_steps(self) -> None:
        told: list[tuple[int, int]] = []
        found = map_remote(_stepwise, [(2,), (3,)], places(limit=1), lambda *done: told.append(done), steps=[2, 4])
        assert found == ["2 done", "3 done"]
        assert [done for done, _ in told] == [0, 1, 2, 2, 3, 4, 5, 6] and {total for _, total in told} == {6}
        with pytest.raises(InputError, match="no fourth step"):
            map_remote(_stepwise, [(5,)], places(), steps=[5])


@pytest.mark.usefixtures("ray_session")
class TestRemoteEncoder:
    def test_shards_are_encoded_by_trusted_workers(self, tiny_model: Path) -> None:
        trusted: list[str] = []
        shards = [["Album Song", "Beat"], ["Song"]]
        found = dict(remote_encoder(places(trusted=trusted))(shards, tiny_model))
        assert {number: rows.shape for number, rows in found.items()} == {0: (2, 6), 1: (1, 6)}
        assert np.isfinite(found[0]).all() and len(trusted) == 2

    def test_another_model_on_a_node_is_refused(self, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("search.cluster.tasks.model_hash", lambda folder: "0" * 64)
        with pytest.raises(InputError, match="is another on the node"):
            list(remote_encoder(places())([["a title"]], tiny_model))

    def test_an_unreadable_model_is_one_message(self, tmp_path: Path) -> None:
        model = TextModel(name="mine", folder=tmp_path, sha256="")
        with pytest.raises(InputError) as caught:
            list(remote_encoder(places())([["a title"]], model.folder))
        assert type(caught.value) is InputError and "Traceback" not in str(caught.value)


def test_work_on_cpus_takes_no_gpu() -> None:
    node = {"Alive": True, "NodeID": "a", "Labels": {}, "Resources": {"CPU": 8.0, "GPU": 1.0, "spot": 4.0}}
    on_gpus = Places(lambda: [node], {"CPU": 1.0, "GPU": 1.0, "spot": 1.0}, None)
    assert on_gpus.slots().now == 1
    assert on_gpus.on_cpus().needs == {"CPU": 1.0, "spot": 1.0}
    assert on_gpus.on_cpus().slots().now == 4


@pytest.mark.usefixtures("ray_session")
def test_titles_are_read_by_workers_also_where_no_cache_can_be_written(
    small: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("data.titles.embedding_cache.cache_dirs", lambda: (tmp_path / "file",))
    monkeypatch.setattr("data.titles.embeddings.encode_locally", lambda *a, **k: pytest.fail("read on the driver"))
    trusted: list[str] = []
    asked = {"features": "text", "text_model": tiny_model, "stages": StageSettings()}
    draft = Draft.check(study_settings(small / "tracks.csv", small / "space.toml", **asked), tmp_path / "study")
    prepared = draft.prepare(places(trusted=trusted))
    assert prepared.features.kind == "text" and len(trusted) == 1
    with draft.create(prepared) as study:
        run = Run(study, prepared, Resources(), Listener(), places(trusted=trusted))
        assert run.features("fusion").kind == "fusion" and len(trusted) == 2
