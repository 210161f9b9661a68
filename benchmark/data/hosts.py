"""Asking servers as they like to be asked: patiently, and with pauses that hold for every thread of this process."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from http.client import IncompleteRead
from importlib.metadata import version
from typing import TypeVar

import requests
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as TimedOut

ANSWERS = {200, 206, 416}
LATER = {408, 425, 429, 500, 502, 503, 504}
BUSY = {429, 503}  # said of the host, not of the file
LONGEST_SLEEP = 0.5  # seconds after which a waiting thread looks whether it is still wanted
_T = TypeVar("_T")


class TryAgain(Exception):
    """The same address may answer better later.

    Args:
        reason: What went wrong.
        wait: Seconds that the server asks to wait.
        busy: Whether all requests to this host should wait.
    """

    def __init__(self, reason: str, wait: float | None = None, busy: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.busy = wait, busy


class GiveUp(Exception):
    """This address will not give what it is asked for; the message says why."""


@dataclass(frozen=True)
class Patience:
    """How long to bear with a server; times in seconds.

    Attributes:
        connect: Wait for a connection.
        read: Wait for the next bytes.
        tries: Failures in a row, without progress, after which an address is given up.
        first_tries: The same where the host has not answered once: it may not be reachable from here at all.
        pause: Wait after a failure; doubles with each further one.
        longest_pause: Bound of that.
        longest_wish: Bound of a wait that a server asks for.
    """

    connect: float = 20
    read: float = 60
    tries: int = 8
    first_tries: int = 3
    pause: float = 1
    longest_pause: float = 60
    longest_wish: float = 600


class Hosts:
    """The servers of one download; shared by its threads. Proxies are taken from the environment.

    Args:
        patience: How long to bear with them.
        sleep: Waits for some seconds.
        clock: The time in seconds that `sleep` takes.
    """

    def __init__(
        self,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience, self._sleep, self._clock = patience or Patience(), sleep, clock
        self._thread, self._lock = threading.local(), threading.Lock()
        self._closed_until: dict[str, float] = {}
        self._has_answered: set[str] = set()

    @contextmanager
    def get(self, url: str, headers: dict[str, str] | None = None) -> Iterator[requests.Response]:
        """Ask once; the body is read by the caller, while the context is open.

        Args:
            url: The address.
            headers: Further headers of the request.

        Returns:
            The answer, with a status in `ANSWERS`.

        Raises:
            TryAgain: Something went wrong that may pass, be it while the body was read.
            GiveUp: Something went wrong that will not pass.
        """
        timeout = (self._patience.connect, self._patience.read)
        try:
            with self._session().get(url, headers=headers, stream=True, timeout=timeout) as response:
                self._has_answered.add(_host(url))
                _check_status(response)
                yield response
        except (requests.RequestException, HTTPError) as error:
            raise (GiveUp if _is_final(error) else TryAgain)(_reason(error)) from error

    def insist(
        self, url: str, attempt: Callable[[], _T], progress: Callable[[], int], is_wanted: Callable[[], None]
    ) -> _T:
        """Attempt something until it succeeds, with longer and longer pauses.

        Args:
            url: The address that is attempted.
            attempt: Raises `TryAgain` or `GiveUp` when it fails.
            progress: How far the work is; failures are counted anew when it grows beyond what it was.
            is_wanted: Called every half second of a pause; stops the work by what it raises.

        Returns:
            What `attempt` returned.

        Raises:
            GiveUp: There was no success; says why and how often it was tried.
        """
        host, failures, furthest, resume = _host(url), 0, progress(), self._clock()
        while True:
            while (left := max(resume, self._closed_until.get(host, resume)) - self._clock()) > 0:
                is_wanted()
                self._sleep(min(left, LONGEST_SLEEP))
            try:
                return attempt()
            except TryAgain as error:
                failures = 0 if progress() > furthest else failures + 1
                furthest = max(furthest, progress())
                resume = self._clock() + self._pause(failures, error.wait)
                if error.busy:
                    with self._lock:
                        self._closed_until[host] = max(resume, self._closed_until.get(host, resume))
                tries = self._patience.tries if host in self._has_answered else self._patience.first_tries
                if failures >= tries:
                    raise GiveUp(f"{error} ({failures} times in a row)") from error

    def _pause(self, failures: int, wish: float | None) -> float:
        own = min(self._patience.pause * 2.0**failures, self._patience.longest_pause) * random.uniform(0.5, 1)
        return max(own, min(wish or 0, self._patience.longest_wish))

    def _session(self) -> requests.Session:
        if not hasattr(self._thread, "session"):
            session = requests.Session()
            session.max_redirects = 10
            session.headers["User-Agent"] = f"dcase-bench/{version('dcase-bench')}"
            session.headers["Accept-Encoding"] = "identity"  # ranges and hashes are of the file as it is published
            self._thread.session = session
        return self._thread.session  # type: ignore[no-any-return]


def _host(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    if status in LATER:
        raise TryAgain(_status(response), _wish(response), status in BUSY)
    if status not in ANSWERS:
        raise GiveUp(_status(response))


def _status(response: requests.Response) -> str:
    return f"HTTP {response.status_code} {response.reason or ''}".rstrip()


def _wish(response: requests.Response) -> float | None:
    """The seconds that `Retry-After` asks for; a date in it is counted from the server's own clock."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    then, now = parsedate_tz(text), parsedate_tz(response.headers.get("Date", ""))
    try:
        return max(0.0, float(mktime_tz(then)) - (mktime_tz(now) if now else time.time())) if then else None
    except (ValueError, OverflowError):
        return None


def _is_final(error: Exception) -> bool:
    if isinstance(error, requests.exceptions.SSLError):
        return "CERTIFICATE_VERIFY_FAILED" in str(error)
    return isinstance(error, requests.TooManyRedirects | ValueError)  # ValueError: no address, or no answer, at all


def _reason(error: BaseException) -> str:
    """What went wrong, in a few words: the innermost of the errors that the libraries nest."""
    if isinstance(error, NameResolutionError):
        return "its name is not found; is there a connection to the internet?"
    if isinstance(error, TimedOut) and not isinstance(error, NewConnectionError):
        return "it does not answer in time"
    if isinstance(error, IncompleteRead):
        return "the connection was dropped"
    if isinstance(error, requests.TooManyRedirects):
        return "redirects without end"
    if isinstance(error, requests.exceptions.InvalidSchema):
        return "not an http or https address"
    inner = next((one for one in (getattr(error, "reason", 0), *error.args) if isinstance(one, Exception)), None)
    return _reason(inner) if inner else str(error).rsplit(": ", 1)[-1]
