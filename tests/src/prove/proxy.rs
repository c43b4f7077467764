//! A proxy between the program and a server, which makes faults on purpose: by the kind of a Kafka request, by words in
//! any other, or for all connections at once. It passes bytes on as they are; a broker behind it must advertise the proxy's
//! address.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub mod frames;
pub mod plan;
pub mod words;

use plan::{Armed, Fault, Plan};
use words::{Lost, Passing, Word, Words};

/// Bytes of one packet at most.
const BUFFER: usize = 16 << 10;

/// What is said over the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Frames of Kafka: faults by kind are possible.
    Kafka,
    /// Anything in which one side asks and the other answers: faults by words are possible.
    Bytes,
}

/// Whether the server behind the proxy is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It is.
    Open,
    /// Nothing gets through; connections stay.
    Silent,
    /// Connections end at once.
    Closed,
    /// Instead of the server, this text answers each connection.
    Says(&'static str),
}

struct Shared {
    upstream: SocketAddr,
    protocol: Protocol,
    plan: Mutex<Plan>,
    words: Mutex<Words>,
    gate: watch::Sender<Gate>,
    silent_until: Mutex<Option<Instant>>,
}

/// A proxy; its connections end when it is dropped.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ended = thread.join();
        }
    }
}

impl Proxy {
    /// Listens on an address for connections to another one.
    pub fn start(listen: SocketAddr, upstream: SocketAddr, protocol: Protocol) -> io::Result<Self> {
        let listener = StdListener::bind(listen)?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Shared {
            upstream,
            protocol,
            plan: Mutex::default(),
            words: Mutex::default(),
            gate: watch::Sender::new(Gate::Open),
            silent_until: Mutex::default(),
        };
        let shared = Arc::new(shared);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = Arc::clone(&shared);
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    served = serve(listener, serving) => {
                        if let Err(error) = served {
                            eprintln!("proxy: {error}");
                        }
                    }
                }
            });
        };
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(run)?;
        Ok(Proxy { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Lets a fault wait for its request.
    pub fn arm(&self, armed: Armed) {
        self.shared.plan().arm(armed);
    }

    /// Forgets faults that wait; gives how many have happened in all.
    pub fn disarm(&self) -> u64 {
        self.shared.plan().disarm()
    }

    /// How many faults wait for their request.
    pub fn waiting(&self) -> usize {
        self.shared.plan().waiting()
    }

    /// Lets the next request with a word lose its answer: the server answers, then the connection ends.
    pub fn lose(&self, lost: Lost) {
        self.shared.words().lose(lost);
    }

    /// How many answers were lost.
    pub fn lost(&self) -> u64 {
        self.shared.words().lost()
    }

    /// Counts a word in answers from now on.
    pub fn count(&self, word: Word) {
        self.shared.words().count(word);
    }

    /// How often a word that is counted stood in answers.
    pub fn counted(&self, word: Word) -> u64 {
        self.shared.words().counted(word)
    }

    /// Whether the server is there from now on.
    pub fn set(&self, gate: Gate) {
        self.shared.gate.send_replace(gate);
    }
}

impl Shared {
    fn silence(&self, time: Duration) {
        *self.silent_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + time);
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until bytes get through.
    async fn pass(&self) {
        // The sender lives as long as we do.
        let mut gate = self.gate.subscribe();
        drop(gate.wait_for(|gate| *gate != Gate::Silent).await);
        loop {
            let until = *self.silent_until.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                Some(until) if Instant::now() < until => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Waits until connections must end.
    async fn ended(&self) {
        let ends = |gate: &Gate| matches!(gate, Gate::Closed | Gate::Says(_));
        if self.gate.subscribe().wait_for(ends).await.is_err() {
            pending::<()>().await;
        }
    }
}

async fn serve(listener: StdListener, shared: Arc<Shared>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await?;
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A connection that ends is nothing to speak of.
            let _ended = connection(client, &shared).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let gate = shared.gate.borrow().clone();
    if let Gate::Says(text) = gate {
        // Enough of what is asked, so that the answer is heard.
        let _some = client.read(&mut [0; 4096]).await?;
        return client.write_all(text.as_bytes()).await;
    }
    tokio::select! {
        () = shared.ended() => Ok(()),
        carried = carry(client, shared) => carried,
    }
}

/// Carries a connection until one side, or a fault, ends it.
async fn carry(client: TcpStream, shared: &Shared) -> io::Result<()> {
    shared.pass().await;
    let server = TcpStream::connect(shared.upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let pending = Pending::default();
    match shared.protocol {
        Protocol::Kafka => tokio::select! {
            ended = requests(from_client, to_server, shared, &pending) => ended,
            ended = responses(from_server, to_client, shared, &pending) => ended,
        },
        Protocol::Bytes => {
            let losing = AtomicBool::new(false);
            tokio::select! {
                ended = asked(from_client, to_server, shared, &losing) => ended,
                ended = answered(from_server, to_client, shared, &losing) => ended,
            }
        }
    }
}

/// Faults of responses that are to come, by correlation id.
type Pending = Mutex<BTreeMap<i32, Fault>>;

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    pending: &Pending,
) -> io::Result<()> {
    loop {
        let frame = frame(&mut from).await?;
        shared.pass().await;
        let request = frames::request(&frame[4..]).ok_or(io::ErrorKind::InvalidData)?;
        match shared.plan().decide(request.kind) {
            Some(Fault::CloseBefore) => return Ok(()),
            Some(Fault::BlackHole(time)) => shared.silence(time),
            Some(fault) => {
                pending.lock().unwrap_or_else(PoisonError::into_inner).insert(request.correlation, fault);
            }
            None => {}
        }
        shared.pass().await;
        to.write_all(&frame).await?;
    }
}

async fn responses(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    pending: &Pending,
) -> io::Result<()> {
    loop {
        let frame = frame(&mut from).await?;
        shared.pass().await;
        let answered = frames::answers(&frame[4..]).ok_or(io::ErrorKind::InvalidData)?;
        let fault = pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&answered);
        match fault {
            Some(Fault::Swallow) => continue,
            Some(Fault::CloseAfter | Fault::CloseBefore) => return Ok(()),
            Some(Fault::Cut(bytes)) => return to.write_all(&frame[..bytes.min(frame.len() - 1)]).await,
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::BlackHole(_)) | None => {}
        }
        to.write_all(&frame).await?;
    }
}

/// The next frame, its length included.
async fn frame(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    from.read_exact(&mut head).await?;
    let length = frames::length(head).ok_or(io::ErrorKind::InvalidData)?;
    let mut frame = vec![0; 4 + length];
    frame[..4].copy_from_slice(&head);
    from.read_exact(&mut frame[4..]).await?;
    Ok(frame)
}

/// Passes on what the client says, and tells when the answer is to be lost.
async fn asked(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    losing: &AtomicBool,
) -> io::Result<()> {
    let (mut buffer, mut passing) = (vec![0; BUFFER], Passing::default());
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        shared.pass().await;
        if shared.words().request(&mut passing, &buffer[..count]) {
            losing.store(true, Ordering::Relaxed);
        }
        to.write_all(&buffer[..count]).await?;
    }
}

/// Passes on what the server says, unless it is to be lost: then the connection ends.
async fn answered(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    losing: &AtomicBool,
) -> io::Result<()> {
    let (mut buffer, mut passing) = (vec![0; BUFFER], Passing::default());
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        shared.pass().await;
        if losing.load(Ordering::Relaxed) {
            shared.words().swallowed();
            return Ok(());
        }
        shared.words().answer(&mut passing, &buffer[..count]);
        to.write_all(&buffer[..count]).await?;
    }
}

#[cfg(test)]
mod tests;
