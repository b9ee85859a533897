"""Fits: against known laws and exact bookkeeping; and the library's cards made again from the measurements."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edgegym.calibration.library import OWN_MEASUREMENTS, RECIPES, main, make_card
from edgegym.calibration.library_links import read_series
from edgegym.calibration.library_workloads import read_popularity
from edgegym.calibration.link_fit import fit_link, held_values
from edgegym.calibration.quantile_fit import Measurements, fidelity_of, fit_table
from edgegym.calibration.workload_fit import fit_counts, fit_workload, workload_card_of
from edgegym.cards import Provenance, list_cards, load_card
from edgegym.cards.library import CARD_CLASSES
from edgegym.errors import EdgeGymError
from edgegym.workload.trace import RequestTrace

PROVENANCE = Provenance(source="a test")


@pytest.mark.parametrize("law", [stats.lognorm(1.5, scale=1e6), stats.expon(scale=0.02), stats.uniform(10, 5)])
def test_a_fitted_table_has_the_quantiles_and_the_mean_of_the_law(law: stats.rv_frozen) -> None:
    sample = law.rvs(size=100_000, random_state=np.random.default_rng(0))
    table = fit_table(Measurements.of(sample), 21)
    p = np.linspace(0.05, 0.95, 19)
    # Sampling error is below 3 % at these quantiles; 21 entries interpolate a smooth law to about the same.
    np.testing.assert_allclose(table.quantile(p), law.ppf(p), rtol=0.06)
    # The heaviest of the three has a standard error of 0.9 %; its tail above the last entry but one costs 2 %.
    assert table.mean() == pytest.approx(law.mean(), rel=0.05)
    fidelity = fidelity_of(table, Measurements.of(sample))
    assert fidelity.mean_error == pytest.approx(abs(table.mean() / sample.mean() - 1), rel=0.06)
    assert fidelity.held_out_median_error is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 4)), min_size=1, max_size=20), st.floats(0, 1))
def test_a_weight_counts_like_repetition(rows: list[tuple[float, int]], p: float) -> None:
    values, weights = zip(*rows, strict=True)
    weighted = Measurements.of(values, weights)
    repeated = np.repeat(values, weights)
    # Away from the jumps, where one part in 1e12 decides.
    share = p * len(repeated)
    if abs(share - round(share)) > 1e-6:
        assert weighted.quantile(p) == np.quantile(repeated, p, method="inverted_cdf")
    assert weighted.quantile(0.5) == pytest.approx(np.median(repeated))
    assert weighted.mean() == pytest.approx(repeated.mean())


def test_few_distinct_values_are_kept_exactly() -> None:
    table = fit_table(Measurements.of([5.0] * 300 + [80.0] * 700), 21)
    assert set(table.values) == {5.0, 80.0}
    # Between the two masses stands one step of a per mille.
    np.testing.assert_allclose(table.quantile([0.1, 0.29, 0.31, 0.9]), [5, 5, 80, 80])


def test_held_out_errors_see_that_runs_differ() -> None:
    rng = np.random.default_rng(1)
    runs = np.repeat([f"run{i}" for i in range(40)], 200)
    alike = rng.lognormal(0, 1, len(runs))
    level = np.repeat(rng.lognormal(0, 1, 40), 200)
    errors = [
        fidelity_of(fit_table(measured, 21), measured).held_out_decile_error
        for measured in (Measurements.of(alike, run=runs), Measurements.of(alike * level, run=runs))
    ]
    # 1600 unseen values give deciles within a few percent; eight unseen levels of spread e do not.
    assert errors[0] < 0.08
    assert errors[1] > 2 * errors[0]


def test_a_value_counts_as_long_as_it_holds() -> None:
    series = {
        "a": (np.array([0.0, 1.0, 5.0]), np.array([10.0, 20.0, 30.0])),
        "b": (np.array([0.0, 2.0]), np.array([40.0, 50.0])),
    }
    pooled = held_values(series)
    # Steps 1 and 4 s, last value for their median 2.5 s; step 2 s and again 2 s.
    np.testing.assert_array_equal(pooled.weights, [1, 4, 2.5, 2, 2])
    assert pooled.runs() == 2
    assert pooled.mean() == pytest.approx((10 + 80 + 75 + 80 + 100) / 11.5)


def test_a_link_card_from_ones_own_measurements() -> None:
    rtt = Measurements.of([0.010, 0.012, 0.014])
    card = fit_link("lab", PROVENANCE, rtt_s=rtt, rate_bps=1e8)
    assert (card.rtt_s, card.rate_bps, card.rate_table) == (0.012, 1e8, None)
    assert set(card.fidelity.tables) == {"rtt_table"}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0.01, 1)), min_size=1, max_size=60))
def test_binning_counts_keeps_mean_and_masses(rows: list[tuple[int, float]]) -> None:
    requests, mass = np.array([r for r, _ in rows], float), np.array([m for _, m in rows])
    table = fit_counts(requests, mass)
    # Values and probabilities are rounded to six digits.
    assert table.mean() == pytest.approx(np.average(requests, weights=mass), rel=2e-5)
    below = np.sum(mass[requests < 8]) / mass.sum()
    assert table.masses[np.array(table.values) < 8].sum() == pytest.approx(below, abs=1e-5)


def popular_and_large(objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Requests and sizes of objects where the popular ones are the large ones."""
    rng = np.random.default_rng(2)
    requests = np.ceil(rng.pareto(1.5, objects))
    return requests, np.rint(1000 * requests**0.5 * rng.lognormal(0, 1, objects) + 1)


