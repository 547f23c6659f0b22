"""Removes what a killed run left outside of its pod, and tells what became of its Slurm jobs.

    dvre-leftovers clean [FILE]
    dvre-leftovers states FILE DEPLOYMENT ID...

FILE is a run.json; without it the variable DVRE_LEFTOVERS has the list. Both commands print one
line of JSON. Nothing of StreamFlow is loaded here, and the ssh library only when there is a host
to log in to.
"""

import argparse
import asyncio
import json
import os
import posixpath
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from dvre_streamflow import slurm_job
from dvre_streamflow.shells import Local, Shell, Ssh

VARIABLE = "DVRE_LEFTOVERS"
_SECONDS = 20.0
_POLL = 0.5

# Only such a folder is removed: a run's own, whatever a file says.
_OWN = "dvre-"

# Ends the processes in a folder, then removes it. It comes through standard input, as a shell with
# the folder among its arguments would find itself.
_REMOVE = """
folder={folder}
real=$(cd "$folder" 2>/dev/null && pwd -P) || real=$folder
inside() {{
  for process in /proc/[0-9]*; do
    [ "$process" = "/proc/$$" ] && continue
    where=$(readlink "$process/cwd" 2>/dev/null)
    words=" $(tr '\\0' ' ' <"$process/cmdline" 2>/dev/null) "
    for path in "$folder" "$real"; do
      case "$where/" in "$path"/*) echo "${{process#/proc/}}"; break;; esac
      case "$words" in *[!A-Za-z0-9._/-]"$path"[/\\ ]*) echo "${{process#/proc/}}"; break;; esac
    done
  done 2>/dev/null
}}
signal=TERM
for attempt in 1 2 3; do
  found=$(inside)
  [ -z "$found" ] && break
  kill -s "$signal" $found 2>/dev/null
  signal=KILL
  sleep 1
done
rm -rf -- "$folder" 2>&1 || {{ sleep 1; rm -rf -- "$folder" 2>&1; }}
[ ! -e "$folder" ]
"""

_STATE = """
for job in {jobs}; do
  echo "job $job"
  scontrol show -o job "$job" 2>&1 || sacct -X -n -P -j "$job" -o State,ExitCode 2>&1
done
"""


class Left(Exception):
    """Why something may still be there."""


async def clean(leftovers: Sequence[dict[str, Any]], seconds: float) -> list[str]:
    """Remove everything at once; return what could not be removed."""
    results = await asyncio.gather(*(_clean_one(left, seconds) for left in leftovers))
    return [failure for failures in results for failure in failures]


async def _clean_one(left: dict[str, Any], seconds: float) -> list[str]:
    tasks = [_clean_containers(left)] if left.get("dockerLabel") else []
    if left.get("slurmJob") or left.get("folder"):
        tasks.append(_clean_host(left))
    limited = (asyncio.wait_for(task, seconds) for task in tasks)
    results = await asyncio.gather(*limited, return_exceptions=True)
    failures = [_words(result, seconds) for result in results if isinstance(result, Exception)]
    return [f"deployment {left.get('deployment', '')}: {words}" for words in failures]


def _words(error: Exception, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"not done within {seconds:g} s"
    return " ".join(str(error).split()) or type(error).__name__


async def _clean_host(left: dict[str, Any]) -> None:
    folder = left.get("folder")
    if folder and not own_folder(folder):
        raise Left(f"{folder} is no folder of a run")
    async with _shell(left) as shell:
        if job := left.get("slurmJob"):
            await _cancel(shell, job)
        if folder:
            text, code = await shell.run(_REMOVE.format(folder=shlex.quote(folder)))
            if code != 0:
                raise Left(f"{folder} cannot be removed: {text}")


def _shell(left: dict[str, Any]) -> Shell:
    login = left.get("ssh")
    return Ssh(login) if login else Local()


def own_folder(folder: str) -> bool:
    """Return whether this can only be the folder of a run."""
    name = posixpath.basename(folder)
    plain = posixpath.isabs(folder) and posixpath.normpath(folder) == folder
    return plain and name.startswith(_OWN) and name != _OWN


async def _cancel(shell: Shell, name: str) -> None:
    """Cancel all jobs of that name, and wait until Slurm knows of none."""
    job = shlex.quote(name)
    while True:
        script = f"scancel -Q -n {job} 2>&1; squeue -h -n {job} -o %i 2>&1"
        text, code = await shell.run(script)
        if code == 127:
            raise Left(f"no Slurm: {text}")
        if code == 0 and not text:
            return
        await asyncio.sleep(_POLL)


async def _clean_containers(left: dict[str, Any]) -> None:
    label = shlex.quote(left["dockerLabel"])
    async with Local() as shell:
        find = f"docker ps -aq --filter label={label}"
        script = f'found=$({find}) && {{ [ -z "$found" ] || docker rm -fv $found; }} && {find}'
        text, code = await shell.run(f"{{ {script}; }} 2>&1 >/dev/null")
        if code != 0:
            raise Left(text)
        text, _ = await shell.run(find)
        if text:
            raise Left(f"containers are left: {text}")


async def states(
    left: dict[str, Any], jobs: Sequence[str], seconds: float
) -> dict[str, dict[str, str]]:
    """Return state and reason of each job, in Slurm's words."""
    script = _STATE.format(jobs=" ".join(map(shlex.quote, jobs)))
    async with asyncio.timeout(seconds), _shell(left) as shell:
        text, _ = await shell.run(script)
    found = {}
    for part in ("\n" + text).split("\njob ")[1:]:
        job, _, shown = part.partition("\n")
        found[job] = _state(shown)
    return found


def _state(shown: str) -> dict[str, str]:
    if (job := slurm_job.from_scontrol(shown)) is None:
        job = slurm_job.from_sacct(shown)
        if job is None:
            return {"state": "UNKNOWN", "reason": " ".join(shown.split())}
    # Accounting has no reasons; this one says that the exit code is the tool's own.
    if job.state == "FAILED" and job.code and not job.reason:
        return {"state": job.state, "reason": "NonZeroExitCode"}
    return {"state": job.state, "reason": job.reason}


def _read(file: str | None) -> list[dict[str, Any]]:
    if file is None:
        return json.loads(os.environ.get(VARIABLE) or "[]")
    with open(file, encoding="utf-8") as content:
        return json.load(content).get("leftovers") or []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dvre-leftovers", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="time for all of it")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("clean")
    command.add_argument("file", nargs="?")
    command.add_argument("--seconds", type=float, default=argparse.SUPPRESS)
    command = commands.add_parser("states")
    command.add_argument("file")
    command.add_argument("deployment")
    command.add_argument("job", nargs="+")
    command.add_argument("--seconds", type=float, default=argparse.SUPPRESS)
    return parser.parse_args()


def run() -> None:
    """Do what the arguments say, and exit with 0 when all of it was done."""
    arguments = _arguments()
    try:
        leftovers = _read(arguments.file)
        if arguments.command == "clean":
            failures = asyncio.run(clean(leftovers, arguments.seconds))
            print(json.dumps({"clean": not failures, "failures": failures}), flush=True)
            sys.exit(1 if failures else 0)
        place = next(x for x in leftovers if x.get("deployment") == arguments.deployment)
        found = asyncio.run(states(place, arguments.job, arguments.seconds))
        print(json.dumps(found), flush=True)
    except StopIteration:
        sys.exit(f"dvre-leftovers: no deployment {arguments.deployment}")
    except (OSError, ValueError, Left) as error:
        sys.exit(f"dvre-leftovers: {_words(error, arguments.seconds)}")


if __name__ == "__main__":
    run()
