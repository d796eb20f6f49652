"""Requests that the dashboard refuses, by their headers alone."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from search.dashboard.security import content_policy, refusal

HERE = "127.0.0.1:8321"
LINK = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def status(method: str = "GET", **headers: str) -> int | None:
    given = {"host": HERE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    found = refusal(method, Headers(given), 8321)
    return None if found is None else found.status


@pytest.mark.parametrize("host", [HERE, "localhost:8321", "LOCALHOST:8321", "[::1]:8321"])
def test_this_machines_own_names_pass(host: str) -> None:
    assert status(host=host) is None
    assert status(host=host, origin=f"http://{host}", sec_fetch_site="same-origin") is None


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "example.org:8321",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1.example.org:8321",
        "127.0.0.2:8321",
        "",
    ],
)
def test_other_hosts_are_refused(host: str) -> None:
    """A name that was made to lead here is still the name that the browser sends."""
    assert status(host=host) == 403


def test_no_host_and_two_hosts_are_refused() -> None:
    for hosts in ([], [HERE, "example.org"], [HERE, HERE]):
        raw = [(b"host", host.encode()) for host in hosts]
        assert refusal("GET", Headers(raw=raw), 8321) is not None


@pytest.mark.parametrize("origin", ["http://example.org", "null", "http://127.0.0.1:8888", f"https://{HERE}"])
def test_other_origins_are_refused(origin: str) -> None:
    assert status(origin=origin) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_other_sites_are_refused_but_for_a_link_that_is_followed(site: str) -> None:
    assert status(sec_fetch_site=site) == 403
    assert status(sec_fetch_site=site, sec_fetch_mode="no-cors", sec_fetch_dest="script") == 403
    assert status(sec_fetch_site=site, sec_fetch_mode="navigate", sec_fetch_dest="iframe") == 403
    assert refusal("GET", Headers({"host": HERE, "sec-fetch-site": site, **LINK}), 8321) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_reading(method: str) -> None:
    assert status(method) == 405
    assert status("HEAD") is None


def test_a_pages_own_scripts_are_named_by_their_hashes() -> None:
    page = '<script type="importmap">{}</script><script src="/a.js"></script><script type="application/json">x</script>'
    policy = content_policy(page)
    assert policy.count("sha256-") == 1 and "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
