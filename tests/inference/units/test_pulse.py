import pytest

from config.engine import EngineSettings
from inference.serving.order import UnitHealth
from inference.units.pulse import Pulse

SETTINGS = EngineSettings(load_seconds=100, hang_seconds=10)
READY = UnitHealth(state="ready", progress=1)


@pytest.fixture
def pulse():
    return Pulse(SETTINGS, begun=1000)


def test_a_model_may_take_its_time_to_load(pulse):
    assert not pulse.feel(UnitHealth(state="loading", silent_seconds=80), 1090)
    assert pulse.fault(1100) == ""
    assert pulse.fault(1101) == "the model was not loaded in 101 s"


def test_a_ready_unit_takes_requests(pulse):
    assert pulse.feel(READY, 1050)
    assert pulse.fault(1060) == ""
    assert pulse.ready_since == 1050


def test_a_unit_that_answers_no_more_has_hung(pulse):
    pulse.feel(READY, 1050)
    assert not pulse.feel(None, 1055)
    assert pulse.fault(1060) == ""
    assert pulse.fault(1061) == "no sign of life for 11 s"


def test_the_word_ready_counts_for_nothing_when_the_engine_is_silent(pulse):
    pulse.feel(READY, 1050)
    assert not pulse.feel(UnitHealth(state="ready", silent_seconds=11), 1060)
    assert pulse.fault(1061) == "no sign of life for 11 s"


def test_one_late_answer_is_forgiven(pulse):
    pulse.feel(READY, 1050)
    pulse.feel(None, 1055)
    assert pulse.feel(READY, 1059)
    assert pulse.fault(1061) == ""
    assert pulse.ready_since == 1050
