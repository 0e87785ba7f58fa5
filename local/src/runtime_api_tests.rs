//! What a function meets on its listener.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends one request and answers the whole response.
async fn request(api: &str, method: &str, path: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(api).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {api}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    String::from_utf8(response).unwrap()
}

fn header<'a>(response: &'a str, name: &str) -> &'a str {
    let line = response
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.trim_start_matches(':').trim()
}

#[tokio::test]
async fn an_event_goes_out_and_its_answer_comes_back_once() {
    let mut api = RuntimeApi::listen("arn:f".to_owned()).await.unwrap();
    let address = api.address();
    let answer = api
        .send(b"{\"n\":1}".to_vec(), Duration::from_secs(3))
        .await;
    let next = request(&address, "GET", "invocation/next", b"").await;
    assert_eq!(api.started().await, Start::Ready);
    assert!(next.ends_with("{\"n\":1}"), "{next}");
    assert_eq!(
        header(&next, "lambda-runtime-invoked-function-arn"),
        "arn:f"
    );
    assert!(header(&next, "lambda-runtime-trace-id").starts_with("Root=1-"));
    assert!(
        header(&next, "lambda-runtime-deadline-ms")
            .parse::<u128>()
            .is_ok()
    );

    let id = header(&next, "lambda-runtime-aws-request-id");
    let other = request(&address, "POST", "invocation/other/response", b"no").await;
    assert!(other.starts_with("HTTP/1.1 400"), "{other}");
    let path = format!("invocation/{id}/response");
    assert!(
        request(&address, "POST", &path, b"yes")
            .await
            .starts_with("HTTP/1.1 202")
    );
    assert!(
        request(&address, "POST", &path, b"again")
            .await
            .starts_with("HTTP/1.1 400")
    );
    assert!(matches!(answer.await, Ok(Answer::Result(bytes)) if bytes == "yes"));
}

#[tokio::test]
async fn errors_come_back_as_they_are() {
    let mut api = RuntimeApi::listen("arn:f".to_owned()).await.unwrap();
    let address = api.address();
    let answer = api.send(b"{}".to_vec(), Duration::from_secs(3)).await;
    let next = request(&address, "GET", "invocation/next", b"").await;
    let id = header(&next, "lambda-runtime-aws-request-id");
    request(
        &address,
        "POST",
        &format!("invocation/{id}/error"),
        b"{\"errorType\":\"E\"}",
    )
    .await;
    assert!(matches!(answer.await, Ok(Answer::Error(text)) if text == "{\"errorType\":\"E\"}"));

    request(&address, "POST", "init/error", b"broken").await;
    assert_eq!(api.started().await, Start::Failed("broken".to_owned()));
}
