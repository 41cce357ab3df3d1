"""The container files, checked without an engine by the tools that engines use."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from deploy.embedded.postgres import DEFAULT_SETTINGS, start_postgres
from deploy.embedded.postgres_programs import find_programs
from deploy.services import SERVICES
from services.billing.usecases.webhooks import HANDLED

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
DOCKERFILE = ROOT / "deploy/Dockerfile"
PRODUCTION = ("-f", "docker-compose.yml", "-f", "compose.production.yml")
NAMES = [service.name for service in SERVICES]


def compose(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [TOOLS / "docker-compose", *arguments]
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/tmp"), **environment}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def needed_in_production() -> set[str]:
    text = (ROOT / "compose.production.yml").read_text()
    return set(re.findall(r"\$\{([A-Z_]+):\?", text))


def production_environment() -> dict[str, str]:
    return {name: "https://studio.example" if name == "PUBLIC_URL" else "given" for name in needed_in_production()}


def test_a_plain_compose_up_is_valid_and_brings_the_whole_platform_with_the_twin():
    result = compose("config", "--format", "json")
    assert result.returncode == 0, result.stderr
    services = json.loads(result.stdout)["services"]
    assert {*NAMES, "runner", "front", "gateway", "postgres", "rabbitmq", "twin"} == set(services)


def test_only_the_gateway_publishes_a_port_and_only_on_loopback():
    services = json.loads(compose("config", "--format", "json").stdout)["services"]
    ports = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert set(ports) == {"gateway"}
    assert {port["host_ip"] for port in ports["gateway"]} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("told", "seen"),
    [("203.0.113.7", "203.0.113.7"), ("198.51.100.1, 203.0.113.7", "203.0.113.7")],
    ids=["as the gateway says", "whatever a client put before it"],
)
@pytest.mark.parametrize("name", NAMES)
async def test_services_see_the_client_s_address_and_not_the_gateway_s(name, told, seen):
    """One limit for all clients together would be one client's to use up."""
    services = json.loads(compose("config", "--format", "json").stdout)["services"]
    found = []

    async def app(scope, _receive, _send):
        found.append(scope["client"][0])

    server = ProxyHeadersMiddleware(app, services[name]["environment"]["FORWARDED_ALLOW_IPS"])
    headers = [(b"x-forwarded-for", told.encode())]
    await server({"type": "http", "client": ("172.18.0.9", 4711), "headers": headers}, None, None)
    await server({"type": "http", "client": ("203.0.113.99", 4711), "headers": headers}, None, None)
    assert found == [seen, "203.0.113.99"]


def test_the_twin_sends_exactly_what_billing_acts_upon():
    services = json.loads(compose("config", "--format", "json").stdout)["services"]
    told = services["twin"]["environment"]["TWIN_WEBHOOK_EVENTS"].replace(",", " ").split()
    assert sorted(told) == sorted(HANDLED)


def test_each_service_gets_its_own_database_and_no_other():
    services = json.loads(compose("config", "--format", "json").stdout)["services"]
    for name in [*NAMES, "runner"]:
        urls = [value for key, value in services[name]["environment"].items() if key.endswith("DATABASE_URL")]
        owner = "jobs" if name == "runner" else name
        assert len(urls) == 1
        assert urls[0].startswith(f"postgresql://{owner}:")
        assert urls[0].endswith(f"/{owner}")


def test_the_container_postgres_is_set_as_the_embedded_one_is():
    command = json.loads(compose("config", "--format", "json").stdout)["services"]["postgres"]["command"]
    given = dict(setting.split("=") for setting in command if "=" in setting)
    assert given == {name: DEFAULT_SETTINGS[name] for name in ("log_error_verbosity", "max_connections")}


def test_production_is_valid_when_every_secret_is_given_and_has_no_twin():
    result = compose("--env-file", os.devnull, *PRODUCTION, "config", "--format", "json", **production_environment())
    assert result.returncode == 0, result.stderr
    services = json.loads(result.stdout)["services"]
    assert "twin" not in services
    assert all(services[name]["environment"]["ATELIER_ENV"] == "production" for name in NAMES)


@pytest.mark.parametrize("missing", sorted(needed_in_production()))
def test_production_refuses_to_start_without_any_one_secret_and_names_it(missing):
    given = {name: value for name, value in production_environment().items() if name != missing}
    result = compose("--env-file", os.devnull, *PRODUCTION, "config", "-q", **given)
    assert result.returncode != 0
    assert missing in result.stderr


def test_the_dockerfile_is_clean_and_its_image_does_not_run_as_root():
    command = [TOOLS / "hadolint", "deploy/Dockerfile"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    users = re.findall(r"^USER (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    assert users[-1] not in {"root", "0"}


def test_what_the_dockerfile_copies_is_in_its_build_context():
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    sent = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert {Path(path).parts[0] for path in copied} == sent


@pytest.mark.parametrize("module", sorted(set(re.findall(r"-m\W+(deploy[\w.]+)", DOCKERFILE.read_text()))))
def test_what_runs_in_a_service_s_image_needs_no_other_service(module, tmp_path):
    for folder in ("shared", "deploy", "services/jobs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    # The environment knows the checkout by a .pth file; the image has none.
    script = (
        f"import sys; sys.path.remove({str(ROOT)!r}); import runpy; runpy.run_module({module!r}, run_name='imported')"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "SERVICE": "jobs"}
    command = [sys.executable, "-P", "-c", script]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_container_postgres_keeps_services_out_of_each_others_databases(tmp_path):
    server = start_postgres(tmp_path / "postgres", fast_unsafe=True)
    try:
        environment = {
            "PATH": f"{find_programs(None).folder}:{os.environ['PATH']}",
            "PGHOST": server.host,
            "PGPORT": str(server.port),
            "PGPASSWORD": server.password,
            "POSTGRES_USER": "postgres",
            **{f"{name.upper()}_DATABASE_PASSWORD": f"pw-{name}" for name in [*NAMES, "stripe_twin"]},
        }
        subprocess.run(["sh", ROOT / "deploy/postgres/init.sh"], env=environment, check=True, capture_output=True)
        for name in NAMES:
            with psycopg.connect(server.url(name, name, f"pw-{name}")) as connection:
                assert connection.execute("SELECT current_user").fetchone() == (name,)
            for other in {*NAMES, "postgres"} - {name}:
                with pytest.raises(psycopg.OperationalError, match="permission denied"):
                    psycopg.connect(server.url(other, name, f"pw-{name}"))
    finally:
        server.stop()
