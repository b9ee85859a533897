"""Rows and tiles over devices near each other: geometry against torch, work and bytes against counting."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgegym.calibration.zoo import graph_of, zoo_model
from edgegym.cards import load_card
from edgegym.errors import EdgeGymError
from edgegym.partition import (
    chain_of,
    layer_times_s,
    row_bounds,
    rows_read,
    run_tiles,
    shares_by_speed,
    spatial_chain,
    split_rows,
    split_tiles,
)
from edgegym.partition.rows import shares_from_times

CHAIN = chain_of(
    61,
    3,
    [("conv", 7, 2, 8), ("pool", 3, 2, 0), ("conv", 3, 1, 16), ("depthwise_conv", 5, 1, 0), ("conv", 1, 1, 8)],
)
RATE_BPS = 62e6


def module_of(chain) -> nn.Sequential:
    parts: list[nn.Module] = []
    for layer in chain:
        if layer.kind == "pool":
            parts.append(nn.MaxPool2d(layer.kernel, layer.stride, layer.padding))
        else:
            groups = layer.channels_in if layer.kind == "depthwise_conv" else 1
            shape = (layer.channels_in, layer.channels_out, layer.kernel, layer.stride, layer.padding)
            parts.append(nn.Conv2d(*shape, groups=groups))
    return nn.Sequential(*parts)


@pytest.mark.parametrize(("name", "layers"), [("vgg16", 18), ("alexnet", 8), ("yolov3_tiny", 9), ("mobilenet_v2", 6)])
def test_derived_geometry_is_the_modules(name: str, layers: int) -> None:
    chain = spatial_chain(graph_of(name))
    assert len(chain) == layers
    modules = [m for m in zoo_model(name).build().modules() if isinstance(m, nn.Conv2d | nn.MaxPool2d)]
    for layer, module in zip(chain, modules, strict=False):
        sides = [np.ravel(each)[0] for each in (module.kernel_size, module.stride, module.padding)]
        assert [layer.kernel, layer.stride, layer.padding] == sides


def test_a_padded_pooling_needs_its_kernel_named() -> None:
    pool = next(layer.name for layer in graph_of("resnet18").layers if layer.kind == "pool")
    layer = spatial_chain(graph_of("resnet18"), {pool: 3})[1]
    assert (layer.kernel, layer.stride, layer.padding) == (3, 2, 1)


def test_what_is_no_square_image_is_refused() -> None:
    with pytest.raises(EdgeGymError, match="square image"):
        spatial_chain(graph_of("ds_cnn"))


@pytest.mark.parametrize("layer", CHAIN, ids=lambda layer: layer.name)
def test_rows_read_are_those_whose_change_is_seen(layer) -> None:
    """Exactly the rows of input with a non-zero gradient (of a sum over positive weights)."""
    if layer.kind == "pool":  # a mean has the window of a maximum and uses all of it
        module: nn.Module = nn.AvgPool2d(layer.kernel, layer.stride, layer.padding)
    else:
        module = module_of([layer])[0]
        nn.init.ones_(module.weight)
    image = torch.zeros(1, layer.channels_in, layer.side_in, layer.side_in, requires_grad=True)
    out = module(image)
    assert out.shape[2] == layer.side_out
    for start, stop in [(0, 1), (0, layer.side_out), (3, 7), (layer.side_out - 2, layer.side_out)]:
        (gradient,) = torch.autograd.grad(out[:, :, start:stop].sum(), image, retain_graph=True)
        seen = np.flatnonzero(gradient.abs().sum(dim=(0, 1, 3)).numpy())
        low, high = rows_read(layer, start, stop)
        assert (low, high) == (seen[0], seen[-1] + 1)


def test_bands_make_the_output_of_the_whole() -> None:
    """Convolving bands of rows with the fetched halo, padded at the rim only, gives the network's output."""
    network = module_of(CHAIN)
    whole = torch.randn(1, 3, 61, 61)
    with torch.no_grad():
        for layer, module in zip(CHAIN, network, strict=True):
            bands = []
            bounds = row_bounds(layer.side_out, [0.2, 0.5, 0.3])
            for start, stop in pairwise(bounds):
                low, high = rows_read(layer, start, stop)
                wanted_low, wanted_high = start * layer.stride - layer.padding, (stop - 1) * layer.stride
                wanted_high += layer.kernel - layer.padding
                pad = (layer.padding, layer.padding, low - wanted_low, wanted_high - high)
                band = nn.functional.pad(whole[:, :, low:high], [int(side) for side in pad])
                bare = module_of([layer])[0]
                bare.load_state_dict(module.state_dict())
                bare.padding = 0 if layer.kind == "pool" else (0, 0)
                bands.append(bare(band))
            after = module(whole)
            torch.testing.assert_close(torch.cat(bands, 2), after, rtol=1e-4, atol=1e-5)
            whole = after


