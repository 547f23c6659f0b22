"""A Slurm cluster of one node and a login host, as the user who runs the tests."""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "sshd", "ssh-keygen"]
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"

SLURM_CONF = """
ClusterName=dvre
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=50
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=0
KillWait=1
MinJobAge={min_job_age}
AccountingStorageType=accounting_storage/none
StateSaveLocation={folder}/ctld
SlurmdSpoolDir={folder}/d
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""

SSHD_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/id.pub
AuthenticationMethods publickey
PermitRootLogin prohibit-password
SetEnv SLURM_CONF={slurm_conf}
UsePAM no
StrictModes no
PidFile {folder}/sshd.pid
"""


def missing() -> list[str]:
    """Programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Hpc:
    """The daemons of the cluster and of the login host, in one folder."""

    folder: Path
    processes: dict[str, subprocess.Popen[bytes]]
    ssh_port: int

    @classmethod
    def start(cls, folder: Path, min_job_age: int = 3600) -> "Hpc":
        hpc = cls(folder, {}, free_port())
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True)
        conf = SLURM_CONF.format(
            folder=folder,
            host=socket.gethostname().split(".")[0],
            user=user.stdout.strip(),
            ctld_port=free_port(),
            slurmd_port=free_port(),
            min_job_age=min_job_age,
        )
        (folder / "slurm.conf").write_text(conf)
        (folder / "ctld").mkdir()
        (folder / "d").mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        files = [f"--{n}-file={folder}/munge.{n}" for n in ("key", "log", "pid", "seed")]
        hpc._run("munged", "-F", "--force", *files, f"--socket={folder}/munge.socket")
        hpc.start_controller()
        hpc._run("slurmd", "-D")
        for name in ("host", "id", "other"):
            hpc.call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        config = SSHD_CONFIG.format(
            folder=folder, port=hpc.ssh_port, slurm_conf=folder / "slurm.conf"
        )
        (folder / "sshd_config").write_text(config)
        hpc.start_login_host()
        hpc._wait(lambda: "idle" in hpc.call("sinfo", "-h", "-o", "%T"))
        return hpc

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": PATH}

    @property
    def known_hosts(self) -> str:
        key = " ".join((self.folder / "host.pub").read_text().split()[:2])
        return f"[127.0.0.1]:{self.ssh_port} {key}\n"

    def start_controller(self) -> None:
        self._run("slurmctld", "-D")
        self._wait(lambda: "UP" in self.call("scontrol", "ping"))

    def start_login_host(self) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)
        # sshd insists on its full path.
        self._run("sshd", "-D", "-f", str(self.folder / "sshd_config"))

    def stop(self, name: str) -> None:
        """End a daemon and, of the login host, its sessions."""
        process = self.processes.pop(name)
        children = self.call("pgrep", "-P", str(process.pid)).split()
        children += [pid for child in children for pid in self.call("pgrep", "-P", child).split()]
        process.terminate()
        if name == "sshd" and children:
            self.call("kill", *children)
        process.wait(20)

    def close(self) -> None:
        self.call("scancel", "-u", str(os.getuid()))
        for name in list(self.processes):
            self.stop(name)

    def call(self, *command: str) -> str:
        run = subprocess.run(
            command,
            env=os.environ | self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return run.stdout

    def jobs(self, name: str) -> str:
        return self.call("squeue", "-h", "-n", name, "-t", "PD,R,S", "-o", "%i").strip()

    def _run(self, program: str, *arguments: str) -> None:
        path = shutil.which(program, path=PATH)
        assert path is not None
        with (self.folder / f"{program}.log").open("ab") as log:
            self.processes[program] = subprocess.Popen(
                [path, *arguments],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    def _wait(self, done: object) -> None:
        for _ in range(150):
            if done():
                return
            time.sleep(0.1)
        raise TimeoutError(f"not ready; the logs are in {self.folder}")
