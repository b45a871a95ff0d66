//! F9: a sealed token opens for whom it was made and says what was sealed; any other text opens for nobody.

use crate::sealing::Seals;

thread_local! {
    static SEALS: (Seals, Seals) = (Seals::of(7), Seals::of(8));
}

/// The promise. The first line is an agent, the second what is sealed, the third another agent, the rest a token that
/// somebody made up.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(4, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (agent, last, other, foreign) = (next(), next(), next(), next());
    SEALS.with(|(seals, elsewhere)| {
        let token = seals.seal(agent, last);
        assert_eq!(seals.open(agent, &token).as_deref(), Some(last));
        assert_eq!(elsewhere.open(agent, &token), None, "another key reads it");
        assert!(!seals.confuses(agent, &token), "a token is taken for another kind");
        assert!(other == agent || seals.open(other, &token).is_none(), "another agent reads it");
        assert_eq!(seals.open(agent, foreign), None, "a token that was never made is read");
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.=".contains(&byte)));
        let at = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % token.len();
        for change in changed(&token, at) {
            assert_eq!(seals.open(agent, &change), None, "a changed token is read: {change}");
        }
    });
}

/// The token with one character changed, left out, or doubled, and with something behind it.
fn changed(token: &str, at: usize) -> Vec<String> {
    let (before, after) = token.split_at(at);
    let (one, rest) = after.split_at(1);
    let letter = if one == "A" { "B" } else { "A" };
    let mut changed = vec![format!("{before}{letter}{rest}"), format!("{before}{rest}"), format!("{token}A")];
    changed.push(format!("{before}{one}{one}{rest}"));
    changed.push(format!("{token}="));
    changed.push(format!(" {token}"));
    changed
}
