"""Start everything as soon as what it needs is there, start again what dies, and stop all in order.

One coroutine for each process, and no threads: processes are started by fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import psutil

from skyrail.embedded import child, databases, state
from skyrail.embedded.family import Family
from skyrail.embedded.files import cut, last_lines
from skyrail.embedded.home import Home
from skyrail.embedded.processes import STOP_ORDER, ProcessSpec, restart_counter
from skyrail.embedded.restarts import Restarts
from skyrail.errors import EmbeddedError

LOG_SECONDS = 30.0
"""How often the size of the logs is looked at."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Screen(Protocol):
    """What is told about the processes, as it happens."""

    def changed(self, name: str, status: str) -> None:
        """Tell that a process (or a one-time command) starts, is ready, restarts or has stopped."""

    def say(self, text: str) -> None:
        """Tell anything else, in a sentence."""

    def opened(self) -> None:
        """Tell that people can sign in, while the rest still starts."""

    def ready(self) -> None:
        """Tell that everything is there."""

    async def watch(self) -> None:
        """Run beside the processes until everything stops."""


class Supervisor:
    """The processes of one home, from start to stop."""

    def __init__(
        self,
        home: Home,
        note: state.State,
        specs: Sequence[ProcessSpec],
        migrations: Sequence[ProcessSpec],
        password: str,
        variables: Mapping[str, str],
        screen: Screen,
    ) -> None:
        self.home = home
        self.note = note
        self.specs = {spec.name: spec for spec in specs}
        self.migrations = migrations
        self.password = password
        self.variables = variables
        self.screen = screen
        self.records = {name: state.Process(name) for name in self.specs}
        self.note.processes = list(self.records.values())
        self.family = Family(home)
        self.there = {name: asyncio.Event() for name in [*self.specs, *(spec.name for spec in migrations)]}
        self.stopping = asyncio.Event()
        self.silent = False
        """Whether it was said already that the note cannot be written."""

    def run(self) -> None:
        """Run until a signal stops everything.

        Raises:
            EmbeddedError: something cannot be started, or died too often; everything has been stopped.
        """
        asyncio.run(self._run())

    async def _run(self) -> None:
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop, number)
        self.family.adopt()
        stop = asyncio.ensure_future(self.stopping.wait())
        work: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._keep_running(s)) for s in self.specs.values()]
        work += [asyncio.ensure_future(self._migrate(spec)) for spec in self.migrations]
        extra = [
            asyncio.ensure_future(self.screen.watch()),
            asyncio.ensure_future(self._opened()),
            asyncio.ensure_future(self._all_there()),
            asyncio.ensure_future(self._keep_logs_small()),
        ]
        try:
            pending = {stop, *work}
            while not stop.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    future.result()  # raises what stops everything
        finally:
            self.stopping.set()
            for future in [*work, *extra]:
                future.cancel()
            await asyncio.gather(stop, *work, *extra, return_exceptions=True)
            await self._stop_all()

    def _asked_to_stop(self, number: signal.Signals) -> None:
        if self.stopping.is_set():
            self.family.hurry.set()
            return
        again = " Press Ctrl-C again to kill what is left." if number == signal.SIGINT else ""
        self.screen.say(f"Stopping ({number.name}).{again}")
        self.stopping.set()

    async def _stop_all(self) -> None:
        for group in (tuple(spec.name for spec in self.migrations), *STOP_ORDER):
            await asyncio.gather(*(self._stop(name) for name in group if name in self.family.members))
        self.family.end_orphans()
        self.note.ready = False
        self._write_note()

    async def _stop(self, name: str) -> None:
        await self.family.stop(name)
        self._mark(name, "stopped")

    async def _opened(self) -> None:
        if door := self.there.get(state.DOOR):
            await door.wait()
            self.screen.opened()

    async def _all_there(self) -> None:
        for event in self.there.values():
            await event.wait()
        self.note.ready = True
        self._write_note()
        self.screen.ready()

    async def _keep_logs_small(self) -> None:
        # The scheduler's log has every line of every task besides its own.
        while True:
            await asyncio.sleep(LOG_SECONDS)
            for log in self.home.logs.glob("*.log"):
                with contextlib.suppress(OSError):
                    cut(log)

    def _mark(self, name: str, status: str) -> None:
        if record := self.records.get(name):
            record.state = status
            self._write_note()
        self.screen.changed(name, status)

    def _write_note(self) -> None:
        try:
            state.write(self.home, self.note)
        except OSError as error:  # a full disk must not end what still runs, nor keep it from being stopped in order
            if not self.silent:
                self.screen.say(
                    f"{self.home.state} cannot be written ({error.strerror}): `skyrail status` shows old news. "
                    "Make room on the disk: Airflow and its database need some too."
                )
            self.silent = True
        else:
            self.silent = False

    def _start(self, spec: ProcessSpec) -> subprocess.Popen[bytes]:
        process = self.family.start(spec)
        if record := self.records.get(spec.name):
            record.pid = process.pid
            with contextlib.suppress(psutil.NoSuchProcess):
                record.create_time = psutil.Process(process.pid).create_time()
        self._mark(spec.name, "starting")
        return process

    async def _keep_running(self, spec: ProcessSpec) -> None:
        restarts = Restarts()
        while True:
            for need in spec.needs:
                await self.there[need].wait()
            started = time.time()
            process = self._start(spec)
            readiness = asyncio.ensure_future(self._become_ready(spec, process, started))
            ending = asyncio.ensure_future(self.family.exit(process))
            try:
                await asyncio.wait({readiness, ending}, return_when=asyncio.FIRST_COMPLETED)
                if readiness.done():
                    readiness.result()
                code = await ending
            finally:
                readiness.cancel()
                ending.cancel()
            self.there[spec.name].clear()
            pause = self._judge(spec, code, restarts)
            self.family.clear_away(spec.name)
            await asyncio.sleep(pause)

    async def _become_ready(self, spec: ProcessSpec, process: subprocess.Popen[bytes], started: float) -> None:
        if spec.readiness:
            await spec.readiness.wait(process, started)
        self.there[spec.name].set()
        self._mark(spec.name, "ready")

    async def _migrate(self, spec: ProcessSpec) -> None:
        await self.there["postgres"].wait()
        database = spec.name.removesuffix("-schema")
        if databases.needs_migration(self.home, database, self.password):
            code = await self.family.exit(self._start(spec))
            del self.family.members[spec.name]
            if code != 0:
                raise EmbeddedError(
                    f"The database of {database} could not be brought up to date ({child.how_it_died(code)}). "
                    f"The last lines of the attempt:\n{self._tail(spec.name, 15)}",
                    fix=f"The whole log is {self.home.log(spec.name)}",
                )
        databases.note(self.home, database, self.password)
        self.there[spec.name].set()
        self._mark(spec.name, "ready")

    def _judge(self, spec: ProcessSpec, code: int, restarts: Restarts) -> float:
        how = child.how_it_died(code)
        pause = restarts.died(time.monotonic())
        if pause is None:
            raise EmbeddedError(
                f"{spec.name} died {restarts.limit} times within {restarts.window:.0f} s, the last time with {how}. "
                f"Everything was stopped. Its last lines:\n{self._tail(spec.name, 15)}",
                fix=f"The whole log is {self.home.log(spec.name)}",
            )
        self.records[spec.name].restarts += 1
        self._mark(spec.name, "restarting")
        self.screen.say(
            f"{spec.name} died ({how}) and is started again in {pause:g} s. Its last lines:\n{self._tail(spec.name, 3)}"
        )
        self._count_restart(spec.name)
        return pause

    def _tail(self, name: str, count: int) -> str:
        lines = last_lines(self.home.log(name), count)
        return "\n".join(f"  | {line}" for line in lines) or "  | (its log is empty)"

    def _count_restart(self, name: str) -> None:
        # In a process of its own, as it loads Airflow: nobody waits for it, and when it fails nothing stays dead.
        with contextlib.suppress(OSError):
            child.start(restart_counter(name, self.variables), self.home.log("metrics"), self.family.inherited)
