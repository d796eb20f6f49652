"""Connecting to Ray, and shipping the code to its workers."""

from __future__ import annotations

import contextlib
import logging
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from data.errors import InputError
from data.machine.cache_folder import CACHE_VARIABLE, cache_dir
from results.record.study import StudyError
from search.cluster.address import LOCAL, Address, find_address
from search.cluster.code_check import Probe, environment, refusal
from search.cluster.environment import CODE_SUFFIXES, PACKAGES, settle_access
from search.cluster.fitness import refuse_unfit_machine
from search.cluster.placement import Node, Places, Resources, check_feasible, slots_here
from search.cluster.session_folder import session_folder
from search.cluster.watchdog import clear_scratch, scratch_prefix, watching

_PATIENCE = 10.0
"""Seconds that a cluster's head may take to accept a connection."""


def package_root() -> Path:
    """Return the folder that holds the five packages."""
    return Path(__file__).resolve().parents[2]


def stage_code(directory: Path) -> None:
    """Copy the five packages, and nothing else, into ``directory``.

    Ray would otherwise put the user's current directory first on the workers' path, and a file called ``search.py``
    in it would replace ours.
    """
    for package in PACKAGES:
        for path in (package_root() / package).rglob("*"):
            if path.suffix in CODE_SUFFIXES:
                copy = directory / path.relative_to(package_root())
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)


@contextmanager
def connected(
    resources: Resources | None = None, device: str = "cpu", last_words: Callable[[str], None] | None = None
) -> Iterator[Places]:
    """Run the body with a Ray session, given the places for segments on its nodes.

    Without an address, and without ``RAY_ADDRESS``, Ray is started on this machine with ``resources.cpus`` slots and
    stopped again. If Ray dies, here or there, ``last_words`` is called with the cause and the process ends with
    code 1. A Ray that this process is connected to already is used as it is, its nodes not probed, and left running.
    Raises ``InputError`` where this machine cannot start one, where no segment fits on any node, or where a node would
    compute something else.
    """
    resources = resources or Resources()
    needs, address = resources.needs(device), find_address(resources.address)
    if ray.is_initialized():
        yield _places(resources, needs, None)
        return
    refuse_unfit_machine(resources.address)
    clear_scratch()
    with _folders(address) as (staged, session):
        stage_code(staged)
        try:
            with _own_sigterm():
                _start_or_join(_arguments(address, resources, staged, session), address.said)
            probe = None if address.is_local else Probe(environment(staged))
            with watching(last_words):
                yield _places(resources, needs, probe)
        finally:
            with _own_sigterm():
                _shut_down()


@contextmanager
def _folders(address: Address) -> Iterator[tuple[Path, Path | None]]:
    """Run the body with folders for the staged code and for a Ray that is started here; both are deleted in the end."""
    with tempfile.TemporaryDirectory(prefix=f"{scratch_prefix()}code-") as staged:
        if not address.is_local:
            yield Path(staged), None
            return
        with session_folder() as session:
            yield Path(staged), session


def _places(resources: Resources, needs: Mapping[str, float], probe: Probe | None) -> Places:
    """Return the places of the nodes: those at the start on one machine, probed and followed on a cluster."""
    nodes = ray.nodes()
    check_feasible(nodes, needs)
    if probe is None:
        return Places(lambda: nodes, needs, resources.cpus)
    probe.ask(nodes)
    if complaints := probe.complaints():
        raise InputError(refusal(complaints))
    return Places(lambda: _probed(probe), needs, resources.cpus, lambda node: _trust(probe, node))


def _probed(probe: Probe) -> list[Node]:
    """Return the present nodes; ``StudyError`` where one that has joined since computes something else."""
    nodes: list[Node] = ray.nodes()
    probe.ask(nodes)
    if complaints := probe.complaints(patience=0):
        raise StudyError(refusal(complaints))
    return nodes


def _trust(probe: Probe, node: str) -> bool:
    """Wait for the answer of a node that trained before it could be asked; ``StudyError`` where it is not as expected.

    Returns False where the node has left before it could answer.
    """
    if node not in probe.accepted:
        probe.ask(ray.nodes())
        if complaints := probe.complaints(node=node):
            raise StudyError(refusal(complaints))
    return node in probe.accepted


def _start_or_join(arguments: Mapping[str, Any], said: str | None = None) -> None:
    """Call ``ray.init``; raise ``InputError`` where no cluster answers, or one of another version.

    ``said`` is how the user gave the address, for the message.
    """
    address = arguments["address"]
    host, _, port = address.rpartition(":")
    settle_access(address)
    try:
        if host:  # Ray itself would try for a minute and a half
            socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
        ray._private.worker.print_to_stdstream = _log_raylet
        ray.init(**arguments)
    except (OSError, RuntimeError, ValueError) as error:
        if address == LOCAL:
            raise
        raise InputError(_not_joined(said or f"--address {address}", error)) from error


def _shut_down() -> None:
    """Call ``ray.shutdown`` without its request to the autoscaler, for which a Ray on this machine waits a second."""
    node = ray._private.worker._global_node
    if node is not None:  # where a cluster was joined, it has no autoscaler
        with contextlib.suppress(Exception):  # ray.shutdown ends it, too
            node.kill_monitor(check_alive=False)
    ray.shutdown()


def _not_joined(said: str, error: Exception) -> str:
    """Return the message for a failed ``ray.init``."""
    causes = [" ".join(str(each).split())[:300] for each in (error, error.__cause__) if each is not None]
    if causes[0].startswith("Failed to merge the Job's runtime env"):
        return (
            "this job was submitted with a runtime environment of its own, as --working-dir makes one, and genresweep "
            "ships its code by another: submit without --working-dir and --runtime-env, or set "
            "RAY_OVERRIDE_JOB_RUNTIME_ENV=1, which puts genresweep's in its place"
        )
    return (
        f"{said}: no Ray cluster that this command can join (expected Ray {ray.__version__} there): "
        f"{': '.join(causes)}\nRun the command on a node of the cluster (ray exec, ray job submit), and set "
        f"RAY_AUTH_MODE=token where the cluster asks for a token{_without_variable(said)}"
    )


def _without_variable(said: str) -> str:
    return "; to train on this machine alone, unset RAY_ADDRESS" if said.startswith("RAY_ADDRESS") else ""


def _log_raylet(data: Mapping[str, Any], ignore_prefix: bool) -> None:
    """Write Ray's long lines on workers that died to the study's log: on standard output they are in the way."""
    logging.getLogger("genresweep").info("Ray: %s", "\n".join(data["lines"]))


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Run the body, and put back our handler of SIGTERM, which Ray replaces when it starts and when it ends.

    Raises ``KeyboardInterrupt``, as ours does, where Ray's own has heard the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as end:
        if end.code != signal.SIGTERM:
            raise
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, handler)


def _arguments(address: Address, resources: Resources, staged: Path, session: Path | None) -> dict[str, Any]:
    """Return the arguments of ``ray.init``; ``session`` is the folder of a Ray that it starts."""
    variables = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    arguments: dict[str, Any] = {
        "address": address.where,
        "runtime_env": {
            "working_dir": str(staged),
            "env_vars": variables,
            "worker_process_setup_hook": "search.cluster.environment.settle_worker",
        },
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if session is not None:
        variables[CACHE_VARIABLE] = str(cache_dir())  # workers have another working directory
        arguments |= {"num_cpus": slots_here(resources.cpus), "include_dashboard": False, "_temp_dir": str(session)}
    return arguments
