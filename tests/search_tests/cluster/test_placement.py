"""What a segment takes, how many fit on a cluster's nodes, and how the searcher follows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError, InputWarning
from search import run_sweep
from search.cluster.placement import Places, Resources, Slots, check_feasible, parse_resources, slots_here, slots_of
from search.cluster.tune_bridge import SegmentSearcher
from search.scheduling.cost_model import CostModel
from search.scheduling.listener import Listener
from search.scheduling.segments import SegmentQueue
from spaces import Configuration
from tests.support.simulated import coordinator_for, create_study, paper_trials, trial
from trainables.segment_protocol import Pause, to_json

CPU = {"CPU": 1.0}


def node(alive: bool = True, launched: bool = False, **resources: float) -> dict[str, Any]:
    labels = {"ray.io/node-group": "worker"} if launched else {}
    has = {"memory": 1e9, "node:10.0.0.1": 1.0, **resources}
    return {"Alive": alive, "NodeManagerAddress": "10.0.0.1", "NodeID": "ab" * 28, "Resources": has, "Labels": labels}


class TestNeeds:
    def test_a_segment_takes_a_cpu_and_on_a_gpu_a_whole_one_unless_told(self) -> None:
        assert Resources().needs("cpu") == CPU
        assert Resources().needs("cuda") == {"CPU": 1.0, "GPU": 1.0}
        asked = Resources(gpus_per_segment=0.25, resources_per_segment={"spot": 1})
        assert asked.needs("cuda") == {"CPU": 1.0, "GPU": 0.25, "spot": 1}

    def test_a_share_of_a_gpu_means_nothing_on_cpus(self) -> None:
        with pytest.raises(InputError, match="goes with --device cuda"):
            Resources(gpus_per_segment=0.5).needs("cpu")

    @pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
    def test_a_segment_trains_on_one_gpu_at_most(self, share: float) -> None:
        with pytest.raises(InputError, match="above 0 and at most 1"):
            Resources(gpus_per_segment=share)

    @pytest.mark.parametrize("amount", [0, -1, 1.5, True, "1", None, float("nan"), float("inf")])
    def test_amounts_are_those_that_ray_takes(self, amount: Any) -> None:
        with pytest.raises(InputError, match="--resources-per-segment spot"):
            Resources(resources_per_segment={"spot": amount})

    @pytest.mark.parametrize("name", ["CPU", "gpu"])
    def test_what_has_an_option_of_its_own_is_no_custom_resource(self, name: str) -> None:
        with pytest.raises(InputError, match="--gpus-per-segment"):
            Resources(resources_per_segment={name: 1})

    def test_custom_resources_are_written_as_for_ray_start(self) -> None:
        assert parse_resources('{"spot": 1, "ssd": 0.5}') == {"spot": 1, "ssd": 0.5}
        assert parse_resources(None) == {}

    @pytest.mark.parametrize("text", ["spot=1", "[1]", "{spot: 1}"])
    def test_other_notations_are_refused_with_an_example(self, text: str) -> None:
        with pytest.raises(InputError, match="such as '{\"spot\": 1}'"):
            parse_resources(text)


class TestSlots:
    def test_nodes_may_differ(self) -> None:
        nodes = [node(CPU=8.0), node(CPU=3.0, GPU=1.0), node(CPU=1.0, GPU=4.0), node(alive=False, CPU=64.0, GPU=8.0)]
        assert slots_of(nodes, CPU, None).now == 12
        assert slots_of(nodes, {"CPU": 1.0, "GPU": 0.25}, None).now == 3 + 1
        assert slots_of(nodes, {"CPU": 1.0, "GPU": 1.0}, None).now == 1 + 1

    @given(st.integers(1, 16), st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.5, 1.0]))
    def test_shares_of_a_gpu_are_not_lost_to_rounding(self, gpus: int, share: float) -> None:
        found = slots_of([node(CPU=1000.0, GPU=float(gpus))], {"CPU": 1.0, "GPU": share}, None).now
        assert found == gpus * {0.1: 10, 0.2: 5, 0.25: 4, 0.3: 3, 0.5: 2, 1.0: 1}[share], "each of a single one"

    def test_a_fixed_cluster_is_asked_for_no_more_than_it_has(self) -> None:
        assert slots_of([node(CPU=8.0)], CPU, None) == Slots(8, 8)
        assert slots_of([node(CPU=8.0)], CPU, 3) == Slots(3, 3)
        assert slots_of([node(CPU=8.0)], CPU, 30) == Slots(8, 8)

    def test_where_the_last_node_has_left_one_segment_waits(self) -> None:
        assert slots_of([node(CPU=0.0), node(alive=False, CPU=8.0)], CPU, 4) == Slots(0, 1)

    def test_an_autoscaling_cluster_is_asked_for_more(self) -> None:
        head = node(launched=True, CPU=0.0)
        assert slots_of([head], CPU, None) == Slots(0, 1, grows=True)
        assert slots_of([head, node(launched=True, CPU=8.0)], CPU, None) == Slots(8, 16, grows=True)
        assert slots_of([head, node(launched=True, CPU=8.0)], CPU, 30) == Slots(8, 30, grows=True)
        assert slots_of([head, node(launched=True, CPU=8.0)], CPU, 4) == Slots(4, 4, grows=True)

    def test_what_can_never_run_is_said_with_what_there_is(self) -> None:
        with pytest.raises(InputError) as refused:
            check_feasible([node(CPU=8.0), node(alive=False, GPU=1.0, CPU=1.0)], {"CPU": 1.0, "GPU": 0.5})
        assert "0.5 GPU" in str(refused.value) and "10.0.0.1: 8 CPU\n" in str(refused.value)
        assert "memory" not in str(refused.value) and "node:" not in str(refused.value)

    def test_a_gpu_and_a_cpu_on_two_nodes_are_no_place(self) -> None:
        with pytest.raises(InputError, match="no node can hold a segment"):
            check_feasible([node(CPU=8.0), node(GPU=1.0)], {"CPU": 1.0, "GPU": 1.0})

    def test_an_autoscaler_may_bring_what_is_missing(self) -> None:
        check_feasible([node(launched=True, CPU=0.0)], {"CPU": 1.0, "GPU": 1.0})


def test_nodes_are_looked_up_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, looks = [100.0], []
    monkeypatch.setattr("search.cluster.placement.time.monotonic", lambda: clock[0])

    def look() -> list[dict[str, Any]]:
        looks.append(clock[0])
        return [node(CPU=float(len(looks)))]

    places = Places(look, CPU, None)
    seen = []
    for clock[0] in (100.0, 100.5, 100.9, 101.1, 101.5):
        seen.append(places.slots().now)
    assert seen == [1, 1, 1, 2, 2] and looks == [100.0, 101.1]


def test_who_waits_for_a_node_is_told_every_minute_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = [100.0], []
    monkeypatch.setattr("search.cluster.placement.time.monotonic", lambda: clock[0])
    nodes = [node(launched=True, CPU=8.0)]
    places = Places(lambda: nodes, {"CPU": 1.0, "GPU": 1.0}, None, warn=said.append)
    for clock[0] in (101.0, 159.0, 161.0, 200.0, 222.0):
        assert places.slots() == Slots(0, 1, grows=True)
    assert len(said) == 2
    assert "takes 1 CPU, 1 GPU; the nodes have:\n  - 10.0.0.1: 8 CPU" in said[0]
    nodes.append(node(launched=True, CPU=1.0, GPU=1.0))
    for clock[0] in (290.0, 400.0):
        assert places.slots().now == 1
    assert len(said) == 2


class Told(Listener):
    def __init__(self) -> None:
        self.sizes: list[int] = []

    def resized(self, slots: int) -> None:
        self.sizes.append(slots)
        raise RuntimeError("a display that fails")


@pytest.mark.parametrize(("device", "members"), [("cpu", 24), ("cuda", 96)])
def test_a_stack_on_a_gpu_takes_all_of_its_key(device: str, members: int) -> None:
    """However many places there are: its members train at once."""
    trials = [trial(Configuration(hidden_layers=(64, 32), learning_rate=1e-5 * n), n) for n in range(1, 97)]
    costs = CostModel(10**6, {"standardised": 14}, 5, device=device)
    queue = SegmentQueue((), None, costs, workers=4)
    queue.add(trials)
    assert max(len(segment.keys) for segment in iter(queue.next, None)) == members


class TestSearcher:
    @pytest.fixture
    def slots(self) -> list[Slots]:
        return [Slots(2, 2)]

    def make(self, tmp_path: Path, slots: list[Slots], configurations: int) -> tuple[SegmentSearcher, Told]:
        study = create_study(tmp_path / "s", paper_trials(configurations), scheduler="none", epochs=8, stack_size=1)
        told = Told()
        return SegmentSearcher(coordinator_for(study), study, lambda: slots[-1], told), told

    def handed_out(self, searcher: SegmentSearcher, prefix: str) -> list[str]:
        """Segments and pauses until there is nothing for now."""
        found = []
        while isinstance(suggestion := searcher.suggest(f"{prefix}{len(found)}"), dict):
            found.append("pause" if suggestion["segment"] == to_json(Pause()) else "segment")
            assert len(found) < 100
        assert suggestion is None
        return found

    def test_more_is_handed_out_as_nodes_join_and_less_as_they_leave(self, tmp_path: Path, slots: list[Slots]) -> None:
        searcher, told = self.make(tmp_path, slots, configurations=20)
        assert self.handed_out(searcher, "a") == ["segment"] * 3
        slots.append(Slots(4, 4))
        assert self.handed_out(searcher, "b") == ["segment"] * 2
        slots.append(Slots(1, 1))
        assert self.handed_out(searcher, "c") == []
        assert told.sizes == [4, 1]

    def test_an_autoscaler_sees_more_segments_than_places(self, tmp_path: Path, slots: list[Slots]) -> None:
        slots.append(Slots(2, 6))
        searcher, _ = self.make(tmp_path, slots, configurations=20)
        assert self.handed_out(searcher, "a") == ["segment"] * 7

    def test_pauses_make_no_cluster_grow(self, tmp_path: Path, slots: list[Slots]) -> None:
        slots.append(Slots(3, 6))
        searcher, _ = self.make(tmp_path, slots, configurations=1)
        assert self.handed_out(searcher, "a") == ["segment", "pause", "pause"]

    @pytest.mark.parametrize(("wanted", "grows"), [(3, False), (3, True), (6, True)])
    def test_idle_workers_are_let_go_where_their_nodes_cost(
        self, wanted: int, grows: bool, tmp_path: Path, slots: list[Slots], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also once there are as many places as were asked for."""
        slots.append(Slots(3, wanted, grows))
        searcher, _ = self.make(tmp_path, slots, configurations=1)
        self.handed_out(searcher, "a")
        for pause in "a1", "a2":
            searcher.on_trial_complete(pause, {"done": True})
        monkeypatch.setattr("search.cluster.tune_bridge._IDLE_SECONDS", -1.0)
        assert self.handed_out(searcher, "b") == ([] if grows else ["pause", "pause"])

    def test_stacks_are_sized_for_the_places_there_are(self, tmp_path: Path) -> None:
        def members(slots: list[Slots]) -> int:
            study = create_study(tmp_path / str(slots[0].wanted), paper_trials(64), scheduler="none", epochs=8)
            coordinator = coordinator_for(study, CostModel(10**5, {"standardised": 14}, 5))
            suggestion = SegmentSearcher(coordinator, study, lambda: slots[0], Listener()).suggest("a")
            assert isinstance(suggestion, dict)
            return len(json.loads(suggestion["segment"])["members"])

        assert members([Slots(1, 1)]) > members([Slots(2, 64)])


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    ("settings", "resources"),
    [({"device": "cuda"}, {}), ({}, {"resources_per_segment": {"no-such-resource": 1}}), ({}, {"gpus_per_segment": 1})],
    ids=["no GPU", "no such resource", "a GPU for CPUs"],
)
def test_a_sweep_that_could_never_train_is_no_study(
    settings: dict[str, Any], resources: dict[str, Any], small: Path, tmp_path: Path
) -> None:
    if settings and ray.cluster_resources().get("GPU"):
        pytest.skip("there is one")
    out = tmp_path / "study"
    with pytest.raises(InputError):
        run_sweep(
            str(small / "tracks.csv"),
            out=out,
            space=str(small / "space.toml"),
            resources=Resources(**resources),
            **settings,
        )
    assert not out.exists()


@pytest.mark.parametrize(("asked", "expected"), [(None, 2), (1, 1), (2, 2)])
def test_slots_on_this_machine_are_the_cpus_that_may_be_used(
    asked: int | None, expected: int, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr("search.cluster.placement.usable_cpus", lambda: 2)
    assert slots_here(asked) == expected and not list(recwarn)


def test_more_than_these_are_allowed_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.cluster.placement.usable_cpus", lambda: 1)
    with pytest.warns(InputWarning, match="--cpus 3: this command may use 1 CPU "):
        assert slots_here(3) == 3
