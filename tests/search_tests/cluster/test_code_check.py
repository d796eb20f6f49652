"""What a node must have in common with the others, and what is said of one that has not."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import ray

from results.record.study import StudyError
from search.cluster import code_check as probe
from search.cluster import connection as cluster
from search.cluster.code_check import CODE, PYTHON, Probe, environment, refusal


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    cluster.stage_code(tmp_path)
    return tmp_path


def test_the_staged_code_is_this_code(staged: Path) -> None:
    assert environment(staged) == environment()
    (staged / "search" / "__pycache__").mkdir()
    (staged / "search" / "__pycache__" / "probe.cpython-311.pyc").write_bytes(b"compiled")
    (staged / "search" / "README.md").write_text("no code")
    assert environment(staged) == environment()


@pytest.mark.parametrize("change", ["edited", "added", "removed", "renamed"])
def test_any_change_of_the_code_is_seen(change: str, staged: Path) -> None:
    target = staged / "trainables" / "kernels" / "training.py"
    if change == "edited":
        target.write_text(target.read_text() + "\n")
    elif change == "added":
        (staged / "data" / "new.json").write_text("{}")
    elif change == "removed":
        target.unlink()
    else:
        shutil.move(target, staged / "trainables" / "kernels" / "training2.py")
    found, here = environment(staged), environment()
    assert [name for name in here if found[name] != here[name]] == [CODE]


def test_a_missing_library_is_no_error_but_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_LIBRARIES", ("numpy", "no-such-library"))
    assert environment()["no-such-library"] == "not installed"


@pytest.mark.usefixtures("ray_session")
class TestOnRay:
    def test_a_node_like_this_one_has_nothing_to_complain_of(self) -> None:
        asked = Probe(environment())
        asked.ask(ray.nodes())
        assert asked.complaints() == []

    def test_every_difference_of_a_node_is_in_its_line(self) -> None:
        asked = Probe({**environment(), "torch": "1.0", PYTHON: "2.7"})
        asked.ask(ray.nodes())
        (line,) = asked.complaints()
        (node,) = ray.nodes()
        assert line.startswith(f"{node['NodeManagerAddress']} ({node['NodeID'][:8]}): ")
        assert "here it is 1.0" in line and "here it is 2.7" in line and CODE not in line
        assert line in refusal([line]) and "pip install -c" in refusal([line])

    def test_nodes_are_asked_once(self) -> None:
        asked = Probe({"torch": "1.0"})
        asked.ask(ray.nodes())
        assert len(asked.complaints()) == 1
        asked.ask(ray.nodes())
        assert asked.complaints(patience=0) == []

    def test_a_node_where_the_code_is_still_arriving_is_asked_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As was seen where nodes of one machine share the folder that the code is unpacked to."""
        asked = Probe(environment())
        answers = iter([["no code yet"], []])
        monkeypatch.setattr(asked, "_differences", lambda *_: next(answers))
        asked.ask(ray.nodes())
        assert asked.complaints() == []
        wrong = Probe({"torch": "1.0"})
        wrong.ask(ray.nodes())
        assert len(wrong.complaints()) == 1
        assert list(wrong._asked.values()) == [3]

    def test_a_node_that_does_not_answer_is_named(self) -> None:
        asked = Probe({})
        asked.ask(ray.nodes())
        (line,) = asked.complaints(patience=1e-6)
        assert "no answer" in line

    def test_a_node_that_is_gone_is_not_complained_of_while_others_are_followed(self) -> None:
        asked = Probe({})
        asked.ask([{"Alive": True, "NodeID": "ab" * 28, "NodeManagerAddress": "10.0.0.9"}])
        assert asked.complaints(patience=30) == []

    def test_what_a_node_has_trained_waits_for_its_answer(self) -> None:
        (node,) = ray.nodes()
        asked = Probe(environment())
        for _ in range(2):
            assert cluster._trust(asked, node["NodeID"])
        assert asked.accepted == {node["NodeID"]}
        wrong = Probe({"torch": "1.0"})
        with pytest.raises(StudyError, match=r"here it is 1\.0"):
            cluster._trust(wrong, node["NodeID"])

    def test_a_node_that_has_left_before_its_answer_is_not_trusted_and_no_complaint(self) -> None:
        asked = Probe(environment())
        asked.ask([{"Alive": True, "NodeID": "ab" * 28, "NodeManagerAddress": "10.0.0.9"}])
        assert not cluster._trust(asked, "ab" * 28)

    def test_the_others_are_not_waited_for(self) -> None:
        (node,) = ray.nodes()
        asked = Probe(environment())
        asked.ask([node])
        never = ray.remote(num_cpus=1_000)(environment).remote()
        asked._waiting[never] = {"NodeID": "cd" * 28, "NodeManagerAddress": "10.0.0.9"}
        began = time.monotonic()
        assert cluster._trust(asked, node["NodeID"])
        assert time.monotonic() - began < 30, "less than the patience with a node"
        ray.cancel(never)
