//! The scanner behind the strict scan: RFC 8259 without recursion, keys compared after unescaping.

use std::borrow::Cow;

use crate::domain::limits;

use super::{Limits, ParseError};

/// Objects with more keys than this are checked by sorting.
const FEW: usize = 12;

/// What stands open.
#[derive(Clone, Copy)]
enum Open {
    /// An object, and where its keys begin.
    Object(usize),
    /// An array.
    Array,
}

/// One pass over a text.
pub(super) struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    limits: Limits,
    open: Vec<Open>,
    keys: Vec<Cow<'a, str>>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str, limits: Limits) -> Self {
        let (open, keys) = (Vec::with_capacity(8), Vec::with_capacity(32));
        Self { text, bytes: text.as_bytes(), at: 0, limits, open, keys }
    }

    /// Scans the whole text.
    pub(super) fn document(&mut self) -> Result<(), ParseError> {
        self.space();
        match self.peek() {
            Some(b'{') => {}
            Some(b'[') if self.limits.batch => {}
            Some(b'[') => return Err(ParseError::Batch),
            _ => return Err(ParseError::NotAnObject),
        }
        loop {
            self.space();
            if self.value()? && self.close()? {
                break;
            }
        }
        if self.at == self.bytes.len() { Ok(()) } else { Err(ParseError::Trailing(self.at)) }
    }

    /// Takes a scalar, an empty container or the opening of one; true if a value ended.
    fn value(&mut self) -> Result<bool, ParseError> {
        match self.peek() {
            Some(b'{') => {
                self.enter()?;
                if self.take(b'}') {
                    return Ok(true);
                }
                self.open.push(Open::Object(self.keys.len()));
                self.key()?;
                return Ok(false);
            }
            Some(b'[') => {
                self.enter()?;
                if self.take(b']') {
                    return Ok(true);
                }
                self.open.push(Open::Array);
                return Ok(false);
            }
            Some(b'"') => {
                self.at += 1;
                self.string()?;
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true")?,
            Some(b'f') => self.literal(b"false")?,
            Some(b'n') => self.literal(b"null")?,
            _ => return Err(ParseError::Syntax(self.at)),
        }
        Ok(true)
    }

    /// Closes what ends after a value; true if the document did.
    fn close(&mut self) -> Result<bool, ParseError> {
        loop {
            self.space();
            let Some(open) = self.open.last().copied() else { return Ok(true) };
            match (open, self.peek()) {
                (Open::Object(_), Some(b',')) => {
                    self.at += 1;
                    self.space();
                    self.key()?;
                    return Ok(false);
                }
                (Open::Array, Some(b',')) => {
                    self.at += 1;
                    return Ok(false);
                }
                (Open::Object(start), Some(b'}')) => self.unique(start)?,
                (Open::Array, Some(b']')) => {}
                _ => return Err(ParseError::Syntax(self.at)),
            }
            self.at += 1;
            self.open.pop();
        }
    }

    fn enter(&mut self) -> Result<(), ParseError> {
        if self.open.len() >= self.limits.depth {
            return Err(ParseError::Depth(self.at));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Takes a key and its colon.
    fn key(&mut self) -> Result<(), ParseError> {
        if !self.take(b'"') {
            return Err(ParseError::Syntax(self.at));
        }
        let start = self.at;
        let escaped = self.string()?;
        let raw = self.text.get(start..self.at - 1).ok_or(ParseError::Syntax(start))?;
        let key =
            if escaped { Cow::Owned(unescape(raw).ok_or(ParseError::Syntax(start))?) } else { Cow::Borrowed(raw) };
        if !key.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && key.chars().any(char::is_control) {
            return Err(ParseError::ControlInKey(start));
        }
        self.keys.push(key);
        self.space();
        if self.take(b':') { Ok(()) } else { Err(ParseError::Syntax(self.at)) }
    }

    /// Takes a string behind its opening quote; true if it holds escapes.
    fn string(&mut self) -> Result<bool, ParseError> {
        let mut escaped = false;
        loop {
            self.at += plain(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(ParseError::Syntax(self.at)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        match self.bytes.get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => match self.unit()? {
                0xd800..=0xdbff => match self.unit().map_err(|_| ParseError::Surrogate(start))? {
                    0xdc00..=0xdfff => Ok(()),
                    _ => Err(ParseError::Surrogate(start)),
                },
                0xdc00..=0xdfff => Err(ParseError::Surrogate(start)),
                _ => Ok(()),
            },
            _ => Err(ParseError::Syntax(start)),
        }
    }

    /// Takes one `\uXXXX`.
    fn unit(&mut self) -> Result<u32, ParseError> {
        let Some([b'\\', b'u', digits @ ..]) = self.bytes.get(self.at..self.at + 6) else {
            return Err(ParseError::Syntax(self.at));
        };
        let mut unit = 0;
        for digit in digits {
            unit = unit << 4 | char::from(*digit).to_digit(16).ok_or(ParseError::Syntax(self.at))?;
        }
        self.at += 6;
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        self.take(b'-');
        let whole = self.at;
        let digits = self.digits();
        if digits == 0 || (digits > 1 && self.bytes.get(whole) == Some(&b'0')) {
            return Err(ParseError::Syntax(start));
        }
        let whole = self.at;
        if self.take(b'.') && self.digits() == 0 {
            return Err(ParseError::Syntax(start));
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(ParseError::Syntax(start));
            }
        }
        if !self.limits.safe_numbers || self.safe(start, whole) { Ok(()) } else { Err(ParseError::Number(start)) }
    }

    /// Whether every reader understands the number between `start` and here alike.
    fn safe(&self, start: usize, whole: usize) -> bool {
        let integral = self.text.get(start..whole).unwrap_or_default();
        if integral.len() > 15
            && !integral.parse().is_ok_and(|n: i64| n.unsigned_abs() <= limits::SAFE_INTEGER.unsigned_abs())
        {
            return false;
        }
        if whole == self.at {
            return true;
        }
        // An integer may hide behind a fraction or an exponent: it is held to the same bound.
        let value: f64 = self.text.get(start..self.at).and_then(|n| n.parse().ok()).unwrap_or(f64::INFINITY);
        value.is_finite() && value.abs() <= 9_007_199_254_740_991.0
    }

    fn digits(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        count
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), ParseError> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(ParseError::Syntax(self.at));
        }
        self.at += word.len();
        Ok(())
    }

    /// Checks that no key from `start` on stands twice, and forgets them.
    fn unique(&mut self, start: usize) -> Result<(), ParseError> {
        let keys = self.keys.get_mut(start..).unwrap_or_default();
        let twice = if keys.len() <= FEW {
            keys.iter()
                .enumerate()
                .find(|(index, key)| keys.iter().skip(index + 1).any(|other| other == *key))
                .map(|(_, key)| key)
        } else {
            keys.sort_unstable();
            keys.windows(2).find_map(|pair| match pair {
                [one, two] if one == two => Some(one),
                _ => None,
            })
        };
        if let Some(key) = twice {
            return Err(ParseError::DuplicateKey(key.chars().take(80).collect()));
        }
        self.keys.truncate(start);
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }
}

/// How many bytes at the front are neither quote, backslash nor control; eight at a time.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, _) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let stop = control | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')));
        if stop != 0 {
            break;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

/// The characters of a string whose escapes were checked.
fn unescape(raw: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{raw}\"")).ok()
}