def test_a_workload_fit_keeps_the_traffic() -> None:
    requests, size = popular_and_large(50_000)
    card = fit_workload("made", PROVENANCE, requests, size, np.ones(50_000))
    assert card.object_bytes.mean() == pytest.approx(size.mean(), rel=0.02)
    assert card.requests_per_object.mean() == pytest.approx(requests.mean(), rel=1e-4)
    # Independence would give 1.0 for this ratio, the data give about 2.
    truth = np.average(size, weights=requests)
    assert truth / size.mean() > 1.5
    assert card.joint.mean_bytes_per_request() == pytest.approx(truth, rel=0.05)
    drawn, sizes = card.joint.sample(np.random.default_rng(3), 50_000)
    # Five standard errors of a rank correlation are 0.022, and segments blur it by about as much.
    expected = stats.spearmanr(requests, size).statistic
    assert stats.spearmanr(drawn, sizes).statistic == pytest.approx(expected, abs=0.05)


def test_the_card_of_a_trace() -> None:
    requests, size = popular_and_large(2000)
    ids = np.random.default_rng(4).permutation(np.repeat(np.arange(2000), requests.astype(int)))
    trace = RequestTrace.from_arrays(ids, size=size[ids].astype(np.int64))
    card = workload_card_of(trace, "mine", PROVENANCE)
    assert card.requests_per_object.mean() == pytest.approx(len(ids) / 2000, rel=1e-4)
    truth = trace.size[trace.content].mean()
    error = abs(card.joint.mean_bytes_per_request() / truth - 1)
    # A single popular object carries some percent of this traffic; the card says what its table makes of that.
    assert error < 0.2
    assert card.fidelity.mean_bytes_per_request_error == pytest.approx(error, rel=0.06)


def test_the_card_of_a_trace_without_sizes_or_with_one_content() -> None:
    card = workload_card_of(RequestTrace.from_arrays(np.array([3, 3, 3])), "one", PROVENANCE)
    assert card.object_bytes.sample(np.random.default_rng(0), 3).tolist() == [1, 1, 1]
    assert card.joint.sample(np.random.default_rng(0), 2)[0].tolist() == [3.0, 3.0]


@pytest.mark.parametrize(("requests", "size"), [([], []), ([0.0], [5.0]), ([1.0], [0.0])])
def test_a_workload_fit_refuses_what_is_no_request_or_size(requests: list[float], size: list[float]) -> None:
    with pytest.raises(EdgeGymError, match="none below 1"):
        fit_workload("made", PROVENANCE, np.array(requests), np.array(size), np.ones(len(size)))


