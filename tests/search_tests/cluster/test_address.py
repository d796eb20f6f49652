"""Where Ray is, and that a refusal names what the user gave: the option or the variable."""

from __future__ import annotations

import pytest

from data.errors import InputError
from search.cluster import connection as cluster
from search.cluster.address import LOCAL, VARIABLE, find_address
from search.cluster.environment import LOOPBACK


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv(LOOPBACK, "0")


@pytest.mark.parametrize(
    ("option", "variable", "where", "said"),
    [
        (None, "", LOCAL, "RAY_ADDRESS=local"),
        (None, "10.0.0.1:6379", "10.0.0.1:6379", "RAY_ADDRESS=10.0.0.1:6379"),
        (None, "auto", "auto", "RAY_ADDRESS=auto"),
        ("auto", "", "auto", "--address auto"),
        ("auto", "10.0.0.1:6379", "auto", "--address auto (RAY_ADDRESS=10.0.0.1:6379)"),
        ("10.0.0.2:6379", "10.0.0.1:6379", "10.0.0.2:6379", "--address 10.0.0.2:6379"),
        (LOCAL, "", LOCAL, "--address local"),
    ],
)
def test_how_it_was_given(
    option: str | None, variable: str, where: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, variable)
    found = find_address(option)
    assert (found.where, found.said, found.is_local) == (where, said, where == LOCAL)


@pytest.mark.parametrize("address", ["ray://head:10001", "http://127.0.0.1:8265", "https://head"])
def test_a_protocol_is_refused_by_the_name_of_what_gave_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=f"^--address {address}: expected auto or HOST:PORT"):
        find_address(address)
    monkeypatch.setenv(VARIABLE, address)
    for option in (None, "auto"):  # Ray prefers the variable to auto
        with pytest.raises(InputError, match=f"^RAY_ADDRESS={address}: .* with RAY_ADDRESS=auto$") as refused:
            find_address(option)
        assert "--address" not in str(refused.value)
    assert find_address("10.0.0.1:6379").where == "10.0.0.1:6379"


def test_auto_beside_a_variable_that_means_no_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, LOCAL)
    with pytest.raises(InputError, match="unset RAY_ADDRESS"):
        find_address("auto")


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1:port", "127.0.0.1:99999"])
def test_a_cluster_that_does_not_answer_is_named_by_the_variable(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(
        InputError, match=f"^RAY_ADDRESS={address}: no Ray cluster that this command can join"
    ) as refused:
        cluster._start_or_join({"address": address}, find_address(None).said)
    assert "--address" not in str(refused.value)
