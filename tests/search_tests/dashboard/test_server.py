"""The dashboard as a real process on a real port."""

from __future__ import annotations

import builtins
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.cli.main import run
from tests.support.dashboards import Dashboard
from tests.support.made_studies import made_study
from tests.support.processes import ROOT

HOSTILE = "<img src=x onerror=alert(1)>%2f"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dashboard") / "runs"
    made_study(folder / "first", count=5)
    made_study(folder / HOSTILE, count=3)
    (folder / "damaged").mkdir()
    (folder / "damaged" / "manifest.json").write_text("{")
    return folder


@pytest.fixture(scope="module")
def dashboard(runs: Path) -> Iterator[Dashboard]:
    found = Dashboard(runs)
    yield found
    found.command.interrupt()
    ended = found.command.wait()
    assert ended.code == 0 and ended.err == ""


def test_the_list(dashboard: Dashboard) -> None:
    found = dashboard.listed()
    assert set(found) == {"first", HOSTILE, "damaged"}
    assert (found["first"]["state"], found["first"]["ended"]) == ("finished", 5)
    assert "damaged" in found["damaged"]["message"]
    assert b'data-live="/content"' in dashboard.get("/").body
    assert [section["id"] for section in dashboard.get("/content").json["sections"]] == ["studies"]


def test_a_page_and_its_content(dashboard: Dashboard) -> None:
    for name in ("first", HOSTILE):
        url = dashboard.listed()[name]["url"]
        page = dashboard.get(url)
        assert page.status == 200 and f'data-live="{url}/content"'.encode() in page.body
        assert b"<img" not in page.body
        content = dashboard.get(f"{url}/content").json
        assert content["title"] == name and content["state"] == "finished"
    for file in ("plotly.js", "datatables.js", "datatables.css", "style.css", "app.js"):
        assert len(dashboard.get(f"/assets/{file}").body) > 500


def test_what_has_not_changed_is_not_sent_again(dashboard: Dashboard) -> None:
    for path in ("/studies", "/content", "/studies/first/content", "/assets/app.js"):
        first = dashboard.get(path)
        again = dashboard.get(path, If_None_Match=first.headers["etag"])
        assert (first.status, again.status, again.body) == (200, 304, b"")
        assert dashboard.get(path, If_None_Match='"other"').body == first.body
    assert dashboard.get("/studies/first/content", "HEAD").body == b""


def test_what_is_not_there(dashboard: Dashboard) -> None:
    for name in ("none", "..", "%2e%2e", "..%2ffirst", "%2fetc", "first%00", "first%2f"):
        assert dashboard.get(f"/studies/{name}/content").status == 404
        assert dashboard.get(f"/studies/{name}").status == 404
    assert dashboard.get("/assets/..%2fapp.py").status == 404
    assert dashboard.get("/assets/template.html").status == 404
    damaged = dashboard.get("/studies/damaged/content")
    assert damaged.status == 422 and b"manifest.json is damaged" in damaged.body


def test_refusals(dashboard: Dashboard) -> None:
    refused = [
        dashboard.get("/studies", Host="example.org"),
        dashboard.get("/studies", Origin="http://example.org"),
        dashboard.get("/studies", Sec_Fetch_Site="cross-site"),
        *(dashboard.get("/studies", method) for method in ("POST", "DELETE", "OPTIONS")),
    ]
    assert [answer.status for answer in refused] == [403, 403, 403, 405, 405, 405]
    for answer in (*refused, dashboard.get("/"), dashboard.get("/studies/first"), dashboard.get("/none")):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_only_loopback_is_listened_on(dashboard: Dashboard) -> None:
    other = "127.0.0.2"  # every address of 127/8 is this machine's on Linux
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((other, dashboard.port), timeout=10)


def test_a_study_that_goes_away_and_comes_back(runs: Path, dashboard: Dashboard) -> None:
    made_study(runs / "goes", count=3)
    assert dashboard.get("/studies/goes/content").status == 200
    (runs / "goes").rename(runs.parent / "elsewhere")
    gone = dashboard.get("/studies/goes/content")
    assert gone.status == 404 and b"moved or deleted" in gone.body
    assert "goes" not in dashboard.listed()
    shutil.move(runs.parent / "elsewhere", runs / "goes")
    assert dashboard.get("/studies/goes/content").status == 200
    shutil.rmtree(runs / "goes")


def test_a_taken_port(tmp_path: Path, dashboard: Dashboard, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dashboard", str(tmp_path), "--port", str(dashboard.port)]) == 2
    assert f"port {dashboard.port} of 127.0.0.1 cannot be opened" in capsys.readouterr().err


def test_no_folder_and_a_study(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dashboard", str(tmp_path / "none")]) == 2
    assert "no folder" in capsys.readouterr().err
    assert run(["dashboard", str(runs / "first")]) == 2
    assert f"genresweep dashboard {runs}" in capsys.readouterr().err


def test_without_the_extra_the_message_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def lacking(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", lacking)
    monkeypatch.delitem(sys.modules, "search.dashboard.server", raising=False)
    monkeypatch.delattr("search.dashboard.server", raising=False)
    assert run(["dashboard", str(tmp_path)]) == 2
    assert "needs uvicorn" in (said := capsys.readouterr().err) and "pip install" in said and "[dashboard]" in said


def test_it_stops_for_ctrl_c_and_its_port_is_free_at_once(runs: Path) -> None:
    first = Dashboard(runs)
    assert first.get("/studies").status == 200
    assert first.kill().code == -signal.SIGKILL
    second = Dashboard(runs, first.port)
    assert second.get("/studies").status == 200
    second.command.interrupt()
    assert second.command.wait().code == 0


def test_the_next_port_where_the_usual_one_is_taken(tmp_path: Path) -> None:
    code = (
        "from search.dashboard.server import PORT, address, listening\n"
        "with listening(None) as one, listening(None) as two:\n"
        "    print(PORT, address(one)[1], address(two)[1])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    usual, one, two = map(int, ended.stdout.split())
    assert usual <= one < two
