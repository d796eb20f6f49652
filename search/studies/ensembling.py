"""The ensemble: members chosen among all networks of a sweep, written as one model directory, and judged."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data.errors import InputError
from data.inputs.features import Features
from results.dataframes.frames import load_trials
from results.judging.ensemble import ENSEMBLE, Ensemble, EnsembleMember
from results.judging.judgement import Judgement, judge
from results.judging.selection import select
from results.record.records import TrialKey, TrialRecord
from results.record.study import Study
from search.planning.prepared_data import Prepared
from search.snapshots.copies import snapshots
from search.studies.model_directories import architecture_for, features_for, write_model
from search.studies.promotion import member_source
from search.studies.relocation import Sources, same_data
from search.studies.stopping import logging_to
from spaces import Configuration
from trainables.checkpoint import CheckpointError, MemberSource, read_each
from trainables.ensemble import load_members, save_ensemble
from trainables.model_card import Provenance
from trainables.scoring import best_probabilities
from trainables.stack.stacked_mlp import unpack
from trainables.stack.state import StackState

CANDIDATES = 128
"""Networks among which members are chosen: those of the least recorded loss on the validation rows."""
_TOLERANCE = 1e-2
"""Largest relative difference of a candidate's loss from the record; 1e-6 or so on the machine that trained it."""

_log = logging.getLogger("genresweep")


@dataclass(frozen=True, eq=False)
class Library:
    """A study whose networks are candidates, and its standardised features."""

    study: Study
    features: Features

    def encoded(self, configuration: Configuration) -> Features:
        """Return the features in a configuration's encoding."""
        if configuration.encoding not in self._encoded:
            self._encoded[configuration.encoding] = features_for(configuration, self.features)
        return self._encoded[configuration.encoding]

    @cached_property
    def _encoded(self) -> dict[str, Features]:
        return {}

    @cached_property
    def networks(self) -> list[_Network]:
        """All networks that have a score, in the order of the search space."""
        records = {trial.key: trial for trial in self.study.trials()}
        trials = load_trials(self.study).dropna(subset=["val_accuracy", "val_loss"])
        rows = zip(trials["config_id"], trials["seed"], trials["best_epoch"], trials["val_loss"], strict=True)
        return [_Network(self, records[TrialKey(one, int(seed))], int(epoch), loss) for one, seed, epoch, loss in rows]

    @property
    def digest(self) -> str:
        """A hash of the networks and their losses: with the same one the selection comes out the same."""
        lines = [f"{one.record.key} {one.epoch} {one.loss!r}\n" for one in self.networks]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class _Network:
    """A trained network at its best epoch, and its mean cross-entropy on the validation rows."""

    library: Library
    record: TrialRecord
    epoch: int
    loss: float

    @property
    def name(self) -> str:
        """The name of its folder among the members of one study."""
        return f"{self.record.key.config_id}-{self.record.key.seed}"

    @property
    def features(self) -> Features:
        """The features that it reads."""
        return self.library.encoded(self.record.configuration)

    def probabilities(self, state: StackState, x: np.ndarray) -> np.ndarray:
        """Return its probabilities ``(n, genres)`` float32 for rows ``x (n, d)``."""
        return best_probabilities(state, architecture_for(self.record.configuration, self.features), x)[0]


def keep_or_assemble(study: Study, features: Features) -> Ensemble | None:
    """Return the ensemble of a study's networks: the recorded one where it is sound and stands on the same networks.

    ``None`` where there are fewer than two networks to choose from.
    """
    library, recorded = Library(study, features), study.ensemble
    if recorded is not None and recorded.digests[0] == library.digest and _is_sound(study.directory / ENSEMBLE):
        return recorded
    return assemble([library], study.directory / ENSEMBLE)


def ensemble_of(paths: Sequence[str | Path]) -> tuple[Path, Ensemble]:
    """Choose an ensemble among the networks of one study, or of several on the same rows.

    It replaces that of the first study, in its directory and in its record. Returns its directory and its record.
    Raises ``InputError`` where the studies' rows, genres or sentence models differ, or there is nothing to choose from.
    """
    with ExitStack() as opened:
        first = opened.enter_context(Study.open_for_writing(paths[0]))
        opened.enter_context(logging_to(first.directory / "log.txt"))
        studies = [first, *(opened.enter_context(Study.open(path)) for path in paths[1:])]
        data = [same_data(study, Sources(), "stand in an ensemble")[1] for study in studies]
        for study, prepared in zip(studies[1:], data[1:], strict=True):
            _refuse_others(first, data[0], study, prepared)
        opened.enter_context(snapshots(first))
        libraries = [Library(study, prepared.features) for study, prepared in zip(studies, data, strict=True)]
        directory = first.directory / ENSEMBLE
        ensemble = assemble(libraries, directory)
        if ensemble is None:
            raise InputError(
                f"{first.directory}: an ensemble needs at least two networks with a score and a whole checkpoint"
            )
        return directory, ensemble


