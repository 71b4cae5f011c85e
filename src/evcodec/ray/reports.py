"""What reading left out, brought together from the workers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..dataset import FileProblem
from ..dataset.problems import Problems
from ..errors import EvcodecError

_LOG = logging.getLogger("evcodec.ray")
_SECONDS = 60


class _Collector:
    """Runs as an actor: keeps each problem once, so that a task that is run again adds nothing."""

    def __init__(self) -> None:
        self._problems = Problems()

    def add(self, problems: list[FileProblem]) -> None:
        for problem in problems:
            self._problems.add(problem)

    def kept(self) -> list[FileProblem]:
        return self._problems.kept()


class ReadReport:
    """Collects what reading with ``on_error="skip"`` left out, wherever the tasks run.

    Pass one to `read_evc`. It may be asked at any time; all of a task's problems are there when the task has ended. A
    problem that several tasks meet, or one that is run again, is there once.
    """

    def __init__(self) -> None:
        self._planned = Problems()
        self._collector: Any = None

    def _begin(self, problems: Iterable[FileProblem]) -> Any:
        """Take what planning found, and return the actor to which tasks send what they find."""
        for problem in problems:
            self._planned.add(problem)
        if self._collector is None:
            # Where the driver is: it ends with the job, not with a node that is taken away.
            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            actor = ray.remote(num_cpus=0, max_concurrency=1)(_Collector)
            self._collector = actor.options(scheduling_strategy=here).remote()
        return self._collector

    @property
    def problems(self) -> list[FileProblem]:
        """What was left out so far, by path and position: the first 1,000 of it.

        Raises
        ------
        ray.exceptions.RayError
            The cluster does not answer.
        """
        found = Problems(self._planned.kept())
        if self._collector is not None:
            for problem in ray.get(self._collector.kept.remote(), timeout=_SECONDS):
                found.add(problem)
        return found.kept()

    def __repr__(self) -> str:
        return f"<ReadReport of {len(self.problems)} problems>"


def send(collector: Any, problems: list[FileProblem]) -> None:
    """Bring what a task found to the report, or to the log of the worker where there is none."""
    if not problems:
        return
    if collector is None:
        for path, position, message in problems:
            _LOG.warning("left out: %s, %s: %s", path, "whole" if position is None else position, message)
        return
    try:
        ray.get(collector.add.remote(problems), timeout=_SECONDS)
    except ray.exceptions.RayError as error:
        # Rather no result than one that looks complete.
        raise EvcodecError(
            f"{problems[0].path}: found {len(problems)} problems that cannot be reported: {error}"
        ) from error
