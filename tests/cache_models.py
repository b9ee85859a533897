"""Slow models of caching policies, written from the papers with ordered dictionaries."""

from __future__ import annotations

from collections import OrderedDict


class Queue(OrderedDict[int, None]):
    """Objects, oldest first, and the room that they take."""

    def __init__(self, size: list[int]) -> None:
        super().__init__()
        self.size, self.used = size, 0

    def put(self, x: int) -> None:
        self[x] = None
        self.used += self.size[x]

    def take(self, x: int) -> int:
        del self[x]
        self.used -= self.size[x]
        return x

    def oldest(self) -> int:
        return next(iter(self))

    def drop(self) -> int:
        return self.take(self.oldest())


class Model:
    """One cache: ``hit`` says whether x is cached and treats it so, ``admit`` whether a missed x comes in."""

    def __init__(self, size: list[int], capacity: int) -> None:
        self.size, self.capacity = size, capacity
        self.t = 0
        self.log: list[tuple[int, int]] = []
        self.prepare()

    def prepare(self) -> None: ...

    def hit(self, x: int) -> bool:
        raise NotImplementedError

    def admit(self, x: int) -> bool:
        raise NotImplementedError

    def queue(self) -> Queue:
        return Queue(self.size)

    def evict(self, x: int) -> int:
        self.log.append((x, self.t))
        return x

    def run(self, content: list[int]) -> list[int]:
        outcomes = []
        for self.t, x in enumerate(content):
            outcomes.append(1 if self.hit(x) else 2 if self.admit(x) else 0)
        return outcomes


class Clock(Model):
    def prepare(self) -> None:
        self.ring: list[list[int]] = []

    def hit(self, x: int) -> bool:
        for entry in self.ring:
            if entry[0] == x:
                entry[1] = 1
                return True
        return False

    def admit(self, x: int) -> bool:
        if self.size[x] > self.capacity:
            return False
        while sum(self.size[y] for y, _ in self.ring) + self.size[x] > self.capacity:
            y, referenced = self.ring.pop(0)
            if referenced:
                self.ring.append([y, 0])
            else:
                self.evict(y)
        self.ring.append([x, 0])
        return True


