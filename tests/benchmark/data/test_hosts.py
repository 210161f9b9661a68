import ssl
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from itertools import pairwise

import pytest
import requests
from fetching import CONTENT, OTHER, PATH, SPEED, assert_is, get, official, quick_hosts, ranges, refuse
from server import Fault, Server

from benchmark.data import hosts as hosts_module
from benchmark.data.fetch import fetch
from benchmark.data.hosts import Hosts, Patience
from benchmark.errors import Interrupted


def test_a_host_that_never_answered_is_given_up_sooner(tmp_path):
    with Server() as gone:
        url = gone.url(PATH)
    message = refuse(official(url), tmp_path, quick_hosts(tries=8, first_tries=2))
    assert "Connection refused (2 times in a row)" in message
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_that_is_not_valid_is_not_tried_again(tmp_path, monkeypatch):
    asked = []

    def get_(session, url, **options):
        asked.append(url)
        raise requests.exceptions.SSLError(ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] expired"))

    monkeypatch.setattr(requests.Session, "get", get_)
    assert "CERTIFICATE_VERIFY_FAILED" in refuse(official("https://publisher.invalid/a.bin"), tmp_path)
    assert len(asked) == 1


def test_a_redirect_is_followed_with_its_range(server, tmp_path):
    server.fail("/short", Fault(times=None, redirect=PATH))
    server.fail(PATH, Fault(drop=100))
    assert_is(get(official(server.url("/short")), tmp_path), tmp_path)
    assert ranges(server) == [None, "bytes=100-"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_failure_that_may_pass_is_tried_again(server, tmp_path, status):
    server.fail(PATH, Fault(times=3, status=status))
    assert_is(get(official(server.url(PATH)), tmp_path), tmp_path)
    assert len(server.asked(PATH)) == 4


@pytest.fixture
def virtual():
    """Pauses that pass at once, and their sum."""

    class Virtual:
        now = 0.0

        def sleep(self, seconds):
            self.now += seconds

        def hosts(self, **patience):
            return Hosts(Patience(**patience), self.sleep, lambda: self.now)

    return Virtual()


NOW = 1_800_000_000  # not what this machine's clock says


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        ("120", 120),
        (formatdate(NOW + 90, usegmt=True), 90),
        (formatdate(NOW - 90, usegmt=True), 1),
        ("86400", 600),
        (formatdate(NOW + 86400, usegmt=True), 600),
        ("0", 1),
        ("soon", 1),
        ("Mon, 99 Xxx 99999", 1),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_is_asked_again_when_it_wants_to_be(server, tmp_path, virtual, monkeypatch, status, wish, seconds):
    monkeypatch.setattr(hosts_module.random, "uniform", lambda low, high: high)
    server.fail(PATH, Fault(status=status, headers={"Retry-After": wish, "Date": formatdate(NOW, usegmt=True)}))
    hosts = virtual.hosts(pause=0.5)
    assert_is(get(official(server.url(PATH)), tmp_path, hosts), tmp_path)
    assert virtual.now == pytest.approx(seconds)


def test_pauses_grow_and_are_bounded(server, tmp_path, virtual, monkeypatch):
    monkeypatch.setattr(hosts_module.random, "uniform", lambda low, high: high)
    server.fail(PATH, Fault(times=None, status=500))
    refuse(official(server.url(PATH)), tmp_path, virtual.hosts(pause=1, longest_pause=30))
    assert virtual.now == pytest.approx(2 + 4 + 8 + 16 + 30 + 30 + 30)


def test_other_files_of_a_busy_host_wait_too_and_other_hosts_do_not(server, tmp_path, virtual):
    server.files["/b.bin"] = OTHER
    server.fail(PATH, Fault(times=None, status=429, headers={"Retry-After": "500"}))
    hosts = virtual.hosts(tries=1)
    refuse(official(server.url(PATH)), tmp_path, hosts)
    assert virtual.now == 0
    with Server({"/c.bin": CONTENT}) as other:
        get(official(other.url("/c.bin"), name="c.bin"), tmp_path, hosts)
    assert virtual.now == 0
    get(official(server.url("/b.bin"), name="b.bin", content=OTHER), tmp_path, hosts)
    assert virtual.now == pytest.approx(500)


def test_threads_that_share_a_busy_host_are_silent_until_it_wants_them(server, tmp_path):
    wish = 300 / SPEED
    server.fail(PATH, Fault(status=429, headers={"Retry-After": "300"}))
    server.fail("/other", Fault(times=None, drop=7, stall=0.005))
    server.files["/other"] = OTHER
    hosts = quick_hosts()
    files = [official(server.url(PATH)), official(server.url("/other"), name="b.bin", content=OTHER)]
    with ThreadPoolExecutor(2) as pool:
        assert [f.bytes for f in pool.map(lambda file: get(file, tmp_path, hosts), files)] == [300, 300]
    times = sorted(asked.time for asked in server.log)
    assert len(times) == 43 + 2
    assert max(later - earlier for earlier, later in pairwise(times)) > 0.8 * wish
    first, second = (asked.time for asked in server.asked(PATH))
    assert second - first >= wish


def test_a_pause_can_be_stopped(server, tmp_path, virtual):
    server.fail(PATH, Fault(times=None, status=429, headers={"Retry-After": "600"}))

    def stop(gained):
        if virtual.now > 30:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        fetch(official(server.url(PATH)), tmp_path, virtual.hosts(), stop, lambda size: None)
    assert virtual.now < 31


@pytest.mark.parametrize("stall", [{"stall": 10}, {"stall": 10, "drop": 0}, {"stall": 10, "drop": 100}])
def test_a_silent_server_is_left_and_asked_again(server, tmp_path, stall):
    server.fail(PATH, Fault(**stall))
    assert_is(get(official(server.url(PATH)), tmp_path, quick_hosts(read=0.3)), tmp_path)
    assert ranges(server) == [None, "bytes=100-" if stall.get("drop") else None]


def test_a_slow_server_is_borne_with(server, tmp_path):
    server.fail(PATH, Fault(trickle=(30, 0.07)))
    assert_is(get(official(server.url(PATH)), tmp_path, quick_hosts(read=0.5)), tmp_path)
    assert len(server.asked(PATH)) == 1


def test_proxies_of_the_environment_are_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url())
    server.fail(PATH, Fault(drop=100))
    url = f"http://publisher.invalid{PATH}"
    assert_is(get(official(url), tmp_path), tmp_path)
    assert [asked.target for asked in server.log] == [url, url]
