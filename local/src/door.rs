//! Who may come in: every port is open to this machine's browsers too, and so to whatever page they show.

use crate::http_reply::refusal;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::middleware::{Next, from_fn};

/// What a browser adds to the requests of its pages, and no program does.
const MARKS_OF_A_BROWSER: [&str; 2] = ["origin", "sec-fetch-site"];

/// Keeps out web sites that point a name of theirs at this machine.
pub fn this_machine_only(router: Router) -> Router {
    let check = |request: Request, next: Next| pass(is_local(request.headers()), request, next);
    router.layer(from_fn(check))
}

/// Keeps out every browser: for what functions and AWS clients call.
pub fn programs_only(router: Router) -> Router {
    let check = |request: Request, next: Next| {
        let headers = request.headers();
        let program = !MARKS_OF_A_BROWSER
            .iter()
            .any(|name| headers.contains_key(*name));
        pass(program && is_local(headers), request, next)
    };
    router.layer(from_fn(check))
}

/// Whether a request that changes something comes from a page of this very server, or from no page at all.
pub fn is_own_page_or_program(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text("host").unwrap_or_default();
    text("origin").is_none_or(|origin| origin == format!("http://{host}"))
        && text("sec-fetch-site").is_none_or(|site| ["same-origin", "none"].contains(&site))
}

async fn pass(allowed: bool, request: Request, next: Next) -> Response<Body> {
    if allowed {
        next.run(request).await
    } else {
        refusal(StatusCode::FORBIDDEN, "Forbidden")
    }
}

/// Whether the request was sent to this machine by a name that is always its own.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    ["127.0.0.1", "localhost"].contains(&name) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    async fn check(door: fn(Router) -> Router, headers: &str) -> String {
        let router = door(Router::new().fallback(|| async { "in" }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut connection = TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer[9..12].to_owned()
    }

    #[test]
    fn a_foreign_page_changes_nothing() {
        let cases: [(&[(&str, &str)], bool); 6] = [
            (&[], true),
            (&[("origin", "http://127.0.0.1:3000")], true),
            (
                &[
                    ("origin", "http://127.0.0.1:3000"),
                    ("sec-fetch-site", "same-origin"),
                ],
                true,
            ),
            (&[("origin", "http://localhost:4000")], false),
            (&[("origin", "null")], false),
            (&[("sec-fetch-site", "cross-site")], false),
        ];
        for (given, expected) in cases {
            let mut headers =
                HeaderMap::from_iter([(header::HOST, "127.0.0.1:3000".parse().unwrap())]);
            for (name, value) in given {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(is_own_page_or_program(&headers), expected, "{given:?}");
        }
    }

    #[tokio::test]
    async fn only_programs_of_this_machine_come_in() {
        let cases = [
            ("host: 127.0.0.1:80\r\n", "200", "200"),
            ("host: localhost\r\n", "200", "200"),
            ("host: localhost:8000\r\norigin: null\r\n", "403", "200"),
            (
                "host: 127.0.0.1\r\nsec-fetch-site: cross-site\r\n",
                "403",
                "200",
            ),
            ("host: evil.example:80\r\n", "403", "403"),
            ("host: 127.0.0.1.evil.example\r\n", "403", "403"),
            ("host: 127.0.0.1:x\r\n", "403", "403"),
            ("", "403", "403"),
        ];
        for (headers, program, page) in cases {
            let statuses = (
                check(programs_only, headers).await,
                check(this_machine_only, headers).await,
            );
            assert_eq!(statuses, (program.to_owned(), page.to_owned()), "{headers}");
        }
    }
}
