"""The training step of a paradigm, for Lightning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from ..nn import Model
from .paradigm import Paradigm
from .recipe import TrainPart

WARM_UP = 0.05  # of all steps, in which the rate rises from nothing


class Learner(lightning.LightningModule):
    """A model that learns by AdamW; its rate rises at first, then falls to nothing along half a cosine.

    Parameters
    ----------
    model : Model
        What learns.
    paradigm : Paradigm
        What it learns, and how; its own layers learn with the model.
    part : TrainPart
        How.
    augment : Module, optional
        Changes training batches.
    """

    def __init__(self, model: Model, paradigm: Paradigm, part: TrainPart, *, augment: nn.Module | None = None) -> None:
        super().__init__()
        self.model, self.paradigm, self.part, self.augment = model, paradigm, part, augment

    def on_train_epoch_start(self) -> None:
        """Set norms and dropout to training."""
        self.model.train()  # (Lightning leaves a model in the mode in which it was given)
        self.paradigm.train()

    def on_train_batch_start(self, *_: Any) -> None:
        """Draw by the step's number, so that a resumed run draws the same (loaders draw when they begin, too).

        Parameters
        ----------
        *_ : object
            The batch and its number.
        """
        torch.manual_seed(self.part.seed * 1_000_003 + self.global_step)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Compute the loss of a batch.

        Parameters
        ----------
        batch : dict
            Of the paradigm's examples.
        _ : int
            Its number.

        Returns
        -------
        Tensor
            One number.
        """
        if self.augment is not None:
            batch = self._augmented(batch)
        return self._logged("train_loss", self.paradigm.loss(self.model, batch), batch)

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Note the loss of a batch that is not learned.

        Parameters
        ----------
        batch : dict
            Of the paradigm's examples.
        _ : int
            Its number.
        """
        self._logged("valid_loss", self.paradigm.observe(self.model, batch), batch)

    def on_validation_epoch_end(self) -> None:
        """Note the other numbers of validation."""
        for name, value in self.paradigm.observed().items():
            self.log(name, value, sync_dist=self.trainer.world_size > 1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Make the optimizer.

        Returns
        -------
        dict
            As Lightning wants it.
        """
        optimizer = torch.optim.AdamW(
            self.parameters(), self.part.rate, betas=self.paradigm.betas, weight_decay=self.part.decay
        )
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share_of_rate(step / steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @torch.no_grad()
    def _augmented(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Change what of a batch is augmented, every example by itself."""
        assert self.augment is not None
        name = self.paradigm.augmented
        given = batch[name]
        changed: dict[str, Tensor] = self.augment({**batch, "feature": given.flatten(0, -4)})
        return {**changed, name: changed["feature"].view_as(given)}

    def _logged(self, name: str, loss: Tensor, batch: dict[str, Tensor]) -> Tensor:
        size = len(next(iter(batch.values())))
        self.log(
            name, loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=size,
            sync_dist=self.trainer.world_size > 1,
        )  # fmt: skip
        return loss


def _share_of_rate(done: float) -> float:
    """Share of the learning rate at a share of all steps."""
    return min(1.0, done / WARM_UP) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class EpochSampler(Sampler[int]):
    """Examples in a new order every epoch, which depends on seed and epoch alone; devices take turns.

    Parameters
    ----------
    examples : Dataset
        What to order; they are moved on to the epoch as well.
    seed : int
        Of the order.
    count : int, optional
        Examples of an epoch; all if None.
    """

    def __init__(self, examples: Any, seed: int, count: int | None = None) -> None:
        self.examples, self.seed, self.count = examples, seed, min(count or len(examples), len(examples))
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Move on; Lightning calls it.

        Parameters
        ----------
        epoch : int
            Its number.
        """
        self.epoch = epoch
        self.examples.set_epoch(epoch)

    def __len__(self) -> int:
        """Count the examples of an epoch, on each device."""
        return self.count // _turns()[1]

    def __iter__(self) -> Iterator[int]:
        """Iterate over numbers of examples."""
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = torch.randperm(len(self.examples), generator=generator)[: self.count].tolist()
        turn, turns = _turns()
        yield from order[turn::turns][: len(self)]


def _turns() -> tuple[int, int]:
    """Number of this device, and how many there are."""
    on = torch.distributed.is_available() and torch.distributed.is_initialized()
    return (torch.distributed.get_rank(), torch.distributed.get_world_size()) if on else (0, 1)


def loader(examples: Any, part: TrainPart, *, training: bool, count: int | None = None) -> DataLoader[Any]:
    """Make batches.

    Parameters
    ----------
    examples : Dataset
        What to batch.
    part : TrainPart
        Batch, seed and workers.
    training : bool
        In a new order every epoch, and without the last, smaller batch.
    count : int, optional
        Examples of an epoch; all if None.

    Returns
    -------
    DataLoader
        Of dicts of tensors.
    """
    sampler = EpochSampler(examples, part.seed, count) if training else None
    return DataLoader(
        examples,
        part.batch,
        sampler=sampler,
        drop_last=training and len(sampler or ()) >= part.batch,
        num_workers=part.workers,
        persistent_workers=part.workers > 0,
    )
