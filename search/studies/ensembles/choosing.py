"""The choice of an ensemble's members, its model directory, its judgement and its record."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data.errors import InputError, command, warn
from data.inputs.features import Features
from data.tables.genres import a_few
from results.judging.ensemble import ENSEMBLE, Ensemble, EnsembleMember
from results.judging.judgement import Judgement
from results.judging.measures import judge
from results.judging.selection import select
from results.record.study import Study
from search.studies.ensembles.library import Library, Network, true_probabilities
from search.studies.model_directories import architecture_for, write_model
from trainables.checkpoint import read_each
from trainables.ensemble import NewerFormatError, index_hash, load_members, save_ensemble
from trainables.model_card import Provenance
from trainables.stack.stacked_mlp import unpack
from trainables.stack.state import StackState

CANDIDATES = 128
"""Networks among which members are chosen: those of the least recorded loss on the validation rows."""
_FEWEST = 2
"""Networks without which there is nothing to choose."""
_LOGGED = 5
"""Most networks of which the log says that they were left out."""

_log = logging.getLogger("genresweep")


def keep_or_assemble(study: Study, features: Features) -> Ensemble | None:
    """Return the ensemble of a study's networks: the recorded one where it is sound and stands on the same networks.

    Where there are too few networks to choose from, a sound recorded one stays, too, and without one it is ``None``.
    """
    library, recorded, directory = Library(study, features), study.ensemble, study.directory / ENSEMBLE
    sound = recorded is not None and _is_sound(directory, recorded)
    if recorded is not None and sound and recorded.digests[0] == library.digest:
        return recorded
    if recorded is not None and len(recorded.digests) > 1:
        warn(
            f"{directory}: the ensemble of {len(recorded.digests)} studies is chosen anew among the networks of this "
            "one alone; for one of all, run `genresweep ensemble` with all of them again"
        )
    found = assemble([library], directory)
    if found is not None or recorded is None:
        return found
    if sound:
        warn(
            f"{directory} stays as it was chosen before these networks were trained: too few of their checkpoints are "
            "left to choose another (prune deletes those that no resume needs)"
        )
        return recorded
    warn(f"{directory}: the ensemble is damaged, and too few checkpoints are left to choose another")
    with study.transaction():
        study.forget_ensemble()
    return None


def _is_sound(directory: Path, recorded: Ensemble) -> bool:
    """Return True where a directory holds the recorded ensemble; ``NewerFormatError`` for one of a newer version."""
    try:
        load_members(directory)
    except NewerFormatError:
        raise
    except InputError as error:
        _log.warning("the ensemble is chosen again: %s", error)
        return False
    return index_hash(directory) == recorded.sha256


def assemble(libraries: Sequence[Library], directory: Path, *, keeping: bool = False) -> Ensemble | None:
    """Choose members among the networks of studies on the same rows, write them to a directory, and record them.

    They are chosen on the validation rows, and judged on the held-out ones, too. The record is that of the first
    study. ``None`` where there are fewer than two networks to choose from. ``keeping`` raises ``InputError`` where a
    member of a sound ensemble could not be chosen again, since its checkpoint is gone.
    """
    (first, *_) = libraries
    found = sorted((one for library in libraries for one in library.networks), key=lambda one: one.loss)[:CANDIDATES]
    left_out: list[str] = []
    true = dict(true_probabilities(found, left_out))
    candidates = [one for one in found if one in true]
    for sentence in left_out[:_LOGGED]:
        _log.warning("left out of the ensemble: %s", sentence)
    if len(left_out) > _LOGGED:
        _log.warning("left out of the ensemble: %d more", len(left_out) - _LOGGED)
    if keeping:
        _refuse_loss(first.study, directory, left_out)
    if len(candidates) < _FEWEST:
        return None
    shares = zip(candidates, select(np.stack([true[one] for one in candidates])).tolist(), strict=True)
    members = dict(sorted(((one, share) for one, share in shares if share), key=lambda item: -item[1]))
    states = dict(zip(members, read_each([one.source for one in members]), strict=True))
    ensemble = Ensemble(
        members=tuple(_described(one, share) for one, share in members.items()),
        candidates=len(candidates),
        left_out=tuple(left_out),
        digests=tuple(library.digest for library in libraries),
        sha256=_write(directory, libraries, members, states),
    )
    with first.study.transaction():
        first.study.add_ensemble(ensemble, _judgements(members, states))
    return ensemble


def _refuse_loss(study: Study, directory: Path, left_out: Sequence[str]) -> None:
    """Raise ``InputError`` where members of a sound ensemble are among those that are left out now."""
    recorded = study.ensemble
    if recorded is None or not _is_sound(directory, recorded):
        return
    names = {sentence.partition(":")[0] for sentence in left_out}
    lost = [name for name in (f"{one.config_id}-{one.seed}" for one in recorded.members) if name in names]
    if lost:
        raise InputError(
            f"{directory} is kept as it is: {len(lost)} of its {len(recorded.members)} members could not be chosen "
            f"again, since their checkpoints are gone ({a_few(lost)}). To choose among those that are left, delete "
            f"{directory}"
        )


def _described(network: Network, share: float) -> EnsembleMember:
    key = network.record.key
    study = network.library.study.directory.resolve().name
    return EnsembleMember(study=study, config_id=key.config_id, seed=key.seed, epoch=network.epoch, share=share)


def _write(
    directory: Path,
    libraries: Sequence[Library],
    members: Mapping[Network, float],
    states: Mapping[Network, StackState],
) -> str:
    """Write the members, named by their study's place where there are several, and the index; return its hash."""
    several = len(libraries) > 1
    named = {f"{libraries.index(one.library) + 1}-{one.name}" if several else one.name: one for one in members}
    try:
        return save_ensemble(
            directory,
            {name: members[one] for name, one in named.items()},
            lambda name, place: _write_member(named[name], states[named[name]], place),
        )
    except OSError as error:
        raise InputError(
            f"the ensemble cannot be written to {directory}: {error.strerror or error}; what lies there must be a "
            "folder that can be written: mend or delete it, then go on with "
            f"{command('resume', libraries[0].study.directory)}"
        ) from error


def _write_member(network: Network, state: StackState, directory: Path) -> None:
    configuration, key = network.record.configuration, network.record.key
    architecture = architecture_for(configuration, network.features)
    write_model(
        network.library.study,
        directory,
        unpack(architecture, state.best_parameters[0], state.best_statistics[0]),
        configuration,
        network.features,
        Provenance(config_id=key.config_id, seed=key.seed, epoch=network.epoch, metrics={"val_loss": network.loss}),
    )


def _judgements(members: Mapping[Network, float], states: Mapping[Network, StackState]) -> list[Judgement]:
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
