"""Many equal servers behind a dispatcher, in the limit of infinitely many."""

from __future__ import annotations

from edgegym.errors import EdgeGymError

NEGLIGIBLE = 1e-15


def power_of_d_sojourn(load: float, choices: int) -> float:
    """Mean sojourn time when each request joins the shortest of ``choices`` random queues, in mean service times.

    Poisson arrivals, exponential services, infinitely many servers of rate 1: the sum over i of
    load^((d^i - d) / (d - 1)), and M/M/1 for d = 1 (N. Vvedenskaya, R. Dobrushin and F. Karpelevich, Problems of
    Information Transmission 32(1), 1996; M. Mitzenmacher, IEEE TPDS 12(10), 2001). Fifty servers lie a few percent
    above the limit.

    Args:
        load: arrivals per server and mean service time, from 0 to below 1.
        choices: d, from 1 on.

    Raises:
        EdgeGymError: for a load or a number of choices out of range.
    """
    if not 0.0 <= load < 1.0 or choices < 1:
        raise EdgeGymError(f"load {load}, choices {choices}: a load in [0, 1) and choices from 1 on are needed.")
    total, term, exponent, step = 0.0, 1.0, 0, 1
    while term > NEGLIGIBLE * max(total, 1.0):
        total += term
        # (d^(i + 1) - d) / (d - 1) exceeds its predecessor by d^i.
        step *= choices
        exponent += step
        term = float(load**exponent)
    return total
