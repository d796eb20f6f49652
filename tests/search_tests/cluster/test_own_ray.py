"""What is looked at on a machine while this process has a Ray of its own, which must not notice."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray

from search import run_sweep
from search.cluster import fitness, session_folder
from search.cluster.doctor import examine
from search.cluster.fitness import Check, Fit, refuse_unfit_machine


def test_beside_a_ray_of_this_process_nothing_is_looked_at(ray_session: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its folder, and its memory."""
    monkeypatch.setattr(session_folder, "temporary_bases", lambda: [])
    monkeypatch.setattr(fitness, "check_home", lambda: Check("home", Fit.FAILS, "none", "HOME=..."))
    refuse_unfit_machine(None)


@pytest.mark.slow
def test_a_sweep_within_a_ray_of_this_process_leaves_it_alone(ray_session: int, small: Path, tmp_path: Path) -> None:
    session = Path(ray._private.worker._global_node.get_session_dir_path())
    before = session.parent.stat().st_ino, set((session / "sockets").iterdir())
    result = run_sweep(str(small / "tracks.csv"), out=tmp_path / "study", space=str(small / "space.toml"), epochs=1)
    assert result.complete
    assert ray.get(ray.remote(lambda: 7).remote(), timeout=60) == 7
    assert before == (session.parent.stat().st_ino, set((session / "sockets").iterdir()))


def test_looking_a_machine_over_leaves_the_ray_of_this_process_alone(ray_session: int) -> None:
    examine()
    assert ray.get(ray.remote(lambda: 7).remote(), timeout=60) == 7
    assert Path(ray._private.worker._global_node.get_session_dir_path(), "sockets").is_dir()
