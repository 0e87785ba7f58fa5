//! Input that means harm, or none at all: a documented status each time, and nothing stored.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::caller::send;
use crate::create::{inbox, note};
use crate::stack::{Stack, shared, unique};

/// Sends bytes as they are, and returns the status of the answer; 0 if the connection was closed.
async fn raw(stack: &Stack, request: &[u8]) -> u16 {
    let address = stack.api().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).await.unwrap_or(0);
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    text.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0)
}

#[tokio::test]
async fn f46_f50_a_body_that_is_not_what_it_says_is_refused() {
    let stack = shared();
    let user = unique("ana");
    let valid = note(&user).to_string();
    let cases: Vec<(Vec<u8>, u16)> = vec![
        (b"".to_vec(), 400),
        (b"\xff\xfe".to_vec(), 400),
        (format!("\u{feff}{valid}").into_bytes(), 400),
        (format!("{valid} x").into_bytes(), 400),
        (valid.replace("Hello", "\\ud800").into_bytes(), 400),
        (valid.replace("\"Hello\"", "NaN").into_bytes(), 400),
        (valid.replace("\"Hello\"", "1e400").into_bytes(), 400),
        (valid.replace('{', "{\"title\":\"x\",").into_bytes(), 400),
        ("[".repeat(60_000).into_bytes(), 400),
        (valid.replace(&user, "a\\u0000b").into_bytes(), 422),
        (b"null".to_vec(), 422),
        (b"[]".to_vec(), 422),
        (b"\"x\"".to_vec(), 422),
        (vec![b' '; 65_537], 413),
        (format!("[{}1]", "1,".repeat(3_000_000)).into_bytes(), 413),
        (vec![b' '; 10_500_000], 413),
    ];
    for (body, status) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let request = stack.producer().request(Method::POST, "/v1/notifications");
        let answer = send(
            request
                .header("content-type", "application/json")
                .body(body),
        )
        .await;
        assert_eq!(answer.status, status, "{shown}");
    }
    assert!(inbox(stack, &user).await.is_empty());
}

#[tokio::test]
async fn f49_what_is_nested_too_deep_is_refused_before_it_is_looked_at() {
    let stack = shared();
    let user = unique("ana");
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let send = async |data: String| {
        let body = note(&user).to_string();
        let body = format!("{},\"data\":{data}}}", body.strip_suffix('}').unwrap());
        let request = stack.producer().request(Method::POST, "/v1/notifications");
        let request = request.header("content-type", "application/json");
        send(request.body(body)).await
    };
    for depth in [17, 32, 60, 100] {
        let answer = send(nested(depth)).await;
        assert_eq!(answer.status, 422, "{depth}");
        let depth_rule = ("/data".to_owned(), "depth".to_owned());
        assert_eq!(answer.violations(), [depth_rule], "{depth}");
    }
    for depth in [130, 10_000] {
        assert_eq!(send(nested(depth)).await.status, 400, "{depth}");
    }
    assert_eq!(send("[".repeat(60_000)).await.status, 400);
    assert_eq!(send("[".repeat(1_000_000)).await.status, 413);
    assert!(inbox(stack, &user).await.is_empty());
    assert_eq!(send(nested(16)).await.status, 201);
}

#[tokio::test]
async fn f51_a_body_that_breaks_off_is_malformed() {
    let stack = shared();
    let token = stack.sign(&stack.producer_claims());
    let head =
        format!("POST /v1/notifications HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n{{\"a\":\r\nzz\r\n\r\n");
    assert_eq!(raw(stack, chunked.as_bytes()).await, 400);
}

#[tokio::test]
async fn f53_what_is_not_plain_json_is_an_unsupported_media_type() {
    let stack = shared();
    let user = unique("ana");
    let post = || stack.producer().request(Method::POST, "/v1/notifications");
    let body = || note(&user).to_string();
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "application/jsonp",
    ] {
        let answer = send(post().header("content-type", media_type).body(body())).await;
        assert_eq!(answer.status, 415, "{media_type}");
    }
    let packed = post()
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    assert_eq!(send(packed.body(body())).await.status, 415);
    assert!(inbox(stack, &user).await.is_empty());
    let plain = post().header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(send(plain.body(body())).await.status, 201);
}

#[tokio::test]
async fn f53_a_route_that_is_not_there_is_the_gateways_404() {
    let stack = shared();
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v1/notifications"),
        ("PATCH", "/v1/me/notifications"),
        ("TRACE", "/v1/notifications"),
        ("DELETE", "/v1/me/notifications"),
        ("GET", "/v1/me/notifications/a/b/c"),
        ("GET", "/v1//me/notifications"),
    ] {
        let answer = send(stack.user("ana").request(method.parse().unwrap(), path)).await;
        assert_eq!(
            (answer.status, answer.body),
            (404, json!({"message": "Not Found"})),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn f51_f52_raw_requests_never_reach_a_panic() {
    let stack = shared();
    let token = stack.sign(&stack.user_claims("ana"));
    let with = |line: &str, headers: &str| {
        format!("{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{headers}\r\n")
            .into_bytes()
    };
    let path = "/v1/me/notifications";
    let mut cases = vec![
        with(&format!("GET {path}?q=\"<>"), ""),
        with(&format!("GET {path}?limit=%zz&%ff=%ff"), ""),
        with(&format!("GET {path}?{}", "a=1&".repeat(3_000)), ""),
        with(&format!("GET {path}/%00%ff%2f%23"), ""),
        with(&format!("GET {path}/{}", "x".repeat(7_000)), ""),
        with(&format!("PUT {path}/../../x/read"), "content-length: 0\r\n"),
        with(
            &format!("GET {path}"),
            "x-amzn-request-context: {\"authorizer\":{}}\r\nx-forwarded-proto: <\r\n",
        ),
        with(
            &format!("GET {path}"),
            "cookie: a=\"b; c\r\nx-bad: \u{1}\r\n",
        ),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
    ];
    cases.push(with(
        &format!("GET {path}"),
        &format!("x: {}\r\n", "y".repeat(60_000)),
    ));
    for request in cases {
        let status = raw(stack, &request).await;
        let shown = String::from_utf8_lossy(&request[..request.len().min(80)]).into_owned();
        assert!(status < 500, "{status} for {shown}");
    }
    assert!(!stack.log().contains("panicked"), "{}", stack.log());
}

#[tokio::test]
async fn f11_a_request_with_more_mistakes_than_an_answer_can_name_is_answered() {
    let stack = shared();
    let user = unique("ana");
    let mut items = vec![json!({"recipients": vec![""; 1_000]}); 99];
    items.push(note(&user));
    let batch = json!({"notifications": items});
    let body = stack
        .producer()
        .post("/v1/notifications/batch", &batch)
        .await
        .expect(207);
    let errors = body["data"][0]["errors"].as_array().unwrap();
    assert_eq!(
        (errors.len(), &errors[20]["detail"]),
        (21, &json!("and 982 more"))
    );
    assert_eq!(body["data"][99]["status"], 201);
    let fields: serde_json::Map<_, _> = (0..60_000).map(|n| (format!("f{n}"), json!(1))).collect();
    let answer = stack
        .producer()
        .post("/v1/notifications/batch", &json!(fields))
        .await;
    assert_eq!((answer.status, answer.violations().len()), (422, 101));
    let long = json!({"x".repeat(60_000): 1});
    let answer = stack.producer().post("/v1/notifications", &long).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.to_string().len() < 2_000);
}
