"""Check that every node of a cluster reads and writes the folder of a study's checkpoints."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from data.errors import InputError
from data.object_stores import delete_file, join, read_file, write_file
from results.record.study import StudyError
from search.cluster.code_check import cause, lives

_PATIENCE = 120.0
"""Seconds that a node may take to answer: a new one installs the code first."""


class Reached:
    """Trust in the nodes that ``trust`` accepts and that reach a folder: those that join later are asked at their first
    report.

    The constructor asks the present nodes, as ``check_reach`` does.
    """

    def __init__(self, folder: str, trust: Callable[[str], bool]) -> None:
        self._folder, self._trust = folder, trust
        self._reached = check_reach(folder)

    def __call__(self, node: str) -> bool:
        """Return True for a trusted node, False where it has left; ``StudyError`` where it cannot be trusted."""
        if not self._trust(node):
            return False
        if node not in self._reached:
            try:
                self._reached |= check_reach(self._folder, joined=node)
            except InputError as error:
                raise StudyError(str(error)) from None
        return node in self._reached


def check_reach(folder: str, joined: str | None = None) -> set[str]:
    """Raise ``InputError`` where another node of the cluster cannot read files written here, or the reverse.

    Nodes without CPUs train nothing, and are not asked; with ``joined``, an id, only that one is. Returns the ids of
    the nodes that reach it, this one among them.
    """
    if not ray.is_initialized():
        return set()
    here = ray.get_runtime_context().get_node_id()
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    others = [node for node in nodes if node["NodeID"] != here and joined in (None, node["NodeID"])]
    if not others:
        return {here}
    token = secrets.token_hex(8)
    names = [_probe_name(token), *(_probe_name(token, node["NodeID"]) for node in others)]
    try:
        write_file(join(folder, names[0]), token.encode())
        reasons = _ask(folder, token, others)
        unseen = [node for node in reasons if not reasons[node] and not _holds(folder, _probe_name(token, node), token)]
        reasons = {**reasons, **dict.fromkeys(unseen, "what it wrote there cannot be read here")}
        _refuse(folder, {n["NodeManagerAddress"]: why for n in others if (why := reasons.get(n["NodeID"]))})
        return {here, *reasons}
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error}") from None
    finally:
        for name in names:
            with suppress(OSError):
                delete_file(join(folder, name))


def _refuse(folder: str, reasons: Mapping[str, str]) -> None:
    if reasons:
        listed = "\n".join(f"  - {node}: {why}" for node, why in list(reasons.items())[:8])
        more = f"\n  and {len(reasons) - 8} more" if len(reasons) > 8 else ""
        raise InputError(
            f"{folder} is not one folder for all nodes of the cluster:\n{listed}{more}\n"
            "Give --storage s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, or a folder that every node mounts"
        )


def _ask(folder: str, token: str, nodes: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Return each node's obstacle to reaching the folder, by its id, without the nodes that left meanwhile."""
    task = ray.remote(num_cpus=0)(probe)
    calls = {
        node["NodeID"]: task.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(folder, token, node["NodeID"])
        for node in nodes
    }
    ready, _ = ray.wait(list(calls.values()), num_returns=len(calls), timeout=_PATIENCE)
    found: dict[str, str | None] = {}
    for node, call in calls.items():
        try:
            found[node] = ray.get(call) if call in ready else f"did not answer in {_PATIENCE:.0f} s"
        except ray.exceptions.RayError as error:
            if lives(node):  # one that has left meanwhile trains nothing
                found[node] = f"cannot run our code: {cause(error)}"
    return found


def probe(folder: str, token: str, node: str) -> str | None:
    """Read the driver's file on a node and write an answer beside it; return the obstacle, or ``None``."""
    try:
        if read_file(join(folder, _probe_name(token))).decode() != token:
            return "finds another file there"
        write_file(join(folder, _probe_name(token, node)), token.encode())
    except (OSError, UnicodeDecodeError) as error:
        return f"cannot read or write there: {error}"
    return None


def _holds(folder: str, name: str, token: str) -> bool:
    try:
        return read_file(join(folder, name)).decode() == token
    except (OSError, UnicodeDecodeError):
        return False


def _probe_name(token: str, node: str = "driver") -> str:
    return f".probe-{token}-{node}.tmp"
