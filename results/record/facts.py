"""The names of the small facts that a record holds beside its tables."""

from __future__ import annotations

from enum import StrEnum


class Fact(StrEnum):
    """The name of a fact; its value is text."""

    DRIVER = "driver"
    """The process that writes the study, and its host; empty when there is none."""
    INCUMBENT = "incumbent"
    """The id of the promoted configuration; empty while configurations train on after a promotion."""
    MOVED = "moved"
    """The inputs' present places, as JSON, by the names of the settings."""
    BOUNDED = "bounded"
    """The bound that ended the last command, as a sentence; empty where none did."""
    EXTENDED = "extended"
    """The settings that the study was extended to, as JSON; see ``manifest.extensions``."""
    AHEAD = "ahead"
    """Configurations suggested beyond those asked for, as JSON: the first ones of a search that is extended."""
    ANSWERED = "answered"
    """The suggestions answered from the record, as JSON."""
    RAN_OUT = "ran_out"
    """Not empty where a search ended for want of points, with fewer configurations than asked for."""
    JUDGEMENTS = "judgements"
    """The judgements of promoted models, as JSON."""
    ENSEMBLE = "ensemble"
    """The members of the ensemble and their shares, as JSON."""
    TREES = "trees"
    """The cost and the result of the trees tuned beside the sweep, as JSON."""
    STAGE_PROGRESS = "stage_progress"
    """The progress of the stage that runs, as JSON, noted now and then; empty between two stages."""
    STORAGE_DRIVER = "storage_driver"
    """The record's own token in the ``driver.json`` of its storage."""
    STORAGE_PREDECESSOR = "storage_predecessor"
    """The token of the record that this one was fetched from."""


def seconds_of(stage: str) -> str:
    """Return the name of the fact with the seconds that interrupted commands spent on a stage."""
    return f"seconds of {stage}"
