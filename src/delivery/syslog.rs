//! Syslog over TCP: RFC 5424 messages with octet counting (RFC 6587, 3.4.1).

use std::{fmt::Write as _, time::Duration};

use async_trait::async_trait;
use chrono::{SecondsFormat, Utc};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{export::Destination, follow::Setback};

/// How long one write may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// `log audit` (13).
const FACILITY: u8 = 13;

/// A receiver of syslog. It acknowledges nothing: what its kernel took may still be lost with it, which is why
/// `export.acknowledged` does not accept it.
#[derive(Debug)]
pub struct Syslog {
    address: String,
    host: String,
    stream: Option<TcpStream>,
}

impl Syslog {
    /// Sends to `host:port`; `host` names this gateway in each message.
    #[must_use]
    pub fn new(address: String, host: &str) -> Self {
        let host = host.chars().filter(char::is_ascii_graphic).take(255).collect::<String>();
        Self { address, host: if host.is_empty() { "-".to_owned() } else { host }, stream: None }
    }

    async fn stream(&mut self) -> Result<&mut TcpStream, Setback> {
        if let Some(stream) = &mut self.stream
            && closed(stream)
        {
            self.stream = None;
        }
        match &mut self.stream {
            Some(stream) => Ok(stream),
            none => {
                let connected = timeout(PATIENCE, TcpStream::connect(&self.address)).await;
                let stream = connected.map_err(|_| Setback::new("it does not answer"))?;
                Ok(none.insert(stream.map_err(|error| Setback::new(error.to_string()))?))
            }
        }
    }

    fn message(&self, event: &str) -> Result<String, Setback> {
        let value: Value = serde_json::from_str(event).map_err(|error| Setback::new(error.to_string()))?;
        let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or_default();
        let severity = match number("severity_id") {
            5 => 2,
            4 => 3,
            3 => 4,
            2 => 5,
            _ => 6,
        };
        let milliseconds = value.get("time").and_then(Value::as_i64).unwrap_or_default();
        let time = chrono::DateTime::<Utc>::from_timestamp_millis(milliseconds).unwrap_or_default();
        let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut message = String::with_capacity(event.len() + 96);
        let priority = FACILITY * 8 + severity;
        let class = number("class_uid");
        let _ = write!(message, "<{priority}>1 {time} {} postern - ocsf-{class} - {event}", self.host);
        Ok(format!("{} {message}", message.len()))
    }
}

/// Whether the other side has ended the connection.
fn closed(stream: &TcpStream) -> bool {
    let mut byte = [0_u8];
    match stream.try_read(&mut byte) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[async_trait]
impl Destination for Syslog {
    async fn take(&mut self, events: &[String]) -> Result<(), Setback> {
        let mut bytes = String::new();
        for event in events {
            bytes.push_str(&self.message(event)?);
        }
        let stream = self.stream().await?;
        let written = timeout(PATIENCE, async {
            stream.write_all(bytes.as_bytes()).await?;
            stream.flush().await
        });
        let failed = match written.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it takes nothing".to_owned(),
        };
        self.stream = None;
        Err(Setback::new(failed))
    }

    async fn alive(&mut self) -> Result<(), Setback> {
        let stream = self.stream().await?;
        let mut nothing = [0_u8; 0];
        let _ready = timeout(Duration::from_millis(1), stream.read(&mut nothing)).await;
        if closed(stream) {
            self.stream = None;
            return Err(Setback::new("it ended the connection"));
        }
        Ok(())
    }
}
