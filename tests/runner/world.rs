//! A run's folders below a root of their own, and the real binary in them.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

use dvre_operator::runner::record::{Line, Outcome, Progress};
use serde_json::{Value, json};

/// The folders of one run; removed when dropped.
pub struct World {
    pub root: PathBuf,
    run: Value,
    command: Vec<PathBuf>,
    env: Vec<(String, PathBuf)>,
}

/// What a run left.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Outcome,
    /// The same from the log, whole.
    pub whole: Outcome,
    pub progress: Vec<Progress>,
    pub log: String,
    pub code: Option<i32>,
    pub took: Duration,
}

/// A run under way.
pub struct Running {
    root: PathBuf,
    child: Child,
    started: Instant,
    log: Option<BufReader<std::process::ChildStdout>>,
    read: String,
}

const TOOL: &str = "\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: \"true\"
inputs: {}
outputs: {}
";

impl World {
    /// A run of a tool without inputs.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = env::temp_dir().join(format!("dvre-runner-{}-{number}", std::process::id()));
        let run = json!({"namespace": "default", "name": "hello", "deployment": "local",
            "entrypoint": "main.cwl", "inputs": ["/dvre/run/inputs.json"], "graceSeconds": 20});
        let runner = PathBuf::from(env!("CARGO_BIN_EXE_dvre-runner"));
        let world = Self {
            root,
            run,
            command: vec![runner],
            env: Vec::new(),
        };
        world.write("dev/termination-log", "");
        world.write("dvre/run/workflow/main.cwl", TOOL);
        world.write("dvre/run/inputs.json", "{}");
        world.write("dvre/run/streamflow.yml", streamflow_yml(&world.root));
        world
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    /// A script in the place of StreamFlow. `emit JSON...` sends events.
    pub fn engine(self, script: &str) -> Self {
        let emit = "emit() { python3 - \"$@\" <<'END'\n\
            import os, socket, sys\n\
            s = socket.socket(socket.AF_UNIX)\n\
            s.connect(os.environ['DVRE_EVENTS'])\n\
            s.sendall(''.join(event + '\\n' for event in sys.argv[1:]).encode())\n\
            END\n}\n";
        self.script("dvre-streamflow", &format!("{emit}{script}"))
    }

    /// A script in the place of any program of the image.
    pub fn script(self, name: &str, script: &str) -> Self {
        let file = self.write(
            &format!("usr/local/bin/{name}"),
            format!("#!/bin/bash\n{script}\n"),
        );
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// The real StreamFlow, or `None` where the environment names none.
    pub fn streamflow(self) -> Option<Self> {
        let program = env::var_os("DVRE_STREAMFLOW")?;
        Some(self.link("dvre-streamflow", Path::new(&program)))
    }

    /// The real cwltool, of the environment that the real StreamFlow comes from.
    pub fn cwltool(self) -> Option<Self> {
        let program = PathBuf::from(env::var_os("DVRE_STREAMFLOW")?);
        let folder = program.parent().unwrap();
        // It makes its virtual environment itself, and knows where.
        let venv = Command::new("bash")
            .current_dir(folder)
            .args(["-c", ". ./venv.sh && printf %s \"$venv\""])
            .output()
            .unwrap();
        let venv = PathBuf::from(String::from_utf8(venv.stdout).unwrap());
        Some(self.link("cwltool", &venv.join("bin/cwltool")))
    }

    fn link(self, name: &str, program: &Path) -> Self {
        assert!(program.exists(), "{}", program.display());
        let link = self.root.join("usr/local/bin").join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(program, link).unwrap();
        self
    }

    pub fn workflow(self, cwl: &str, inputs: &Value) -> Self {
        self.write("dvre/run/workflow/main.cwl", cwl);
        self.write("dvre/run/inputs.json", inputs.to_string());
        self
    }

    /// Sets a field of run.json.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.run[field] = value;
        self
    }

    /// Starts the runner through another command, which gets it as its last arguments.
    pub fn through(mut self, command: &[&str]) -> Self {
        self.command.splice(0..0, command.iter().map(PathBuf::from));
        self
    }

    pub fn env(mut self, name: &str, value: &Path) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn start(&self) -> Running {
        self.write("dvre/run/run.json", self.run.to_string());
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .arg("--root")
            .arg(&self.root)
            .stdout(Stdio::piped());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().unwrap();
        let log = child.stdout.take().map(BufReader::new);
        let (root, started) = (self.root.clone(), Instant::now());
        Running {
            root,
            child,
            started,
            log,
            read: String::new(),
        }
    }

    pub fn run(&self) -> Ended {
        self.start().end()
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Running {
    /// Waits until a line of the log contains `text`.
    pub fn until(&mut self, text: &str) -> &mut Self {
        let log = self.log.as_mut().unwrap();
        loop {
            let mut line = Vec::new();
            assert!(
                log.read_until(b'\n', &mut line).unwrap() > 0,
                "no {text:?} in\n{}",
                self.read
            );
            let line = String::from_utf8_lossy(&line).into_owned();
            self.read.push_str(&line);
            if line.contains(text) {
                return self;
            }
        }
    }

    /// Sends SIGTERM.
    pub fn stop(&mut self) -> &mut Self {
        let status = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(status.unwrap().success());
        self.started = Instant::now();
        self
    }

    /// Kills it as the kernel does, without a word.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn end(&mut self) -> Ended {
        let status: ExitStatus = {
            let log = self.log.take().unwrap();
            let rest = std::thread::spawn(move || {
                let mut log = log;
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut log, &mut bytes).unwrap();
                String::from_utf8_lossy(&bytes).into_owned()
            });
            let status = self.child.wait().unwrap();
            self.read.push_str(&rest.join().unwrap());
            status
        };
        let took = self.started.elapsed();
        let log = std::mem::take(&mut self.read);
        let message = fs::read_to_string(self.root.join("dev/termination-log")).unwrap();
        let outcome =
            Outcome::parse(&message).unwrap_or_else(|| panic!("{message:?} after\n{log}"));
        let progress = log
            .lines()
            .filter_map(|line| match Line::parse(line) {
                Some(Line::Progress(progress)) => Some(progress),
                _ => None,
            })
            .collect();
        let whole = Outcome::from_log(&log).unwrap();
        Ended {
            outcome,
            whole,
            progress,
            log,
            code: status.code(),
            took,
        }
    }
}

fn streamflow_yml(root: &Path) -> String {
    let work = root.join("work");
    json!({
        "version": "v1.0",
        "workflows": {"dvre": {
            "type": "cwl",
            "config": {
                "file": work.join("workflow/main.cwl"), "settings": work.join("inputs.json"),
                "docker": [{"step": "/", "deployment": {"type": "none", "config": {}}}],
            },
            "bindings": [{"step": "/", "target": {"deployment": "local"}}],
        }},
        "deployments": {"local": {"type": "local", "workdir": work.join("scratch"), "config": {}}},
        "database": {"type": "dvre", "config": {"connection": work.join("streamflow.db")}},
        "scheduling": {"scheduler": {"type": "dvre", "config": {}}},
    })
    .to_string()
}

/// Whether a process is there and not just waiting to be reaped.
pub fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, fields)| !fields.starts_with('Z'))
}
