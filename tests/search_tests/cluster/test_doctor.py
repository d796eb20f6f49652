"""The command that looks a machine over."""

from __future__ import annotations

import json

import pytest

from data.errors import InputError
from search.cli.main import run
from search.cluster import doctor, fitness
from search.cluster.doctor import as_json, can_sweep, examine, guarded
from search.cluster.fitness import Check, Fit, refuse_unfit_machine


@pytest.fixture(scope="module")
def examined() -> list[Check]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        return examine()


def test_every_part_of_the_machine_is_looked_at(examined: list[Check]) -> None:
    names = [check.name for check in examined]
    assert len(names) == len(set(names))
    assert set(names) >= {
        *("CPUs", "Ray's CPUs", "memory", "ulimit -v", "temporary files", "Ray's folder", "cache folder", "home"),
        *("loopback", "kernels", "/dev/shm", "RAY_ADDRESS", "versions", "processor", "GPU"),
    }
    assert can_sweep(examined)
    assert not any("could not be looked at" in check.found for check in examined)


def test_what_is_not_ok_has_its_fix_beside_it(examined: list[Check]) -> None:
    assert all(check.found and (check.fix is None) == (check.state is Fit.OK) for check in examined)


def test_the_versions_that_a_result_hangs_on_are_told(examined: list[Check]) -> None:
    (found,) = [check.found for check in examined if check.name == "versions"]
    assert all(f"{name} " in found for name in ("Python", *doctor.LIBRARIES))
    assert "not installed" not in found


def test_a_library_that_is_missing_or_too_old_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"ray": "2.9.0", "numba": "not installed"}
    monkeypatch.setattr(doctor, "_version", lambda name: installed.get(name, "99"))
    monkeypatch.setattr(doctor, "requires", lambda name: ["ray<2.61,>=2.60", "numba>=0.68", 'x>=3; extra == "dev"'])
    found = doctor.check_versions()
    assert found.state is Fit.FAILS
    assert found.found == "ray 2.9.0, expected <2.61,>=2.60; numba not installed, expected >=0.68"


def test_limits_of_cpus_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr("data.machine.cpus.affinity", lambda: 4)
    monkeypatch.setattr(doctor, "affinity", lambda: 4)
    monkeypatch.setattr("data.machine.cpus.cpu_quotas", lambda: iter([1.5]))
    monkeypatch.setattr(doctor, "cpu_quotas", lambda: iter([1.5]))
    found = doctor.check_cpus()
    assert found.state is Fit.NOTE and found.found == "2 of 8, affinity 4, quota 1.5"


def test_a_check_that_breaks_hides_no_other() -> None:
    def check_something_odd() -> Check:
        raise PermissionError(13, "Permission denied")

    found = guarded(check_something_odd)
    assert (found.name, found.state) == ("something odd", Fit.NOTE) and "Permission denied" in found.found


def test_wrong_input_fails_in_its_own_words() -> None:
    def check_something_said() -> Check:
        raise InputError("X=1: expected 2")

    found = guarded(check_something_said)
    assert (found.name, found.state, found.found) == ("something said", Fit.FAILS, "X=1: expected 2") and found.fix


def test_a_cache_folder_that_a_sweep_would_refuse_is_not_called_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the same words, which the sweep says before anything else."""
    monkeypatch.setenv("GENRESWEEP_CACHE_DIR", "~nobody-of-that-name/x")
    monkeypatch.setattr(doctor, "_SLOW", (doctor.check_kernels,))
    monkeypatch.setattr(fitness, "_is_connected", lambda: False)
    assert run(["doctor", "--json"]) == 2
    printed = json.loads(capsys.readouterr().out)
    (found,) = [check for check in printed["checks"] if check["name"] == "cache folder"]
    assert not printed["fit"] and found["state"] == "fails"
    for address in (None, "10.0.0.1:6379"):
        with pytest.raises(InputError) as refused:
            refuse_unfit_machine(address)
        assert found["found"] in str(refused.value) and "~nobody-of-that-name/x" in found["found"]


FAILING = [Check("memory", Fit.FAILS, "0.1 GB", "give more"), Check("GPU", Fit.OK, "none")]


@pytest.mark.parametrize(("checks", "code"), [(FAILING, 2), (FAILING[1:], 0)])
def test_the_code_says_whether_a_sweep_can_run(
    checks: list[Check], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: checks)
    assert run(["doctor", "--json"]) == code
    printed = json.loads(capsys.readouterr().out)
    assert printed == as_json(checks) and printed["fit"] is (code == 0)
    assert run(["doctor"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split() == ["ok", "GPU", "none"]
    if code:
        assert lines[0].split() == ["fails", "memory", "0.1", "GB"] and lines[1].split() == ["->", "give", "more"]
