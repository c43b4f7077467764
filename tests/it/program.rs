//! The real binary as a child process, and its API.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::vars().find(|(known, _)| known == name).map(|(_, value)| value)
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A child process; ended when dropped.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The running program; killed (SIGKILL) when dropped.
pub(crate) struct Program {
    child: Child,
    listen: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Program {
    /// `kgroot run` with keys set.
    pub(crate) fn run(listen: &str, set: &[String]) -> Self {
        let mut command = Command::new(tests::binary::binary().unwrap());
        command.arg("run").current_dir(root());
        Self::start(command, listen, set)
    }

    /// One process of a cluster.
    pub(crate) fn run_process(process: usize, hosts: &Path, listen: &str, set: &[String]) -> Self {
        let mut command = Command::new(tests::binary::binary().unwrap());
        command.arg("run").current_dir(root());
        command.args(["--process", &process.to_string(), "--hosts"]).arg(hosts);
        Self::start(command, listen, set)
    }

    fn start(mut command: Command, listen: &str, set: &[String]) -> Self {
        command.args(["--set", &format!("server.listen={listen}")]);
        for pair in set {
            command.args(["--set", pair]);
        }
        Program { child: command.stdout(Stdio::null()).spawn().unwrap(), listen: listen.to_owned() }
    }

    /// Asks the program to stop (SIGTERM).
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Every row of a view as of an epoch.
    pub(crate) async fn rows(&self, view: &str, tenant: &str, epoch: u64) -> Option<Vec<Value>> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self
                .get(&format!("/api/v1/{view}?tenant_id={tenant}&limit=500&as_of={epoch}{cursor}"))
                .await?;
            rows.extend(page["rows"].as_array()?.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={}", next.replace(' ', "%20")),
                None => return Some(rows),
            }
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listen)
    }

    /// The document at a path; `None` while the program does not answer.
    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        reqwest::get(self.url(path)).await.ok()?.json().await.ok()
    }

    /// Accepted, duplicate and rejected events of a tenant.
    pub(crate) async fn counts(&self, tenant: &str) -> (u64, u64, u64) {
        let page = self.get(&format!("/api/v1/coverage?tenant_id={tenant}")).await.unwrap_or_default();
        let mut sums = (0, 0, 0);
        for row in page["rows"].as_array().into_iter().flatten() {
            let rejected = row["rejected"].as_array().into_iter().flatten();
            sums.0 += row["accepted"].as_u64().unwrap_or(0);
            sums.1 += row["duplicate"].as_u64().unwrap_or(0);
            sums.2 += rejected.filter_map(|pair| pair[1].as_u64()).sum::<u64>();
        }
        sums
    }
}

/// Waits until a condition holds; servers and the program run beside us.
pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    let mut pause = tokio::time::interval(Duration::from_millis(200));
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        pause.tick().await;
    }
}
