"""One training run: batches in a fixed order, an average of the weights, checkpoints.

Holds: the same seed, groups and device give the same weights; a run that goes on from its checkpoint
has the same batches as if it had not stopped. What is written is safetensors and JSON.
Reads no questions and fits no confidence.
"""

import hashlib
import inspect
import json
import math
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch
import typer
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForQuestionAnswering
from transformers.utils import logging

from index.errors import CitewireError
from index.inference import has_bfloat16
from index.weights import fingerprint_of
from qa.default_reader.features import Batch, Row, Sampling, batches, collate, draw, encode
from qa.default_reader.groups import Group
from qa.default_reader.loss import group_loss, separate_loss, span_scores
from qa.read import ANSWER_TOKENS
from qa.windows import Windows

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_STEPS = 200  # between checkpoints: some minutes on two cores
DEV_SCORES = 4  # of a run
# Of squared gradients: BERT's 0.999 remembers longer than a run of a thousand steps can use.
BETAS = (0.9, 0.98)
MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a reader is trained; the defaults are those of the shipped one (table in the card).

    ``rate``: peak of the linear schedule, after ``warm_up`` of the steps. ``tokens``: of a batch.
    ``alone``: weight of each passage's own loss beside that over all passages of a question; None for
    the usual loss of start and end apart. ``decay``: of the moving average of the weights, 0 for none.
    ``frozen``: lowest layers that stay as they are, with the embeddings; each saves a tenth of the time.
    """

    epochs: float = 1.0
    rate: float = 8e-5
    warm_up: float = 0.06
    tokens: int = 6144
    alone: float | None = 0.5
    decay: float = 0.99
    weight_decay: float = 0.01
    frozen: int = 2
    seed: int = 17


class Trainer:
    """One run over groups of questions and texts.

    :param start: folder of the reader to start from, of any size, with a fast BERT-like tokenizer
    :param out: folder that the trained reader and the checkpoints are written to
    :param dev: groups to score with on the way
    :raises CitewireError: the tokenizer is missing, damaged or of another kind
    """

    def __init__(
        self,
        start: Path,
        out: Path,
        groups: Sequence[Group],
        *,
        settings: Settings = Settings(),
        sampling: Sampling = Sampling(),
        dev: Sequence[Group] = (),
    ) -> None:
        self.start, self.out = start, out
        self.groups, self.held = groups, dev
        self.settings, self.sampling = settings, sampling
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.windows = Windows.read(start / "tokenizer.json")
        pad, cls = self.windows.token_id("[PAD]"), self.windows.token_id("[CLS]")
        if pad is None or cls is None:
            raise CitewireError(
                f"the tokenizer of {start} has no [PAD] and [CLS]; start from a BERT-like reader"
            )
        self._pad, self._cls = pad, cls
        torch.manual_seed(settings.seed)
        self.model = AutoModelForQuestionAnswering.from_pretrained(start, dtype=torch.float32)
        started = fingerprint_of(start, self.model.state_dict())
        self.model.to(self.device).train()
        self._fields = set(inspect.signature(self.model.forward).parameters)
        for module in self.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0  # its masks cost a processor more than they bring
        self.weights = {name: p for name, p in self.model.named_parameters() if self._is_trained(name)}
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in self.weights)
        self.started = {name: p.detach().clone() for name, p in self.weights.items()}
        self.average = {name: p.detach().clone() for name, p in self.weights.items()}
        matrices = [p for p in self.weights.values() if p.ndim > 1]
        vectors = [p for p in self.weights.values() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=settings.rate,
            betas=BETAS,
            fused=True,
        )
        self.encoded = cache(self._encoded)
        self.plan = list(self._plan())
        # What tells runs apart: the reader that they start from, the data, and how they train.
        data = hashlib.sha256(repr(groups).encode()).hexdigest()
        self._run = json.dumps([started, data, asdict(settings), asdict(sampling), len(self.plan)])
        self.step = 0

    def _is_trained(self, name: str) -> bool:
        if "word_embeddings" in name:  # half of the weights, of which most are never seen
            return False
        layer = re.search(r"\.layers?\.(\d+)\.", name)
        if layer:
            return int(layer[1]) >= self.settings.frozen
        return not (self.settings.frozen and "embeddings" in name)

    def _encoded(self, epoch: int) -> list[list[Row]]:
        """Encode what an epoch shows of each group."""
        rng = random.Random(f"{self.settings.seed}-{epoch}")
        shown = [draw(group, rng, self.sampling) for group in self.groups]
        return [encode(self.windows, question, texts) for question, texts in shown]

    def _plan(self) -> Iterator[tuple[int, list[int]]]:
        """Give the batches of all epochs, as (epoch, group numbers)."""
        for epoch in range(math.ceil(self.settings.epochs)):
            rng = random.Random(f"{self.settings.seed}/{epoch}")
            made = list(batches(self.encoded(epoch), self.settings.tokens, rng))
            share = min(1.0, self.settings.epochs - epoch)
            yield from ((epoch, batch) for batch in made[: math.ceil(share * len(made))])

    def run(self, stop: int | None = None) -> None:
        """Train to the end of the plan, or so many steps of it, saving a checkpoint now and then."""
        steps, first, began = min(stop or len(self.plan), len(self.plan)), self.step, time.monotonic()
        scored = {round(steps * number / DEV_SCORES) for number in range(1, DEV_SCORES + 1)}
        mean = math.nan
        while self.step < steps:
            loss = self._train_step()
            mean = loss if math.isnan(mean) else 0.98 * mean + 0.02 * loss
            if self.step % 20 == 0 or self.step == steps:
                left = (time.monotonic() - began) / (self.step - first) * (steps - self.step) / 60
                typer.echo(
                    f"\rstep {self.step:,} of {steps:,}, loss {mean:.3f}, {left:.1f} min left ", nl=False
                )
            if self.step in scored:
                typer.echo(f"| dev: {self.dev_score()}" if self.held else "")
            if self.step % CHECKPOINT_STEPS == 0 or self.step == steps:
                self.save_checkpoint()

    def _train_step(self) -> float:
        epoch, numbers = self.plan[self.step]
        rows = self.encoded(epoch)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = self.rate(self.step)
        loss = self._loss([rows[number] for number in numbers])
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        # The average of the first steps is over as many as there are.
        decay = min(self.settings.decay, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.weights.values()), 1 - decay)
        return loss.item()

    def rate(self, step: int) -> float:
        """Give the learning rate of a step: up to the peak in a line, then down to nothing."""
        steps = len(self.plan)
        warm = max(1, int(self.settings.warm_up * steps))
        return self.settings.rate * min((step + 1) / warm, (steps - step) / max(1, steps - warm))

    def _loss(self, rows: Sequence[list[Row]]) -> Tensor:
        batch = self._batch(rows)
        start, end = self._logits(batch)
        if self.settings.alone is None:
            return separate_loss(start, end, batch.is_context, batch.cls, batch.gold)
        scores = span_scores(start, end, batch.is_context, batch.cls, ANSWER_TOKENS)
        return group_loss(scores, batch.gold, batch.group, batch.groups, alone=self.settings.alone)

    def _batch(self, rows: Sequence[list[Row]]) -> Batch:
        return collate(rows, self._pad, self._cls, self._fields).to(self.device)

    def _logits(self, batch: Batch) -> tuple[Tensor, Tensor]:
        device = self.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device != "cpu" or has_bfloat16()):
            output = self.model(**batch.inputs)
        return output.start_logits.float(), output.end_logits.float()

    @torch.inference_mode()
    def dev_score(self) -> str:
        """Score the averaged weights: loss, questions whose best span of all texts is exact, and declined."""
        trained = {name: parameter.detach().clone() for name, parameter in self.weights.items()}
        self._load(self.average)
        losses, exact, declined = [], [], []
        for group in self.held:
            rows = encode(self.windows, group.question, [*group.right[:1], *group.wrong])
            if not rows:
                continue
            batch = self._batch([rows])
            scores = span_scores(*self._logits(batch), batch.is_context, batch.cls, ANSWER_TOKENS)
            losses.append(group_loss(scores, batch.gold, batch.group, 1, alone=0.0).item())
            best = scores.argmax()
            if group.right:
                exact.append(bool(batch.gold.flatten()[best]))
            else:
                declined.append(bool(scores.flatten()[best] < 0))
        self._load(trained)
        shares = (sum(values) / max(1, len(values)) for values in (losses, exact, declined))
        return "loss {:.3f}, exact {:.3f}, declined {:.3f}".format(*shares)

    @torch.no_grad()
    def _load(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self.weights.items():
            parameter.copy_(values[name])

    def save(self, kept: float = 0.0) -> None:
        """Write the averaged weights as a reader: float16 safetensors with the tokenizer.

        :param kept: share of the weights that the run started from in those that are written

        Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (arXiv:2109.01903).
        """
        self._load({name: torch.lerp(self.average[name], self.started[name], kept) for name in self.weights})
        logging.disable_progress_bar()
        self.model.half().save_pretrained(self.out)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (self.out / name).write_bytes((self.start / name).read_bytes())

    def save_checkpoint(self) -> None:
        """Write all that going on needs, then put it in the place of the last one."""
        tensors = {f"weights.{name}": p.detach() for name, p in self.weights.items()}
        tensors |= {f"average.{name}": p for name, p in self.average.items()}
        for name, parameter in self.weights.items():
            tensors |= {f"{key}.{name}": self.optimizer.state[parameter][key] for key in MOMENTS}
        self.out.mkdir(parents=True, exist_ok=True)
        new = self.out / f"{CHECKPOINT}.new"
        save_file(tensors, new, metadata={"step": str(self.step), "run": self._run})
        new.replace(self.out / CHECKPOINT)

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one.

        :raises CitewireError: it is of a run with other settings or data
        """
        path = self.out / CHECKPOINT
        if not path.is_file():
            return False
        with safe_open(path, "pt") as file:
            about = file.metadata()
        if about["run"] != self._run:
            raise CitewireError(f"{path} is of another run; name another --out, or delete it")
        tensors = load_file(path, device=str(self.device))
        self._load({name: tensors[f"weights.{name}"] for name in self.weights})
        self.average = {name: tensors[f"average.{name}"] for name in self.weights}
        for name, parameter in self.weights.items():
            self.optimizer.state[parameter] = {key: tensors[f"{key}.{name}"] for key in MOMENTS}
        self.step = int(about["step"])
        return True
