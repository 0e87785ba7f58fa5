//! Parameters, conditions and intrinsic functions: what a template says before anything is started.

use crate::error::{Error, Result};
use crate::parameters;
use crate::template::{ACCOUNT, REGION};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What the local stack calls the stack.
pub const STACK_NAME: &str = "local";
/// A condition that is nested deeper than this refers to itself.
const MAX_DEPTH: usize = 64;

/// Stands before and after a custom resource's attribute, which is known only when its function was asked. No template
/// can hold it.
pub const PENDING: char = '\u{1}';

/// Everything a template's value may refer to.
pub struct Scope {
    parameters: BTreeMap<String, Value>,
    conditions: Map<String, Value>,
    /// Logical id to the resource's name here and its `CloudFormation` type.
    resources: BTreeMap<String, Resource>,
}

struct Resource {
    kind: String,
    name: String,
}

impl Scope {
    /// Reads a document's parameters, conditions and resources.
    pub fn new(document: &Value, given: &BTreeMap<String, String>) -> Result<Self> {
        let parameters = parameters::read(&section(document, "Parameters")?, given)?;
        let mut scope = Self {
            parameters,
            conditions: section(document, "Conditions")?,
            resources: BTreeMap::new(),
        };
        for (id, resource) in section(document, "Resources")? {
            let kind = resource["Type"]
                .as_str()
                .ok_or_else(|| Error::new(format!("resource {id} has no Type")))?
                .to_owned();
            let name = match name_property(&kind)
                .and_then(|property| resource["Properties"].get(property))
            {
                Some(name) => scope.resolve_text(name, &format!("resource {id}"))?,
                None => id.clone(),
            };
            scope.resources.insert(id, Resource { kind, name });
        }
        Ok(scope)
    }

    /// The name this stack gives to the resource with this logical id.
    pub fn name_of<'a>(&'a self, logical_id: &'a str) -> &'a str {
        self.resources
            .get(logical_id)
            .map_or(logical_id, |resource| &resource.name)
    }

    /// Resolves `value`; `None` is `AWS::NoValue`. `place` names the resource and property in errors.
    pub fn resolve(&self, value: &Value, place: &str) -> Result<Option<Value>> {
        self.at_depth(value, place, 0)
    }

    /// Resolves `value` to text; a number becomes its digits.
    pub fn resolve_text(&self, value: &Value, place: &str) -> Result<String> {
        match self.resolve(value, place)? {
            Some(value) => text(&value).ok_or_else(|| Error::new(format!("{place} must be text"))),
            None => Err(Error::new(format!("{place} must have a value"))),
        }
    }

    /// Resolves every condition, used or not.
    pub fn check_conditions(&self) -> Result<()> {
        (self.conditions.iter()).try_for_each(|(name, condition)| {
            let place = format!("condition {name}");
            self.condition(condition, &place).map(|_| ())
        })
    }

    /// Whether the condition of this name holds.
    pub fn holds(&self, condition: &str, place: &str) -> Result<bool> {
        self.condition(&json!({"Condition": condition}), place)
    }

    /// Whether this condition holds.
    pub fn condition(&self, condition: &Value, place: &str) -> Result<bool> {
        self.condition_at_depth(condition, place, 0)
    }

