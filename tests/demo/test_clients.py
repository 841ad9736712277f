"""Who asks: names that an app is served under, clients, attempts at a password, answers that nobody reads."""

import asyncio
import socket

import pytest
from starlette.requests import Request

from demo.clients import MAX_UNREAD, client_of, drop_unread
from knnclip.service.attempts import FREE, LONGEST_WAIT_S, MAX_ADDRESSES, MAX_FAILURES, WINDOW_S, Attempts
from knnclip.service.hosts import Hosts
from tests.demo.server import COOKIE, OTHER_COOKIE


@pytest.mark.parametrize(
    ("host", "allowed", "served", "refused"),
    [
        ("127.0.0.1", (), ["127.0.0.1", "localhost:80", "127.9.9.9", "[::1]"], ["192.168.1.5", "demo.example.org", ""]),
        ("0.0.0.0", (), ["192.168.1.5:7860", "[fe80::1]:7860", socket.gethostname()], ["demo.example.org", "0x7f.1"]),
        ("192.168.1.5", (), ["192.168.1.5", "localhost"], ["192.168.1.6"]),
        ("box.local", ("Demo.Example.Org",), ["box.local", "demo.example.org", "demo.example.org."], ["example.org"]),
    ],
)
def test_the_names_that_an_app_is_served_under(host, allowed, served, refused):
    hosts = Hosts.serving(host, allowed)
    assert [name for name in (*served, *refused) if hosts.serves(name)] == served


def test_a_page_that_came_through_a_proxy_is_an_own_one():
    hosts = Hosts.serving("127.0.0.1", ["demo.example.org"])
    assert hosts.is_own("https://demo.example.org", "127.0.0.1:7860")
    assert hosts.is_own("https://demo.example.org", "demo.example.org")
    assert not hosts.is_own("https://evil.example", "127.0.0.1:7860")
    assert not hosts.is_own("http://localhost:3000", "localhost:7860")


def test_waiting_grows_to_a_limit_and_memory_does_not():
    now_s = 0.0
    attempts = Attempts(lambda: now_s)
    for _ in range(40):
        now_s += attempts.wait_s("10.0.0.1")
        attempts.begin("10.0.0.1")
    assert attempts.wait_s("10.0.0.1") == LONGEST_WAIT_S
    assert attempts.wait_s("10.0.0.2") == 0
    now_s += WINDOW_S
    for number in range(FREE):
        attempts.begin(f"2001:db8:0:{number:x}::1")
    assert attempts.wait_s("2001:db8:0:ff::1") > 0, "all of a /56 is one"
    assert attempts.wait_s("2001:db8:1::1") == 0
    for number in range(MAX_ADDRESSES + 50):
        attempts.begin(str(number))
    assert len(attempts._by_address) == MAX_ADDRESSES


def test_addresses_of_the_old_kind_are_told_apart_where_the_server_listens_to_both():
    attempts = Attempts()
    for _ in range(FREE):
        attempts.begin("::ffff:10.0.0.1")
    assert attempts.wait_s("::ffff:10.0.0.1") > 0
    assert attempts.wait_s("10.0.0.1") > 0
    assert attempts.wait_s("::ffff:10.0.0.2") == 0


def test_who_reads_nothing_loses_it_when_there_is_too_much():
    queues = {name: asyncio.Queue() for name in ("page", "flood", "other flood")}
    for name, count in (("page", 1), ("flood", MAX_UNREAD), ("other flood", 9)):
        for _ in range(count):
            queues[name].put_nowait("message")
    drop_unread(queues)
    assert [queue.qsize() for queue in queues.values()] == [1, 0, 9]
    drop_unread(queues)
    assert [queue.qsize() for queue in queues.values()] == [1, 0, 9]


def test_clients_without_a_cookie_are_told_apart_by_their_address():
    def at(host, cookie=""):
        headers = [(b"cookie", cookie.encode())]
        return client_of(Request({"type": "http", "client": (host, 5), "headers": headers}))

    assert at("10.0.0.1") == at("10.0.0.1") != at("10.0.0.2")
    assert at("10.0.0.1", COOKIE) == at("10.0.0.2", COOKIE) != at("10.0.0.1", OTHER_COOKIE)
    assert at("10.0.0.1", "knnclip-client=at 10.0.0.2") == at("10.0.0.1")


def test_a_flood_of_wrong_passwords_keeps_nobody_out():
    now_s = 0.0
    attempts = Attempts(lambda: now_s)
    attempts.begin("10.0.0.1")
    assert attempts.wait_s("10.0.0.1") == 0, "people mistype"
    for number in range(MAX_FAILURES):
        attempts.begin(f"10.1.{number}.1")
    assert attempts.wait_s("10.9.9.9") == 0, "who sent no wrong one is asked at once"
    assert attempts.wait_s("10.0.0.1") > 0, "none is free meanwhile"
    attempts.begin("10.0.0.1")
    assert attempts.wait_s("10.0.0.1") == 2
    now_s += WINDOW_S
    assert attempts.wait_s("10.0.0.1") == 0
