"""The compose file, as far as it can be judged without an engine, and the Redis that it starts."""

import re
from pathlib import Path

import pytest
import redis
from command import ROOT
from images import COMPOSE, load_yaml, make_secrets, tool

from config.fields import leaves
from config.loading import load_settings, variable
from config.settings import Settings

OURS = ("xiaoq", "worker", "model")
PROFILES = {
    "worker": "workers",
    "model": "gpu",
    "proxy": "proxy",
    "prometheus": "monitoring",
    "grafana": "monitoring",
}


@pytest.fixture(scope="module")
def compose():
    return load_yaml(COMPOSE)


@pytest.fixture(scope="module")
def services(compose):
    return compose["services"]


def test_it_follows_the_compose_specification():
    checked = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert checked.returncode == 0, checked.stdout


def test_xiaoq_and_redis_come_up_by_themselves_and_the_rest_by_profile(services):
    profiles = {name: service.get("profiles", []) for name, service in services.items()}
    assert profiles == {"redis": [], "xiaoq": []} | {n: [p] for n, p in PROFILES.items()}


def test_nothing_has_to_be_set_before_the_first_start():
    # Compose asks for a needed variable of a profile that is off, too.
    assert not re.search(r"\$\{\w+:?\?", COMPOSE.read_text(encoding="utf-8"))


def test_every_container_is_read_only_and_without_rights(services):
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert [name for name, each in services.items() if "cap_add" in each] == ["proxy"]


def test_only_the_proxy_is_open_to_the_network(services):
    ports = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert ports.pop("proxy") == ["80:80", "443:443", "443:443/udp"]
    assert set(ports) == {"xiaoq", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for each in ports.values() for port in each)


def test_redis_and_the_model_are_reached_from_inside_alone(compose, services):
    assert compose["networks"]["inside"] == {"internal": True}
    assert services["redis"]["networks"] == services["model"]["networks"] == ["inside"]


def test_all_that_has_to_last_lies_in_a_volume_or_a_file(compose, services):
    used = {
        volume.partition(":")[0]
        for service in services.values()
        for volume in service.get("volumes", ())
        if not volume.startswith((".", "$"))
    }
    assert used == set(compose["volumes"])
    assert "state:/var/lib/xiaoq" in services["xiaoq"]["volumes"]
    assert "redis:/data" in services["redis"]["volumes"]


def test_every_variable_of_ours_is_a_setting(services):
    known = {variable(leaf.path) for leaf in leaves(Settings)}
    for name in OURS:
        given = set(services[name].get("environment", {}))
        assert {each for each in given if each.startswith("XIAOQ_")} <= known


def test_open_answers_are_finished_before_a_container_is_killed(services):
    settings = Settings()
    needed = {
        "xiaoq": settings.inbox.grace_seconds * 2,
        "worker": settings.inbox.grace_seconds * 2,
        "model": settings.inference.drain_seconds * 2,
    }
    for name, seconds in needed.items():
        assert float(services[name]["stop_grace_period"].removesuffix("s")) > seconds


def test_every_secret_is_made_once_and_can_be_read_by_its_container_alone(tmp_path, compose):
    folder = tmp_path / "secrets"
    make_secrets(folder)
    before = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    make_secrets(folder, "gpu")
    after = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert after.items() > before.items()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o444 for path in after)
    named = {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert named <= {path.name for path in after}


def test_xiaoq_and_the_model_server_agree_by_their_secrets(tmp_path, services):
    make_secrets(tmp_path / "secrets", "gpu")
    xiaoq = load_settings({}, tmp_path / "secrets/xiaoq", needs_folders=False)
    model = load_settings(
        {"XIAOQ_INFERENCE__HOST": "0.0.0.0"}, tmp_path / "secrets/model", needs_folders=False
    )
    keys = {endpoint.api_key for endpoint in xiaoq.inference.endpoints}
    assert keys == {model.inference.api_key}
    urls = [str(endpoint.url) for endpoint in xiaoq.inference.endpoints]
    assert urls == [f"http://model:{port}/v1" for port in range(8000, 8004)]
    folder = services["model"]["environment"]["XIAOQ_INFERENCE__MODEL_DIR"]
    (name,) = {endpoint.model for endpoint in xiaoq.inference.endpoints}
    assert folder == f"/models/${{XIAOQ_MODEL:-{name}}}"
    assert xiaoq.redis.url.get_secret_value().endswith("@redis:6379/0")


def test_redis_keeps_what_it_was_told_and_lets_nobody_in_without_the_password(composed_redis):
    with composed_redis.running() as client:
        client.set("xq:kept", "1")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        nobody = redis.Redis(port=composed_redis.port)
        with pytest.raises(redis.exceptions.AuthenticationError):
            nobody.get("xq:kept")
        nobody.close()
    with composed_redis.running() as client:
        assert client.get("xq:kept") == b"1"


def test_the_health_check_of_redis_can_ask_whether_it_is_well_and_nothing_else(composed_redis):
    _, _, *words = load_yaml(COMPOSE)["services"]["redis"]["healthcheck"]["test"]
    user, password = words[words.index("--user") + 1], words[words.index("--pass") + 1]
    with composed_redis.running():
        health = redis.Redis(port=composed_redis.port, username=user, password=password)
        assert health.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            health.get("xq:kept")
        health.close()


def test_a_backup_taken_while_it_works_can_be_put_back(composed_redis, tmp_path):
    """What docs/operate.md does with the append-only file."""
    with composed_redis.running() as client:
        client.set("xq:before", "1")
        client.config_set("auto-aof-rewrite-percentage", 0)
        assert client.info("persistence")["aof_rewrite_in_progress"] == 0
        kept = tmp_path / "kept"
        tool("cp", "-a", composed_redis.data, kept)
        client.config_set("auto-aof-rewrite-percentage", 100)
        client.set("xq:after", "1")
    for file in [*composed_redis.data.iterdir()]:
        file.unlink()
    tool("cp", "-a", f"{kept}/.", composed_redis.data)
    with composed_redis.running() as client:
        assert client.keys("*") == [b"xq:before"]


def test_what_belongs_to_one_machine_is_never_committed():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"docker/.env", "docker/xiaoq.env", "docker/secrets/", "docker/models/"} <= set(ignored)
