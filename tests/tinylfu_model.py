"""A slow model of W-TinyLFU, written from the paper with ordered dictionaries."""

from __future__ import annotations

from collections import Counter

import numpy as np

from .cache_models import Slru


def places(x: int, counters: int) -> list[int]:
    """Where the sketch counts x: SplitMix64 of x, cut in two for double hashing."""
    z = 0x9E3779B97F4A7C15 * (x + 1) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    z ^= z >> 31
    return [(z % 2**32 + i * (z >> 32 | 1)) % 2**32 * counters >> 32 for i in range(10)]


class WTinyLfu(Slru):
    """An SLRU of two segments behind a window; ``counts`` is the sketch."""

    def prepare(self) -> None:
        self.window, self.most = self.queue(), max(self.capacity // 100, 1)
        self.limit = self.capacity - self.most
        self.share = [max(self.limit // 5, 1), self.limit * 4 // 5]
        self.segments = [self.queue(), self.queue()]
        self.entries = max(min(self.limit, len(self.size)), 1)
        self.counters = int(np.ceil(self.entries * 10 / np.log(2)))
        self.counts: Counter[int] = Counter()
        self.hits = 0

    def count(self, x: int) -> None:
        self.counts.update(places(x, self.counters))

    def often(self, x: int) -> int:
        return min(self.counts[i] for i in places(x, self.counters))

    def hit(self, x: int) -> bool:
        if x in self.window:
            self.window.put(self.window.take(x))
            return True
        if not super().hit(x):
            return False
        self.count(x)
        self.hits += 1
        if self.hits % (32 * self.entries) == 0:
            self.counts = Counter({i: n // 2 for i, n in self.counts.items()})
        return True

    def admit(self, x: int) -> bool:
        if self.size[x] > self.most:
            return False
        self.count(x)
        while self.window.used + sum(s.used for s in self.segments) + self.size[x] > self.capacity:
            y = self.window.drop()
            rivals = self.victims(self.size[y])
            held = sum(s.used for s in self.segments)
            if held + self.size[y] <= self.limit or (rivals and self.often(y) > self.often(rivals[0])):
                self.insert(y)
            else:
                self.evict(y)
            self.count(y)
        self.window.put(x)
        return True
