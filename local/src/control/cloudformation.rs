//! `CloudFormation`'s query protocol: the stack and its resources.

use super::{Control, Shared};
use crate::intrinsics::STACK_NAME;
use crate::template::ACCOUNT;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

const NAMESPACE: &str = "http://cloudformation.amazonaws.com/doc/2010-05-15/";

/// `DescribeStacks` and `ListStackResources` of this stack.
pub(super) async fn serve(State(control): Shared, body: Bytes) -> Response {
    let body = String::from_utf8_lossy(&body);
    let action = field(&body, "Action").unwrap_or_default();
    let stack = field(&body, "StackName");
    if let Some(other) = stack.filter(|name| name != STACK_NAME) {
        return refuse(&format!("Stack with id {other} does not exist"));
    }
    let result = match action.as_str() {
        "DescribeStacks" => format!(
            "<Stacks><member><StackName>{STACK_NAME}</StackName><StackStatus>CREATE_COMPLETE</StackStatus></member></Stacks>"
        ),
        "ListStackResources" => {
            let resources = resources(&control);
            let members = resources.iter().map(|(id, kind, name)| {
                format!(
                    "<member><LogicalResourceId>{id}</LogicalResourceId><PhysicalResourceId>{name}</PhysicalResourceId>\
                     <ResourceType>{kind}</ResourceType><ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>"
                )
            });
            let members: String = members.collect();
            format!("<StackResourceSummaries>{members}</StackResourceSummaries>")
        }
        other => return refuse(&format!("Could not find operation {other}")),
    };
    let xml = format!(
        "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{result}</{action}Result></{action}Response>"
    );
    answer(StatusCode::OK, xml)
}

/// A field of a form.
fn field(body: &str, name: &str) -> Option<String> {
    let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| *found == name)?;
    let decoded = percent_decode_str(value).decode_utf8_lossy();
    Some(decoded.into_owned())
}

fn refuse(message: &str) -> Response {
    let message = message.replace(['<', '>', '&'], "?");
    let xml = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>ValidationError</Code>\
         <Message>{message}</Message></Error></ErrorResponse>"
    );
    answer(StatusCode::BAD_REQUEST, xml)
}

fn answer(status: StatusCode, xml: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml")], xml).into_response()
}

/// Logical id, type and name of what runs.
fn resources(control: &Control) -> Vec<(String, &'static str, String)> {
    let template = &control.template;
    let functions = template.functions.iter().map(|function| {
        let kind = "AWS::Lambda::Function";
        (function.logical_id.clone(), kind, function.name.clone())
    });
    let tables = template.tables.iter().map(|table| {
        let kind = "AWS::DynamoDB::Table";
        (table.logical_id.clone(), kind, table.name.clone())
    });
    let queues = template.queues.iter().map(|queue| {
        let url = format!("http://{}/{ACCOUNT}/{}", control.addresses.1, queue.name);
        (queue.logical_id.clone(), "AWS::SQS::Queue", url)
    });
    let topics = template.topics.iter().map(|topic| {
        let kind = "AWS::SNS::Topic";
        (topic.logical_id.clone(), kind, topic.arn.clone())
    });
    let id = &control.api.logical_id;
    let api = (id.clone(), "AWS::ApiGatewayV2::Api", id.clone());
    let all = functions.chain(tables).chain(queues).chain(topics);
    all.chain([api]).collect()
}
