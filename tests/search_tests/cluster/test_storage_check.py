"""Whether all nodes of a cluster reach a study's checkpoints, those that join later among them."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray

import search.cluster.storage_check
from data.errors import InputError
from data.object_stores import write_file
from results.record.study import StudyError
from search import run_sweep
from search.cluster.storage_check import Reached, check_reach, probe


class TestReach:
    """A cluster's nodes on one machine share its disks, so that nodes without them are made up."""

    HERE, OTHERS = "node0", ("node1", "node2")

    @pytest.fixture
    def nodes(self, monkeypatch: pytest.MonkeyPatch, ray_session: int, tmp_path: Path) -> dict[str, str]:
        """The disk that each node finds at the folder's place; the driver's own is ``tmp_path``."""
        disks = dict.fromkeys(self.OTHERS, str(tmp_path))
        alive = [
            {"NodeID": name, "Alive": True, "NodeManagerAddress": f"address of {name}", "Resources": {"CPU": 1.0}}
            for name in self.OTHERS
        ]
        dead = {**alive[0], "NodeID": "dead", "Alive": False}
        idle = {**alive[0], "NodeID": "head", "Resources": {}}
        listed = [*alive, dead, idle]
        monkeypatch.setattr("ray.nodes", lambda: listed)
        monkeypatch.setattr(
            search.cluster.storage_check,
            "_ask",
            lambda folder, token, asked: {n["NodeID"]: probe(disks[n["NodeID"]], token, n["NodeID"]) for n in asked},
        )
        return disks

    def test_all_see_it(self, nodes: dict[str, str], tmp_path: Path) -> None:
        check_reach(str(tmp_path))
        assert list(tmp_path.iterdir()) == []

    def test_who_joins_later_is_asked_before_it_is_trusted(self, nodes: dict[str, str], tmp_path: Path) -> None:
        shared = tmp_path / "shared"
        shared.mkdir()
        nodes.update(dict.fromkeys(nodes, str(shared)))
        trusted = {"node1": True, "node2": True, "joined": True, "left": False}
        reached = Reached(str(shared), lambda node: trusted[node])
        assert reached("node1") and reached("node2") and not reached("left")
        (first, *_) = ray.nodes()
        ray.nodes().append({**first, "NodeID": "joined", "NodeManagerAddress": "address of joined"})
        nodes["joined"] = str(shared)
        assert reached("joined")
        trusted["node1"] = False
        assert not reached("node1"), "it has left since"

    def test_who_joins_and_has_another_folder_ends_the_study(self, nodes: dict[str, str], tmp_path: Path) -> None:
        reached = Reached(str(tmp_path), lambda node: True)
        (first, *_) = ray.nodes()
        ray.nodes().append({**first, "NodeID": "joined", "NodeManagerAddress": "address of joined"})
        nodes["joined"] = str(tmp_path / "other")
        with pytest.raises(StudyError, match="address of joined: cannot read or write there"):
            reached("joined")

    @pytest.mark.parametrize("kind", ["missing", "another", "read-only"])
    def test_those_that_do_not_are_named(self, kind: str, nodes: dict[str, str], tmp_path: Path) -> None:
        shared, other = tmp_path / "shared", tmp_path / "other"
        shared.mkdir()
        nodes.update(node1=str(shared), node2=str(other))
        if kind != "missing":
            other.mkdir()
        if kind == "read-only":  # it sees the file, and what it writes is not seen here
            nodes["node2"] = str(other)
            true = search.cluster.storage_check._ask

            def ask(folder: str, token: str, asked: list[dict[str, str]]) -> dict[str, str | None]:
                write_file(other / f".probe-{token}-driver.tmp", token.encode())
                return true(folder, token, asked)

            search.cluster.storage_check._ask = ask  # the fixture's monkeypatch puts it back
        with pytest.raises(InputError) as refused:
            check_reach(str(shared))
        said = str(refused.value)
        assert "address of node2" in said and "address of node1" not in said and "--storage s3://" in said
        assert ("cannot be read here" in said) == (kind == "read-only")
        assert list(shared.iterdir()) == []
        assert other.exists() == (kind != "missing"), "a node does not make the folder for itself"

    def test_a_real_node_answers(self, ray_session: int, tmp_path: Path) -> None:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        write_file(tmp_path / "shared" / ".probe-t-driver.tmp", b"t")
        assert search.cluster.storage_check._ask(str(tmp_path / "shared"), "t", nodes) == {nodes[0]["NodeID"]: None}
        (reason,) = search.cluster.storage_check._ask(str(tmp_path / "no"), "t", nodes).values()
        assert reason is not None and "No such file" in reason

    def test_a_node_that_cannot_run_our_code_is_named_and_one_that_is_gone_is_not(
        self, ray_session: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("no such library here")

        (node,) = ray.nodes()
        gone = {**node, "NodeID": "ab" * 28}
        monkeypatch.setattr(search.cluster.storage_check, "probe", broken)
        found = search.cluster.storage_check._ask(str(tmp_path), "t", [node, gone])
        assert found == {node["NodeID"]: "cannot run our code: RuntimeError: no such library here"}

    def test_a_sweep_is_refused_before_there_is_a_study(
        self, monkeypatch: pytest.MonkeyPatch, ray_session: int, small: Path, tmp_path: Path
    ) -> None:
        far = {"NodeID": "far", "Alive": True, "NodeManagerAddress": "10.0.0.9", "Resources": {"CPU": 1.0}}
        nodes = [*ray.nodes(), far]
        monkeypatch.setattr("ray.nodes", lambda: nodes)
        monkeypatch.setattr(search.cluster.storage_check, "_ask", lambda folder, token, asked: {"far": "No such file"})
        with pytest.raises(InputError, match=r"10\.0\.0\.9: No such file"):
            run_sweep(str(small / "tracks.csv"), out=tmp_path / "runs" / "s", space=str(small / "space.toml"))
        assert list((tmp_path / "runs").iterdir()) == []
