//! What `response.redact` looks for: classes of personal data and secrets in a text.

use std::{collections::BTreeMap, ops::Range};

use regex::{Regex, RegexBuilder};

/// Bytes of the pattern of a class.
pub const PATTERN: usize = 1_024;
/// Bytes that a compiled pattern may take.
const COMPILED: usize = 1 << 20;

const EMAIL: &str = r"[\p{L}\p{N}._%+'-]+@(?:[\p{L}\p{N}-]+\.)+\p{L}{2,}";
const DIGITS: &str = r"[0-9](?:[ -]?[0-9]){12,63}";
const IBAN: &str = r"(?i)\b[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,42}";
const PHONE: &str = r"(?:\+|\b00)[1-9](?:[ ()./-]{0,3}[0-9]){6,14}";
const SECRET: &str = r"(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{20,}|AIza[0-9A-Za-z_-]{35}|npm_[A-Za-z0-9]{36}|pst_[A-Za-z0-9_]{20,}|pypi-[A-Za-z0-9_-]{40,}|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|(?s:-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z))";

/// The classes that the gateway knows by itself.
pub const BUILT_IN: [&str; 5] = ["card", "email", "iban", "phone", "secret"];

/// Looks for one class.
#[derive(Debug, Clone)]
pub struct Detector {
    pattern: Regex,
    sum: Sum,
}

/// What a match must add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sum {
    /// Nothing.
    Any,
    /// The check digit of payment cards (ISO/IEC 7812-1), in some run of whole groups.
    Luhn,
    /// The check digits of account numbers (ISO 13616), in some beginning of the match.
    Mod97,
}

impl Detector {
    /// A class of controls.yaml.
    ///
    /// # Errors
    /// The pattern is too long, cannot be compiled within its bound, or matches nothing at all, which is everywhere.
    pub fn of(pattern: &str) -> Result<Self, String> {
        if pattern.len() > PATTERN {
            return Err(format!("the pattern has more than {PATTERN} bytes"));
        }
        let pattern = compile(pattern)?;
        if pattern.is_match("") {
            return Err(
                "the pattern matches an empty text, so it would match everywhere; ask for a character".to_owned()
            );
        }
        Ok(Self { pattern, sum: Sum::Any })
    }

    /// Where the class is in the text, in order, without overlaps.
    pub fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for hit in self.pattern.find_iter(text) {
            match self.sum {
                Sum::Any => found.push(hit.range()),
                Sum::Luhn => found.extend(cards(hit.as_str(), hit.start())),
                Sum::Mod97 => found.extend(account(hit.as_str()).map(|length| hit.start()..hit.start() + length)),
            }
        }
        found
    }
}

/// The built-in classes.
///
/// # Errors
/// A pattern cannot be compiled; then nothing is searched, so `response.redact` does not work.
pub fn built_in() -> Result<BTreeMap<String, Detector>, String> {
    let classes = [
        ("card", DIGITS, Sum::Luhn),
        ("email", EMAIL, Sum::Any),
        ("iban", IBAN, Sum::Mod97),
        ("phone", PHONE, Sum::Any),
        ("secret", SECRET, Sum::Any),
    ];
    let one =
        |(name, pattern, sum): (&str, &str, Sum)| Ok((name.to_owned(), Detector { pattern: compile(pattern)?, sum }));
    classes.into_iter().map(one).collect()
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(COMPILED)
        .dfa_size_limit(COMPILED)
        .build()
        .map_err(|error| error.to_string().lines().last().unwrap_or("not a pattern").trim().to_owned())
}

/// Card numbers in a run of digits: 13 to 19 digits that begin and end where a group does. What was taken is not
/// taken again.
fn cards(run: &str, offset: usize) -> Vec<Range<usize>> {
    let places: Vec<(usize, u32)> =
        run.char_indices().filter_map(|(at, c)| c.to_digit(10).map(|digit| (at, digit))).collect();
    let begins = |n: usize| match (n.checked_sub(1).and_then(|before| places.get(before)), places.get(n)) {
        (None, Some(_)) => true,
        (Some((before, _)), Some((at, _))) => at - before > 1,
        (Some(_) | None, None) => true,
    };
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    while from < places.len() {
        let length = (13..=19_usize).rev().find(|length| {
            let digits = places.get(from..from + length);
            begins(from) && begins(from + length) && digits.is_some_and(luhn)
        });
        match length.and_then(|length| Some((length, places.get(from)?.0, places.get(from + length - 1)?.0))) {
            Some((length, start, last)) => {
                found.push(offset + start..offset + last + 1);
                from += length;
            }
            None => from += 1,
        }
    }
    found
}

fn luhn(digits: &[(usize, u32)]) -> bool {
    let issued = digits.first().is_some_and(|(_, digit)| (2..=6).contains(digit));
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, (_, digit))| if place % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    issued && sum.is_multiple_of(10)
}

/// The bytes of the longest beginning that is an account number of 15 to 34 characters.
fn account(text: &str) -> Option<usize> {
    let places: Vec<(usize, char)> = text
        .char_indices()
        .filter(|(_, c)| c.is_ascii_alphanumeric())
        .map(|(at, c)| (at, c.to_ascii_uppercase()))
        .collect();
    (15..=places.len().min(34)).rev().find_map(|length| {
        let (head, body) = places.get(..length)?.split_at_checked(4)?;
        let rest = body.iter().chain(head).try_fold(0_u32, |rest, (_, c)| {
            let value = c.to_digit(36)?;
            Some(if value < 10 { (rest * 10 + value) % 97 } else { (rest * 100 + value) % 97 })
        })?;
        (rest == 1).then(|| places.get(length - 1).map(|(at, _)| at + 1))?
    })
}

#[cfg(test)]
mod tests {
    use super::{Detector, built_in};

    #[test]
    fn each_built_in_class_finds_what_adds_up_and_nothing_else() {
        let classes = built_in().unwrap();
        let hits = |class: &str, text: &str| -> Vec<String> {
            classes[class].find(text).into_iter().map(|range| text[range].to_owned()).collect()
        };
        assert_eq!(
            hits("email", "to Ana.B@example.org, or ü@bücher.example."),
            ["Ana.B@example.org", "ü@bücher.example"]
        );
        assert_eq!(hits("card", "no 1234 4111 1111 1111 1111, id 4111111111111112"), ["4111 1111 1111 1111"]);
        assert_eq!(hits("card", "5500-0000-0000-0004 378282246310005"), ["5500-0000-0000-0004", "378282246310005"]);
        assert_eq!(hits("iban", "DE89 3704 0044 0532 0130 00 and more"), ["DE89 3704 0044 0532 0130 00"]);
        assert!(hits("iban", "DE88 3704 0044 0532 0130 00").is_empty());
        assert_eq!(hits("phone", "+49 (30) 901820-0"), ["+49 (30) 901820-0"]);
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nabc";
        assert_eq!(hits("secret", &format!("x AKIAABCDEFGHIJKLMNOP {pem}")), ["AKIAABCDEFGHIJKLMNOP", pem]);
        assert_eq!(hits("secret", "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln").len(), 1);
    }

    #[test]
    fn a_pattern_that_is_too_large_or_matches_nothing_at_all_is_refused() {
        assert!(Detector::of("KD-[0-9]{6}").is_ok());
        for pattern in ["a*", "(", &"a".repeat(1_025), r"(\pL{200}){200}"] {
            assert!(Detector::of(pattern).is_err(), "{pattern}");
        }
    }
}
