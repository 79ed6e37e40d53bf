"""Work in a process of its own: what it answers, and that it can be stopped, lost and started again."""

from __future__ import annotations

import operator
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ttm_sk.app.worker import LostError, TooSlowError, Worker
from ttm_sk.data.frequency import grid_frequency
from ttm_sk.errors import DataError


@pytest.fixture
def employed():
    """Makes workers, and stops them in the end."""
    workers = []

    def employ(work, seconds: float = 60.0) -> Worker:
        workers.append(Worker(work, seconds=seconds))
        return workers[-1]

    yield employ
    for worker in workers:
        worker.stop()


def test_when_it_is_asked_then_it_answers_from_one_process_of_its_own(employed):
    worker = employed(os.getppid)
    assert [worker.ask(), worker.ask()] == [os.getpid()] * 2


def test_when_the_work_takes_too_long_then_it_is_stopped_and_the_next_is_answered(employed):
    worker = employed(time.sleep, seconds=0.3)
    worker.start()
    process = worker._process
    began = time.monotonic()
    with pytest.raises(TooSlowError, match=r"found no answer after 0\.3 seconds"):
        worker.ask(60)
    assert time.monotonic() - began < 10
    assert process.exitcode == -signal.SIGKILL
    worker._seconds = 60.0
    assert worker.ask(0) is None


def test_when_the_process_is_killed_then_that_is_said_and_the_next_is_answered(employed):
    worker = employed(operator.truediv)
    worker.start()
    os.kill(worker._process.pid, signal.SIGKILL)
    worker._process.join()
    assert worker.ask(1, 2) == 0.5
    dying = employed(os._exit)
    with pytest.raises(LostError, match="ended without an answer"):
        dying.ask(1)


def test_when_the_work_raises_then_the_error_comes_and_the_process_stays(employed, capfd):
    worker = employed(operator.truediv)
    with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero"):
        worker.ask(1, 0)
    assert "Traceback" in capfd.readouterr().err  # for whoever runs it
    assert worker.ask(1, 4) == 0.25


def test_when_the_error_is_one_of_ours_then_it_comes_as_it_is(employed):
    worker = employed(grid_frequency)
    with pytest.raises(DataError, match="often"):
        worker.ask("often")


def test_when_many_start_and_ask_at_once_then_there_is_one_process(employed):
    worker = employed(os.getpid)

    def visit(_: int) -> int:
        worker.start()
        return worker.ask()

    with ThreadPoolExecutor(8) as people:
        assert len(set(people.map(visit, range(16)))) == 1