class Slru(Model):
    def prepare(self) -> None:
        self.share = [max(self.capacity // 4, 1)] * 4
        self.limit = self.capacity
        self.segments = [self.queue() for _ in self.share]

    def sink(self, level: int, x: int) -> None:
        """Put x into a segment after making room there: the oldest go down, or out."""
        while self.segments[level].used + self.size[x] > self.share[level]:
            y = self.segments[level].drop()
            if level:
                self.sink(level - 1, y)
            else:
                self.evict(y)
        self.segments[level].put(x)

    def hit(self, x: int) -> bool:
        for level, segment in enumerate(self.segments):
            if x in segment:
                top = level + 1 == len(self.segments) or self.size[x] > self.share[level + 1]
                segment.take(x)
                if top:
                    segment.put(x)
                else:
                    self.sink(level + 1, x)
                return True
        return False

    def victims(self, room: int) -> list[int]:
        """What leaves, segment by segment, for ``room`` more."""
        missing = sum(segment.used for segment in self.segments) + room - self.limit
        chosen = []
        for segment in self.segments:
            for y in segment:
                if missing > 0:
                    chosen.append(y)
                    missing -= self.size[y]
        return chosen

    def insert(self, x: int) -> None:
        for y in self.victims(self.size[x]):
            self.evict(y)
            next(segment for segment in self.segments if y in segment).take(y)
        fitting = [s for s, most in zip(self.segments, self.share, strict=True) if s.used + self.size[x] <= most]
        (fitting + self.segments)[0].put(x)

    def admit(self, x: int) -> bool:
        if self.size[x] > self.share[0]:
            return False
        self.insert(x)
        return True


class TwoQueues(Model):
    def prepare(self) -> None:
        self.kin, self.kout = max(self.capacity // 4, 1), self.capacity // 2
        self.a1in, self.a1out, self.am = self.queue(), self.queue(), self.queue()

    def hit(self, x: int) -> bool:
        if x in self.am:
            self.am.put(self.am.take(x))
        return x in self.am or x in self.a1in

    def admit(self, x: int) -> bool:
        if self.size[x] > self.kin:
            return False
        hot = x in self.a1out
        if hot:
            self.a1out.take(x)
        while self.a1in.used + self.am.used + self.size[x] > self.capacity:
            if self.a1in.used > self.kin or not self.am:
                self.a1out.put(self.evict(self.a1in.drop()))
                while self.a1out.used > self.kout:
                    self.a1out.drop()
            else:
                self.evict(self.am.drop())
        while hot and self.am.used + self.size[x] > self.capacity - self.kin:
            self.evict(self.am.drop())
        (self.am if hot else self.a1in).put(x)
        return True


class Arc(Model):
    def prepare(self) -> None:
        self.p = 0.0
        self.t1, self.t2, self.b1, self.b2 = (self.queue() for _ in range(4))

    def hit(self, x: int) -> bool:
        for queue in (self.t1, self.t2):
            if x in queue:
                self.t2.put(queue.take(x))
                return True
        return False

    def replace(self, x: int) -> None:
        above = self.t1.used > self.p or (x in self.b2 and self.t1.used == self.p)
        if (self.t1 and above) or not self.t2:
            self.b1.put(self.evict(self.t1.drop()))
        else:
            self.b2.put(self.evict(self.t2.drop()))

    def admit(self, x: int) -> bool:
        c, room = self.capacity, self.size[x]
        if room > c:
            return False
        ghosts = next((queue for queue in (self.b1, self.b2) if x in queue), None)
        if ghosts is self.b1:
            self.p = min(c, self.p + room * max(self.b2.used / self.b1.used, 1))
        elif ghosts is self.b2:
            self.p = max(0, self.p - room * max(self.b1.used / self.b2.used, 1))
        else:
            while self.t1.used + self.b1.used + room > c and self.b1:
                self.b1.drop()
            while self.t1.used + self.b1.used + room > c:
                self.evict(self.t1.drop())
        while self.t1.used + self.t2.used + room > c:
            self.replace(x)
        if ghosts is not None:
            self.t2.put(ghosts.take(x))
            return True
        while self.t1.used + self.t2.used + self.b1.used + self.b2.used + room > 2 * c:
            self.b2.drop()
        self.t1.put(x)
        return True


class Lirs(Model):
    def prepare(self) -> None:
        self.hir = max(self.capacity // 100, 1)
        self.stack: list[int] = []
        self.lir = self.queue()
        self.q, self.gone = self.queue(), self.queue()

    def top(self, x: int) -> None:
        if x in self.stack:
            self.stack.remove(x)
        self.stack.append(x)

    def prune(self) -> None:
        while self.stack and self.stack[0] not in self.lir:
            x = self.stack.pop(0)
            if x in self.gone:
                self.gone.take(x)

    def promote(self, x: int) -> None:
        self.top(x)
        self.lir.put(x)
        while self.lir.used > self.capacity - self.hir:
            self.q.put(self.stack[0])
            self.lir.take(self.stack.pop(0))
            self.prune()

    def hit(self, x: int) -> bool:
        if x in self.lir:
            self.top(x)
            self.prune()
        elif x in self.q:
            self.q.take(x)
            if x in self.stack and self.size[x] <= self.capacity - self.hir:
                self.promote(x)
            else:
                self.top(x)
                self.q.put(x)
        else:
            return False
        return True

    def admit(self, x: int) -> bool:
        room = self.size[x]
        if room > self.hir:
            return False
        again = x in self.gone
        if again:
            self.gone.take(x)
        while self.lir.used + self.q.used + room > self.capacity:
            y = self.evict(self.q.drop())
            if y in self.stack:
                self.gone.put(y)
            while self.gone.used > self.capacity:
                self.stack.remove(self.gone.drop())
        if room <= self.capacity - self.hir and (again or self.lir.used + room <= self.capacity - self.hir):
            self.promote(x)
        else:
            self.top(x)
            self.q.put(x)
        return True
