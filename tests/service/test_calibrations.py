"""Which calibration a score gets: by localizer, profile and producer, one's own before the package's."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agent_tools.errors import StoreError
from agent_tools.grounding import Calibrator
from agent_tools.home import HomeFolder
from agent_tools.service.verdicts.calibrations import SHIPPED, calibrator_for, stored
from agent_tools.service.verdicts.event_search import LOCALIZER
from agent_tools.service.verdicts.meaning_evidence import OLDER_ENCODER, OLDER_LEAST, USUAL_OF_FEW, _usual

OWN = Calibrator.fit([0.0, 1.0] * 20, [0, 1] * 20, data="a test's")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = HomeFolder(tmp_path).calibrations
    made.mkdir()
    return made


def shipped_producer() -> str:
    files = Path(calibrator_for.__code__.co_filename).parent / SHIPPED
    return str(json.loads((files / f"{LOCALIZER}.lite.json").read_text())["producer"])


def test_ones_own_goes_before_the_packages_for_its_producer_alone(folder: Path) -> None:
    shipped = calibrator_for(LOCALIZER, "lite", shipped_producer(), folder.parent)
    assert shipped is not None
    (folder / f"{LOCALIZER}.lite.json").write_text(stored(OWN, "my model@1"))
    assert calibrator_for(LOCALIZER, "lite", "my model@1", folder.parent) == OWN
    assert calibrator_for(LOCALIZER, "lite", shipped_producer(), folder.parent) == shipped
    assert calibrator_for(LOCALIZER, "lite", "a third@1", folder.parent) is None
    assert calibrator_for(LOCALIZER, "standard", "my model@1", folder.parent) is None


def test_a_file_that_was_fitted_anew_counts_at_once(folder: Path) -> None:
    file = folder / "pictures.standard.json"
    file.write_text(stored(OWN, "siglip@1"))
    assert calibrator_for("pictures", "standard", "siglip@1", folder.parent) == OWN
    other = Calibrator.fit([0.0, 2.0] * 20, [0, 1] * 20, data="another")
    file.write_text(stored(other, "siglip@1"))
    os.utime(file, ns=(1, 1))
    assert calibrator_for("pictures", "standard", "siglip@1", folder.parent) == other


def test_a_broken_file_is_told_with_the_remedy(folder: Path) -> None:
    (folder / "pictures.lite.json").write_text('{"format": 99}')
    with pytest.raises(StoreError, match=r"pictures\.lite\.json is no stored calibration\. Remove it, or fit it again"):
        calibrator_for("pictures", "lite", "siglip@1", folder.parent)


def test_a_score_is_made_as_its_calibration_was_fitted() -> None:
    """Data folders of 0.1 keep their encoder's vectors, their calibration, and what counts as usual."""
    older = Path(calibrator_for.__code__.co_filename).parent / SHIPPED / f"{LOCALIZER}.lite.minilm.json"
    assert json.loads(older.read_text())["producer"] == OLDER_ENCODER
    cosines = [0.9, 0.6, 0.5, 0.4, 0.35, 0.3, 0.28, 0.27, 0.1]
    assert _usual(cosines, OLDER_ENCODER) == 0.27
    assert _usual(cosines[:3], OLDER_ENCODER) == OLDER_LEAST
    assert _usual(cosines, shipped_producer()) == 0.4
    assert _usual(cosines[:3], shipped_producer()) == USUAL_OF_FEW
