"""What a recipe says of one iteration and one parameter."""

from __future__ import annotations

from typing import Any

from torch import nn

from npu_models.training.recipes import Optimiser, Recipe

_NORMS = (nn.GroupNorm, nn.BatchNorm2d, nn.SyncBatchNorm)


def learning_rate(recipe: Recipe, iteration: int, epoch_iterations: int) -> float:
    """The rate of the optimiser's step number ``iteration``, from 0, in a training of so many steps an epoch."""
    schedule = recipe.schedule
    passed = iteration // epoch_iterations if schedule.unit == "epoch" else iteration
    rate = recipe.optimiser.learning_rate * schedule.drop_factor ** sum(passed >= drop for drop in schedule.drops)
    if iteration >= schedule.warm_up_steps:
        return rate
    share = iteration / schedule.warm_up_steps if schedule.warm_up == "linear" else 0.0
    return rate * (schedule.warm_up_start + (1 - schedule.warm_up_start) * share)


def parameter_groups(network: nn.Module, optimiser: Optimiser) -> list[dict[str, Any]]:
    """The trained parameters as a torch optimiser takes them: ``params``, ``lr`` and ``weight_decay`` of each group.

    ``lr_factor`` is what a schedule's rate is multiplied by in the group. Order: that of their first parameters.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            owner, _, own = name.rpartition(".")
            of_norm = isinstance(network.get_submodule(owner), _NORMS)
            groups.setdefault(_factors(of_norm, own == "bias", optimiser), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": optimiser.learning_rate * rate,
            "lr_factor": rate,
            "weight_decay": optimiser.weight_decay * decay,
        }
        for (rate, decay), parameters in groups.items()
    ]


def _factors(of_norm: bool, bias: bool, optimiser: Optimiser) -> tuple[float, float]:
    """Of the learning rate and of the weight decay."""
    if of_norm:
        return 1.0, optimiser.norm_bias_decay_factor if bias else optimiser.norm_weight_decay_factor
    return (optimiser.bias_rate_factor, optimiser.bias_decay_factor) if bias else (1.0, 1.0)
