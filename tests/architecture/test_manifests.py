"""The five manifests agree with each other and with the contract."""

from itertools import combinations

import pytest

from deploy.services import SERVICES
from shared.contracts.registry import all_events
from shared.routing import access_of
from shared.service import Service

APP_LINES = 40


def test_every_event_has_one_publisher_or_names_its_few():
    for name, event in all_events().items():
        publishers = tuple(service.name for service in SERVICES if event in service.publishes)
        allowed = set(event.event_publishers)
        assert set(publishers) <= allowed, f"{name} is published by {publishers}, allowed are {allowed}"


def test_nobody_subscribes_to_an_event_without_a_publisher():
    published = {event for service in SERVICES for event in service.publishes}
    for service in SERVICES:
        orphans = {entry.event.event_type for entry in service.subscribes if entry.event not in published}
        assert not orphans, f"{service.name} waits for {orphans}, which nobody publishes"


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
