"""This process's Linux control groups, by which containers, batch systems and systemd limit it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_PROC = Path("/proc/self")
_UNIFIED = ""
"""The name under which version 2 lists its one hierarchy."""


@dataclass(frozen=True)
class _Mount:
    """A mounted hierarchy of control groups."""

    point: Path
    root: str
    """The group that is mounted at ``point``."""
    controllers: frozenset[str]
    """The controllers of version 1; only `_UNIFIED` for version 2."""


def groups(controller: str) -> list[Path]:
    """Return the folders of the groups that may limit ``controller`` for this process, from its own group outwards.

    ``controller`` is ``cpu`` or ``memory``. Versions 1 and 2 of control groups are read, also both at once; empty on
    other systems. The limit of an outer group holds, too: systemd sets one on a slice, Slurm on a job's steps. A
    container does not see its outer groups. Source: cgroups(7), "/proc files"; proc_pid_mountinfo(5).
    """
    own = _own_groups()
    found: list[Path] = []
    for mount in _mounts():
        name = controller if controller in mount.controllers else _UNIFIED
        if name in mount.controllers and name in own:
            found += _upwards(mount, own[name])
    return found


def words(folder: Path, *names: str) -> list[str]:
    """Return the words in a group's files, one file after the other; empty if one cannot be read."""
    found: list[str] = []
    with suppress(OSError):
        for name in names:
            found += (folder / name).read_text(encoding="utf-8").split()
        return found
    return []


def _own_groups() -> dict[str, str]:
    """Return the path of this process's group for each controller, as seen from its namespace."""
    own: dict[str, str] = {}
    for line in _lines("cgroup"):
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path))
    return own


def _mounts() -> list[_Mount]:
    """Return the mounted hierarchies; a later mount at the same point hides the earlier one."""
    found: dict[str, _Mount] = {}
    for line in _lines("mountinfo"):
        place, _, kind = line.partition(" - ")
        root, point = (word.replace("\\040", " ") for word in place.split()[3:5])
        system, _, options = kind.split(" ", 2)
        controllers = {_UNIFIED} if system == "cgroup2" else set(options.split(","))
        if system in ("cgroup", "cgroup2"):
            found[point] = _Mount(Path(point), root, frozenset(controllers))
    return list(found.values())


def _upwards(mount: _Mount, own: str) -> Iterator[Path]:
    """Yield the folders from a group up to its mount; only the mount if the group is not below the mounted root."""
    below = PurePosixPath(own)
    inner = below.relative_to(mount.root) if below.is_relative_to(mount.root) else PurePosixPath()
    for depth in range(len(inner.parts), -1, -1):
        yield mount.point.joinpath(*inner.parts[:depth])


def _lines(name: str) -> list[str]:
    with suppress(OSError):
        return (_PROC / name).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return []
