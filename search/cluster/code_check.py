"""Check that every node of a cluster runs the same code on the same versions, before anything is trained there.

``environment`` runs on the nodes, where this module is imported from the staged code: it must not import much.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from search.cluster.environment import CODE_SUFFIXES, PACKAGES
from search.cluster.placement import Node

CODE, PYTHON = "genresweep's code", "Python"
_LIBRARIES = ("ray", "torch", "numpy", "numba", "scikit-learn", "xgboost", "sentence-transformers", "safetensors")
"""Libraries whose versions fix a study: its learning curves to the bit, its baselines, embeddings, checkpoints."""
_PATIENCE = 60.0
"""Seconds for a node to fetch the code and start a worker: it takes about 5."""

_TIMES = 3
"""Number of times that a node with a differing answer is asked."""

Environment = Mapping[str, str]


def environment(root: Path | None = None) -> Environment:
    """Return what fixes a learning curve: the hash of the packages in ``root``, versions of Python and libraries."""
    return {
        CODE: _hash(root or Path(__file__).resolve().parents[2]),
        PYTHON: ".".join(platform.python_version_tuple()[:2]),
        **{name: _version(name) for name in _LIBRARIES},
    }


def _hash(root: Path) -> str:
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and path.suffix in CODE_SUFFIXES:
                digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


class Probe:
    """Check of each node's environment; ``complaints`` are its differences from the ``expected`` one, for people.

    A node with a differing answer is asked again, by a new worker: the code may just be arriving there.
    """

    def __init__(self, expected: Environment) -> None:
        self._expected = expected
        self.accepted: set[str] = set()
        """Ids of the nodes that answered as expected."""
        self._asked: Counter[str] = Counter()
        self._waiting: dict[Any, Node] = {}

    def ask(self, nodes: Iterable[Node]) -> None:
        """Ask the nodes that have not been asked yet."""
        self._put(node for node in nodes if node["Alive"] and node["NodeID"] not in self._asked)

    def _put(self, nodes: Iterable[Node]) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = ray.remote(num_cpus=0, max_retries=2, max_calls=1)(environment)
        for node in nodes:
            self._asked[node["NodeID"]] += 1
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            self._waiting[task.options(scheduling_strategy=there).remote()] = node

    def complaints(self, patience: float = _PATIENCE, node: str | None = None) -> list[str]:
        """Return a line for each node that answered otherwise than expected, or, with ``patience``, not at all.

        With ``node``, an id, only that one is waited for.
        """
        import ray

        found: list[str] = []
        deadline = time.monotonic() + patience
        while waiting := [each for each, asked in self._waiting.items() if node in (None, asked["NodeID"])]:
            left = max(0.0, deadline - time.monotonic())
            answered, late = ray.wait(waiting, num_returns=len(waiting), timeout=left)
            for reference in answered:
                found += self._judge(self._waiting.pop(reference), reference)
            if not answered or not patience:
                if patience:
                    found += [f"{_named(self._waiting[each])}: no answer in {patience:.0f} s" for each in late]
                break
        return found

    def _judge(self, node: Node, reference: Any) -> list[str]:
        import ray

        try:
            complaints = self._differences(node, ray.get(reference))
        except ray.exceptions.RayError as error:
            if not lives(node["NodeID"]):  # one that has left meanwhile trains nothing
                return []
            complaints = [f"{_named(node)}: cannot run our code: {cause(error)}"]
        if complaints and self._asked[node["NodeID"]] < _TIMES:
            self._put([node])
            return []
        if not complaints:
            self.accepted.add(node["NodeID"])
        return complaints

    def _differences(self, node: Node, answer: Environment) -> list[str]:
        differing = [
            f"{name} is {answer.get(name)}, here it is {value}"
            for name, value in self._expected.items()
            if answer.get(name) != value
        ]
        return [f"{_named(node)}: {'; '.join(differing)}"] if differing else []


def refusal(complaints: Iterable[str]) -> str:
    """Return the message for a list of complaints."""
    listed = "\n".join(f"  - {complaint}" for complaint in complaints)
    return (
        f"not every node of the cluster computes what this one does:\n{listed}\n"
        "install the same versions on all of them, and no other genresweep, for example with\n"
        "  pip install -c .ci/constraints.txt -e '.[cluster]'"
    )


def _named(node: Node) -> str:
    return f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})"


def lives(node: str) -> bool:
    """Return True where the node of an id is in the cluster."""
    import ray

    return any(other["Alive"] for other in ray.nodes() if other["NodeID"] == node)


def cause(error: Exception) -> str:
    """Return the last line of an error, which names it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
