//! Rounds: in each, something happens to a store or to the way to it while the program feeds the stores, and the program is
//! killed. Half of what happens is over before the program is: then the store must resume by itself.

use std::time::{Duration, Instant};

use super::Figures;
use super::deadlock::Holder;
use super::opensearch::Block;
use super::stores::Stores;
use crate::prove::proxy::words::{Lost, Word};
use crate::prove::real::process::Process;
use crate::prove::real::run::Run;
use crate::prove::real::{PATIENCE, execute_script};

/// What happens in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Nothing,
    ServerKilled,
    ServerRestarted,
    ServerFrozen,
    AnswersLost(&'static str),
    ItemsRefused,
    Deadlock,
    DiskFull,
}

/// Rounds come in an order of chance, each of these once until all have come: few of those that take long.
const DECK: [Sort; 15] = [
    Sort::Nothing,
    Sort::Nothing,
    Sort::Nothing,
    Sort::ServerKilled,
    Sort::ServerRestarted,
    Sort::ServerFrozen,
    Sort::ServerFrozen,
    Sort::AnswersLost("neo4j"),
    Sort::AnswersLost("neo4j"),
    Sort::AnswersLost("opensearch"),
    Sort::AnswersLost("opensearch"),
    Sort::ItemsRefused,
    Sort::ItemsRefused,
    Sort::Deadlock,
    Sort::DiskFull,
];
/// Requests to Neo4j that lose their answers: that which commits, the first and the last of a transaction.
const NEO4J: [Word; 3] = [&[0, 2, 0xB0, 0x12, 0, 0], b"SET s.locked = true", b"SET s += $progress"];
/// Requests to OpenSearch that lose theirs: rows, progress, names.
const OPENSEARCH: [Word; 3] = [b"POST /_bulk", b"version_type=external_gte HTTP", b"POST /_aliases"];
/// What Neo4j says of a transaction that it ended.
const DEADLOCK: Word = b"Neo.TransientError.Transaction.DeadlockDetected";
/// What the program says of a full disk, and of items that were refused for the moment.
const NO_SPACE: &str = "No space left on device";
const AGAIN: &str = "items are sent again items=";
/// So long may it take until what was prepared has happened.
const MET: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What stands until it is lifted.
enum Standing {
    Frozen(&'static str),
    Blocked(String, Block),
    Full,
}

/// Rounds of a run.
pub(super) struct Rounds<'a> {
    run: &'a mut Run,
    stores: &'a Stores,
    figures: &'a mut Figures,
    deck: Vec<Sort>,
}

type Done = Result<(), String>;

impl<'a> Rounds<'a> {
    /// None yet.
    pub(super) fn new(run: &'a mut Run, stores: &'a Stores, figures: &'a mut Figures) -> Self {
        stores.to_neo4j.count(DEADLOCK);
        Rounds { run, stores, figures, deck: Vec::new() }
    }

    /// So many rounds.
    pub(super) fn all(mut self, n: u64) -> Done {
        while self.figures.kills < n {
            if self.deck.is_empty() {
                self.deck = DECK.to_vec();
                self.deck.retain(|sort| *sort != Sort::DiskFull || self.stores.disk.is_some());
            }
            let next = self.run.random.below(self.deck.len() as u64) as usize;
            let (sort, begun) = (self.deck.swap_remove(next), Instant::now());
            let done = self.round(sort);
            self.count();
            done.map_err(|failure| format!("{sort:?}: {failure}"))?;
            eprintln!("{:>4} kills, {:>5.1} s: {sort:?}", self.figures.kills, begun.elapsed().as_secs_f32());
        }
        if DECK.len() as u64 <= n {
            self.figures.complete(self.stores.disk.is_some())?;
        }
        Ok(())
    }

    fn count(&mut self) {
        let Stores { to_neo4j, to_opensearch, .. } = self.stores;
        self.figures.answers_lost = [to_neo4j.lost(), to_opensearch.lost()];
        self.figures.deadlocks = to_neo4j.counted(DEADLOCK);
    }

    fn round(&mut self, sort: Sort) -> Done {
        let mut process = self.run.place.start(&self.stores.set)?;
        // At any moment of its life, or while it feeds the stores.
        let early = matches!(sort, Sort::Nothing | Sort::ServerKilled | Sort::ServerFrozen) || self.coin();
        if !early {
            self.figures.recoveries.push(process.until_ready(PATIENCE)?);
        }
        let mut standing = self.strike(sort, &mut process)?;
        if sort != Sort::Nothing && self.coin() {
            self.lift(standing.take())?;
            self.resumes(&mut process)?;
        }
        let moment = if early { self.run.ms(300, 5_000) } else { process.age() + self.run.ms(0, 1_000) };
        let ready = process.live_until(moment)?;
        self.figures.recoveries.extend(ready.filter(|_| sort == Sort::Nothing));
        let items = |rest: &str| rest.split(' ').next()?.parse::<u64>().ok();
        self.figures.items_refused += process.said(AGAIN).filter_map(items).sum::<u64>();
        process.kill()?;
        self.figures.kills += 1;
        self.lift(standing)
    }