def _refuse_others(first: Study, data: Prepared, study: Study, prepared: Prepared) -> None:
    """Raise ``InputError`` where a study's rows, genres or sentence model are not those of the first."""
    if first.directory.resolve() == study.directory.resolve():
        raise InputError(f"{study.directory} is given twice: name each study once")
    pairs = [
        (name, getattr(first.settings, name), getattr(study.settings, name)) for name in ("split", "seed", "holdout")
    ]
    pairs += [("rows", data.tracks.fingerprint[:12], prepared.tracks.fingerprint[:12])]
    pairs += [("genres", data.features.genres, prepared.features.genres)]
    models = [one.features.text_model.sha256[:12] for one in (data, prepared) if one.features.text_model]
    pairs += [("text model", models[0], models[-1])] if models else []
    differing = [f"\n  - {name}: {before} and {now}" for name, before, now in pairs if before != now]
    if differing:
        raise InputError(
            f"{first.directory} and {study.directory} cannot stand in one ensemble, which is chosen on rows that no "
            f"member was trained on:{''.join(differing)}"
        )


def _is_sound(directory: Path) -> bool:
    try:
        load_members(directory)
    except InputError as error:
        _log.warning("the ensemble is chosen again: %s", error)
        return False
    return True


def assemble(libraries: Sequence[Library], directory: Path) -> Ensemble | None:
    """Choose members among the networks of studies on the same rows, write them to a directory, and record them.

    They are chosen on the validation rows, and judged on the held-out ones, too. The record is that of the first
    study. ``None`` where there are fewer than two networks to choose from.
    """
    (first, *_) = libraries
    found = sorted((one for library in libraries for one in library.networks), key=lambda one: one.loss)[:CANDIDATES]
    left_out: list[str] = []
    true = dict(_true_probabilities(found, left_out))
    candidates = [one for one in found if one in true]
    for sentence in left_out:
        _log.warning("left out of the ensemble: %s", sentence)
    if len(candidates) < 2:
        return None
    shares = zip(candidates, select(np.stack([true[one] for one in candidates])).tolist(), strict=True)
    members = dict(sorted(((one, share) for one, share in shares if share), key=lambda item: -item[1]))
    ensemble = Ensemble(
        members=tuple(_described(one, share) for one, share in members.items()),
        candidates=len(candidates),
        left_out=tuple(left_out),
        digests=tuple(library.digest for library in libraries),
    )
    states = dict(zip(members, read_each([_source(one) for one in members]), strict=True))
    _write(directory, libraries, members, states)
    with first.study.transaction():
        first.study.add_ensemble(ensemble, _judgements(members, states))
    return ensemble


def _described(network: _Network, share: float) -> EnsembleMember:
    key = network.record.key
    study = network.library.study.directory.name
    return EnsembleMember(study=study, config_id=key.config_id, seed=key.seed, epoch=network.epoch, share=share)


def _true_probabilities(networks: Sequence[_Network], left_out: list[str]) -> Iterator[tuple[_Network, np.ndarray]]:
    """Yield each network that its checkpoint still holds, with the probability of each validation row's true genre.

    A sentence for each other one is added to ``left_out``.
    """
    files: dict[tuple[Library, str], list[_Network]] = defaultdict(list)
    for one in networks:
        if one.record.checkpoint is None:
            left_out.append(f"{one.name}: it has no checkpoint")
        else:
            files[one.library, one.record.checkpoint.file].append(one)
    for own in files.values():
        try:
            states = read_each([_source(one) for one in own])
        except CheckpointError as error:
            left_out += [f"{one.name}: {error}" for one in own]
            continue
        for one, state in zip(own, states, strict=True):
            y = one.features.y_val
            chosen = one.probabilities(state, one.features.x_val)[np.arange(len(y)), y]
            if np.isclose(-np.log(chosen.astype(np.float64)).mean(), one.loss, rtol=_TOLERANCE):
                yield one, chosen
            else:
                left_out.append(f"{one.name}: its checkpoint does not score as recorded")


def _source(network: _Network) -> MemberSource:
    assert network.record.checkpoint is not None
    return member_source(network.library.study, network.record.checkpoint)


def _write(
    directory: Path,
    libraries: Sequence[Library],
    members: Mapping[_Network, float],
    states: Mapping[_Network, StackState],
) -> None:
    """Write the members, named by their study's place where there are several, and the index that mixes them."""
    several = len(libraries) > 1
    named = {f"{libraries.index(one.library) + 1}-{one.name}" if several else one.name: one for one in members}

    def write_member(name: str, place: Path) -> None:
        one = named[name]
        state, key = states[one], one.record.key
        write_model(
            one.library.study,
            place,
            unpack(
                architecture_for(one.record.configuration, one.features),
                state.best_parameters[0],
                state.best_statistics[0],
            ),
            one.record.configuration,
            one.features,
            Provenance(config_id=key.config_id, seed=key.seed, epoch=one.epoch, metrics={"val_loss": one.loss}),
        )

    save_ensemble(directory, {name: members[one] for name, one in named.items()}, write_member)


def _judgements(members: Mapping[_Network, float], states: Mapping[_Network, StackState]) -> list[Judgement]:
    """Return the judgements of the mixture on the validation rows, and on held-out rows if any."""
    some = next(iter(members)).features
    found = []
    for side, y in (("validation", some.y_val), ("holdout", some.y_holdout)):
        if len(y):
            mixed = np.zeros((len(y), len(some.genres)))
            for one, share in members.items():
                x = one.features.x_val if side == "validation" else one.features.x_holdout
                mixed += share * one.probabilities(states[one], x)
            found.append(judge(ENSEMBLE, side, some.genres, mixed, y))
    return found
