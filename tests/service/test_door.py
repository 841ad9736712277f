"""Who is let in: tokens, rates, sizes, names and pages."""

import asyncio
import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from knnclip.service.door import Door
from knnclip.service.hosts import Hosts
from knnclip.service.limits import BURST_S, MAX_ADDRESSES, Limits, Places, Rates
from knnclip.service.refusals import RefusedError
from tests.service.conftest import TOKEN, png


def in_own_loop(work):
    """Runs it in a thread of its own: a browser test of the same process may have left a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, 200), ({"Authorization": f"bearer {TOKEN}"}, 200),
        (basic("anybody", TOKEN), 200), ({}, 401), ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401), ({"Authorization": "Bearer "}, 401),
        (basic(TOKEN, "wrong"), 401), ({"Authorization": "Basic ?"}, 401), ({"Authorization": TOKEN}, 401),
        ({"Authorization": "Bearer \u00fc".encode()}, 401), ({"Authorization": "Basic \u00fc".encode()}, 401),
    ],
)  # fmt: skip
def test_the_token_is_asked_for_by_all_that_says_or_does_anything(client_of, headers, status):
    client = client_of(headers={})
    for method, path in (("GET", "/v1"), ("GET", "/v1/classes"), ("GET", "/v1/docs"), ("GET", "/v1/store")):
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == status, path
    assert client.get("/v1/health").json() == {"status": "UP"}


def test_no_route_but_health_is_open(client_of):
    client = client_of(headers={})
    described = client_of().get("/v1/openapi.json").json()["paths"]
    for path, methods in described.items():
        for method in methods:
            answer = client.request(method, path)
            assert answer.status_code == (200 if path == "/v1/health" else 401), path


def test_who_guesses_tokens_waits_and_then_even_the_right_one_does(client_of):
    client = client_of(headers={})
    statuses = [client.get("/v1", headers={"Authorization": f"Bearer {guess}"}).status_code for guess in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    refused = client.get("/v1", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (refused.status_code, int(refused.headers["Retry-After"]) >= 1) == (429, True)


def test_right_tokens_are_no_attempts(client_of):
    client = client_of()
    assert {client.get("/v1").status_code for _ in range(100)} == {200}


def test_the_rate_of_an_address_is_its_own_and_it_is_told_how_long_to_wait(client_of):
    client = client_of(per_minute=30)
    statuses = [client.get("/v1/health").status_code for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3
    refused = client.get("/v1")
    assert refused.json()["status"] == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 10


def test_rates_over_time():
    now_s = 0.0
    rates = Rates(60, lambda: now_s)
    for _ in range(10):
        rates.take("a")
    with pytest.raises(RefusedError) as refused:
        rates.take("a")
    assert refused.value.wait_s == pytest.approx(1)
    rates.take("b")
    now_s += refused.value.wait_s
    rates.take("a")
    now_s += 10 * BURST_S
    for _ in range(10):
        rates.take("a")
    for number in range(MAX_ADDRESSES + 9):
        rates.take(str(number))
    assert len(rates._due_s) == MAX_ADDRESSES


def test_a_slow_rate_lets_a_first_request_in():
    rates = Rates(0.1, lambda: 0.0)
    rates.take("a")
    with pytest.raises(RefusedError):
        rates.take("a")


def test_a_body_is_bounded_by_what_it_says_and_by_what_it_is(client_of):
    client = client_of(picture_bytes=1000, json_bytes=100)
    for path, size in (("/v1/segment", 1001), ("/v1/classes", 101)):
        whole = client.post(path, content=b"x" * size)
        pieces = client.post(path, content=iter([b"x" * (size - 1), b"x"]))
        assert (whole.status_code, pieces.status_code) == (413, 413)
        assert "at most" in whole.json()["detail"]
    assert client.post("/v1/segment", content=b"x" * 1000).status_code == 422


def test_a_body_that_is_too_long_is_not_read(client_of):
    client = client_of(picture_bytes=1000)

    def endless():
        for number in range(10_000):
            sent.append(number)
            yield b"x" * 100

    async def ask():
        messages = iter(endless())

        async def receive():
            return {"type": "http.request", "body": next(messages), "more_body": True}

        async def send(message):
            answers.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/v1/segment", "query_string": b"", "client": ("127.0.0.1", 1),
            "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {TOKEN}".encode())],
        }  # fmt: skip
        await client.app(scope, receive, send)

    sent, answers = [], []
    in_own_loop(ask())
    assert answers[0]["status"] == 413
    assert len(sent) == 11


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("knnclip.service.requests.BODY_S", 0.05)
    door = Door(lambda *_: None, hosts=Hosts.serving("127.0.0.1"), limits=Limits(), token=None)
    answers = []

    async def never():
        await asyncio.sleep(60)

    async def send(message):
        answers.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/segment", "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1),
    }  # fmt: skip
    in_own_loop(door(scope, never, send))
    assert answers[0]["status"] == 408
    assert door._under_way == 0


def test_too_many_requests_at_once_are_refused_before_they_are_read(monkeypatch):
    async def slow(scope, receive, send):
        await asyncio.sleep(0.2)

    door = Door(slow, hosts=Hosts.serving("127.0.0.1"), limits=Limits(bodies_at_once=2), token=None)
    statuses = []

    async def ask():
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            statuses.append(message.get("status"))

        scope = {
            "type": "http", "method": "GET", "path": "/v1", "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1),
        }  # fmt: skip
        await door(scope, receive, send)

    async def several():
        await asyncio.gather(*(ask() for _ in range(5)))

    in_own_loop(several())
    assert [status for status in statuses if status] == [503] * 3


def test_pictures_wait_for_their_turn_and_too_many_are_refused():
    places, refused, inside, most = Places(1), [], [], []

    def work():
        try:
            with places.one():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.02)
                inside.pop()
        except RefusedError as error:
            refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert refused
    assert refused[0].status == 503


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"}, {"Host": "localhost.evil.example"}, {"Origin": "http://evil.example"},
        {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)  # fmt: skip
def test_pages_of_others_are_refused_even_with_a_token(client, headers):
    for method, path in (("GET", "/v1"), ("GET", "/v1/health"), ("POST", "/v1/forget"), ("POST", "/v1/segment")):
        assert client.request(method, path, headers=headers).status_code == 403


def test_many_clients_at_once_are_answered_as_one_would_be(client, picture):
    expected = client.post("/v1/segment", content=picture).json()
    pictures = [picture, png(60, 80, 30), png(50, 50, 200)] * 3
    answers = [None] * len(pictures)

    def ask(place):
        answers[place] = client.post("/v1/segment", content=pictures[place])

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.json() for answer in answers[::3]] == [expected] * 3
