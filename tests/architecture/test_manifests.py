"""The five manifests agree with each other and with the contract."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from fastapi import APIRouter

from deploy.services import SERVICES
from shared.routing import Router, access_of
from shared.service import Service

APP_LINES = 40


def strangers(services: Sequence[Service]) -> list[str]:
    """Events that a service publishes without being named as their publisher."""
    return [
        f"{service.name} publishes {event.event_type}"
        for service in services
        for event in service.publishes
        if service.name not in event.event_publishers
    ]


def orphans(services: Sequence[Service]) -> list[str]:
    """Subscriptions to what nobody publishes."""
    published = {event for service in services for event in service.publishes}
    waits = [(service.name, entry.event) for service in services for entry in service.subscribes]
    return [f"{name} waits for {event.event_type}" for name, event in waits if event not in published]


def test_every_event_has_one_publisher_or_names_its_few():
    assert strangers(SERVICES) == []


def test_a_second_publisher_of_an_event_is_caught():
    by_name = {service.name: service for service in SERVICES}
    chat = replace(by_name["chat"], publishes=(*by_name["chat"].publishes, by_name["billing"].publishes[0]))
    assert len(strangers([*SERVICES, chat])) == 1


def test_nobody_subscribes_to_an_event_without_a_publisher():
    assert orphans(SERVICES) == []


def test_a_subscription_to_nothing_is_caught():
    mute = [replace(service, publishes=()) for service in SERVICES if service.name == "billing"]
    assert orphans([*mute, *(service for service in SERVICES if service.name != "billing")])


def test_a_route_without_an_access_policy_is_caught():
    with pytest.raises(TypeError):
        Router().get("/v1/open")  # type: ignore[call-arg]
    bare = APIRouter()
    bare.add_api_route("/v1/open", lambda: None)
    assert access_of(bare.routes[0]) is None  # type: ignore[arg-type]


def test_consumers_have_names_of_their_own():
    for service in SERVICES:
        names = [(entry.consumer, entry.event) for entry in service.subscribes]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_route_names_its_policy_and_lies_under_the_service_s_paths(service: Service):
    for route in service.router.routes:
        assert access_of(route) is not None, f"{route.path} has no access policy"
        if not route.path.startswith(("/_verify", "/internal/")):
            assert any(matches(pattern, route.path) for pattern in service.paths), route.path


def test_no_route_belongs_to_two_services():
    for one, other in combinations(SERVICES, 2):
        for route in one.router.routes:
            claimed = [pattern for pattern in other.paths if matches(pattern, route.path)]
            owned = [pattern for pattern in one.paths if matches(pattern, route.path)]
            # The gateways take the longest pattern, so a claim matters only when it is as long as the owner's.
            assert all(len(claim) < max(map(len, owned)) for claim in claimed if owned), route.path


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_manifest_fits_one_screen(service: Service):
    path = service.migrations.parent / "app.py"
    assert len(path.read_text().splitlines()) <= APP_LINES


def matches(pattern: str, path: str) -> bool:
    """Whether a gateway pattern covers a route: a trailing star is a prefix, braces stand for one segment."""
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1].rstrip("/"))
    return len(pattern.split("/")) == len(path.split("/")) and all(
        left == right or left.startswith("{") for left, right in zip(pattern.split("/"), path.split("/"), strict=True)
    )
