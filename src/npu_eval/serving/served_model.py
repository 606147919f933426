"""The model behind the server: a photo's bytes in, what the model says of it out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torch import nn

from npu_eval.errors import AdapterError, ConfigError
from npu_eval.experiments.inference import run as inference
from npu_eval.jsonio import to_json
from npu_eval.models.photos import open_upright
from npu_eval.records.stamps import stamps_for
from npu_eval.serving.photo_requests import PhotoRequest, RefusedError, broken, check_photo
from npu_eval.session.script import Context


class ServedModel:
    """The loaded model. Its methods are called from one thread; adapters read files, so a photo lies in ``folder``."""

    def __init__(self, context: Context, min_score: float, folder: Path) -> None:
        self._context = context
        self._photo = folder / "photo"
        self._min_score = min_score
        self._network: nn.Module = context.model(context.spec.candidate, context.device.name)
        stamps = stamps_for(context.device.facts(), random_weights=context.weights.random, replayed=False)
        self.facts: dict[str, Any] = {
            "model": context.spec.name,
            "task": context.spec.task,
            "device": context.device.name,
            "weights_sha256": context.weights.sha256,
            "stamps": [str(stamp) for stamp in stamps],
        }

    def warm_up(self) -> None:
        """Answer once for the spec's first photo, so that an answering port means a working model.

        Raises:
            ConfigError: the photo is not the spec's.
            AdapterError: the adapter raised.
        """
        inference.predict(self._context, self._network, self._context.photos()[0], self._min_score)

    def predict(self, request: PhotoRequest) -> dict[str, Any]:
        """What the model says of a photo, with the seconds that it took.

        Raises:
            RefusedError: the request holds no photo that is taken.
            AdapterError: the adapter raised.
        """
        photo = self._photo
        try:
            photo.write_bytes(request.photo())
            check_photo(photo)
            started = time.perf_counter()
            try:
                predictions, _ = inference.predict(self._context, self._network, photo, self._min_score)
            except (ConfigError, AdapterError) as error:
                raise _of_whom(error, photo) from error
            seconds = time.perf_counter() - started
        finally:
            photo.unlink(missing_ok=True)
        return {**self.facts, "seconds": seconds, "predictions": to_json(predictions)}


def _of_whom(error: ConfigError | AdapterError, photo: Path) -> Exception:
    """The refusal where the photo itself cannot be decoded, whatever the adapter made of that; else the error."""
    try:
        open_upright(photo)
    except OSError:
        return broken()
    return error if isinstance(error, AdapterError) else RefusedError(400, "the model does not take this photo")
