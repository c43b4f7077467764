//! One fault after another, each on a program that runs, starts or ends; after each, epochs must advance.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::Figures;
use super::broker::{Broker, End};
use crate::prove::proxy::frames::Kind;
use crate::prove::proxy::plan::{Armed, Fault};
use crate::prove::proxy::{Gate, Proxy};
use crate::prove::real::disk::SmallDisk;
use crate::prove::real::process::Process;
use crate::prove::real::run::{Run, STOP_PATIENCE, taken};
use crate::prove::real::views::Reader;
use crate::prove::real::{EXIT_STATE, PATIENCE, execute};

/// Requests that a running program makes, and those of one that starts.
const RUNNING: [Kind; 7] = [
    Kind::PRODUCE,
    Kind::FETCH,
    Kind::LIST_OFFSETS,
    Kind::METADATA,
    Kind::ADD_PARTITIONS_TO_TXN,
    Kind::END_TXN,
    Kind::DELETE_RECORDS,
];
const STARTING: [Kind; 8] = [
    Kind::API_VERSIONS,
    Kind::METADATA,
    Kind::FIND_COORDINATOR,
    Kind::INIT_PRODUCER_ID,
    Kind::CREATE_TOPICS,
    Kind::LIST_OFFSETS,
    Kind::FETCH,
    Kind::PRODUCE,
];
/// A fault waits so long for its request.
const ARMED: Duration = Duration::from_secs(8);
/// A start may fail because of a fault, or of two; not more often.
const STARTS_MAX: usize = 4;
/// What a registry says that is not itself.
const NONSENSE: [&str; 3] = [
    "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n",
    "HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\n\r\n{\"error_code\":50001,\"message\":\"store\"}",
    "HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n<html>no such host</html>",
];
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What faults are made with.
pub(super) struct Trials<'a> {
    pub(super) run: Run,
    pub(super) broker: &'a Broker,
    pub(super) kafka: &'a Proxy,
    pub(super) registry: &'a Proxy,
    pub(super) disk: Option<&'a SmallDisk>,
    pub(super) figures: &'a mut Figures,
    pub(super) running: Option<Process>,
    pub(super) runtime: Runtime,
}

type Trial = Result<(), String>;

