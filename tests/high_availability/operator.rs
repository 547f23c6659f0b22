//! A real operator process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, Config};
use rustix::process::{Pid, Signal, kill_process};

/// How often is asked what cannot be watched.
const PAUSE: Duration = Duration::from_millis(20);
/// Flags that an operator under test has of its own.
const OWN: [&str; 4] = [
    "--watch-namespace=",
    "--leader-elect",
    "--lease",
    "--log-format=",
];
/// Makes names of files unique.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// An operator on this machine, named as if it were a pod.
pub struct Operator {
    child: Child,
    log: PathBuf,
}

/// Arguments of the installed operator, without those of its place.
pub async fn installed(client: &Client) -> Vec<String> {
    let namespace = std::env::var("DVRE_OPERATOR_NAMESPACE");
    let namespace = namespace.unwrap_or_else(|_| "dvre-system".to_owned());
    let api: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let found = api.get("dvre-operator").await;
    let spec = found
        .expect("the operator must be installed")
        .spec
        .expect("a Deployment has a spec");
    let pod = spec.template.spec.expect("a Deployment has pods");
    let arguments = pod.containers.into_iter().next().and_then(|one| one.args);
    let arguments = arguments.into_iter().flatten();
    let arguments = arguments.filter(|flag| !OWN.iter().any(|own| flag.starts_with(own)));
    arguments.collect()
}

impl Operator {
    /// Starts an operator with a name and arguments, against the cluster of a kubeconfig; that of
    /// KUBECONFIG when none is given.
    pub fn start(name: &str, arguments: &[String], kubeconfig: Option<&Path>) -> Self {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{name}-{}-{number}.log", std::process::id());
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique);
        let output = File::create(&log).expect("the target folder must be writable");
        let mut command = Command::new(env!("CARGO_BIN_EXE_dvre-operator"));
        command
            .args(arguments)
            .args(["--listen=127.0.0.1:0", "--log-format=json"])
            .env("HOSTNAME", name)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file can be opened twice"))
            .stderr(output);
        if let Some(kubeconfig) = kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        let child = command.spawn().expect("the operator must start");
        Self { child, log }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it must run");
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said something.
    pub async fn logs(&mut self, text: &str) {
        while !self.log().contains(text) {
            self.pause().await;
        }
    }

    /// Waits a moment, in which it must not end.
    async fn pause(&mut self) {
        tokio::time::sleep(PAUSE).await;
        let ended = self.child.try_wait().expect("it is our child");
        assert_eq!(ended, None, "it has ended");
    }

    /// Waits until `/readyz` answers with success and a text.
    pub async fn says(&mut self, wanted: &str) {
        while self.ask("/readyz").await.as_deref() != Some(wanted) {
            self.pause().await;
        }
    }

    /// The value of a metric without labels.
    pub async fn metric(&self, name: &str) -> u64 {
        let text = self.ask("/metrics").await.expect("it must answer");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        value.trim().parse().expect("it must be a whole number")
    }

    /// Asks it over HTTP; None when it does not answer, or with an error.
    async fn ask(&self, path: &str) -> Option<String> {
        let log = self.log();
        let (_, rest) = log.split_once(r#""listen":""#)?;
        let (address, _) = rest.split_once('"')?;
        let config = Config::new(format!("http://{address}").parse().ok()?);
        let client = Client::try_from(config).ok()?;
        let request = Request::get(path).body(Vec::new()).ok()?;
        client.request_text(request).await.ok()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
        let _ = std::fs::remove_file(&self.log);
    }
}
