import json
import os
from pathlib import Path

import aio_pika
import pytest

from deploy.embedded.processes import wait_until
from deploy.embedded.rabbitmq import RabbitUnavailable, start_rabbitmq
from deploy.embedded.rabbitmq_node import NODE_NAME
from deploy.embedded.rabbitmq_programs import RabbitPrograms, find_programs, unpack_programs
from tests.embedded.stages import Stage, has_left, kill_group, listening_addresses, working_in

pytestmark = pytest.mark.slow

# 127.0.0.1, and the same as IPv6 writes it, in the kernel's byte order.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}


async def publish(url: str, queue: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue)


async def take(url: str, queue: str) -> bytes:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        message = await declared.get(timeout=20)
        await message.ack()
        return message.body


def is_registered(queue: str, folder: Path) -> bool:
    """Wait until the broker has written down which log belongs to a new quorum queue.

    It does so up to three seconds late; killed before that, it makes a new and empty log for the same queue.
    """
    register = folder / "mnesia" / NODE_NAME / "quorum" / NODE_NAME / "names.dets"
    return wait_until(lambda: queue.encode() in register.read_bytes(), 20)


def programs_of(folder: Path) -> set[str]:
    return {str(Path(f"/proc/{pid}/exe").readlink()) for pid in working_in(folder)}


def epmd_daemons() -> set[str]:
    return {entry.parent.name for entry in Path("/proc").glob("[0-9]*/comm") if entry.read_text().strip() == "epmd"}


async def test_a_node_with_management_listens_on_loopback_only_and_needs_no_epmd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AMQP_URL", raising=False)
    before = epmd_daemons()
    folder = tmp_path / "node"

    server = start_rabbitmq(folder, management=True)
    await publish(server.url, "words", b"kept")
    users = server.ctl("list_users")
    addresses = listening_addresses(working_in(folder))
    server.stop()

    assert users.split("\n")[1].startswith("atelier")
    assert addresses <= LOOPBACK
    assert epmd_daemons() <= before
    assert working_in(folder) == []


async def test_a_killed_node_returns_on_its_port_with_its_messages(stage: Stage) -> None:
    first = stage.own("rabbitmq")
    await publish(first.url, "words", b"kept")
    assert is_registered("words", stage.folder / "server")

    kill_group(first.pid)
    second = stage.own("rabbitmq")

    assert second.url == first.url
    assert await take(second.url, "words") == b"kept"


def test_a_node_leaves_by_itself_when_its_owner_is_killed(stage: Stage) -> None:
    server = stage.own("rabbitmq")

    server.kill()

    assert has_left(server.pid, stage.folder / "server")
    assert wait_until(lambda: working_in(stage.folder) == [], 10)


async def test_two_nodes_of_one_name_run_side_by_side(own_stage: Stage) -> None:
    launched = [own_stage.launch("rabbitmq", name) for name in ("one", "other")]
    one, other = (owner.heard() for owner in launched)

    await publish(one.url, "words", b"one")
    await publish(other.url, "words", b"other")

    assert await take(one.url, "words") == b"one"
    assert await take(other.url, "words") == b"other"


def test_a_second_start_attaches_and_stopping_leaves_no_process(own_stage: Stage) -> None:
    first = own_stage.own("rabbitmq")

    second = own_stage.own("rabbitmq")
    first.stop()

    assert (second.pid, second.attached) == (first.pid, True)
    assert working_in(own_stage.folder) == []


async def test_a_killed_first_start_does_not_spoil_the_next(own_stage: Stage) -> None:
    victim = own_stage.launch("rabbitmq")
    node = own_stage.folder / "server"
    assert wait_until(lambda: bool(list(node.glob("mnesia/*/*.DAT"))), 60)
    kill_group(json.loads((node / "node.json").read_text())["pid"])
    victim.kill()

    server = own_stage.own("rabbitmq")

    await publish(server.url, "words", b"kept")


async def test_the_packages_are_unpacked_and_run_where_none_is_installed(stage: Stage) -> None:
    server = stage.own("rabbitmq", "server", "--unpack", str(stage.folder / "cache"))

    await publish(server.url, "words", b"kept")

    programs = programs_of(stage.folder / "server")
    assert any(program.startswith(str(stage.folder / "cache")) for program in programs)
    assert not any(program.startswith("/usr/lib/erlang") for program in programs)


def test_a_broker_that_is_given_is_used_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMQP_URL", "amqp://guest:guest@broker/")

    server = start_rabbitmq(tmp_path / "node")
    server.kill()
    server.stop()

    assert (server.url, server.pid) == ("amqp://guest:guest@broker/", None)
    assert not (tmp_path / "node").exists()


def test_without_any_source_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RabbitUnavailable, match="apt-get install --no-install-recommends rabbitmq-server"):
        unpack_programs(tmp_path / "cache")


def test_a_failed_start_says_what_the_log_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMQP_URL", raising=False)
    monkeypatch.setenv("PATH", f"{broken_erlang(tmp_path)}:{os.environ['PATH']}")

    with pytest.raises(RabbitUnavailable, match="this Erlang is broken"):
        start_rabbitmq(tmp_path / "node", programs=RabbitPrograms(find_programs().folder))


def broken_erlang(folder: Path) -> Path:
    program = folder / "bin" / "erl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho this Erlang is broken >&2\nexit 1\n")
    program.chmod(0o755)
    return program.parent
