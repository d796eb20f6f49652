"""A dashboard as a process of its own, and requests to it as a browser's pages would send them."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import Command, Ended


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Dashboard:
    """Begun on a free port, or on one of before; it listens once this returns."""

    def __init__(self, runs: Path, port: int = 0) -> None:
        self.command = Command("dashboard", runs, "--port", port, "--json", folder=runs.parent)
        assert self.command.process.stdout is not None
        said = ""
        while not said.endswith("}\n"):
            line = self.command.process.stdout.readline()
            assert line, self.command.wait()
            said += line
        self.url = json.loads(said)["url"]
        self.port = int(self.url.rpartition(":")[2])

    def get(self, path: str, method: str = "GET", **headers: str) -> Answered:
        """The answer to a request; header names have underscores for hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=given)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, found, answer.read())
        finally:
            connection.close()

    def listed(self) -> dict[str, Any]:
        """The rows of the list by name."""
        return {row["name"]: row for row in self.get("/studies").json["studies"]}

    def kill(self) -> Ended:
        return self.command.kill()