@given(st.lists(st.floats(0, 5), min_size=1, max_size=6).filter(lambda speeds: sum(speeds) > 0.1))
@settings(max_examples=60, deadline=None)
def test_row_split_shares_everything_out_once(speeds: list[float]) -> None:
    split = split_rows(CHAIN, shares_by_speed(speeds))
    assert split.bands.min() >= 0
    assert split.bands.sum(axis=1).tolist() == [layer.side_out for layer in CHAIN]
    owner = np.zeros(61, int)
    for place, layer in enumerate(CHAIN):
        for device in range(len(speeds)):
            start, stop = split.bounds[place, device : device + 2]
            low, high = rows_read(layer, start, stop)
            assert split.fetched[place, device] == np.count_nonzero(owner[low:high] != device)
        owner = np.repeat(np.arange(len(speeds)), split.bands[place])


def test_one_device_sends_nothing_and_takes_the_time_of_the_call() -> None:
    graph, pi = graph_of("vgg16"), load_card("raspberry_pi_4", "device")
    split = split_rows(spatial_chain(graph), [1.0])
    convolutions = layer_times_s(graph, pi)[: graph.index["31.1.linear"]].sum()
    factor = float(pi.known.factor("vgg16", graph.macs))
    assert split.sent_bytes().sum() == 0
    assert split.latency_s(pi, RATE_BPS) * factor == pytest.approx(convolutions)


def test_halo_of_a_3x3_convolution_is_one_row_from_each_neighbour() -> None:
    split = split_rows(chain_of(30, 4, [("conv", 3, 1, 4)] * 3), np.full(3, 1 / 3))
    assert split.fetched[1:].tolist() == [[1, 2, 1]] * 2
    assert split.sent_bytes(1).tolist() == [
        (12 + 11) * 30 * 4,
        4 * 30 * 4 * 4,
        4 * 30 * 4 * 4,
        20 * 30 * 16,
    ]


def test_sharing_out_anew_recovers_from_a_slow_helper() -> None:
    """A helper slows down to a quarter: shares from the times it took are those of the true speeds, and faster."""
    pi, chain = load_card("raspberry_pi_3", "device"), spatial_chain(graph_of("vgg16"))
    stale, speeds = np.full(4, 0.25), np.array([1, 1, 1, 0.25])
    before = split_rows(chain, stale)
    anew = shares_from_times(stale, before.compute_s(pi, speeds).sum(axis=0))
    assert anew == pytest.approx(shares_by_speed(speeds), rel=0.06)
    after = split_rows(chain, anew)
    assert after.latency_s(pi, RATE_BPS, speeds=speeds) < 0.6 * before.latency_s(pi, RATE_BPS, speeds=speeds)


def test_speeds_must_allow_progress() -> None:
    with pytest.raises(EdgeGymError, match="one must be positive"):
        shares_by_speed([0.0, 0.0])


@pytest.mark.parametrize("grid", [1, 2, 4])
def test_tiles_make_the_output_of_the_whole(grid: int) -> None:
    """Regions followed back by hand through one dimension; redundancy is 1 only for a single tile."""
    split = split_tiles(CHAIN, grid)
    bounds = row_bounds(CHAIN[-1].side_out, np.full(grid, 1 / grid))
    for tile in range(grid):
        low, high = int(bounds[tile]), int(bounds[tile + 1])
        for layer in reversed(CHAIN):
            low = max(0, low * layer.stride - layer.padding)
            high = min(layer.side_in, (high - 1) * layer.stride - layer.padding + layer.kernel)
        assert split.extents[0, tile] == high - low
    assert split.areas[-1].sum() == CHAIN[-1].side_out ** 2
    assert split.redundancy == pytest.approx(1.0) if grid == 1 else split.redundancy > 1.01
    assert split.peak_bytes <= split_tiles(CHAIN, 1).peak_bytes


def test_idle_devices_take_the_next_tile() -> None:
    pi = load_card("raspberry_pi_3", "device")
    split = split_tiles(CHAIN, 4)
    alone = run_tiles(split, pi, [1.0], RATE_BPS)
    assert alone.latency_s == pytest.approx(split.compute_s(pi).sum())
    assert alone.sent_bytes == 0
    free = run_tiles(split, pi, [1.0, 1.0, 2.0], 1e15)
    assert free.tiles_done.sum() == 16
    assert free.tiles_done[2] > free.tiles_done[0]
    # List scheduling: within the longest tile of an even share.
    even = split.compute_s(pi).sum() / 4
    assert even <= free.latency_s <= even + 2 * split.compute_s(pi).max()
    slow = run_tiles(split, pi, [1.0, 1.0, 2.0], 1e5)
    assert slow.latency_s >= 8 * slow.sent_bytes / 1e5