@pytest.mark.parametrize(
    ("values", "weights", "message"),
    [
        ([1.0, -2.0], None, "value 1 is -2.0"),
        ([1.0, np.nan], None, "value 1 is nan"),
        ([1.0], [-1.0], "weight 0"),
        ([], None, "at least one"),
        ([1.0], [1.0, 2.0], "1 values, 2 weights"),
    ],
)
def test_measurements_that_cannot_be(values: list[float], weights: list[float] | None, message: str) -> None:
    with pytest.raises(EdgeGymError, match=message):
        Measurements.of(values, weights)


def test_damaged_measurements_name_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "traces.csv.gz"
    table.write_bytes(gzip.compress(b"trace,t_s,rtt_ms\na,0,1\na,1,x\n"))
    with pytest.raises(EdgeGymError, match=r"traces\.csv\.gz: line 3: .*'x'"):
        read_series(table, "rtt_ms")
    with pytest.raises(EdgeGymError, match="cannot be read"):
        read_series(table, "down_mbps")
    law = tmp_path / "law.txt.xz"
    law.write_bytes(lzma.compress(b"1\n2.0 0.5\n1 2 3\n"))
    with pytest.raises(EdgeGymError, match=r"law\.txt\.xz: line 3: 3 fields"):
        read_popularity(law)
    law.write_bytes(lzma.compress(b"1\n2.0 0.5\n" * 5000)[:-40])
    with pytest.raises(EdgeGymError, match=r"law\.txt\.xz: cannot be read"):
        read_popularity(law)
    assert main([str(tmp_path), "--out", str(tmp_path / "out"), "--card", "hsdpa_3g"]) == 2
    assert "hsdpa_norway" in capsys.readouterr().err
    assert main([str(tmp_path), "--out", str(tmp_path / "out"), "--card", "hsdpa"]) == 2
    assert "Did you mean 'hsdpa_3g'" in capsys.readouterr().err


def test_every_library_card_has_a_recipe_or_is_of_a_machine_of_ours_and_every_recipe_a_card() -> None:
    assert sorted([*RECIPES, *OWN_MEASUREMENTS]) == sorted(name for names in list_cards().values() for name in names)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_library_is_what_the_measurements_give(name: str, data_folder: Path) -> None:
    made = make_card(name, data_folder)
    assert made.kind in CARD_CLASSES
    assert load_card(name, made.kind) == made  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("name", "file"), [("akamai_video", "v"), ("akamai_media", "eu-2"), ("akamai_downloads", "tc-0")]
)
def test_cards_keep_the_traffic_of_the_measurements(name: str, file: str, data_folder: Path) -> None:
    """Recomputed from the file line by line, without the fit."""
    total = requests = traffic = objects = count = 0.0
    with lzma.open(data_folder / "requests" / "akamai_tragen" / f"{file}_popularity.txt.xz", "rt") as text:
        for line in text:
            numbers = [float(field) for field in line.split()]
            if len(numbers) == 1:
                count = numbers[0]
            elif numbers:
                total += numbers[1]
                objects += numbers[1] * numbers[0] * 1e3
                requests += numbers[1] * count
                traffic += numbers[1] * count * numbers[0] * 1e3
    card = load_card(name, "workload")
    assert card.requests_per_object.mean() == pytest.approx(requests / total, rel=1e-5)
    # Sizes are condensed to 41 quantiles; the cards state errors of at most 2 % and 5 %.
    assert card.object_bytes.mean() == pytest.approx(objects / total, rel=0.02)
    assert card.joint.mean_bytes_per_request() == pytest.approx(traffic / requests, rel=0.05)


def test_a_card_is_written_where_the_command_says(data_folder: Path, tmp_path: Path) -> None:
    assert main([str(data_folder), "--out", str(tmp_path), "--card", "wan_us_east"]) == 0
    assert load_card(tmp_path / "link" / "wan_us_east.yaml", "link") == load_card("wan_us_east", "link")
