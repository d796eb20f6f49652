"""The facts about a study's data in its manifest: written as before, read as far as an older manifest holds them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from results.record.manifest import DataFacts, Manifest
from tests.results_tests.record.test_study import manifest

GOLDEN = Path(__file__).parents[2] / "support" / "golden" / "study"
FACTS = DataFacts(
    source="tracks.csv",
    synthetic=False,
    fingerprint="f",
    transfer_genres=("edm",),
    rows=10,
    training_rows=8,
    validation_rows=2,
    holdout_rows=0,
    inputs=("tempo", "key"),
    input_sizes={"standardised": 2},
    genres=("pop", "r&b"),
    warnings=(),
)
TEXT = """{
  "source": "tracks.csv",
  "synthetic": false,
  "fingerprint": "f",
  "transfer_genres": ["edm"],
  "transfer_fingerprint": null,
  "text_model": null,
  "rows": 10,
  "training_rows": 8,
  "validation_rows": 2,
  "holdout_rows": 0,
  "inputs": ["tempo", "key"],
  "input_sizes": {"standardised": 2},
  "genres": ["pop", "r&b"],
  "warnings": []
}"""


def test_a_new_study_records_every_fact_in_the_same_order_as_ever() -> None:
    document = json.loads(replace(manifest(), data=FACTS).to_json())
    assert list(document) == ["schema", "settings", "data", "versions", "semantics", "created"]
    assert json.dumps(document["data"]) == json.dumps(json.loads(TEXT))
    assert DataFacts.from_mapping(document["data"]) == FACTS and not FACTS.absent


def test_an_older_manifest_is_written_as_it_was_read() -> None:
    recorded = Manifest.read(GOLDEN).data
    assert recorded.absent == {"transfer_genres", "text_model", "input_sizes"}
    assert recorded.inputs_under("quantile") == 14
    before = json.loads((GOLDEN / "manifest.json").read_text())["data"]
    assert json.dumps(recorded.to_json()) == json.dumps(before)


def test_a_fact_that_is_added_is_no_longer_absent() -> None:
    older = DataFacts.from_mapping(manifest().data.to_json())
    assert "rows" in older.absent and "rows" not in older.to_json()
    assert replace(older, rows=3).to_json()["rows"] == 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"genres": None}, "genres must be list"),
        ({"genres": ["pop", 1]}, "genres must be str"),
        ({"rows": "10"}, "rows must be int"),
        ({"input_sizes": {"quantile": "14"}}, "input_sizes must be int"),
    ],
)
def test_a_fact_of_another_type_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DataFacts.from_mapping({**FACTS.to_json(), **wrong})


def test_a_fact_that_a_manifest_must_have_and_one_that_is_not_known() -> None:
    facts = FACTS.to_json()
    assert DataFacts.from_mapping({**facts, "colour": "blue"}) == FACTS
    del facts["genres"]
    with pytest.raises(ValueError, match="data lacks 'genres'"):
        DataFacts.from_mapping(facts)
