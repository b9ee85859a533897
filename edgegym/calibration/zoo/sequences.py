"""Networks over sequences: a BERT encoder and an LSTM for keywords."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward net, each with a shortcut and normalised after it (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.attention_norm = nn.LayerNorm(width, 1e-12)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.feed_norm = nn.LayerNorm(width, 1e-12)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, width), same shape out."""
        split = [each(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (self.query, self.key, self.value)]
        attended = functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
        x = self.attention_norm(x + self.out(attended))
        result: Tensor = self.feed_norm(x + self.narrow(functional.gelu(self.wide(x))))
        return result


class Bert(nn.Module):
    """Encoder of BERT (Devlin et al. 2019) with its pooler, for tokens of one segment.

    Args:
        depth: encoder layers.
        width: features of a token; a head has 64 of them.
        tokens: vocabulary.
        positions: longest sequence.
    """

    def __init__(self, depth: int, width: int, tokens: int = 30_522, positions: int = 512) -> None:
        super().__init__()
        self.token = nn.Embedding(tokens, width)
        self.position = nn.Parameter(torch.zeros(positions, width))
        self.segment = nn.Parameter(torch.zeros(2, width))
        self.norm = nn.LayerNorm(width, 1e-12)
        self.layers = nn.Sequential(*(EncoderLayer(width, width // 64) for _ in range(depth)))
        self.pooler = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens) int64 to (batch, width)."""
        x = self.token(tokens) + self.position[: tokens.shape[1]] + self.segment[0]
        x = self.layers(self.norm(x))
        return torch.tanh(self.pooler(x[:, 0]))


def bert_mini() -> nn.Module:
    """BERT-Mini: 4 layers of width 256 (Turc et al. 2019), 128 tokens."""
    return Bert(4, 256)


class KeywordLstm(nn.Module):
    """Basic LSTM of Zhang et al., Hello Edge (2017), size S: 49 frames of 10 cepstral coefficients, 12 keywords."""

    def __init__(self, features: int = 10, width: int = 118, classes: int = 12) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, width, batch_first=True)
        self.dense = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, features) to (batch, classes)."""
        scores: Tensor = self.dense(self.lstm(x)[0][:, -1])
        return scores


def lstm_kws() -> nn.Module:
    """Basic LSTM for keyword spotting."""
    return KeywordLstm()
