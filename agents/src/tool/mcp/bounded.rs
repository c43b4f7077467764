//! What is read of a program: lines of a limited length. A longer one ends the reading, since it would fill the memory.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// A reader of lines.
pub(super) struct Bounded<R> {
    reader: R,
    most: usize,
    line: usize,
    exceeded: Arc<AtomicBool>,
}

impl<R> Bounded<R> {
    /// Reads lines of at most so many bytes, and remembers in `exceeded` that there was a longer one.
    pub(super) fn new(reader: R, most: usize, exceeded: Arc<AtomicBool>) -> Self {
        Bounded { reader, most, line: 0, exceeded }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.reader).poll_read(cx, buffer))?;
        for part in buffer.filled()[before..].split_inclusive(|byte| *byte == b'\n') {
            self.line += part.len();
            if self.line > self.most {
                self.exceeded.store(true, Ordering::SeqCst);
                return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
            }
            if part.ends_with(b"\n") {
                self.line = 0;
            }
        }
        Poll::Ready(Ok(()))
    }
}
