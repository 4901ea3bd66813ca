//! What an agent prints, kept within bounds.

use std::collections::VecDeque;

/// How much of the beginning and of the end of each stream is kept.
pub const KEPT: usize = 64 * 1024;

/// The prefix by which an agent says why it failed (OCF 1.1 and Pacemaker).
const EXIT_REASON: &str = "ocf-exit-reason:";

/// The longest reason kept, in bytes: it goes into the replicated status.
const REASON_MAX: usize = 256;

/// The first and the last [`KEPT`] bytes of a stream.
#[derive(Debug, Default)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Captured {
    /// Takes what was read.
    pub fn push(&mut self, mut bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.head.len());
        if room > 0 {
            let (first, rest) = bytes.split_at(room.min(bytes.len()));
            self.head.extend_from_slice(first);
            bytes = rest;
        }
        if bytes.len() > KEPT {
            let (gone, last) = bytes.split_at(bytes.len() - KEPT);
            self.dropped += gone.len() as u64;
            bytes = last;
        }
        let excess = (self.tail.len() + bytes.len()).saturating_sub(KEPT);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
        self.tail.extend(bytes);
    }

    /// The whole, with a line in the gap that says how much is missing.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head;
        if self.dropped > 0 {
            let gap = format!("\n[{} bytes left out]\n", self.dropped);
            bytes.extend_from_slice(gap.as_bytes());
        }
        bytes.extend(self.tail);
        bytes
    }
}

/// The last exit reason in what an agent wrote to standard error, one line, without control
/// characters; empty if there is none.
pub fn exit_reason(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let Some((_, reason)) = text.rsplit_once(EXIT_REASON) else { return String::new() };
    let line = reason.lines().next().unwrap_or_default().trim();
    let mut kept = String::new();
    for c in line.chars().filter(|c| !c.is_control()) {
        if kept.len() + c.len_utf8() > REASON_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_as_it_is() {
        let mut captured = Captured::default();
        captured.push(b"one\n");
        captured.push(b"two\n");
        assert_eq!(captured.into_bytes(), b"one\ntwo\n");
    }

    #[test]
    fn long_output_keeps_both_ends_and_says_what_is_missing() {
        for chunk in [1, 1000, 65536, 300_000] {
            let all: Vec<u8> = (0..300_000_u32).map(|i| b'a' + (i % 26) as u8).collect();
            let mut captured = Captured::default();
            for part in all.chunks(chunk) {
                captured.push(part);
            }
            let kept = captured.into_bytes();
            let gap = format!("\n[{} bytes left out]\n", 300_000 - 2 * KEPT);
            assert_eq!(kept.len(), 2 * KEPT + gap.len(), "in chunks of {chunk}");
            assert!(kept.starts_with(&all[..KEPT]));
            assert!(kept.ends_with(&all[300_000 - KEPT..]));
        }
    }

    #[test]
    fn the_last_exit_reason_counts() {
        let stderr =
            b"noise\nocf-exit-reason:first\nmore\nocf-exit-reason: no such disk \x1b[1m\nend";
        assert_eq!(exit_reason(stderr), "no such disk [1m");
        assert_eq!(exit_reason(b"nothing to say"), "");
        assert_eq!(
            exit_reason(format!("ocf-exit-reason:{}", "ü".repeat(999)).as_bytes()).len(),
            256
        );
    }
}