    fn at_depth(&self, value: &Value, place: &str, depth: usize) -> Result<Option<Value>> {
        check_depth(depth, place)?;
        match value {
            Value::Array(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for item in items {
                    resolved.extend(self.at_depth(item, place, depth + 1)?);
                }
                Ok(Some(Value::Array(resolved)))
            }
            Value::Object(object) => {
                if let Some((name, argument)) = intrinsic(object) {
                    return self.call(name, argument, place, depth + 1);
                }
                let mut resolved = Map::new();
                for (key, item) in object {
                    if let Some(item) = self.at_depth(item, place, depth + 1)? {
                        resolved.insert(key.clone(), item);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
            scalar => Ok(Some(scalar.clone())),
        }
    }

    fn call(
        &self,
        name: &str,
        argument: &Value,
        place: &str,
        depth: usize,
    ) -> Result<Option<Value>> {
        let wrong = || Error::new(format!("{place}: the arguments of {name} are wrong"));
        match name {
            "Ref" => self.reference(argument.as_str().ok_or_else(wrong)?, place),
            "Fn::If" => {
                let [condition, yes, no] = list(argument).ok_or_else(wrong)?;
                let holds = self.holds(condition.as_str().ok_or_else(wrong)?, place)?;
                self.at_depth(if holds { yes } else { no }, place, depth)
            }
            "Fn::GetAtt" => {
                let [id, attribute] = list(argument).ok_or_else(wrong)?;
                let (id, attribute) = (
                    id.as_str().ok_or_else(wrong)?,
                    attribute.as_str().ok_or_else(wrong)?,
                );
                self.attribute(id, attribute, place)
                    .map(|text| Some(json!(text)))
            }
            "Fn::Join" => {
                let [separator, parts] = list(argument).ok_or_else(wrong)?;
                let parts = self.texts(parts, place, depth)?.ok_or_else(wrong)?;
                Ok(Some(json!(
                    parts.join(separator.as_str().ok_or_else(wrong)?)
                )))
            }
            "Fn::Split" => {
                let [separator, whole] = list(argument).ok_or_else(wrong)?;
                let whole = self
                    .at_depth(whole, place, depth)?
                    .as_ref()
                    .and_then(text)
                    .ok_or_else(wrong)?;
                Ok(Some(
                    whole.split(separator.as_str().ok_or_else(wrong)?).collect(),
                ))
            }
            "Fn::Sub" => self
                .substitute(argument, place, depth)
                .map(|text| Some(json!(text))),
            "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" | "Condition" => Err(Error::new(
                format!("{place}: {name} belongs under Conditions"),
            )),
            _ => Err(Error::new(format!(
                "{place}: {name} is not supported by the local stack"
            ))),
        }
    }

    fn texts(&self, value: &Value, place: &str, depth: usize) -> Result<Option<Vec<String>>> {
        let resolved = self.at_depth(value, place, depth)?;
        Ok(resolved
            .as_ref()
            .and_then(Value::as_array)
            .and_then(|items| items.iter().map(text).collect()))
    }

    fn condition_at_depth(&self, value: &Value, place: &str, depth: usize) -> Result<bool> {
        check_depth(depth, place)?;
        let wrong = || Error::new(format!("{place}: a condition is not one: {value}"));
        let (name, argument) = value.as_object().and_then(intrinsic).ok_or_else(wrong)?;
        if name == "Condition" {
            let name = argument.as_str().ok_or_else(wrong)?;
            let inner = self
                .conditions
                .get(name)
                .ok_or_else(|| Error::new(format!("{place}: there is no condition {name}")))?;
            return self.condition_at_depth(inner, place, depth + 1);
        }
        let arguments = argument.as_array().ok_or_else(wrong)?;
        let all = || {
            arguments
                .iter()
                .map(|each| self.condition_at_depth(each, place, depth + 1))
                .collect::<Result<Vec<_>>>()
        };
        match (name, arguments.as_slice()) {
            ("Fn::Equals", [left, right]) => {
                let (left, right) = (
                    self.at_depth(left, place, depth)?,
                    self.at_depth(right, place, depth)?,
                );
                Ok(left.as_ref().and_then(text) == right.as_ref().and_then(text))
            }
            ("Fn::Not", [_]) => Ok(!all()?[0]),
            ("Fn::And", [_, _, ..]) => Ok(all()?.into_iter().all(|each| each)),
            ("Fn::Or", [_, _, ..]) => Ok(all()?.into_iter().any(|each| each)),
            _ => Err(wrong()),
        }
    }

    fn reference(&self, name: &str, place: &str) -> Result<Option<Value>> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        if let Some(resource) = self.resources.get(name) {
            return Ok(Some(json!(match resource.kind.as_str() {
                "AWS::SQS::Queue" => format!(
                    "https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{}",
                    resource.name
                ),
                "AWS::SNS::Topic" => topic_arn(&resource.name),
                kind if is_custom(kind) => {
                    return Err(Error::new(format!(
                        "{place}: a reference to {name}, an {kind}, is not supported by the local stack"
                    )));
                }
                _ => resource.name.clone(),
            })));
        }
        let api = name
            .strip_suffix(".Stage")
            .and_then(|id| self.resources.get(id));
        if api.is_some_and(|api| api.kind == "AWS::Serverless::HttpApi") {
            return Ok(Some(json!("$default")));
        }
        let pseudo = match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::AccountId" => ACCOUNT,
            "AWS::Partition" => "aws",
            "AWS::Region" => REGION,
            "AWS::StackName" => STACK_NAME,
            "AWS::URLSuffix" => "amazonaws.com",
            _ => {
                return Err(Error::new(format!(
                    "{place}: there is no {name} to refer to"
                )));
            }
        };
        Ok(Some(json!(pseudo)))
    }

    fn attribute(&self, id: &str, attribute: &str, place: &str) -> Result<String> {
        let resource = self
            .resources
            .get(id)
            .ok_or_else(|| Error::new(format!("{place}: there is no resource {id}")))?;
        let name = &resource.name;
        Ok(match (resource.kind.as_str(), attribute) {
            ("AWS::DynamoDB::Table", "Arn") => arn("dynamodb", &format!("table/{name}")),
            ("AWS::DynamoDB::Table", "StreamArn") => {
                arn("dynamodb", &format!("table/{name}/stream/local"))
            }
            ("AWS::SQS::Queue", "Arn") => arn("sqs", name),
            ("AWS::SQS::Queue", "QueueName") | ("AWS::SNS::Topic", "TopicName") => name.clone(),
            ("AWS::SNS::Topic", "TopicArn") => topic_arn(name),
            ("AWS::Serverless::Function", "Arn") => function_arn(name),
            ("AWS::Logs::LogGroup", "Arn") => arn("logs", &format!("log-group:{name}:*")),
            ("AWS::IAM::Role", "Arn") => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            ("AWS::CloudWatch::Alarm", "Arn") => arn("cloudwatch", &format!("alarm:{name}")),
            ("AWS::Cognito::UserPool", "ProviderURL") => {
                format!("https://cognito-idp.{REGION}.amazonaws.com/{name}")
            }
            ("AWS::ApiGatewayV2::DomainName", "RegionalDomainName" | "RegionalHostedZoneId") => {
                format!("{name}.{attribute}")
            }
            (kind, _)
                if is_custom(kind)
                    && (place.contains(": property Environment")
                        || place.starts_with("output ")) =>
            {
                format!("{PENDING}{id}.{attribute}{PENDING}")
            }
            (kind, _) => {
                return Err(Error::new(format!(
                    "{place}: attribute {attribute} of {id}, an {kind}, is not supported by the local stack"
                )));
            }
        })
    }

    fn substitute(&self, argument: &Value, place: &str, depth: usize) -> Result<String> {
        let wrong = || Error::new(format!("{place}: the arguments of Fn::Sub are wrong"));
        let no_variables = Map::new();
        let (template, variables) = match argument {
            Value::String(template) => (template.as_str(), &no_variables),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(template), Value::Object(variables)] => {
                    (template.as_str(), variables)
                }
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        let (mut text_so_far, mut rest) = (String::new(), template);
        while let Some(start) = rest.find("${") {
            let end = start + rest[start..].find('}').ok_or_else(wrong)?;
            let name = &rest[start + 2..end];
            text_so_far.push_str(&rest[..start]);
            let value = match (
                name.strip_prefix('!'),
                variables.get(name),
                name.split_once('.'),
            ) {
                (Some(literal), ..) => Some(json!(format!("${{{literal}}}"))),
                (_, Some(variable), _) => self.at_depth(variable, place, depth)?,
                (.., Some((id, attribute))) => Some(json!(self.attribute(id, attribute, place)?)),
                _ => self.reference(name, place)?,
            };
            text_so_far.push_str(&value.as_ref().and_then(text).ok_or_else(wrong)?);
            rest = &rest[end + 1..];
        }
        Ok(text_so_far + rest)
    }
}

/// The ARN of the function of this name.
pub fn function_arn(name: &str) -> String {
    arn("lambda", &format!("function:{name}"))
}

/// The ARN of the topic of this name.
pub fn topic_arn(name: &str) -> String {
    arn("sns", name)
}

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}

