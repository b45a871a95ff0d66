#![cfg(test)]
//! `postern stdio` as a process: pipes, signals, exit codes.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const LIST: &str = r#"{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

/// A gateway that answers every request with an empty result, and `tools/call` never.
fn gateway() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for socket in listener.incoming() {
            let socket = socket.unwrap();
            thread::spawn(move || while answer(&socket).is_some() {});
        }
    });
    url
}

fn answer(socket: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(socket);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(("authorization", value)) => assert_eq!(value, "bearer pst_test"),
            Some(_) => {}
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let asked: serde_json::Value = serde_json::from_slice(&body).ok()?;
    if asked["method"] == "tools/call" {
        thread::sleep(Duration::from_secs(60));
        return None;
    }
    let body = serde_json::json!({"jsonrpc": "2.0", "id": asked["id"], "result": {}}).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    (&*socket).write_all((head + &body).as_bytes()).ok()
}

struct Bridge {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Bridge {
    fn start(url: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["stdio", "--url", url])
            .env_clear()
            .env("POSTERN_KEY", "pst_test")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { input: child.stdin.take(), output, child }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The exit code and what stands on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "nothing else is written");
        let status = self.child.wait().unwrap();
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (status.code(), told)
    }
}

#[test]
fn it_answers_and_ends_well_when_its_input_ends() {
    let mut bridge = Bridge::start(&gateway());
    bridge.say(LIST);
    assert_eq!(bridge.hear(), serde_json::json!({"jsonrpc": "2.0", "id": "a", "result": {}}));
    bridge.say("{nonsense");
    assert_eq!(bridge.hear()["error"]["code"], -32700);
    bridge.say(LIST);
    bridge.input = None;
    assert_eq!(bridge.hear()["id"], "a", "what is in flight is finished");
    assert_eq!(bridge.end(), (Some(0), String::new()));
}

#[test]
fn a_signal_ends_it_soon_and_well_with_its_input_still_open_and_a_call_in_flight() {
    let mut bridge = Bridge::start(&gateway());
    bridge.say(LIST);
    bridge.hear();
    bridge.say(&LIST.replace("tools/list", "tools/call"));
    thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    let pid = bridge.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(bridge.hear()["error"]["message"].as_str().unwrap().contains("told to stop"));
    let (code, _) = bridge.end();
    assert_eq!(code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn where_nobody_listens_the_first_request_and_standard_error_say_so_and_the_exit_code_is_3() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut bridge = Bridge::start(&format!("http://{closed}/mcp"));
    bridge.say(LIST);
    let error = bridge.hear();
    assert_eq!(error["id"], "a");
    assert!(error["error"]["message"].as_str().unwrap().contains("is `postern serve` running?"), "{error}");
    let (code, told) = bridge.end();
    assert_eq!(code, Some(3));
    assert!(told.contains("cannot be reached") && !told.contains("pst_test"), "{told}");
}
