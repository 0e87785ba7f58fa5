//! As much of an HTTP/1.1 server as the programs measured here need: a thread for each connection.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What was asked.
pub struct Request {
    /// Method and path, such as `GET /`.
    pub target: String,
    /// `X-Amz-Target`, or empty.
    pub operation: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What is answered.
pub struct Answer {
    /// Such as `200 OK`.
    pub status: &'static str,
    /// Beside the length of the body.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// 200 with this body.
    pub fn ok(content_type: &str, body: Vec<u8>) -> Answer {
        Answer {
            status: "200 OK",
            headers: vec![("content-type", content_type.to_owned())],
            body,
        }
    }
}

/// Answers on a free port of this machine until the process ends: over TLS, if it is given how.
pub fn serve(
    tls: Option<Arc<ServerConfig>>,
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (tls, answer) = (tls.clone(), answer.clone());
            // A client that goes away in the middle ends its connection, and nothing else.
            thread::spawn(move || {
                stream.set_nodelay(true)?;
                match tls.map(ServerConnection::new) {
                    None => converse(stream, &*answer),
                    Some(Ok(tls)) => converse(StreamOwned::new(tls, stream), &*answer),
                    Some(Err(error)) => Err(Error::other(error)),
                }
            });
        }
    });
    Ok(address)
}

fn converse(stream: impl Read + Write, answer: &dyn Fn(&Request) -> Answer) -> Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let answer = answer(&request);
        let mut bytes = Vec::new();
        write!(bytes, "HTTP/1.1 {}\r\n", answer.status)?;
        for (name, value) in &answer.headers {
            write!(bytes, "{name}: {value}\r\n")?;
        }
        write!(bytes, "content-length: {}\r\n\r\n", answer.body.len())?;
        bytes.extend(answer.body);
        reader.get_mut().write_all(&bytes)?;
        reader.get_mut().flush()?;
    }
    Ok(())
}

/// The next request; `None` when the client has closed the connection.
fn read(reader: &mut impl BufRead) -> Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.rsplit_once(' ').map_or("", |(target, _)| target);
    let mut request = Request {
        target: target.to_owned(),
        operation: String::new(),
        body: Vec::new(),
    };
    let mut length = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "x-amz-target" => value.trim().clone_into(&mut request.operation),
            _ => {}
        }
    }
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}
