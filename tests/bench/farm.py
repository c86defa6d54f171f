"""Builds ``farm.c``, starts it and talks to it: pools and miners that cost less than what they load."""

import asyncio
import json
import os
import resource
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("farm.c")
HASHES_PER_DIFFICULTY = 4.0
"""Tiny, so that a miner finds a share with four hashes."""
OPEN_FILES = 65_536
ANSWER_S = 300.0


def allow_open_files() -> None:
    """Let this process and its children have as many connections as they need, or as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (OPEN_FILES, hard):  # root may raise the limit
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, max(most, hard)))
            return


class Farm:
    """A running farm; ``ports`` are those of its pools by name."""

    def __init__(self, process: Process, ports: Mapping[str, int]) -> None:
        self.process = process
        self.ports = ports

    @property
    def waited_s(self) -> float:
        """How long it could have run and had no processor: what is measured meanwhile shows the machine as well."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[1]) / 1e9

    async def do(self, *words: object) -> dict[str, Any]:
        """Give a command (see ``farm.c``) and return its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        line = await asyncio.wait_for(self.process.stdout.readline(), ANSWER_S)
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def end(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()


async def start_farm(pools: Mapping[str, int], folder: Path, difficulties: Mapping[str, float] | None = None) -> Farm:
    """Build and start it with ``pools`` (a hex digit -> size of its extranonce2), at difficulty 1 unless
    ``difficulties`` says another.

    Raises:
        RuntimeError: there is no C compiler, or it fails.
    """
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("the load is written in C: install a compiler (Debian: apt install gcc libc6-dev)")
    program = folder / "farm"
    build = await asyncio.create_subprocess_exec(
        compiler, "-O3", "-march=native", "-o", str(program), str(SOURCE), stderr=PIPE
    )
    _, said = await build.communicate()
    if build.returncode:
        raise RuntimeError(said.decode())
    process = await asyncio.create_subprocess_exec(
        str(program),
        repr(HASHES_PER_DIFFICULTY),
        *(f"{name}:{size}:{(difficulties or {}).get(name, 1.0)!r}" for name, size in pools.items()),
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdout is not None
    ports = map(int, (await process.stdout.readline()).split())
    return Farm(process, dict(zip(pools, ports, strict=True)))
