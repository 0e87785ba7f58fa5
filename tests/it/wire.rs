//! Messages of HTTP/1.1 as the fault proxy sees them.

use std::fmt::Write as _;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::proxy::Fault;

/// `PutItem`, `Publish`, …
pub fn operation(head: &str, body: &str) -> String {
    let target = header(head, "x-amz-target").and_then(|value| value.rsplit('.').next());
    let action = body
        .split('&')
        .find_map(|field| field.strip_prefix("Action="));
    target.or(action).unwrap_or("?").to_owned()
}

/// The reply that a fault gives instead of the service's.
pub fn canned(fault: Fault, request: &[u8]) -> Option<Vec<u8>> {
    match fault {
        Fault::Garbage => Some(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n\0garbage".to_vec()),
        Fault::Status(status, code) => Some(error(status, code, request)),
        Fault::Answer(name) => Some(crate::answers::bytes(name)),
        _ => None,
    }
}

/// The service's form of an error.
pub fn error(status: u16, code: &str, request: &[u8]) -> Vec<u8> {
    let body = if request.starts_with(b"{") {
        format!(
            r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"scripted","CancellationReasons":[{{"Code":"TransactionConflict"}}]}}"#
        )
    } else {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>scripted</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        )
    };
    format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub async fn forward(server: &mut TcpStream, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let kept = head
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
    let mut request: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    write!(request, "content-length: {}\r\n\r\n", body.len()).expect("a String takes everything");
    server
        .write_all(&[request.as_bytes(), body].concat())
        .await?;
    let (head, body) = read_message(server)
        .await?
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok([head.as_bytes(), b"\r\n\r\n", &*body].concat())
}

/// One message with its head, without the empty line; `None` if the connection has ended.
pub async fn read_message(stream: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(end + 4);
    bytes.truncate(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = header(&head, "content-length").map_or(0, |value| value.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some((head, body)))
}

pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
