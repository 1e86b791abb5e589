from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from inference.units.numbers import Relay, label_numbers

SAID = """\
# HELP xiaoq_model_jobs_total Jobs that left the engine
# TYPE xiaoq_model_jobs_total counter
xiaoq_model_jobs_total{reason="stop"} 3.0
# HELP xiaoq_model_queue_seconds Wait
# TYPE xiaoq_model_queue_seconds histogram
xiaoq_model_queue_seconds_bucket{le="+Inf"} 2.0
xiaoq_model_queue_seconds_count 2.0
xiaoq_model_queue_seconds_sum 0.5
# TYPE process_open_fds gauge
process_open_fds 11.0
"""


def rendered(texts: dict[str, str]) -> str:
    registry, relay = CollectorRegistry(), Relay()
    registry.register(relay)
    relay.families = label_numbers(texts)
    return generate_latest(registry).decode()


def test_numbers_of_units_stand_side_by_side():
    text = rendered({"0": SAID, "1": SAID})
    assert 'xiaoq_model_jobs_total{reason="stop",unit="0"} 3.0' in text
    assert 'xiaoq_model_jobs_total{reason="stop",unit="1"} 3.0' in text
    assert text.count("# TYPE xiaoq_model_jobs_total counter") == 1
    assert 'xiaoq_model_queue_seconds_bucket{le="+Inf",unit="1"} 2.0' in text
    assert list(text_string_to_metric_families(text))


def test_numbers_of_the_process_itself_are_left_out():
    assert "process_" not in rendered({"0": SAID})


def test_a_unit_that_says_nothing_or_nonsense_spoils_no_other():
    text = rendered({"0": "", "1": "{{{", "2": SAID})
    assert 'unit="2"' in text
    assert 'unit="1"' not in text