/// Whether a resource of this type is made by a function.
pub fn is_custom(kind: &str) -> bool {
    kind.starts_with("Custom::") || kind == "AWS::CloudFormation::CustomResource"
}

/// The text of a scalar: `CloudFormation` does not tell `90` from `"90"`.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A section of the template; an absent one is empty.
pub fn section(document: &Value, name: &str) -> Result<Map<String, Value>> {
    match document.get(name) {
        None => Ok(Map::new()),
        Some(Value::Object(entries)) => Ok(entries.clone()),
        Some(_) => Err(Error::new(format!("section {name} is not a mapping"))),
    }
}

fn name_property(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AWS::DynamoDB::Table" => "TableName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::SQS::Queue" => "QueueName",
        "AWS::Serverless::Function" => "FunctionName",
        _ => return None,
    })
}

fn intrinsic(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = object.iter().next().filter(|_| object.len() == 1)?;
    // A mapping with the single key `Condition` outside Conditions is an IAM statement's, never a call.
    (name == "Ref" || name.starts_with("Fn::") || (name == "Condition" && argument.is_string()))
        .then_some((name.as_str(), argument))
}

fn list<const N: usize>(value: &Value) -> Option<&[Value; N]> {
    value.as_array()?.as_slice().try_into().ok()
}

fn check_depth(depth: usize, place: &str) -> Result<()> {
    if depth > MAX_DEPTH {
        Err(Error::new(format!("{place}: values are nested too deeply")))
    } else {
        Ok(())
    }
}

#[cfg(test)]
#[path = "intrinsics_tests.rs"]
mod tests;
