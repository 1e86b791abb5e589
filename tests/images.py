"""The container files as data, and an image's command as a container runs it, without an engine.

A mount namespace of its own gives a process the image's paths, a root file system that cannot be
written to, and the image's user. Nothing of it is seen outside.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import READY, ROOT, Server
from company import free_port
from ruamel.yaml import YAML

DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yaml"
USER = 10001

ENTER = """\
set -eu
umask 022
mount --make-rprivate /
mount -t tmpfs tmpfs /srv
mkdir -p /srv/xiaoq/config /srv/lib/xiaoq /srv/secrets /srv/root /srv/python
mount --bind "$ROOT/config" /srv/xiaoq/config
mount --bind "$STATE" /srv/lib/xiaoq
mount --bind "$SECRETS" /srv/secrets
mount -t tmpfs tmpfs /opt
ln -s "$VENV" /opt/venv
mount -t tmpfs tmpfs /run
mkdir /run/secrets
mount --bind /srv/secrets /run/secrets
mount -o remount,bind,ro /run/secrets
mount --rbind /srv/lib /var/lib
mount --bind "$ROOT" /srv/root
mount --bind "$PYTHON" /srv/python
mount -t tmpfs -o mode=0755 tmpfs /root
mount -t tmpfs -o mode=1777 tmpfs /tmp
[ -d "$ROOT" ] || { mkdir -p "$ROOT"; mount --bind /srv/root "$ROOT"; }
[ -d "$PYTHON" ] || { mkdir -p "$PYTHON"; mount --bind /srv/python "$PYTHON"; }
for place in / /root /srv /opt /run; do mount -o remount,bind,ro "$place"; done
cd /srv/xiaoq
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set -all \\
  --inh-caps -all "$@"
"""


def program(name: str) -> str:
    """A program of the environment or the system; skips where there is none."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    command = [program(name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def load_yaml(path: Path):
    """A YAML file as plain data, merges done."""
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def make_secrets(folder: Path, *words: str) -> Path:
    """Run docker/secrets.sh."""
    command = [DOCKER / "secrets.sh", *words]
    subprocess.run(command, env={"PATH": "/usr/bin:/bin", "XIAOQ_SECRETS": folder}, check=True)
    return folder


def pins() -> dict[str, str]:
    """The versions that are tested."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class Image:
    """The last stage of a Dockerfile."""

    text: str

    @classmethod
    def of(cls, name: str) -> "Image":
        """Read a Dockerfile of the project."""
        whole = (DOCKER / name).read_text(encoding="utf-8").replace("\\\n", " ")
        return cls(whole.rpartition("\nFROM ")[2])

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it sets."""
        lines = re.findall(r"^ENV (.*)$", self.text, re.MULTILINE)
        return dict(pair.split("=", 1) for line in lines for pair in line.split())

    def listed(self, instruction: str) -> list[str]:
        """The words of an instruction that takes a JSON list."""
        (words,) = re.findall(rf"^ *{instruction} (\[.*\])$", self.text, re.MULTILINE)
        return list(json.loads(words))

    @property
    def probe(self) -> list[str]:
        """What the health check runs."""
        (words,) = re.findall(r"HEALTHCHECK .* CMD (\[.*\])$", self.text, re.MULTILINE)
        return list(json.loads(words))


def container(image: Image, state: Path, secrets: Path, words: list[str]) -> list[str]:
    """The command that runs words as the image's container would; skips where it cannot be had."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("only root can run as another user in a mount namespace")
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine allows no mount namespace")
    os.chown(state, USER, USER)
    given = {
        "ROOT": ROOT,
        "STATE": state,
        "SECRETS": secrets,
        "VENV": Path(sys.prefix),
        "PYTHON": Path(sys.base_prefix),
    }
    path = {"PATH": f"/opt/venv/bin:{os.environ['PATH']}"}
    variables = image.environment | path
    settings = [f"{name}={value}" for name, value in variables.items()]
    enter = [f"{name}={value}" for name, value in given.items()]
    inner = ["env", "-i", *settings, *words]
    return ["env", *enter, "unshare", "--mount", "sh", "-c", ENTER, "sh", *inner]


IMAGE = Image.of("Dockerfile")
Machine = tuple[Path, Path]
"""What a container is given: a folder for its state, and its secrets."""


def command(role: str = "") -> list[str]:
    """The command line of the image, or of a role of it."""
    words = ["run", "--role", role] if role else IMAGE.listed("CMD")
    return IMAGE.listed("ENTRYPOINT") + words


@asynccontextmanager
async def contained(
    machine: Machine, words: list[str], port: int = 0
) -> AsyncGenerator[Server, None]:
    """A container from ready to its end; the port is the only thing that differs."""
    port = port or free_port()
    inside = ["env", f"XIAOQ_HTTP__PORT={port}", *words]
    process = await asyncio.create_subprocess_exec(
        *container(IMAGE, *machine, inside), stdout=PIPE, stderr=PIPE
    )
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        await server.until_said(READY)
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
