"""Dynamic batching on one server as an average-cost semi-Markov decision process, solved by relative value iteration.

Poisson arrivals of rate lambda wait; a batch of b <= B items takes t(b) = t0 + a b. At a decision n items wait, and the
server waits for the next arrival or serves b <= n of them. The cost is the number in the system over time, so the gain
is its mean and, by Little's law, gain / lambda is the mean latency.

Relative value iteration works on the data transformation of the semi-Markov process (P. Schweitzer, 1971; M. Puterman,
Markov Decision Processes, 1994, section 11.4): with eta below every mean sojourn time tau, costs become c / tau and
transitions move with probability eta / tau. The bound for unlimited batches is Y. Inoue's (Queueing analysis of
GPU-based inference servers with dynamic batching, Performance Evaluation, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.stats import poisson

from edgegym.errors import EdgeGymError
from edgegym.settings import Settings

WAIT = 0
"""Action that serves nothing; action b >= 1 serves b items."""
FORBIDDEN = np.inf
STEP = 0.99
"""eta as a share of the shortest mean sojourn time."""


class BatchingQueue(Settings):
    """A queue in front of one batching server; times in seconds."""

    rate_per_s: float = Field(gt=0)
    """lambda, Poisson arrivals."""
    setup_s: float = Field(0.003, ge=0)
    """t0, part of a batch's time that its size does not change."""
    per_item_s: float = Field(0.001, gt=0)
    """a, time that each item adds."""
    max_batch: int = Field(16, ge=1)
    """B, most items in a batch."""
    truncation: int = Field(150, ge=1)
    """Q, most items that wait; what exceeds it is lost, so it must be far above what ever waits."""

    @model_validator(mode="after")
    def _stable(self) -> BatchingQueue:
        if self.load >= 1.0:
            raise ValueError(
                f"load lambda t(B) / B is {self.load:.3g}; it must be below 1, or the queue grows for ever"
            )
        if self.truncation < self.max_batch:
            raise ValueError("truncation: must be at least max_batch")
        return self

    @property
    def load(self) -> float:
        """Share of the time that full batches would need."""
        return self.rate_per_s * self.batch_s(self.max_batch) / self.max_batch

    def batch_s(self, batch: int) -> float:
        """t(b), seconds."""
        return self.setup_s + self.per_item_s * batch

    @classmethod
    def of_load(cls, load: float, **values: float) -> BatchingQueue:
        """The queue whose rate gives a load in (0, 1); ``values`` are its other settings."""
        unit = cls.parse({"rate_per_s": 1e-9, **values})
        return cls.parse({"rate_per_s": load * unit.max_batch / unit.batch_s(unit.max_batch), **values})


@dataclass(frozen=True)
class Solution:
    """A stationary policy and what it costs.

    Attributes:
        queue: whose.
        gain: mean number in the system.
        bias: (Q + 1,) relative value of n waiting items at a decision, 0 for none, in items x seconds.
        action: (Q + 1,) batch to serve with n items waiting; 0 waits for the next arrival.
        sweeps: of value iteration.
    """

    queue: BatchingQueue
    gain: float
    bias: NDArray[np.float64] = field(repr=False)
    action: NDArray[np.int64] = field(repr=False)
    sweeps: int

    @property
    def latency_s(self) -> float:
        """Mean time from arrival to the batch's end."""
        return self.gain / self.queue.rate_per_s


def greedy(queue: BatchingQueue) -> NDArray[np.int64]:
    """(Q + 1,) serve as many as wait and fit, whenever any waits."""
    return np.minimum(np.arange(queue.truncation + 1), queue.max_batch)


def minimum_batch(queue: BatchingQueue, smallest: int) -> NDArray[np.int64]:
    """(Q + 1,) wait until ``smallest`` items are there, then serve as many as wait and fit."""
    return np.where(np.arange(queue.truncation + 1) < smallest, WAIT, greedy(queue))


