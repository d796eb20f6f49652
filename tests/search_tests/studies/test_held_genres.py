"""Which genres a model's card says were kept for the transfer stage."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from results.record.manifest import DataFacts
from results.record.settings import StageSettings, StudySettings
from search.studies.model_directories import held_genres

ALWAYS = {"source": "t.csv", "synthetic": False, "inputs": ["tempo"], "genres": ["pop"]}


@pytest.mark.parametrize(
    ("data", "settings", "held"),
    [
        ({"transfer_genres": ["edm"]}, StudySettings(data="t.csv", stages=StageSettings()), ["edm"]),
        ({"transfer_genres": []}, StudySettings(data="t.csv", stages=StageSettings()), []),
        ({"transfer_genres": []}, StudySettings(data="t.csv"), []),
        ({"transfer_fingerprint": "1f"}, StudySettings.from_mapping({"data": "t.csv"}), ["edm"]),
        ({"transfer_fingerprint": None}, StudySettings.from_mapping({"data": "t.csv"}), []),
        ({}, StudySettings.from_mapping({"data": "t.csv"}), []),
    ],
)
def test_as_the_manifest_says_and_for_older_studies_as_they_did(
    data: dict[str, Any], settings: StudySettings, held: list[str]
) -> None:
    study: Any = SimpleNamespace(
        manifest=SimpleNamespace(data=DataFacts.from_mapping({**ALWAYS, **data})), settings=settings
    )
    assert held_genres(study) == held
