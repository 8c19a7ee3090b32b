"""The training step of a task, for Lightning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from ..data import Patches
from ..nn import Model
from ..tasks import Task
from .recipe import TrainPart

WARM_UP = 0.05  # of all steps, in which the rate rises from nothing


class Learner(lightning.LightningModule):
    """A model that learns a task by AdamW; its rate rises at first, then falls to nothing along half a cosine.

    Parameters
    ----------
    model : Model
        What learns.
    task : Task
        What it learns.
    part : TrainPart
        How.
    augment : Module, optional
        Changes training batches.
    """

    def __init__(self, model: Model, task: Task, part: TrainPart, *, augment: nn.Module | None = None) -> None:
        super().__init__()
        self.model, self.task, self.part, self.augment = model, task, part, augment

    def on_train_epoch_start(self) -> None:
        """Set norms and dropout to training, and draw by the epoch's number, so that a resumed run draws the same."""
        self.model.train()  # (Lightning leaves a model in the mode in which it was given)
        torch.manual_seed(self.part.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Compute the loss of a batch.

        Parameters
        ----------
        batch : dict
            Of `Patches`.
        _ : int
            Its number.

        Returns
        -------
        Tensor
            One number.
        """
        if self.augment is not None:
            with torch.no_grad():
                batch = self.augment(batch)
        return self._loss(batch, "train_loss")

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Note the loss of a batch that is not learned.

        Parameters
        ----------
        batch : dict
            Of `Patches`.
        _ : int
            Its number.
        """
        self._loss(batch, "valid_loss")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Make the optimizer.

        Returns
        -------
        dict
            As Lightning wants it.
        """
        optimizer = torch.optim.AdamW(self.model.parameters(), self.part.rate, weight_decay=self.part.decay)
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share_of_rate(step / steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _loss(self, batch: dict[str, Tensor], name: str) -> Tensor:
        loss = self.task.loss(self.model(batch["feature"]), batch["target"], batch["valid"])
        self.log(
            name, loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch["feature"]),
            sync_dist=self.trainer.world_size > 1,
        )  # fmt: skip
        return loss


def _share_of_rate(done: float) -> float:
    """Share of the learning rate at a share of all steps."""
    return min(1.0, done / WARM_UP) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class EpochSampler(Sampler[int]):
    """Patches in a new order every epoch, which depends on seed and epoch alone; devices take turns.

    Parameters
    ----------
    patches : Patches
        What to order; they are moved on to the epoch as well.
    seed : int
        Of the order.
    count : int, optional
        Patches of an epoch; all if None.
    """

    def __init__(self, patches: Patches, seed: int, count: int | None = None) -> None:
        self.patches, self.seed, self.count = patches, seed, min(count or len(patches), len(patches))
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Move on; Lightning calls it.

        Parameters
        ----------
        epoch : int
            Its number.
        """
        self.epoch = epoch
        self.patches.set_epoch(epoch)

    def __len__(self) -> int:
        """Count the patches of an epoch, on each device."""
        return self.count // _turns()[1]

    def __iter__(self) -> Iterator[int]:
        """Iterate over numbers of patches."""
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = torch.randperm(len(self.patches), generator=generator)[: self.count].tolist()
        turn, turns = _turns()
        yield from order[turn::turns][: len(self)]


def _turns() -> tuple[int, int]:
    """Number of this device, and how many there are."""
    on = torch.distributed.is_available() and torch.distributed.is_initialized()
    return (torch.distributed.get_rank(), torch.distributed.get_world_size()) if on else (0, 1)


def loader(patches: Patches, part: TrainPart, *, training: bool, count: int | None = None) -> DataLoader[Any]:
    """Make batches of patches.

    Parameters
    ----------
    patches : Patches
        What to batch.
    part : TrainPart
        Batch, seed and workers.
    training : bool
        In a new order every epoch, and without the last, smaller batch.
    count : int, optional
        Patches of an epoch; all if None.

    Returns
    -------
    DataLoader
        Of dicts of tensors.
    """
    sampler = EpochSampler(patches, part.seed, count) if training else None
    return DataLoader(
        patches,
        part.batch,
        sampler=sampler,
        drop_last=training and len(sampler or ()) >= part.batch,
        num_workers=part.workers,
        persistent_workers=part.workers > 0,
    )