    fn coin(&mut self) -> bool {
        self.run.random.below(2) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.run.random.below(from.len() as u64) as usize]
    }

    fn strike(&mut self, sort: Sort, process: &mut Process) -> Result<Option<Standing>, String> {
        let server = self.pick(&["neo4j", "opensearch"]);
        match sort {
            Sort::Nothing => {}
            Sort::ServerKilled => {
                servers("kill", server)?;
                servers("restart", server)?;
                self.figures.servers_killed += 1;
            }
            Sort::ServerRestarted => {
                servers("restart", server)?;
                self.figures.servers_restarted += 1;
            }
            Sort::ServerFrozen => {
                process.live_until(process.age() + self.run.ms(0, 3_000))?;
                servers("pause", server)?;
                self.figures.servers_frozen += 1;
                return Ok(Some(Standing::Frozen(server)));
            }
            Sort::AnswersLost(of) => self.answers_lost(of, process)?,
            Sort::ItemsRefused => return self.items_refused(process),
            Sort::Deadlock => self.deadlock(process)?,
            Sort::DiskFull => return self.disk_full(process),
        }
        Ok(None)
    }

    fn lift(&self, standing: Option<Standing>) -> Done {
        match standing {
            None => Ok(()),
            Some(Standing::Frozen(server)) => servers("resume", server),
            Some(Standing::Blocked(index, block)) => self.stores.opensearch.block(&index, block, false),
            Some(Standing::Full) => self.stores.disk.as_ref().map_or(Ok(()), |disk| disk.free()),
        }
    }

    /// What was sealed by now is soon in every store.
    fn resumes(&mut self, process: &mut Process) -> Done {
        let sealed = self.run.seals()?.last().map_or(0, |seal| seal.epoch);
        let took = self.stores.reach(process, sealed)?;
        self.figures.resumed.push(took);
        Ok(())
    }

    /// Waits until something has happened, or until it is not waited for any more.
    fn met(&self, process: &mut Process, has: impl Fn(&Process) -> bool) -> Result<bool, String> {
        let begun = Instant::now();
        while !has(process) {
            if process.ends_within(LOOK) {
                return Err(process.epitaph("ended by itself"));
            }
            if MET < begun.elapsed() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A server does what it was asked to, and the program never hears of it.
    fn answers_lost(&mut self, server: &str, process: &mut Process) -> Done {
        let neo4j = server == "neo4j";
        let proxy = if neo4j { &self.stores.to_neo4j } else { &self.stores.to_opensearch };
        let words = if neo4j { NEO4J } else { OPENSEARCH };
        let before = proxy.lost();
        // Names are given to an index once.
        for word in [words[0], self.pick(&words)] {
            let skip = self.run.random.below(4);
            proxy.lose(Lost { word, skip });
        }
        self.met(process, |_| before < proxy.lost()).map(drop)
    }

    /// The items of one index are refused while those of others are taken.
    fn items_refused(&mut self, process: &mut Process) -> Result<Option<Standing>, String> {
        let opensearch = &self.stores.opensearch;
        let indexes = opensearch.indexes()?;
        let events = indexes.iter().filter(|index| index.contains("-events-"));
        // Something happens all the time; an incident begins now and then.
        let often: Vec<&String> = events.collect();
        let all: Vec<&String> = indexes.iter().collect();
        let among = if self.run.random.below(3) == 0 { all } else { often };
        if among.is_empty() {
            return Ok(None);
        }
        let (index, block) = (self.pick(&among).clone(), self.pick(&[Block::Write, Block::FullDisk]));
        opensearch.block(&index, block, true)?;
        self.met(process, |process| process.said(AGAIN).next().is_some())?;
        Ok(Some(Standing::Blocked(index, block)))
    }

    /// Somebody else locks the same rows in another order, until the server ends the program's transaction.
    fn deadlock(&mut self, process: &mut Process) -> Done {
        let Stores { neo4j, to_neo4j, .. } = self.stores;
        let (before, begun) = (to_neo4j.counted(DEADLOCK), Instant::now());
        while to_neo4j.counted(DEADLOCK) == before && begun.elapsed() < MET {
            let Some(holder) = Holder::take(neo4j)? else { continue };
            let waits = self.met(process, |_| holder.blocks().unwrap_or(false))?;
            if waits {
                holder.cross()?;
            }
            holder.release()?;
        }
        Ok(())
    }

    /// Nothing more can be written to the export.
    fn disk_full(&mut self, process: &mut Process) -> Result<Option<Standing>, String> {
        let Some(disk) = &self.stores.disk else { return Ok(None) };
        disk.fill()?;
        let met = self.met(process, |process| process.said(NO_SPACE).next().is_some())?;
        self.figures.disk_full += u64::from(met);
        Ok(Some(Standing::Full))
    }
}

fn servers(what: &str, server: &str) -> Done {
    execute_script(&[what, server])
}
