"""Dashboard and alerts against what running processes really count."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from command import ROOT
from company import found_company, running, settings_for, visiting
from images import COMPOSE, DOCKER, load_yaml, tool
from peers import scripted_unit
from peers.model_folder import SMALL, write_half
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from inference.units.keeper import Programme

promql = pytest.importorskip("promql_parser", reason="promql-parser is not installed")

FOLDER = DOCKER / "monitoring"
DASHBOARD = FOLDER / "grafana/dashboards/xiaoq.json"
OF_PROMETHEUS = {"up", "ALERTS"}
ENDS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
RULES = [
    rule
    for group in load_yaml(FOLDER / "alerts.yaml")["groups"]
    for rule in group["rules"]
]  # fmt: skip

# What each alert is about: samples a minute apart that bring it up, and such that do not.
CASES = {
    "XiaoQAway": ('up{job="xiaoq", instance="a"}', "0x90", "1x90"),
    "RedisAway": ('xiaoq_part_state{part="redis", state="down"}', "1x90", "0x90"),
    "QueueStands": ("xiaoq_queue_age_seconds", "61x90", "60x90"),
    "QueueFills": ("xiaoq_queue_depth", "10001x90", "10000x90"),
    "DeadLetters": ("xiaoq_dead_letters", "1x90", "0x90"),
    "ChannelDown": ('xiaoq_part_state{part="slack:main", state="degraded"}', "1x90", "0x90"),
    "ModelAway": ('xiaoq_model_errors_total{error="busy"}', "0+1x90", "5x90"),
    "UnitDown": ("xiaoq_model_loaded_ratio", "0.5x90", "1x90"),
    "UnitHangs": ("xiaoq_model_heartbeat_age_seconds", "31x90", "1x90"),
    "SlowFirstText": ('xiaoq_first_text_seconds_bucket{channel="web", le="30"}', "0+6x90", "0x90"),
    "AnswersFail": ('xiaoq_answered_total{outcome="failed"}', "0+60x90", "7x90"),
    "Undelivered": ('xiaoq_undelivered_total{channel="wecom", reason="5"}', "_x59 1x30", "3x90"),
    "PartDegraded": ('xiaoq_part_state{part="knowledge", state="degraded"}', "1x90", "0x90"),
}  # fmt: skip
BESIDE = {
    "SlowFirstText": {
        'xiaoq_first_text_seconds_bucket{channel="web", le="10"}': "0+1x90",
        'xiaoq_first_text_seconds_bucket{channel="web", le="+Inf"}': "0+6x90",
    }
}


def names(query: str) -> set[str]:
    """The metrics that a query asks for."""
    found: set[str] = set()

    def look(part: Any) -> None:
        if isinstance(part, promql.VectorSelector):
            found.add(part.name)
        elif isinstance(part, promql.MatrixSelector):
            found.add(part.vector_selector.name)

    promql.walk(promql.parse(query), look)
    return found


def queries() -> Iterator[str]:
    """Every query of the alerts and of the dashboard."""
    yield from (rule["expr"] for rule in RULES)
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$__rate_interval", "5m")


@pytest.fixture
async def counted(tmp_path, redis_url, store) -> set[str]:
    """The names on `/metrics` of a running XiaoQ with a unit of its own."""
    write_half(tmp_path / "tiny", SMALL)
    model = {"engine": "transformers", "model_dir": tmp_path / "tiny", "context_tokens": 4096}
    settings = settings_for(
        found_company(tmp_path), redis_url, inference=model | {"drain_seconds": 1}
    )
    units = Programme((sys.executable, str(Path(scripted_unit.__file__)), "{}"))
    async with (
        running(settings, programme=units) as house,
        visiting(house) as visitor,
        aiohttp.ClientSession() as http,
    ):
        await visitor.ask("怎么退货")
        async with asyncio.timeout(30):
            while any(unit.state != "ready" for unit in house.units.units):
                await asyncio.sleep(0.05)
        said = await http.get(f"{visitor.base}/metrics")
        families = list(text_string_to_metric_families(await said.text()))
    return {f"{each.name}{end}" for each in families for end in ENDS.get(each.type, ())}


async def test_every_name_on_dashboard_and_alerts_is_counted_by_a_running_process(counted):
    asked = {name for query in queries() for name in names(query)}
    assert len(asked) > 20
    assert asked - OF_PROMETHEUS <= counted


async def test_every_number_of_ours_is_shown_or_watched(counted):
    asked = {_family(name) for query in queries() for name in names(query)}
    ours = {_family(name) for name in counted if name.startswith("xiaoq_")}
    # Of units inside a process of XiaoQ, which the compose file has outside.
    spared = {"xiaoq_model_units", "xiaoq_model_unit_restarts", "xiaoq_model_unit_progress"}
    assert ours - asked == spared


def test_prometheus_takes_its_configuration_and_rules():
    checked = tool("promtool", "check", "config", FOLDER / "prometheus.yaml")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", CASES)
def test_an_alert_comes_up_when_it_should_and_not_else(name, tmp_path):
    series, wrong, right = CASES[name]
    test = {
        "rule_files": [str(FOLDER / "alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [_case(name, series, wrong, 1), _case(name, series, right, 0)],
    }
    file = tmp_path / "test.yaml"
    with file.open("w") as out:
        YAML().dump(test, out)
    tested = tool("promtool", "test", "rules", file)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_tried_and_has_its_page_of_advice():
    assert [rule["alert"] for rule in RULES] == list(CASES)
    manual = (ROOT / "docs/operate.md").read_text(encoding="utf-8")
    headings = {line.removeprefix("### ") for line in manual.splitlines()}
    for rule in RULES:
        assert rule["alert"] in headings
        assert rule["annotations"]["runbook"] == f"docs/operate.md#{rule['alert'].lower()}"


def test_all_that_is_scraped_is_a_service_of_the_compose_file():
    services = load_yaml(COMPOSE)["services"]
    jobs = load_yaml(FOLDER / "prometheus.yaml")["scrape_configs"]
    asked = {name for job in jobs for entry in job["dns_sd_configs"] for name in entry["names"]}
    assert asked == {"xiaoq", "worker", "model"}
    inside = set(services["prometheus"]["networks"])
    assert all(inside & set(services[name]["networks"]) for name in asked)


def test_grafana_asks_the_data_source_that_it_is_given():
    (source,) = load_yaml(FOLDER / "grafana/provisioning/datasources/prometheus.yaml")[
        "datasources"
    ]
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = {panel["datasource"]["uid"] for panel in board["panels"] if panel["type"] != "row"}
    assert asked == {source["uid"]}
    assert "prometheus" in load_yaml(COMPOSE)["services"]


def _family(name: str) -> str:
    """A histogram shown by its quantiles is shown; when a number was created is nobody's."""
    return re.sub("_(bucket|sum|count|created)$", "", name).removesuffix("_total")


def _case(name: str, series: str, values: str, fires: int) -> dict[str, Any]:
    """At 65 minutes the alert is up once, or nothing is."""
    given = {series: values} | (BESIDE.get(name, {}) if fires else {})
    query = f'sum(ALERTS{{alertname="{name}", alertstate="firing"}})'
    expected = [{"labels": "{}", "value": 1}] if fires else []
    return {
        "interval": "1m",
        "input_series": [{"series": each, "values": steps} for each, steps in given.items()],
        "promql_expr_test": [{"expr": query, "eval_time": "65m", "exp_samples": expected}],
    }