impl Trials<'_> {
    /// Trials until so many faults have happened: each sort once, in an order of chance, then any.
    pub(super) fn all(&mut self, n: u64) -> Trial {
        let mut sorts: Vec<(&'static str, fn(&mut Self) -> Trial)> = vec![
            ("requests of a running program", Self::requests),
            ("requests of a running program", Self::requests),
            ("requests of a program that starts", Self::start_requests),
            ("the broker asked to end", |trials| trials.broker_ends(End::Asked)),
            ("the broker killed", |trials| trials.broker_ends(End::Killed)),
            ("the broker out of reach", Self::broker_away),
            ("asked to stop", |trials| trials.stop(Gate::Open)),
            ("asked to stop without a broker", |trials| trials.stop(Gate::Closed)),
            ("asked to stop in silence", |trials| trials.stop(Gate::Silent)),
            ("the registry away", Self::registry_away),
        ];
        if self.disk.is_some() {
            sorts.push(("the disk full", Self::disk_full));
        }
        let traces = execute(Command::new("strace").args(["-o", "/dev/null", "true"]), "strace");
        match traces {
            Ok(()) => sorts.push(("a failing system call", Self::syscall)),
            Err(failure) => eprintln!("NOT RUN: failing system calls: {failure}; apt-get install strace"),
        }
        let mut order: Vec<usize> = Vec::new();
        while self.figures.faults() < n {
            if order.is_empty() {
                order = (0..sorts.len()).collect();
            }
            let next = self.run.random.below(order.len() as u64) as usize;
            let (name, trial) = sorts[order.swap_remove(next)];
            let (begun, resumed) = (Instant::now(), self.figures.resumed.len());
            trial(self).map_err(|failure| format!("{name}: {failure}"))?;
            if let Some(longest) = self.figures.resumed[resumed..].iter().max() {
                let of_sort = self.figures.longest.entry(name).or_default();
                *of_sort = (*of_sort).max(*longest);
            }
            eprintln!(
                "{:>4} faults, {:>5.1} s: {name}",
                self.figures.faults(),
                begun.elapsed().as_secs_f32()
            );
        }
        Ok(())
    }

    /// Gives the program, running, ready and left in peace.
    pub(super) fn end(mut self) -> Result<(Run, Process), String> {
        let mut process = self.take()?;
        process.until_ready(PATIENCE + process.age())?;
        Ok((self.run, process))
    }

    /// The program, running and ready.
    fn take(&mut self) -> Result<Process, String> {
        if let Some(process) = self.running.take() {
            return Ok(process);
        }
        let mut process = self.run.place.start(&[])?;
        process.until_ready(PATIENCE)?;
        Ok(process)
    }

    fn chance(&mut self, from_ms: i64, to_ms: i64) -> Duration {
        self.run.ms(from_ms, to_ms)
    }

    fn epoch(&self, process: &Process) -> Option<u64> {
        let reader = Reader::of(&process.listen).ok()?;
        self.runtime.block_on(reader.latest(&self.run.place.tenants[0])).ok()
    }

    /// Epochs advance.
    fn advances(&self, process: &mut Process) -> Trial {
        let begun = Instant::now();
        let from = self.epoch(process);
        while self.epoch(process) <= from {
            if process.ends_within(LOOK) || PATIENCE < begun.elapsed() {
                let what = format!("has stayed at epoch {from:?} for {:?}", begun.elapsed());
                return Err(process.epitaph(&what));
            }
        }
        Ok(())
    }

    /// A fault is over: everything that stands in the log by now must be sealed, and epochs advance.
    fn resumes(&mut self, mut process: Process) -> Trial {
        let begun = Instant::now();
        let due = self.run.acknowledged();
        while taken(&self.run.seals()?) < due {
            if process.ends_within(LOOK) || PATIENCE < begun.elapsed() {
                let epoch = self.epoch(&process);
                let sealed = self.run.seals()?.last().map(|seal| seal.epoch);
                let what = format!(
                    "is at epoch {epoch:?}, sealed {sealed:?}, and has not sealed {due} records in {:?}",
                    begun.elapsed()
                );
                return Err(process.epitaph(&what));
            }
        }
        self.figures.resumed.push(begun.elapsed());
        self.advances(&mut process)?;
        self.running = Some(process);
        Ok(())
    }

    fn fault(&mut self) -> Fault {
        match self.run.random.below(6) {
            0 | 1 => Fault::Swallow,
            2 => Fault::Delay(self.chance(100, 6_000)),
            3 => Fault::CloseBefore,
            4 => Fault::CloseAfter,
            _ if self.run.random.below(2) == 0 => Fault::Cut(self.run.random.below(40) as usize),
            _ => Fault::BlackHole(self.chance(500, 6_000)),
        }
    }

    fn arm(&mut self, kinds: &[Kind], skip_max: u64) -> Vec<Armed> {
        let count = 1 + self.run.random.below(3);
        let armed: Vec<Armed> = (0..count)
            .map(|_| Armed {
                kind: kinds[self.run.random.below(kinds.len() as u64) as usize],
                skip: self.run.random.below(skip_max),
                fault: self.fault(),
            })
            .collect();
        armed.iter().for_each(|armed| self.kafka.arm(*armed));
        armed
    }

    fn disarm(&mut self) {
        self.figures.requests = self.kafka.disarm();
    }

    fn requests(&mut self) -> Trial {
        let mut process = self.take()?;
        let armed = self.arm(&RUNNING, 4);
        let begun = Instant::now();
        while 0 < self.kafka.waiting() && begun.elapsed() < ARMED && !process.ends_within(LOOK) {}
        self.disarm();
        self.resumes(process).map_err(|failure| format!("{armed:?}: {failure}"))
    }

    fn start_requests(&mut self) -> Trial {
        drop(self.running.take());
        let armed = self.arm(&STARTING, 3);
        let started = self.starts();
        self.disarm();
        let process = started.map_err(|failure| format!("{armed:?}: {failure}"))?;
        self.resumes(process)
    }

    /// Starts the program until it is ready: it may end with one line if the brokers do not answer.
    fn starts(&mut self) -> Result<Process, String> {
        let mut last = String::new();
        for _ in 0..STARTS_MAX {
            let mut process = self.run.place.start(&[])?;
            let begun = Instant::now();
            while !process.ready() {
                if process.ends_within(LOOK) || PATIENCE < begun.elapsed() {
                    break;
                }
            }
            if !process.ends_within(Duration::ZERO) {
                process.until_ready(process.age() + LOOK)?;
                return Ok(process);
            }
            let (code, said) = process.exit(LOOK)?;
            let lines = said.lines().filter(|line| line.starts_with("error: ")).count();
            if !matches!(code, Some(69 | EXIT_STATE)) || lines != 1 {
                return Err(format!("a start ended with {code:?}:\n{said}"));
            }
            self.figures.refused_starts += 1;
            last = said;
        }
        Err(format!("{STARTS_MAX} starts failed; the last:\n{last}"))
    }

    fn broker_ends(&mut self, end: End) -> Trial {
        let process = self.take()?;
        self.broker.end(end)?;
        self.broker.again()?;
        match end {
            End::Asked => self.figures.broker_asked += 1,
            End::Killed => self.figures.broker_killed += 1,
        }
        self.resumes(process)
    }

    fn broker_away(&mut self) -> Trial {
        let mut process = self.take()?;
        let gate = if self.run.random.below(2) == 0 { Gate::Silent } else { Gate::Closed };
        let time = self.chance(1_000, 15_000);
        self.kafka.set(gate);
        let ended = process.ends_within(time);
        self.kafka.set(Gate::Open);
        self.figures.broker_away += 1;
        if ended {
            return Err(process.epitaph("ended by itself"));
        }
        self.resumes(process)
    }

    /// Asked to stop, at any moment of its life: it does so in time, even if the broker is away.
    fn stop(&mut self, gate: Gate) -> Trial {
        let mut process = match self.running.take() {
            Some(process) => process,
            None => self.run.place.start(&[])?,
        };
        let before = self.chance(1_000, 4_000);
        process.live_until(process.age() + before)?;
        let away = gate != Gate::Open;
        self.kafka.set(gate);
        let since = self.chance(0, 4_000);
        process.live_until(process.age() + since)?;
        process.signal("TERM")?;
        let asked = Instant::now();
        let ended = process.exit(STOP_PATIENCE);
        self.kafka.set(Gate::Open);
        let (code, said) = ended?;
        self.figures.stops += 1;
        self.figures.stops_while_away += u64::from(away);
        self.figures.stop_max = self.figures.stop_max.max(asked.elapsed());
        match code {
            Some(0) => Ok(()),
            Some(EXIT_STATE) if away => Ok(()),
            _ => Err(format!("it ended with {code:?}:\n{said}")),
        }
    }

    /// A registry that is away, slow or not itself: what needs it waits, everything else goes on.
    fn registry_away(&mut self) -> Trial {
        let mut process = self.take()?;
        let gate = match self.run.random.below(5) {
            0 => Gate::Silent,
            1 => Gate::Closed,
            _ => Gate::Says(NONSENSE[self.run.random.below(NONSENSE.len() as u64) as usize]),
        };
        self.registry.set(gate.clone());
        let away = self.goes_on(&mut process, 8_000).map_err(|failure| format!("{gate:?}: {failure}"));
        self.registry.set(Gate::Open);
        self.figures.registry_away += 1;
        away?;
        self.resumes(process)
    }

    /// Sealing goes on for some time.
    fn goes_on(&mut self, process: &mut Process, at_most_ms: i64) -> Trial {
        let until = Instant::now() + self.chance(2_000, at_most_ms);
        while Instant::now() < until {
            self.advances(process)?;
        }
        Ok(())
    }

    /// Waits until a snapshot was taken that is newer than one.
    fn snapshots_again(&mut self, process: &mut Process, before: u64) -> Trial {
        let begun = Instant::now();
        while self.run.snapshot()? <= before {
            if process.ends_within(LOOK) || PATIENCE < begun.elapsed() {
                return Err(format!("no snapshot after that of epoch {before}"));
            }
        }
        Ok(())
    }

    /// No snapshot can be written, and sealing goes on; with space they come again. Perhaps it is killed meanwhile.
    fn disk_full(&mut self) -> Trial {
        let Some(disk) = self.disk else { return Ok(()) };
        let mut process = self.take()?;
        disk.fill()?;
        self.goes_on(&mut process, 8_000)?;
        if self.run.random.below(2) == 0 {
            process.kill()?;
            process = self.take()?;
        }
        disk.free()?;
        self.figures.disk_full += 1;
        let before = self.run.snapshot()?;
        self.snapshots_again(&mut process, before)?;
        self.resumes(process)
    }

    /// A system call of a snapshot fails, or is the last of the process.
    fn syscall(&mut self) -> Trial {
        drop(self.running.take());
        let which = 1 + self.run.random.below(4);
        let (inject, kills) = match self.run.random.below(4) {
            0 => ("/^rename:signal=SIGKILL:when=1".to_owned(), true),
            1 => (format!("fsync:signal=SIGKILL:when={which}"), true),
            2 => (format!("fsync:error=EIO:when={which}"), false),
            _ => ("/^rename:error=ENOSPC:when=1".to_owned(), false),
        };
        let mut command = Command::new("strace");
        // The program stays our child: it is the tracer that is a child's child.
        command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,/^rename", "-e"]);
        command.arg(format!("inject={inject}"));
        let mut process = self.run.place.start_under(command)?;
        let ready = process.until_ready(PATIENCE);
        self.figures.syscalls += 1;
        if kills {
            if ready.is_ok() && !process.ends_within(PATIENCE) {
                return Err(format!("{inject}: it does not end"));
            }
            let (code, said) = process.exit(LOOK)?;
            return if code.is_none() {
                Ok(())
            } else {
                Err(format!("{inject}: it ended with {code:?}:\n{said}"))
            };
        }
        ready?;
        self.goes_on(&mut process, 8_000).map_err(|failure| format!("{inject}: {failure}"))?;
        process.kill()
    }
}
