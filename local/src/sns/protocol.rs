//! The query protocol: a form in, XML out.

use super::refusal::Refusal;
use crate::ids;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode;
use std::collections::BTreeMap;

pub(super) const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// The most entries of a list that are looked at; SNS takes fewer.
const MAX_ENTRIES: usize = 100;

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let decode = |text: &[u8]| {
            let spaced: Vec<u8> = text
                .iter()
                .map(|byte| if *byte == b'+' { b' ' } else { *byte })
                .collect();
            let decoded = percent_decode(&spaced)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned);
            decoded
                .map_err(|_| Refusal::new(400, "MalformedQueryString", "The request is not UTF-8"))
        };
        body.split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let end = pair
                    .iter()
                    .position(|byte| *byte == b'=')
                    .unwrap_or(pair.len());
                let value = pair.get(end + 1..).unwrap_or_default();
                Ok((decode(&pair[..end])?, decode(value)?))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        let missing =
            || Refusal::invalid(format!("{name} Reason: no value for required parameter"));
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(missing)
    }

    /// The entries of `<list>.entry.1…`: for each the values of these fields.
    pub(super) fn entries<const N: usize>(
        &self,
        list: &str,
        fields: [&str; N],
    ) -> Vec<[Option<&str>; N]> {
        (1..=MAX_ENTRIES)
            .map(|index| fields.map(|field| self.get(&format!("{list}.entry.{index}.{field}"))))
            .take_while(|values| values.iter().any(Option::is_some))
            .collect()
    }

    /// The map `Attributes`.
    pub(super) fn attributes(&self) -> BTreeMap<&str, &str> {
        let entries = self.entries("Attributes", ["key", "value"]);
        entries
            .into_iter()
            .map(|[key, value]| (key.unwrap_or_default(), value.unwrap_or_default()))
            .collect()
    }
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Reply {
    action: &'static str,
    /// XML; `None` for an action without a result.
    result: Option<String>,
}

impl Reply {
    pub(super) fn empty(action: &'static str) -> Self {
        Self {
            action,
            result: None,
        }
    }

    /// A result of one element.
    pub(super) fn element(action: &'static str, name: &str, value: &str) -> Self {
        Self {
            action,
            result: Some(format!("<{name}>{}</{name}>", escape(value))),
        }
    }

    /// A result that is the map `Attributes`.
    pub(super) fn attributes(action: &'static str, attributes: &[(&str, &str)]) -> Self {
        let entries: Vec<String> = attributes
            .iter()
            .map(|(key, value)| {
                format!(
                    "<entry><key>{}</key><value>{}</value></entry>",
                    escape(key),
                    escape(value)
                )
            })
            .collect();
        Self {
            action,
            result: Some(format!("<Attributes>{}</Attributes>", entries.concat())),
        }
    }

    pub(super) fn xml(&self, request_id: &str) -> String {
        let action = self.action;
        let result = self
            .result
            .as_ref()
            .map(|result| format!("<{action}Result>{result}</{action}Result>"));
        format!(
            "<{action}Response xmlns=\"{NAMESPACE}\">{}<ResponseMetadata><RequestId>{request_id}</RequestId>\
             </ResponseMetadata></{action}Response>",
            result.unwrap_or_default()
        )
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let request_id = ids::uuid();
        respond(StatusCode::OK, self.xml(&request_id), &request_id)
    }
}

/// An answer in XML.
pub(super) fn respond(status: StatusCode, xml: String, request_id: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/xml"),
        ("x-amzn-requestid", request_id),
    ];
    (status, headers, xml).into_response()
}

/// Text inside XML. Characters XML cannot hold become spaces.
pub(super) fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut escaped, letter| {
            match letter {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\n' | '\t' => escaped.push(letter),
                '\r' => escaped.push_str("&#13;"),
                control if control.is_control() => escaped.push(' '),
                other => escaped.push(other),
            }
            escaped
        })
}
