//! Server-sent events: bytes in arbitrary chunks become events, each with the exact bytes that made it, so that it can be passed on
//! untouched. The raw bytes of all events in order are the stream.

use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Largest event that is read, bytes: image models send a whole picture, some megabytes of base64, as one delta.
pub const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent {
    /// The event as it came, blank line included.
    pub raw: Bytes,
    /// `event:`, when there is one that is not empty.
    pub name: Option<String>,
    /// `data:` lines joined by line feeds; `None`: a comment, an empty block, or nothing but an `id:`.
    pub data: Option<Bytes>,
}

/// Why a stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event does not end.
    #[error("an event is larger than {limit} bytes")]
    EventTooLarge {
        /// The bound.
        limit: usize,
    },
}

/// Turns chunks into events. Feed with [`Decoder::feed`], then drain [`Decoder::next`] until it gives `None`.
#[derive(Clone, Debug)]
pub struct Decoder {
    limit: usize,
    /// Bytes of an event that is not complete yet.
    pending: BytesMut,
    /// Bytes fed and not looked at, when nothing is pending: whole events are cut out of it without copying.
    chunk: Bytes,
    line: LineState,
    at_stream_start: bool,
}

/// How far the event at the front has been read. Offsets count from the event's first byte.
#[derive(Clone, Debug, Default)]
struct LineState {
    /// Bytes already looked at.
    scanned: usize,
    /// Where the current line begins.
    line_start: usize,
    /// The event before ended in CR: a line feed now belongs to that line end.
    after_cr: bool,
    /// Value ranges of `data:` lines.
    data: Vec<Range<usize>>,
    /// Value range of the last `event:` line.
    name: Option<Range<usize>>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(MAX_EVENT_BYTES)
    }
}

impl Decoder {
    /// A decoder that refuses events larger than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            pending: BytesMut::new(),
            chunk: Bytes::new(),
            line: LineState::default(),
            at_stream_start: true,
        }
    }

    /// Takes the next chunk of the stream.
    pub fn feed(&mut self, chunk: Bytes) {
        if !self.pending.is_empty() || !self.chunk.is_empty() {
            self.pending.extend_from_slice(&std::mem::take(&mut self.chunk));
            self.pending.extend_from_slice(&chunk);
        } else {
            self.chunk = chunk;
        }
    }

    /// The next complete event.
    ///
    /// # Errors
    /// [`SseError`] when the event at the front is too large; the decoder gives nothing more then.
    #[expect(clippy::should_implement_trait, reason = "more may come after None")]
    pub fn next(&mut self) -> Result<Option<SseEvent>, SseError> {
        let from_chunk = self.pending.is_empty();
        let front: &[u8] = if from_chunk { &self.chunk } else { &self.pending };
        let end = self.line.advance(front, self.at_stream_start);
        if end.unwrap_or(self.line.scanned) > self.limit {
            return Err(SseError::EventTooLarge { limit: self.limit });
        }
        let Some(end) = end else {
            self.pending.extend_from_slice(&std::mem::take(&mut self.chunk));
            return Ok(None);
        };
        let raw = if from_chunk {
            self.chunk.split_to(end)
        } else {
            self.pending.split_to(end).freeze()
        };
        Ok(Some(self.complete(raw)))
    }

    /// What is left when the stream has ended: an event whose blank line never came. It is given the blank line, because servers
    /// forget it after their last event; a line that was cut inside is for the reader of its data to judge.
    pub fn finish(&mut self) -> Option<SseEvent> {
        let mut rest = std::mem::take(&mut self.pending);
        rest.extend_from_slice(&std::mem::take(&mut self.chunk));
        if rest.is_empty() || rest.len() > self.limit {
            return None;
        }
        let half_line_end = self.line.after_cr && rest.as_ref() == b"\n";
        if half_line_end {
            return None;
        }
        rest.extend_from_slice(if rest.ends_with(b"\n") { b"\n" } else { b"\n\n" });
        let end = self.line.advance(&rest, self.at_stream_start)?;
        rest.truncate(end);
        Some(self.complete(rest.freeze()))
    }

    fn complete(&mut self, raw: Bytes) -> SseEvent {
        let line = std::mem::take(&mut self.line);
        self.line.after_cr = raw.last() == Some(&b'\r');
        self.at_stream_start = false;
        let slice = |range: &Range<usize>| {
            if range.end <= raw.len() && range.start <= range.end {
                raw.slice(range.clone())
            } else {
                Bytes::new()
            }
        };
        let data = match line.data.as_slice() {
            [] => None,
            [one] => Some(slice(one)),
            many => {
                let mut joined = BytesMut::new();
                for (index, range) in many.iter().enumerate() {
                    if index > 0 {
                        joined.extend_from_slice(b"\n");
                    }
                    joined.extend_from_slice(&slice(range));
                }
                Some(joined.freeze())
            }
        };
        let name = line
            .name
            .map(|range| String::from_utf8_lossy(&slice(&range)).into_owned());
        SseEvent {
            name: name.filter(|name| !name.is_empty()),
            data,
            raw,
        }
    }
}

impl LineState {
    /// Reads on in `front`; the length of the event when its blank line is in there.
    fn advance(&mut self, front: &[u8], at_stream_start: bool) -> Option<usize> {
        if self.scanned == 0 {
            if at_stream_start {
                self.skip_byte_order_mark(front)?;
            } else if self.after_cr {
                // The second half of a CRLF that was cut: it goes out with this event and means nothing.
                let first = *front.first()?;
                self.after_cr = false;
                if first == b'\n' {
                    (self.scanned, self.line_start) = (1, 1);
                }
            }
        }
        loop {
            let rest = front.get(self.scanned..)?;
            let Some(length) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
                self.scanned = front.len();
                return None;
            };
            let line_end = self.scanned + length;
            let is_cr = rest.get(length) == Some(&b'\r');
            let after = match (is_cr, rest.get(length + 1)) {
                (true, Some(b'\n')) => line_end + 2,
                // Is a CR at the end of what we have the first half of a CRLF? Only a blank line must not wait for the answer.
                (true, None) if line_end > self.line_start => {
                    self.scanned = line_end;
                    return None;
                }
                _ => line_end + 1,
            };
            if line_end == self.line_start {
                return Some(after);
            }
            self.field(front, self.line_start..line_end);
            (self.scanned, self.line_start) = (after, after);
        }
    }

    /// The mark may come in pieces; until it is whole or refuted nothing is read. `None`: wait.
    fn skip_byte_order_mark(&mut self, front: &[u8]) -> Option<()> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        if front.starts_with(MARK) {
            (self.scanned, self.line_start) = (MARK.len(), MARK.len());
            return Some(());
        }
        (!MARK.starts_with(front)).then_some(())
    }

    fn field(&mut self, front: &[u8], line: Range<usize>) {
        let Some(text) = front.get(line.clone()) else { return };
        let colon = text.iter().position(|b| *b == b':').unwrap_or(text.len());
        let (name, value) = text.split_at(colon);
        let skipped = match value {
            [b':', b' ', ..] => 2,
            [b':', ..] => 1,
            _ => 0,
        };
        let range = (line.start + colon + skipped)..line.end;
        match name {
            b"data" => self.data.push(range),
            b"event" => self.name = Some(range),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
