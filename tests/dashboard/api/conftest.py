"""Callers of the API: a person of a group with a token of a role."""

import json

import pytest
from django.test import Client

from dashboard.models import ApiToken


class Calls:
    """A program with a token; ``secret`` empty: without one."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._client = Client(enforce_csrf_checks=True)

    def __call__(self, method: str, path: str, said=None, **headers):
        """The answer to one call; ``said`` is its JSON."""
        auth = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        data = b"" if said is None else said if isinstance(said, bytes) else json.dumps(said).encode()
        return self._client.generic(
            method, f"/api/v1{path}", data, content_type="application/json", headers=auth | headers
        )

    def get(self, path: str, status: int = 200, **headers):
        """The JSON of a GET that is answered with ``status``."""
        answer = self("GET", path, **headers)
        assert answer.status_code == status, answer.content
        return answer.json()


@pytest.fixture
def calls(person):
    """``calls("operator")`` has a token of that role, of a person of that group."""
    people = {}

    def make(role: str = "viewer", group: str = "") -> Calls:
        group = group or ("administrator" if role == "read-only" else role)
        if group not in people:
            people[group] = person(group)
        return Calls(ApiToken.make(people[group], "home", role=role, days=7)[1])

    return make
