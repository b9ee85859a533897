"""The exact batching process against closed forms and known properties."""

from __future__ import annotations

import numpy as np
import pytest

from edgegym.errors import EdgeGymError
from edgegym.queueing.batching_smdp import BatchingQueue, greedy, latency_bound_s, minimum_batch, solve


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
def test_greedy_is_optimal_to_1e_5_and_waiting_for_a_batch_hurts(load: float) -> None:
    queue = BatchingQueue.of_load(load)
    best = solve(queue)
    assert solve(queue, greedy(queue)).gain == pytest.approx(best.gain, rel=1e-5)
    for smallest in (2, 4, 8):
        assert solve(queue, minimum_batch(queue, smallest)).gain > best.gain * (1 + 5e-5)


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_batches_of_one_are_an_m_d_1_queue(load: float) -> None:
    queue = BatchingQueue.of_load(load, max_batch=1)
    service = queue.batch_s(1)
    exact = service + queue.rate_per_s * service**2 / (2 * (1 - load))
    assert solve(queue).latency_s == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("load", [0.05, 0.1, 0.3, 0.5])
def test_inoues_bound_holds_and_is_tight_at_low_load(load: float) -> None:
    queue = BatchingQueue.of_load(load, max_batch=40)
    latency = solve(queue).latency_s
    assert latency <= latency_bound_s(queue) <= 1.1 * latency


def test_bias_grows_with_the_queue() -> None:
    assert np.all(np.diff(solve(BatchingQueue.of_load(0.7)).bias) > 0)


def test_bad_queues_and_policies_are_refused() -> None:
    with pytest.raises(EdgeGymError, match="below 1"):
        BatchingQueue.parse({"rate_per_s": 1000.0})
    queue = BatchingQueue.of_load(0.5)
    with pytest.raises(EdgeGymError, match="more items than wait"):
        solve(queue, np.ones(queue.truncation + 1, np.int64))
    with pytest.raises(EdgeGymError, match="for each of 151 states"):
        solve(queue, np.ones(3, np.int64))
