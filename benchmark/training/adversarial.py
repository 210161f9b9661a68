"""Adapting a trained network to a domain without labels, against a discriminator of the domains."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Protocol, Self

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from benchmark.errors import InputError

SOURCE, TARGET = 1, 0  # the discriminator's outputs


class Network(Protocol):
    """The parts of a network that an adaptation works with; a `TaskModule` has them."""

    backbone: nn.Module
    head: nn.Module
    loss: nn.Module


class Adaptation(nn.Module, ABC):
    """What a training step minimises where a network is fitted to other data than those that have labels.

    Attributes:
        source: Group of the clips whose labels are known.
    """

    source: str

    @abstractmethod
    def configure(self, backbone: nn.Module, dim: int) -> None:
        """Make what it needs beside the network, before any weights are loaded.

        Args:
            backbone: The network's backbone.
            dim: Size of its embedding.
        """

    @abstractmethod
    def forward(
        self, network: Network, x: Tensor, valid: Tensor, target: Tensor, source: Tensor, step: int
    ) -> dict[str, Tensor]:
        """The loss of a step and, to be logged, its parts.

        Args:
            network: What is adapted.
            x: Input of the backbone, of clips of all domains.
            valid: Share of each clip that is real audio `(batch,)`.
            target: `(batch, classes)`; those of clips that are not of the source are not looked at.
            source: Which clips are of the source, bool `(batch,)`.
            step: Steps so far.

        Returns:
            `loss`, which is minimised, and values without gradient.
        """


class AdversarialAdaptation(Adaptation):
    """A game of the backbone against a discriminator that tells adapted embeddings from those the classifier knows.

    The backbone is adapted. A copy of it as it was at the start gives the embeddings of source clips, and the head is
    held; both work in evaluation mode. In every step the backbone learns that the discriminator shall take target
    clips for source clips, and that the head shall classify source clips as before; in every tenth step the
    discriminator learns to tell the copy's source embeddings from the backbone's target embeddings. It sees both in one
    batch, also while it is held, so that its normalisation takes no difference of the domains away.

    The sum of both losses is minimised by one optimiser, which is the same as one optimiser for each: neither loss has
    a gradient for the other's parameters, and an optimiser passes over parameters without one. In a tenth step both
    learn from the weights before it.

    Source: card `task1-audasc-adversarial-da`, losses and training. Each domain counts by its mean, as in its
    equations, where both have as many clips.

    Args:
        source: Group of the clips whose labels are known; all others of a batch are target clips.
        discriminator: Called with the size of the embedding; its network gives logits `(batch, 2)` of target and
            source.
        every: Steps from one of the discriminator to the next; the first is in the step of this number.
        label_weight: Weight of the head's loss on source clips.

    Raises:
        InputError: `every` is below 1, or `label_weight` is negative.
    """

    begun: Tensor

    def __init__(
        self, source: str, discriminator: Callable[[int], nn.Module], every: int = 10, label_weight: float = 10.0
    ) -> None:
        super().__init__()
        name = "AdversarialAdaptation"
        if every < 1:
            raise InputError(f"every must be at least 1, not {every}", f"{name}.every")
        if label_weight < 0:
            raise InputError(f"label_weight must not be negative, not {label_weight}", f"{name}.label_weight")
        self.source, self.make_discriminator, self.every, self.label_weight = source, discriminator, every, label_weight
        self.register_buffer("begun", torch.tensor(False))
        self._known_begun = False

    def configure(self, backbone: nn.Module, dim: int) -> None:
        """Make the discriminator, and room for the copy of the backbone.

        Args:
            backbone: The network's backbone.
            dim: Size of its embedding.
        """
        self.discriminator = self.make_discriminator(dim)
        self.reference = deepcopy(backbone).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Change the mode of all but the copy, which stays in evaluation mode."""
        super().train(mode)
        if hasattr(self, "reference"):
            self.reference.eval()
        return self

    def forward(
        self, network: Network, x: Tensor, valid: Tensor, target: Tensor, source: Tensor, step: int
    ) -> dict[str, Tensor]:
        """The loss of a step.

        Args:
            network: What is adapted.
            x: Input of the backbone, of source and target clips.
            valid: Share of each clip that is real audio `(batch,)`.
            target: `(batch, classes)`; those of target clips are not looked at.
            source: Which clips are of the source, bool `(batch,)`.
            step: Steps so far.

        Returns:
            `loss`; its parts `label_loss`, `adversarial_loss` and, in a step of it, `discriminator_loss`; and
            `domain_accuracy`, the mean over both domains of the share that the discriminator gets right.

        Raises:
            InputError: The batch has clips of one domain only.
        """
        sizes = [len(x[source]), len(x[~source])]
        if not all(sizes):
            what = f"a batch of {sizes[0]} source and {sizes[1]} target clips"
            raise InputError(what, "AdversarialAdaptation.source", "set data.domains to clips of both")
        self._begin(network.backbone)
        adapted = network.backbone(x)
        with torch.no_grad():
            known = self.reference(x[source])
        with torch.autocast(x.device.type, enabled=False):
            adapted, known = adapted.float(), known.float()
            strange = adapted[~source]
            with evaluating(network.head):
                logits = held(network.head, adapted[source], valid[source])
            label = network.loss(logits, target[source])
            taken, given = torch.split(held(self.discriminator, torch.cat([known, strange])), sizes)
            adversarial = domain_loss(given, SOURCE)
            loss = adversarial + self.label_weight * label
            right = [(part.argmax(1) == domain).float().mean() for part, domain in ((taken, SOURCE), (given, TARGET))]
            parts = {"label_loss": label, "adversarial_loss": adversarial, "domain_accuracy": torch.stack(right).mean()}
            if (step + 1) % self.every == 0:
                both = self.discriminator(torch.cat([known, strange.detach()]))
                parts["discriminator_loss"] = discriminator_loss(*torch.split(both, sizes))
                loss = loss + parts["discriminator_loss"]
        return {"loss": loss, **{name: value.detach() for name, value in parts.items()}}

    def _begin(self, backbone: nn.Module) -> None:
        """Once: copy the backbone, which now has the weights that the adaptation starts from."""
        # `begun` lives on the accelerator, where looking at it in every step would wait for the queue.
        if not self._known_begun:
            if not bool(self.begun):
                self.reference.load_state_dict(backbone.state_dict())
                self.begun.fill_(True)
            self._known_begun = True


def domain_loss(logits: Tensor, domain: int) -> Tensor:
    """Mean cross-entropy of logits `(n, 2)` with one domain for all."""
    return F.cross_entropy(logits, torch.full((len(logits),), domain, device=logits.device))


def discriminator_loss(source: Tensor, target: Tensor) -> Tensor:
    """What the discriminator minimises: `- log D(source) - log(1 - D(target))`, each its mean.

    Args:
        source: Its logits `(n, 2)` of source embeddings.
        target: Its logits `(m, 2)` of target embeddings.
    """
    return domain_loss(source, SOURCE) + domain_loss(target, TARGET)


def held(module: nn.Module, *inputs: Tensor) -> Tensor:
    """What a module gives, with a gradient for its inputs but none for its parameters."""
    constants = {name: parameter.detach() for name, parameter in module.named_parameters()}
    output: Tensor = functional_call(module, constants, inputs)
    return output


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """A module in evaluation mode inside, each of its parts in its own mode again afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training
