"""Places for segments: the needs of each, and how many fit on the present nodes, as these come and go."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.errors import InputError, warn
from data.machine.cpus import usable_cpus

Node = Mapping[str, Any]
"""A node as ``ray.nodes()`` describes it."""

_GROUP = "ray.io/node-group"
"""The label of nodes that an autoscaler may add to: ``ray up`` and KubeRay set it, ``ray start`` by hand does not."""


_MOST = 1_000_000
"""Largest amount of a custom resource that any node could have."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The resources of a sweep; nothing in them changes a result."""

    address: str | None = None
    cpus: int | None = None
    """Largest number of segments that train at once."""
    gpus_per_segment: float | None = None
    """Share of one GPU, with ``device="cuda"``; a whole one by default."""
    resources_per_segment: Mapping[str, float] = field(default_factory=dict)
    """Custom resources of Ray that a segment takes, besides its CPU."""

    def __post_init__(self) -> None:
        if self.gpus_per_segment is not None and not 0 < self.gpus_per_segment <= 1:
            raise InputError(f"--gpus-per-segment must be above 0 and at most 1, but got {self.gpus_per_segment:g}")
        for name, amount in self.resources_per_segment.items():
            if name.lower() in ("cpu", "gpu"):
                raise InputError(
                    f"--resources-per-segment {name}: a segment takes one CPU, and of a GPU --gpus-per-segment"
                )
            number = isinstance(amount, int | float) and not isinstance(amount, bool)
            if not (number and 0 < amount <= _MOST and (amount <= 1 or float(amount).is_integer())):
                raise InputError(
                    f"--resources-per-segment {name}: expected a whole number, or a share below 1, but got {amount!r}"
                )

    def needs(self, device: str) -> dict[str, float]:
        """Return the resources that one segment takes, by Ray's names."""
        if self.gpus_per_segment is not None and device != "cuda":
            raise InputError("--gpus-per-segment goes with --device cuda: this study trains on CPUs")
        gpus = {"GPU": self.gpus_per_segment or 1.0} if device == "cuda" else {}
        return {"CPU": 1.0, **gpus, **self.resources_per_segment}


def slots_here(asked: int | None) -> int:
    """Return the number of segments that train at once on this machine: the number asked for, else one per usable CPU.

    The user may ask for more than there are CPUs: a warning tells the consequences.
    """
    usable = usable_cpus()
    if asked is not None and asked > usable:
        warn(
            f"--cpus {asked}: this command may use {usable} CPU{'' if usable == 1 else 's'} (affinity and quotas "
            "included), which so many segments share, each the slower: leave --cpus out to have one for each"
        )
    return asked or usable


def parse_resources(text: str | None) -> dict[str, float]:
    """Parse ``--resources-per-segment``, a JSON object of names and amounts as for ``ray start --resources``."""
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise InputError(
            f"--resources-per-segment must be a JSON object such as '{{\"spot\": 1}}', but got {text!r} "
            "(quote it for the shell)"
        )
    return found


@dataclass(frozen=True)
class Slots:
    """Numbers of places for segments."""

    now: int
    """Number that fit on the present nodes; 0 while no node can hold one."""
    wanted: int
    """Number over which the work is spread, at least 1: on an autoscaling cluster more than fit, so that it grows."""
    grows: bool = False
    """True where an autoscaler adds nodes, and takes idle ones away."""


def slots_of(nodes: Sequence[Node], needs: Mapping[str, float], limit: int | None) -> Slots:
    """Return the places on the nodes that are alive; ``limit`` is the most that the user wants.

    An autoscaling cluster is asked for all of them at once where there is a limit, and else for twice what it has.
    """
    fitting = _fitting(nodes, needs)
    now = min(fitting, limit or fitting)
    if not _grows(nodes):
        return Slots(now, max(1, now))
    return Slots(now, max(1, now, limit or 2 * fitting), grows=True)


def check_feasible(nodes: Sequence[Node], needs: Mapping[str, float]) -> None:
    """Raise ``InputError`` where no node can hold a segment and none will be added."""
    if not _fitting(nodes, needs) and not _grows(nodes):
        raise InputError(_infeasible(nodes, needs))


def _infeasible(nodes: Sequence[Node], needs: Mapping[str, float]) -> str:
    has = "\n".join(
        f"  - {node['NodeManagerAddress']}: {_listed(node['Resources'])}" for node in nodes if node["Alive"]
    )
    return (
        f"no node can hold a segment, which takes {_listed(needs)}; the nodes have:\n{has}\n"
        "ask for less (--device, --gpus-per-segment, --resources-per-segment), or start a node that has it"
    )


def _fitting(nodes: Sequence[Node], needs: Mapping[str, float]) -> int:
    return sum(
        min(_times(name, amount, node["Resources"].get(name, 0.0)) for name, amount in needs.items())
        for node in nodes
        if node["Alive"]
    )


def _times(name: str, amount: float, available: float) -> int:
    """Return how often an amount fits into the available one; a share of a GPU must come from a single GPU."""
    if name == "GPU":
        return int(available) * int(1 / amount + 1e-6)
    return int(available / amount + 1e-6)


def _grows(nodes: Sequence[Node]) -> bool:
    return any(_GROUP in node["Labels"] for node in nodes if node["Alive"])


def _listed(resources: Mapping[str, float]) -> str:
    shown = {
        name: amount
        for name, amount in sorted(resources.items())
        if not name.startswith("node:") and name not in ("memory", "object_store_memory")
    }
    return ", ".join(f"{amount:g} {name}" for name, amount in shown.items()) or "nothing"


_INTERVAL = 1.0
"""Seconds between two looks at a cluster's nodes; twenty times as long as a look takes, where that is more."""


_WARNS = 60.0
"""Seconds without a place after which an autoscaling cluster may never bring one, and between two warnings of it."""


def trust_all(node: str) -> bool:
    """Return True: for a Ray whose only node is this machine."""
    return True


def _warn(said: str) -> None:
    logging.getLogger("genresweep").warning("%s", said)
    warn(said)


class Places:
    """The slots of a cluster, looked up anew as it changes; ``look`` returns its nodes.

    ``trust`` takes a node's id, and raises where that node would not train the same as this one; it returns False
    where that cannot be known, since the node has left. ``warn`` is called with what is missing where no node has come
    for a minute.
    """

    def __init__(
        self,
        look: Callable[[], Sequence[Node]],
        needs: Mapping[str, float],
        limit: int | None,
        trust: Callable[[str], bool] = trust_all,
        warn: Callable[[str], None] = _warn,
    ) -> None:
        self._look, self.needs, self._limit, self.trust = look, needs, limit, trust
        self._warn = warn
        self._next, self._warned = 0.0, time.monotonic()
        self._slots = Slots(1, 1)

    def on_cpus(self) -> Places:
        """Return the places for work that no GPU makes faster."""
        needs = {name: amount for name, amount in self.needs.items() if name != "GPU"}
        return Places(self._look, needs, self._limit, self.trust)

    def slots(self) -> Slots:
        """Return the slots as of about a second ago."""
        began = time.monotonic()
        if began >= self._next:
            nodes = self._look()
            self._slots = slots_of(nodes, self.needs, self._limit)
            if self._slots.now:
                self._warned = began
            elif began - self._warned >= _WARNS:
                self._warned = began
                self._warn(f"waiting for a node that can train: {_infeasible(nodes, self.needs)}")
            ended = time.monotonic()
            self._next = ended + max(_INTERVAL, 20 * (ended - began))
        return self._slots
