//! Reading a source piece by piece, and knowing where in its lines one is.

use std::io::{self, BufRead, Read};

use super::parse::ParseError;

/// A place in a document: line and column count from 1, columns in characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// Where every document begins.
    pub(super) const START: Place = Place { line: 1, column: 1 };

    /// The refusal of a document for what is here.
    pub(super) fn refuse(self, message: String) -> ParseError {
        ParseError { line: self.line, column: self.column, message }
    }

    /// The place behind some text.
    fn behind(self, text: &[u8]) -> Place {
        // A byte that continues a character is no character.
        let characters = |text: &[u8]| count(text, |byte| byte & 0xc0 != 0x80);
        match text.iter().rposition(|b| *b == b'\n') {
            None => Place { column: self.column + characters(text), ..self },
            Some(at) => {
                let ends = count(text, |byte| byte == b'\n');
                Place { line: self.line + ends, column: 1 + characters(&text[at + 1..]) }
            }
        }
    }
}

/// How many bytes of a text are such. Short sums in bytes are what a processor does many of at
/// once.
pub(super) fn count(text: &[u8], such: impl Fn(u8) -> bool) -> usize {
    let few = |text: &[u8]| text.iter().map(|b| u8::from(such(*b))).sum::<u8>();
    text.chunks(255).map(|few_bytes| usize::from(few(few_bytes))).sum()
}

/// A source with a buffer that remembers one place. Lines are counted a piece at a time: to do it
/// at every tag takes as long as to read the tag.
pub(super) struct Lines<R> {
    source: R,
    piece: Box<[u8]>,
    /// What is still to be read of `piece`.
    rest: std::ops::Range<usize>,
    /// The place of the first byte of `piece`.
    begin: Place,
    mark: Mark,
}

/// The remembered place.
enum Mark {
    /// In the piece that is being read.
    At(usize),
    /// In an earlier one.
    Gone(Place),
}

impl<R> Lines<R> {
    /// How much is read at a time, in bytes.
    const PIECE: usize = 1 << 16;

    pub(super) fn new(source: R) -> Lines<R> {
        let piece = vec![0; Self::PIECE].into_boxed_slice();
        Lines { source, piece, rest: 0..0, begin: Place::START, mark: Mark::At(0) }
    }

    /// Remembers the place of the next byte.
    pub(super) fn set_mark(&mut self) {
        self.mark = Mark::At(self.rest.start);
    }

    /// The place that was remembered.
    pub(super) fn mark(&self) -> Place {
        match self.mark {
            Mark::At(at) => self.begin.behind(&self.piece[..at]),
            Mark::Gone(place) => place,
        }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Lines<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_empty() {
            self.mark = Mark::Gone(self.mark());
            self.begin = self.begin.behind(&self.piece[..self.rest.end]);
            self.rest = 0..0;
            self.rest = loop {
                match self.source.read(&mut self.piece) {
                    Ok(length) => break 0..length,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            };
        }
        Ok(&self.piece[self.rest.clone()])
    }

    fn consume(&mut self, amount: usize) {
        self.rest.start = self.rest.end.min(self.rest.start + amount);
    }
}

#[cfg(test)]
mod tests {
    use crate::cib::{ParseLimits, ReadError, parse, read};

    use proptest::prelude::*;

    /// Hands out a few bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl std::io::Read for Slowly<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let few = out.len().min(self.1);
            self.0.read(&mut out[..few])
        }
    }

    /// What a document is made of, and what it is not.
    const TOKENS: [&str; 24] = [
        "<a>",
        "</a>",
        "</a >",
        "<a x=\"1\" y = 'z'>",
        "<b/>",
        "<b x=\">\"/>",
        "<b x='\"'/>",
        " ",
        "\n",
        "t",
        "\u{feff}",
        "&lt;",
        "&#13;",
        "&x;",
        "<!-- c -->",
        "<![CDATA[ > ]]>",
        "<?p i?>",
        "<ä ü=\"ö\">",
        "</ä>",
        "<",
        ">",
        "\"",
        "/",
        "=",
    ];

    proptest! {
        /// A tag within a piece is read by us, one that goes on in the next by the library.
        #[test]
        fn whoever_reads_a_tag_reads_the_same(tokens in prop::collection::vec(0..TOKENS.len(), 0..24), few in 1_usize..40) {
            let text: String = tokens.iter().map(|at| TOKENS[*at]).collect();
            let text = format!("<r>{text}</r>");
            let slowly = read(Slowly(text.as_bytes(), few), ParseLimits::default(), &mut ());
            match (slowly, parse(&text)) {
                (Ok(slow), Ok(fast)) => prop_assert_eq!(slow, fast),
                (Err(ReadError::Document(slow)), Err(fast)) => prop_assert_eq!(slow, fast),
                (slow, fast) => prop_assert!(false, "{:?} {:?}", slow, fast),
            }
        }
    }

    #[test]
    fn pieces_change_neither_the_document_nor_the_place_of_an_error() {
        let good = "<a>\n <b x='ä&lt;'/>t<!-- c --></a>";
        let read_slowly =
            |text: &str| read(Slowly(text.as_bytes(), 3), ParseLimits::default(), &mut ());
        assert_eq!(read_slowly(good).unwrap(), parse(good).unwrap());
        let bad =
            ["<a>\n <b x='ö'/> <c x='1' x='2'/>\n</a>", "<a>\n\n<ä></b>", "<a>é\n", "<a/>\n x"];
        for bad in bad {
            let Err(ReadError::Document(slow)) = read_slowly(bad) else { panic!("{bad}") };
            assert_eq!(slow, parse(bad).unwrap_err(), "{bad}");
        }
        let twice = read_slowly("<a>\n  <b x='ö'/> <c x='1' x='2'/>\n</a>").unwrap_err();
        assert!(twice.to_string().starts_with("line 2, column 14: "), "{twice}");
    }
}
