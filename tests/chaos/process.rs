//! A real operator process, which can be killed and is then started anew.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The operator, for one namespace and with its API server at a plain address.
pub struct Process {
    arguments: Vec<String>,
    kubeconfig: PathBuf,
    log: PathBuf,
    state: Mutex<State>,
}

struct State {
    child: Option<Child>,
    starts: usize,
}

impl Process {
    /// Prepares a process that is not started yet.
    pub fn new(api: SocketAddr, namespace: &str, arguments: &[String]) -> Self {
        let stem = format!("{}/{namespace}-{}", env!("CARGO_TARGET_TMPDIR"), api.port());
        let kubeconfig = PathBuf::from(format!("{stem}.kubeconfig"));
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: proxy,\n\
             clusters: [{{name: proxy, cluster: {{server: 'http://{api}'}}}}],\n\
             contexts: [{{name: proxy, context: {{cluster: proxy, user: proxy}}}}],\n\
             users: [{{name: proxy, user: {{}}}}]}}\n"
        );
        std::fs::write(&kubeconfig, text).expect("the target folder must be writable");
        let log = PathBuf::from(format!("{stem}.log"));
        let _ = std::fs::remove_file(&log);
        let own = [
            format!("--watch-namespace={namespace}"),
            "--listen=127.0.0.1:0".to_owned(),
        ];
        Self {
            arguments: arguments.iter().cloned().chain(own).collect(),
            kubeconfig,
            log,
            state: Mutex::new(State {
                child: None,
                starts: 0,
            }),
        }
    }

    /// Starts the operator.
    pub fn start(&self) {
        let mut state = self.lock();
        self.spawn(&mut state);
    }

    /// Ends the operator with SIGKILL, and returns when it is gone.
    pub fn kill(&self) {
        end(&mut self.lock());
    }

    /// Kills the operator and starts another one.
    pub fn crash(&self) {
        let mut state = self.lock();
        end(&mut state);
        self.spawn(&mut state);
    }

    /// How often it was started.
    pub fn starts(&self) -> usize {
        self.lock().starts
    }

    /// Its resident memory in KiB.
    pub fn resident(&self) -> Option<u64> {
        let pid = self.lock().child.as_ref()?.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// What all processes have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether the process has ended although nobody killed it.
    pub fn has_ended(&self) -> bool {
        let mut state = self.lock();
        let child = state.child.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    fn spawn(&self, state: &mut State) {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.expect("the target folder must be writable");
        let error = log.try_clone().expect("a file can be opened twice");
        let child = Command::new(env!("CARGO_BIN_EXE_dvre-operator"))
            .arg("run")
            .args(&self.arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(error)
            .spawn();
        state.child = Some(child.expect("the operator must start"));
        state.starts += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SIGKILL, which no process can put off.
fn end(state: &mut State) {
    if let Some(mut child) = state.child.take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(&self.kubeconfig);
        let _ = std::fs::remove_file(&self.log);
    }
}
