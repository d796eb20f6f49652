"""A point of a search space, with an id that is the same on every machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import lru_cache
from typing import Any

from data.errors import InputError, did_you_mean
from spaces.hyperparameters import TABLE, Kind, names_of

_ID_LENGTH = 12
_FRACTIONS = names_of(Kind.FRACTION)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The hyperparameters of one network (paper, Tables 3 and 4).

    ``config_id`` is a hash of the values that differ from the defaults below, so it does not depend on their
    order, and a field added later with a default leaves every older id unchanged. Defaults therefore never change.

    Raises ``InputError`` naming every field that is out of its range.
    """

    hidden_layers: tuple[int, ...]
    """Width of each hidden layer, from the input up."""
    batch_norm: bool = False
    dropout: float = 0.3
    """Probability that a hidden unit is dropped, in [0, 1)."""
    learning_rate: float = 1e-3
    batch_size: int = 32
    optimizer: str = "adam"
    clip_norm: float | None = None
    """Largest 2-norm of the gradient over all parameters; ``None`` does not clip."""
    activation: str = "relu"
    weight_decay: float = 0.0
    """L2 penalty, as in ``torch.optim`` (decoupled for ``adamw``)."""
    patience: int | None = None
    """Epochs without a lower validation loss before training stops; ``None`` never stops."""
    epochs: int | None = None
    """Budget of this configuration alone, which training may not reach; ``None`` takes ``StudySettings.epochs``."""
    momentum: float = 0.0
    """Momentum of ``sgd``, in [0, 1); Adam has its own."""
    label_smoothing: float = 0.0
    """Share of the label spread evenly over all genres, in [0, 1)."""
    schedule: str = "constant"
    """Course of the learning rate over the epochs; ``learning_rate`` is its highest value."""
    schedule_epochs: int = 20
    """Epochs that a schedule takes; afterwards the rate keeps its last value."""
    encoding: str = "standardised"
    """Encoding of the audio numbers for the network."""
    ema_decay: float = 0.0
    """Decay per step of the moving average of the weights that is validated and kept, in [0, 1); 0 averages nothing."""

    def __post_init__(self) -> None:
        self._coerce()
        found = (row.problem(getattr(self, row.name)) for row in TABLE)
        problems = [problem for problem in found if problem is not None]
        problems = problems or [message for holds, message in self._joint_rules() if not holds]
        if problems:
            raise InputError("this configuration is not valid:\n" + "\n".join(f"  - {p}" for p in problems))

    def _coerce(self) -> None:
        """Store 1 and 1.0, 0.0 and -0.0, [64, 32] and (64, 32) as the same value, with the same id."""
        if isinstance(self.hidden_layers, list):
            object.__setattr__(self, "hidden_layers", tuple(self.hidden_layers))
        for name in _FRACTIONS:
            value = getattr(self, name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                with contextlib.suppress(OverflowError):  # the rules refuse what no float can hold
                    object.__setattr__(self, name, float(value) + 0.0)

    def _joint_rules(self) -> list[tuple[bool, str]]:
        """Return rules against values that would change nothing, since two ids would then stand for one network."""
        return [
            (
                self.momentum == 0 or self.optimizer == "sgd",
                f"momentum goes with optimizer sgd alone, but got {self.momentum!r} with {self.optimizer!r}"
                ' (in a space: when = {optimizer = "sgd"})',
            ),
            (
                self.schedule_epochs == DEFAULTS["schedule_epochs"] or self.schedule != "constant",
                f"schedule_epochs goes with a schedule, but got {self.schedule_epochs!r} with {self.schedule!r}"
                ' (in a space: when = {schedule = ["cosine", "one_cycle"]})',
            ),
        ]

    @property
    def config_id(self) -> str:
        """Twelve hexadecimal digits, the same for equal values on any machine."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:_ID_LENGTH]

    def to_json(self) -> str:
        """Return canonical JSON: keys sorted, values at their default left out."""
        named = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value != DEFAULTS[name]
        }
        return json.dumps(named, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Configuration:
        """Return the configuration that ``to_json`` wrote; for equal text the same one, since none can change."""
        return _read(text)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Configuration:
        """Build a configuration from names and values; unknown and missing names raise ``InputError``."""
        unknown = [name for name in values if name not in DEFAULTS]
        if unknown:
            hints = ", ".join(f"{name!r}{did_you_mean(name, DEFAULTS)}" for name in unknown)
            raise InputError(f"unknown hyperparameter {hints}; the known ones are {', '.join(DEFAULTS)}")
        if "hidden_layers" not in values:
            raise InputError("a configuration needs hidden_layers, for example [64, 32]")
        return cls(**values)


DEFAULTS = {f.name: f.default for f in fields(Configuration)}
HYPERPARAMETERS: tuple[str, ...] = tuple(DEFAULTS)
assert [name for name, default in DEFAULTS.items() if default is MISSING] == ["hidden_layers"]


@lru_cache(maxsize=2**14)
def _read(text: str) -> Configuration:
    """Return the configuration of a text: who follows a study reads the same ones every second."""
    return Configuration.from_mapping(json.loads(text))
