"""The loss of a further worker, fitted to rates."""

from __future__ import annotations

import pytest

from lab.bench.workers import loss


@pytest.mark.parametrize("true", [0.0, 0.12, 1.0])
def test_the_fit_finds_the_loss_of_rates_that_were_made_by_one(true: float) -> None:
    rates = {n: 3.0 * n / (1 + true * (n - 1)) for n in (1, 2, 4)}
    assert loss([{"workers": n, "films_min": rate} for n, rate in rates.items()]) == pytest.approx(true, abs=1e-3)
