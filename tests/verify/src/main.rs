//! `cargo verify`: everything that must hold before a change lands.
//!
//! Looks for what the tests need and says which command installs it (or installs it, as root on Debian), starts the
//! real servers on loopback while it checks format and lints and builds the program, runs all tests, stops the servers. `--quick`
//! leaves the servers out and says so. A package of its own that needs nothing of the others: the servers are fetched while those
//! compile.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use verify::cargo;

/// A program or file that must be there, and the Debian package that brings it.
const NEEDED: [(&str, &str); 13] = [
    ("cc", "gcc"),
    ("make", "make"),
    ("perl", "perl"),
    ("javac", "openjdk-17-jdk-headless"),
    ("mvn", "maven"),
    ("python3", "python3"),
    ("curl", "curl"),
    ("redis-server", "redis-server"),
    ("prometheus", "prometheus"),
    ("/usr/lib/postgresql/15/bin/initdb", "postgresql"),
    ("/usr/include/openssl/ssl.h", "libssl-dev"),
    ("/usr/include/zlib.h", "zlib1g-dev"),
    ("/usr/bin/pkg-config", "pkg-config"),
];
/// Python packages of the producer, the readers and the client that are not ours, of a collector of spans, and of an
/// S3-compatible server.
const PRODUCER: [&str; 8] = [
    "confluent-kafka==2.11.1",
    "fastavro==1.12.0",
    "duckdb==2.0.1",
    "pyarrow==26.0.1",
    "fsspec==2026.9.0",
    "moto[s3,server]==5.2.5",
    "mcp==2.3.0",
    "opentelemetry-proto==1.45.2",
];

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "--quick");
    match verify(quick) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("verify: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn verify(quick: bool) -> Result<()> {
    std::env::set_current_dir(root()).context("enter the repository")?;
    prerequisites(quick)?;
    let outcome = if quick {
        checks().and_then(|()| test(&[("KGROOT_TEST_WITHOUT_SERVERS".to_owned(), "1".to_owned())]))
    } else {
        let starting = std::thread::spawn(servers);
        let checked = checks();
        let Ok(started) = starting.join() else { panic!("the thread that starts the servers panicked") };
        let outcome = checked.and(started).and_then(|servers| test(&servers));
        run("stop the servers", Command::new("tests/servers/servers.sh").arg("stop"))?;
        outcome
    };
    outcome?;
    if quick {
        eprintln!("verify: passed, but NOT RUN: everything that needs real servers (run without --quick)");
    } else {
        eprintln!("verify: passed, real servers included");
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn checks() -> Result<()> {
    run("check the format", cargo().args(["fmt", "--all", "--check"]))?;
    run("lint", cargo().args(["clippy", "-q", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // The whole workspace, so that features are those of the tests and nothing is compiled twice.
    run("build the program", cargo().args(["build", "-q", "--workspace", "--bin", "kgroot"]))
}

/// Binaries and documentation have no tests of their own, and linking each for that takes a minute in all.
fn test(servers: &[(String, String)]) -> Result<()> {
    let arguments = ["test", "--workspace", "--lib", "--test", "it", "--no-fail-fast"];
    run("test", cargo().args(arguments).envs(servers.iter().cloned()))
}

fn run(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("verify: {what}");
    let status = command.status().with_context(|| format!("{what}: could not start {command:?}"))?;
    if status.success() { Ok(()) } else { bail!("{what}: failed ({status})") }
}

fn prerequisites(quick: bool) -> Result<()> {
    let for_servers = [
        "javac",
        "mvn",
        "python3",
        "curl",
        "redis-server",
        "prometheus",
        "/usr/lib/postgresql/15/bin/initdb",
    ];
    let missing = |(name, _): &&(&str, &str)| !(present(name) || quick && for_servers.contains(name));
    let packages: Vec<&str> = NEEDED.iter().filter(missing).map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "));
    let install = Command::new("sh").args(["-c", &line]).stdout(Stdio::null()).status();
    if install.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    bail!("missing {}; install with: {line}", packages.join(", "))
}

fn present(name: &str) -> bool {
    if name.starts_with('/') {
        return Path::new(name).exists();
    }
    Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn cache() -> PathBuf {
    let variables: Vec<(String, String)> = std::env::vars().collect();
    let value =
        |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| PathBuf::from(value));
    value("XDG_CACHE_HOME")
        .or_else(|| value("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("kgroot")
}

/// A Python with the producer's packages; its path.
fn producer() -> Result<String> {
    let home = cache().join("producer");
    let python = home.join("bin/python");
    let complete = home.join(".complete");
    let packages = PRODUCER.join(" ");
    if std::fs::read_to_string(&complete).ok().as_ref() != Some(&packages) {
        run("make a Python environment", Command::new("python3").args(["-m", "venv"]).arg(&home))?;
        run(
            "install the producer's packages",
            Command::new(&python).args(["-m", "pip", "install", "-q"]).args(PRODUCER),
        )?;
        std::fs::write(&complete, packages).context("mark the Python environment")?;
    }
    Ok(python.display().to_string())
}

/// Starts the servers, and makes what the tests have beside them; gives the variables that name them.
fn servers() -> Result<Vec<(String, String)>> {
    let mut servers = start_servers()?;
    servers.push(("KGROOT_TEST_PYTHON".to_owned(), producer()?));
    Ok(servers)
}

/// Starts all of them; gives the variables that name them.
fn start_servers() -> Result<Vec<(String, String)>> {
    eprintln!("verify: start Kafka, the registry and the stores");
    let output = Command::new("tests/servers/servers.sh")
        .args(["start", "kafka", "registry", "neo4j", "opensearch", "postgres", "redis", "prometheus"])
        .stderr(Stdio::inherit())
        .output()
        .context("start the servers")?;
    if !output.status.success() {
        bail!("the servers did not start; see above");
    }
    let text = String::from_utf8(output.stdout).context("read the servers' addresses")?;
    let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
