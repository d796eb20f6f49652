"""The address of Ray, as the user gave it by the option or the variable, checked without importing Ray."""

from __future__ import annotations

import os
from dataclasses import dataclass

from data.errors import InputError
from search.cluster.environment import LOOPBACK

VARIABLE = "RAY_ADDRESS"
LOCAL, AUTO = "local", "auto"


@dataclass(frozen=True)
class Address:
    """An address of Ray, and how it was given."""

    where: str
    """``local`` for a Ray that the command starts for itself; else ``auto`` or ``HOST:PORT``."""
    said: str
    """The user's own words, as a message shows them: ``--address auto`` or ``RAY_ADDRESS=10.0.0.1:6379``."""

    @property
    def is_local(self) -> bool:
        """True where the command starts a Ray of its own."""
        return self.where == LOCAL


def find_address(option: str | None) -> Address:
    """Return the address of Ray: the option, else ``RAY_ADDRESS``, else ``local``.

    Raises ``InputError`` for an address that is no cluster's, and for ``local`` where Ray's ports would be open to all.
    """
    variable = os.environ.get(VARIABLE, "")
    where = option or variable or LOCAL
    said = f"--address {where}" if option else f"{VARIABLE}={where}"
    if option == AUTO and variable not in ("", AUTO):
        _check_variable_beside_auto(variable)
        said += f" ({VARIABLE}={variable})"
    _refuse_other_protocols(where, said)
    if where == LOCAL and variable not in ("", LOCAL) and LOOPBACK not in os.environ:
        raise InputError(
            f"{said}: {VARIABLE}={variable} names a cluster, beside which a Ray on this machine would listen to the "
            f"whole network: unset {VARIABLE}, or drop {said}"
        )
    return Address(where, said)


def cluster_address(option: str | None) -> str:
    """Return the address of Ray, as `find_address` does, without how it was given."""
    return find_address(option).where


def _check_variable_beside_auto(variable: str) -> None:
    """Raise ``InputError`` where the variable names no cluster, given ``auto`` as the option.

    Ray 2.60 prefers the variable (``_private/services.py``), and would start its own Ray silently, or become a client.
    """
    _refuse_other_protocols(variable, f"{VARIABLE}={variable}")
    if variable == LOCAL:
        raise InputError(f"--address auto: {VARIABLE}=local goes before it, and means no cluster: unset {VARIABLE}")


def _refuse_other_protocols(where: str, said: str) -> None:
    """Raise ``InputError`` for Ray Client, and for a dashboard's address, which ``ray job submit`` takes."""
    protocol, found, _ = where.partition("://")
    if not found:
        return
    reason = (
        "through ray:// the sweep would run on the head, and the study with it"
        if protocol == "ray"
        else f"{protocol}:// is what a dashboard or a job server is reached by"
    )
    way_on = f"{VARIABLE}=auto" if said.startswith(VARIABLE) else "--address auto"
    raise InputError(
        f"{said}: expected auto or HOST:PORT; {reason}: run the command on a node of the cluster "
        f"(ray exec, ray job submit) with {way_on}"
    )
