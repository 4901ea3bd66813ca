//! Where a command writes: two streams, kept in the order in which Pacemaker's tools show them.

use std::io::{self, Write};

/// One of the two streams of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Takes what a command says; the tests collect it, the executable prints it.
pub trait Sink {
    /// Writes `text` to `stream` at once.
    ///
    /// # Errors
    /// What the stream says; a closed pipe is an error as any other.
    fn write(&mut self, stream: Stream, text: &str) -> io::Result<()>;
}

/// The process's own streams.
#[derive(Debug, Default)]
pub struct Process;

impl Sink for Process {
    fn write(&mut self, stream: Stream, text: &str) -> io::Result<()> {
        match stream {
            Stream::Out => io::stdout().lock().write_all(text.as_bytes()),
            Stream::Err => io::stderr().lock().write_all(text.as_bytes()),
        }
    }
}

/// Both streams in one text, as a pipe that both are connected to would see them.
#[derive(Debug, Default)]
pub struct Collected {
    /// What went to standard output.
    pub out: String,
    /// What went to standard error.
    pub err: String,
    /// Both, in the order of writing.
    pub both: String,
}

impl Sink for Collected {
    fn write(&mut self, stream: Stream, text: &str) -> io::Result<()> {
        match stream {
            Stream::Out => self.out.push_str(text),
            Stream::Err => self.err.push_str(text),
        }
        self.both.push_str(text);
        Ok(())
    }
}

/// Buffered standard output beside unbuffered standard error (O-6).
///
/// Scripts see both in one pipe, so the moment of flushing shows: standard output becomes visible
/// after a list item and at the end, an error at once.
pub struct Console<'a> {
    sink: &'a mut dyn Sink,
    pending: String,
    visible: usize,
    broken: bool,
}

impl<'a> Console<'a> {
    /// A console over `sink`.
    pub fn new(sink: &'a mut dyn Sink) -> Console<'a> {
        Console { sink, pending: String::new(), visible: 0, broken: false }
    }

    /// Text for standard output that stays in the buffer until a list item follows.
    pub fn buffered(&mut self, text: &str) {
        self.pending.push_str(text);
    }

    /// Text for standard output that ends with a list item.
    pub fn item(&mut self, text: &str) {
        self.pending.push_str(text);
        self.visible = self.pending.len();
    }

    /// One line for standard error.
    pub fn error(&mut self, line: &str) {
        self.flush_to(self.visible);
        self.send(Stream::Err, &format!("{line}\n"));
    }

    /// Writes what is buffered. To be called once, at the end.
    pub fn finish(&mut self) {
        self.flush_to(self.pending.len());
    }

    fn flush_to(&mut self, end: usize) {
        if end > 0 {
            let text: String = self.pending.drain(..end).collect();
            self.send(Stream::Out, &text);
        }
        self.visible = 0;
    }

    fn send(&mut self, stream: Stream, text: &str) {
        // After the reader is gone there is nobody left to tell.
        if !self.broken {
            self.broken = self.sink.write(stream, text).is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Collected, Console};

    #[test]
    fn an_error_overtakes_what_no_item_has_made_visible() {
        let mut all = Collected::default();
        let mut console = Console::new(&mut all);
        console.buffered("title\n");
        console.error("first");
        console.item("item\n");
        console.buffered("rest\n");
        console.error("second");
        console.finish();
        assert_eq!(all.both, "first\ntitle\nitem\nsecond\nrest\n");
        assert_eq!(all.out, "title\nitem\nrest\n");
    }
}
