"""Lightning's trainer as runs use it: checkpoints, early stopping, a clock, logs, and silence."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import callbacks, loggers
from torch import Tensor

from .learner import Learner
from .recipe import TrainPart
from .runs import CHECKPOINTS, LOGS

LARGEST_GRADIENT = 1.0  # norm of all weights' together


class Trainer:
    """What fits a learner, keeps its best and its last epoch, and counts the minutes.

    Parameters
    ----------
    part : TrainPart
        How long, and how exact.
    folder : Path
        Run folder; checkpoints and logs are written to it.
    accelerator : str
        As Lightning names it.
    devices : int
        How many of them; each gets batches of its own, and their gradients are averaged.
    bar : bool
        Show a progress bar.
    monitor, mode : str
        The number that chooses the epoch, and whether its "min" or "max" is best.
    """

    def __init__(
        self, part: TrainPart, folder: Path, *, accelerator: str, devices: int, bar: bool, monitor: str, mode: str
    ) -> None:
        self._part = part
        self._clock, self._score = _Clock(part.minutes), _Score(monitor)
        self._folder = folder / CHECKPOINTS
        self._best = callbacks.ModelCheckpoint(
            folder / CHECKPOINTS, "best", monitor=monitor, mode=mode, enable_version_counter=False
        )
        last = callbacks.ModelCheckpoint(folder / CHECKPOINTS, "last", enable_version_counter=False)
        patience = callbacks.EarlyStopping(monitor, mode=mode, patience=part.patience)
        with _quiet():
            self._lightning = lightning.Trainer(
                accelerator=accelerator,
                devices=devices,
                # (Spawned, not begun anew by their command line: what comes before and after training is done once.)
                strategy="auto" if devices == 1 else "ddp_spawn",
                use_distributed_sampler=False,  # ours shares out the patches itself
                max_epochs=part.epochs,
                precision=part.precision,
                gradient_clip_val=LARGEST_GRADIENT,
                callbacks=[self._best, patience, self._clock, self._score, last],
                logger=_loggers(folder),
                enable_progress_bar=bar,
                enable_model_summary=False,
                log_every_n_steps=1_000_000,  # once an epoch
            )

    def fit(self, learner: Learner, train: Any, valid: Any, last: Path | None) -> None:
        """Train.

        Parameters
        ----------
        learner : Learner
            What learns.
        train, valid : DataLoader
            Of examples.
        last : Path, optional
            Checkpoint to go on from.
        """
        with _quiet():
            self._lightning.fit(learner, train, valid, ckpt_path=last, weights_only=True)

    @property
    def minutes(self) -> float:
        """Minutes of training, those before a resume too."""
        return self._clock.spent()

    @property
    def epochs(self) -> int:
        """Epochs that were trained."""
        return int(_checkpoint(self._folder / "last.ckpt")["epoch"]) + 1

    def kept(self) -> tuple[dict[str, Tensor], dict[str, Tensor], float]:
        """Read the best epoch, or the last, as the recipe says.

        Returns
        -------
        dict of str to Tensor
            The model's weights.
        dict of str to Tensor
            Those of the paradigm's own layers.
        float
            The number that chooses among epochs.
        """
        last = self._part.keep == "last"
        found = _checkpoint(self._folder / "last.ckpt" if last else Path(self._best.best_model_path))
        state = found["callbacks"]
        score = state[self._score.state_key]["score"] if last else state[self._best.state_key]["best_model_score"]
        model, own = (
            {
                name.removeprefix(prefix): value.contiguous()
                for name, value in found["state_dict"].items()
                if name.startswith(prefix)
            }
            for prefix in ("model.", "paradigm.")
        )
        return model, own, float(score)


def _checkpoint(path: Path) -> dict[str, Any]:
    """Read what training left, which may have run in other processes."""
    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def _loggers(folder: Path) -> list[Any]:
    """CSV files, one for every time the run was begun or resumed, and TensorBoard where it is installed."""
    version = f"{len([*(folder / LOGS).glob('*')]):03d}"
    found: list[Any] = [loggers.CSVLogger(folder, name=LOGS, version=version)]
    with suppress(ModuleNotFoundError):
        found.append(loggers.TensorBoardLogger(folder, name=LOGS, version=version))
    return found


class _Clock(callbacks.Callback):
    """Minutes of training, those before a resume too, and an end when there are enough."""

    def __init__(self, most: float | None) -> None:
        self.most, self.before, self.start = most, 0.0, time.monotonic()

    def spent(self) -> float:
        return self.before + (time.monotonic() - self.start) / 60

    def on_train_start(self, *_: Any) -> None:
        self.start = time.monotonic()

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        if self.most is not None and self.spent() >= self.most:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"minutes": self.spent()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.before = float(state["minutes"])


class _Score(callbacks.Callback):
    """The number that chooses among epochs, as it is after the epoch of a checkpoint."""

    def __init__(self, monitor: str) -> None:
        self._monitor, self._score = monitor, math.nan

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        self._score = float(trainer.callback_metrics[self._monitor])

    def state_dict(self) -> dict[str, Any]:
        return {"score": self._score}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._score = float(state["score"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice and advertisements from users; errors come through."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        try:
            yield
        finally:
            for name, level in before.items():
                logging.getLogger(name).setLevel(level)