def solve(
    queue: BatchingQueue, policy: NDArray[np.int64] | None = None, span: float = 1e-9, most_sweeps: int = 1_000_000
) -> Solution:
    """Find the policy with the least mean number in the system, or the cost of a given one.

    Args:
        queue: the system.
        policy: (Q + 1,) actions to evaluate; the best ones are searched if left out.
        span: stop when one sweep raises all values by the same amount up to this span (in items x eta).
        most_sweeps: give up after so many.

    Raises:
        EdgeGymError: for a policy that serves more than waits or fits, or no convergence.
    """
    model = _Model.of(queue)
    cost = model.cost if policy is None else _restricted(model.cost, policy)
    value = np.zeros(queue.truncation + 1)
    for sweep in range(1, most_sweeps + 1):
        q = model.action_values(cost, value)
        updated = q.min(axis=1)
        change = updated - value
        # Values are taken relative to the empty system, so that they stay finite.
        value = updated - updated[0]
        if np.ptp(change) < span:
            gain = 0.5 * float(change.max() + change.min()) / model.eta_s
            return Solution(queue, gain, value, q.argmin(axis=1), sweep)
    raise EdgeGymError(f"relative value iteration: no convergence in {most_sweeps} sweeps; raise span or most_sweeps.")


def latency_bound_s(queue: BatchingQueue) -> float:
    """Inoue's upper bound on the mean latency of greedy batches of unlimited size, seconds.

    With a limit B the true value may lie above it at high load.
    """
    rate, a, t0 = queue.rate_per_s, queue.per_item_s, queue.setup_s
    la = rate * a
    if la >= 1.0:
        return float("inf")
    first = (a + t0) / (2.0 * (1.0 - la)) * (1.0 + 2.0 * rate * t0 + (1.0 - rate * t0) / (1.0 + la))
    second = 1.5 * t0 / (1.0 - la) + 0.5 * a * (la + 2.0) / (1.0 - la * la)
    return min(first, second)


@dataclass(frozen=True)
class _Model:
    """The transformed process: N = Q + 1 states, A = B + 1 actions.

    Attributes:
        eta_s: step of the transformation.
        tau_s: (A,) mean sojourn time of each action.
        cost: (N, A) eta c / tau, infinite where an action is not allowed.
        arrivals: (A, N, N) from the number left behind to the next state.
    """

    eta_s: float
    tau_s: NDArray[np.float64]
    cost: NDArray[np.float64]
    arrivals: NDArray[np.float64]

    @classmethod
    def of(cls, queue: BatchingQueue) -> _Model:
        rate, states = queue.rate_per_s, queue.truncation + 1
        batch = np.arange(queue.max_batch + 1)
        tau = np.where(batch == WAIT, 1.0 / rate, queue.batch_s(1) + queue.per_item_s * (batch - 1))
        eta = STEP * tau.min()
        n = np.arange(states)[:, None]
        # All n wait or are served meanwhile, and arrivals find half of the batch's time left on average.
        cost = n * tau + np.where(batch == WAIT, 0.0, 0.5 * rate * tau**2)
        arrivals = np.stack([_arrivals(rate * tau[b], states) if b else _next_arrival(states) for b in batch])
        return cls(eta, tau, np.where(batch <= n, eta * cost / tau, FORBIDDEN), arrivals)

    def action_values(self, cost: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, A) value of each action in each state, infinite where it is not allowed."""
        following = self.arrivals @ value
        left = np.maximum(np.arange(len(value))[:, None] - np.arange(len(self.tau_s)), 0)
        share = self.eta_s / self.tau_s
        return cost + share * following[np.arange(len(self.tau_s)), left] + (1.0 - share) * value[:, None]


def _arrivals(mean: float, states: int) -> NDArray[np.float64]:
    """(N, N) from the number left behind to that plus Poisson(mean), the excess on the last state."""
    n = np.arange(states)
    matrix = poisson.pmf(n[None, :] - n[:, None], mean)
    matrix[:, -1] += 1.0 - matrix.sum(axis=1)
    return matrix


def _next_arrival(states: int) -> NDArray[np.float64]:
    """(N, N) one more item waits; in the last state it is lost."""
    matrix = np.eye(states, k=1)
    matrix[-1, -1] = 1.0
    return matrix


def _restricted(cost: NDArray[np.float64], policy: NDArray[np.int64]) -> NDArray[np.float64]:
    """Costs with every action but the policy's forbidden."""
    states = np.arange(len(cost))
    if policy.shape != states.shape or policy.min() < 0 or policy.max() >= cost.shape[1]:
        raise EdgeGymError(f"policy: an action in 0 .. {cost.shape[1] - 1} for each of {len(cost)} states is needed.")
    if not np.isfinite(cost[states, policy]).all():
        raise EdgeGymError("policy: serves more items than wait.")
    only = np.full_like(cost, FORBIDDEN)
    only[states, policy] = cost[states, policy]
    return only
