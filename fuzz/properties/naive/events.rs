//! An event stream that is there as a whole, read line by line (WHATWG HTML, section 9.2.6).

/// The events of a stream, each with its name, and whether all its lines are UTF-8. What follows a line that is not
/// UTF-8 is not read; a line without an end is no line.
pub fn read(stream: &[u8]) -> (Vec<(String, String)>, bool) {
    let (mut events, mut name, mut data) = (Vec::new(), String::new(), Vec::new());
    for (index, line) in lines(stream).iter().enumerate() {
        let Ok(line) = std::str::from_utf8(line) else { return (events, false) };
        let line = if index == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        if line.is_empty() {
            if !data.is_empty() {
                let name = if name.is_empty() { "message".to_owned() } else { name.clone() };
                events.push((name, data.join("\n")));
            }
            name.clear();
            data.clear();
            continue;
        }
        let (field, value) = match line.find(':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, ""),
        };
        let value = value.strip_prefix(' ').unwrap_or(value);
        if field == "event" {
            name = value.to_owned();
        } else if field == "data" {
            data.push(value.to_owned());
        }
    }
    (events, true)
}

fn lines(stream: &[u8]) -> Vec<Vec<u8>> {
    let (mut lines, mut line, mut at) = (Vec::new(), Vec::new(), 0);
    while at < stream.len() {
        match stream[at] {
            b'\r' if stream.get(at + 1) == Some(&b'\n') => {
                lines.push(std::mem::take(&mut line));
                at += 1;
            }
            b'\r' | b'\n' => lines.push(std::mem::take(&mut line)),
            byte => line.push(byte),
        }
        at += 1;
    }
    lines
}
