//! The real binary as a child process: started, watched, sent signals, asked whether it is ready.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::place::free_address;

/// Between two looks whether a process is ready.
const LOOK: Duration = Duration::from_millis(5);

/// What is logged: as always, and which items a store sends again.
const LOG: &str = "warn,sinks::opensearch=debug";

/// A process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) listen: String,
    begun: Instant,
    lines: Receiver<String>,
    said: Vec<String>,
    over: bool,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Process {
    /// `kgroot run` with options and with keys set, on a port that is free.
    pub(crate) fn start(binary: &Path, options: &[String], set: &[String]) -> Result<Self, String> {
        Process::launch(Command::new(binary), options, set)
    }

    /// The same, with the program called by a command of its own.
    pub(crate) fn launch(mut command: Command, options: &[String], set: &[String]) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let failed = |error: std::io::Error| format!("{name}: {error}");
        let listen = free_address()?;
        command.arg("run").args(options).args(["--set", &format!("server.listen={listen}")]);
        for pair in set {
            command.args(["--set", pair]);
        }
        command.env("KGROOT_LOG", LOG);
        let begun = Instant::now();
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(failed)?;
        let stderr = child.stderr.take().ok_or("a child without its standard error")?;
        let (said, lines) = channel();
        let read = move || {
            // Whoever started the process may have lost interest.
            BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| drop(said.send(line)));
        };
        std::thread::Builder::new().name("stderr".to_owned()).spawn(read).map_err(failed)?;
        Ok(Process { child, listen, begun, lines, said: Vec::new(), over: false })
    }

    /// Watches for some time; true as soon as the process has ended by itself.
    pub(crate) fn ends_within(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.over {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => self.over = true,
            }
        }
        true
    }

    /// Watches until a moment of its life; gives how long it took to be ready, if it was by then.
    pub(crate) fn live_until(&mut self, moment: Duration) -> Result<Option<Duration>, String> {
        let mut ready = None;
        while self.begun.elapsed() < moment {
            if ready.is_none() && self.ready() {
                ready = Some(self.begun.elapsed());
            }
            let left = moment.saturating_sub(self.begun.elapsed());
            if self.ends_within(if ready.is_none() { LOOK.min(left) } else { left }) {
                return Err(self.epitaph("ended by itself"));
            }
        }
        Ok(ready)
    }

    /// Waits until it is ready; gives how long that took from its start.
    pub(crate) fn until_ready(&mut self, patience: Duration) -> Result<Duration, String> {
        while !self.ready() {
            if self.ends_within(LOOK) {
                return Err(self.epitaph("ended before it was ready"));
            }
            if patience < self.begun.elapsed() {
                return Err(self.epitaph("is not ready"));
            }
        }
        Ok(self.begun.elapsed())
    }

    /// How old it is.
    pub(crate) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whether it is ready.
    pub(crate) fn ready(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(&self.listen)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: kgroot\r\nconnection: close\r\n\r\n")?;
            let mut status = [0; 12];
            stream.read_exact(&mut status)?;
            Ok(status == *b"HTTP/1.1 200")
        };
        ask().unwrap_or(false)
    }

    /// Begins a request and leaves it open; it ends when what is given is dropped.
    pub(crate) fn follow(&self, path: &str) -> Result<TcpStream, String> {
        let begin = || -> std::io::Result<TcpStream> {
            let mut stream = TcpStream::connect(&self.listen)?;
            stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: kgroot\r\n\r\n").as_bytes())?;
            stream.read_exact(&mut [0; 12])?;
            Ok(stream)
        };
        begin().map_err(|error| format!("{path}: {error}"))
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<(), String> {
        let line = format!("kill -{name} {}", self.child.id());
        match Command::new("sh").args(["-c", &line]).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{line}: {status}")),
            Err(error) => Err(format!("{line}: {error}")),
        }
    }

    /// SIGKILL, unless it has ended by itself, which it must not.
    pub(crate) fn kill(mut self) -> Result<(), String> {
        if self.ends_within(Duration::ZERO) {
            return Err(self.epitaph("ended by itself"));
        }
        self.child.kill().map_err(|error| format!("kill: {error}"))?;
        self.child.wait().map(drop).map_err(|error| format!("wait: {error}"))
    }

    /// Waits for its end; gives the exit code and what it said.
    pub(crate) fn exit(mut self, patience: Duration) -> Result<(Option<i32>, String), String> {
        if !self.ends_within(patience) {
            return Err(self.epitaph("does not end"));
        }
        let status = self.child.wait().map_err(|error| format!("wait: {error}"))?;
        Ok((status.code(), self.said.join("\n")))
    }

    /// Memory that it takes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let mut words = status.lines().filter_map(|line| line.strip_prefix("VmRSS:"));
        let kib = words.next().and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib << 10).ok_or_else(|| format!("{path}: no VmRSS"))
    }

    /// Of each line with a text in it that it said, as far as it was watched, what follows the text.
    pub(crate) fn said<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        self.said.iter().filter_map(move |line| line.split_once(text).map(|(_, rest)| rest))
    }

    /// What it said last, and how it ended, if it has.
    pub(crate) fn epitaph(&mut self, what: &str) -> String {
        let status = self.child.try_wait().ok().flatten();
        let from = self.said.len().saturating_sub(12);
        format!("process {} {what} ({status:?}):\n{}", self.child.id(), self.said[from..].join("\n"))
    }
}
