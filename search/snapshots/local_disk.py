"""Check that a study's directory lies on a local disk: SQLite's locks may not hold on network file systems."""

from __future__ import annotations

from pathlib import Path

import psutil

_SHARED = ("nfs", "nfs4", "efs", "cifs", "smb3", "smbfs")


def shared_disk(directory: Path) -> str | None:
    """Return the kind of network file system on which a directory lies, or would; ``None`` for a local disk."""
    path = directory.absolute()
    mounted = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    nearest = next((mounted[folder] for folder in (path, *path.parents) if folder in mounted), "")
    return nearest if nearest in _SHARED else None


def warning(directory: Path) -> str | None:
    """Return the warning to give before a study is made or resumed there; ``None`` where there is none."""
    kind = shared_disk(directory)
    if kind is None:
        return None
    return (
        f"{directory} is on a network file system ({kind}), where SQLite's locks may not hold: two commands, or a lost "
        "connection, could damage the record. Keep --out on a local disk, and give the shared folder as --storage"
    )
