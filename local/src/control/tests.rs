//! The control plane's answers to questions that find nothing, or a part.

use super::*;
use crate::template::{REGION, Throttling};
use axum::body::to_bytes;

/// What is told of a stack with one queue and one route.
fn control() -> Shared {
    let source = |function: &str| QueueSource {
        function: function.to_owned(),
        id: format!("{function}Queue"),
        queue: format!("arn:aws:sqs:{REGION}:000000000000:Q"),
        batch_size: 10,
        window: std::time::Duration::ZERO,
        concurrency: None,
        report_failures: function == "One",
    };
    let template = Template {
        pollers: vec![source("One"), source("Two")],
        ..Template::default()
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 80));
    let api = ApiSpec {
        logical_id: "Api".to_owned(),
        throttling: None::<Throttling>,
        ..ApiSpec::default()
    };
    State(Arc::new(Control {
        template: Arc::new(template),
        api,
        addresses: (address, address),
        functions: BTreeMap::new(),
        streams: BTreeMap::new(),
    }))
}

async fn read(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn mappings_are_those_that_are_asked_for() {
    for (name, value, expected) in [
        ("Marker", "x", vec!["OneQueue", "TwoQueue"]),
        ("FunctionName", "Two", vec!["TwoQueue"]),
        ("FunctionName", "o", vec![]),
        (
            "EventSourceArn",
            "arn:aws:sqs:us-east-1:000000000000:Q",
            vec!["OneQueue", "TwoQueue"],
        ),
        ("EventSourceArn", "Q", vec![]),
    ] {
        let query = Query(BTreeMap::from([(name.to_owned(), value.to_owned())]));
        let (status, body) = read(mappings(control(), query).await).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let found = body["EventSourceMappings"].as_array().unwrap();
        let found: Vec<&str> = found
            .iter()
            .filter_map(|each| each["UUID"].as_str())
            .collect();
        assert_eq!((status, found), (200, expected), "{name}={value}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let name = || Path("no".to_owned());
    for response in [
        configuration(control(), name()).await,
        concurrency(control(), name()).await,
        invoke(control(), name(), Bytes::new()).await,
        api(control(), name()).await,
        routes(control(), name()).await,
        authorizers(control(), name()).await,
    ] {
        assert_eq!(read(response).await.0, 404);
    }
    for (body, says) in [
        (
            "Action=DescribeStacks&StackName=a%3Cb",
            "Stack with id a?b does not exist",
        ),
        ("Action=DeleteStack", "Could not find operation DeleteStack"),
        ("", "Could not find operation "),
    ] {
        let response = cloudformation::serve(control(), Bytes::from(body)).await;
        let (status, answer) = read(response).await;
        assert_eq!(status, 400);
        assert!(
            answer.contains(says) && answer.contains("<Code>ValidationError</Code>"),
            "{answer}"
        );
    }
}
