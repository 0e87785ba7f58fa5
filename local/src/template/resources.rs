//! Resource by resource, what a template asks for.

use super::properties::Properties;
use super::{ApiSpec, TableSpec, Template, TopicSpec, api, connections, custom, function, queue};
use crate::error::{Error, Result};
use crate::intrinsics::{Scope, is_custom, section, topic_arn};
use serde_json::{Map, Value, json};

/// Resources that have no meaning on this machine: nothing is denied, logs go to the terminal, nobody is woken, tokens are signed by
/// the stack's own key, and the API has no other name.
const MEANINGLESS: &[&str] = &[
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolResourceServer",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Logs::LogGroup",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
];

/// Attributes beside `Type` and `Properties`; they tell a deployment what to do, not a run.
const ATTRIBUTES: &[&str] = &[
    "Condition",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "Properties",
    "Type",
    "UpdateReplacePolicy",
];

/// What of a row a stream record may hold.
const STREAM_VIEWS: &[&str] = &["KEYS_ONLY", "NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE"];

/// Reads every resource of `document`.
pub fn read(document: &Value, scope: &Scope) -> Result<Template> {
    let globals = function_globals(document)?;
    let mut draft = Draft::default();
    for (id, resource) in section(document, "Resources")? {
        draft.add(id, resource, scope)?;
    }
    let Draft {
        mut template,
        functions,
        mut api,
    } = draft;
    for (id, resource) in functions {
        let merged = function::merge(&globals, &resource["Properties"]);
        let reader = function::Reader {
            id: &id,
            scope,
            resource: &resource,
            api: api.as_ref(),
        };
        let routes = reader.read(&merged, &mut template)?;
        if let Some(api) = &mut api {
            api.spec.routes.extend(routes);
        }
    }
    template.api = api.map(|api| api.spec);
    template.find_custom_functions()?;
    connections::check(&template)?;
    Ok(template)
}

/// What is known while the resources are read: functions come last, because they name the API.
#[derive(Default)]
struct Draft {
    template: Template,
    functions: Vec<(String, Value)>,
    api: Option<ApiDraft>,
}

impl Draft {
    fn add(&mut self, id: String, resource: Value, scope: &Scope) -> Result<()> {
        let place = format!("resource {id}");
        if let Some(condition) = resource["Condition"].as_str()
            && !scope.holds(condition, &place)?
        {
            return Ok(());
        }
        let mut attributes = resource.as_object().into_iter().flat_map(Map::keys);
        if let Some(attribute) = attributes.find(|key| !ATTRIBUTES.contains(&key.as_str())) {
            return Err(Error::new(format!(
                "{place}: {attribute} is not supported by the local stack"
            )));
        }
        let properties = || Properties::new(scope, &place, resource.get("Properties"));
        let name = scope.name_of(&id);
        match resource["Type"].as_str().unwrap_or_default() {
            "AWS::DynamoDB::Table" => self.template.tables.push(table(&id, name, properties()?)?),
            "AWS::SQS::Queue" => {
                let queue = queue::read(&id, name, properties()?)?;
                self.template.queues.push(queue);
            }
            "AWS::SNS::Topic" => self.template.topics.push(topic(&id, name, properties()?)?),
            "AWS::Serverless::HttpApi" if self.api.is_some() => {
                return Err(Error::new(format!(
                    "{place}: a second HTTP API is not supported by the local stack"
                )));
            }
            "AWS::Serverless::HttpApi" => self.api = Some(api::read(&id, properties()?)?),
            "AWS::Serverless::Function" => self.functions.push((id, resource)),
            kind if is_custom(kind) => {
                let custom = custom::read(&id, kind, resource.get("Properties"), scope)?;
                self.template.customs.push(custom);
            }
            kind if MEANINGLESS.contains(&kind) => {}
            kind => {
                return Err(Error::new(format!(
                    "{place}: type {kind} is not supported by the local stack"
                )));
            }
        }
        Ok(())
    }
}

fn function_globals(document: &Value) -> Result<Value> {
    let mut globals = section(document, "Globals")?;
    let function = globals.remove("Function").unwrap_or_else(|| json!({}));
    match globals.keys().next() {
        None => Ok(function),
        Some(key) => Err(Error::new(format!(
            "Globals: {key} is not supported by the local stack"
        ))),
    }
}

fn table(id: &str, name: &str, mut properties: Properties) -> Result<TableSpec> {
    let mut create = Map::from_iter([("TableName".to_owned(), json!(name))]);
    for key in ["AttributeDefinitions", "BillingMode", "KeySchema"] {
        let value = properties
            .take(key)?
            .ok_or_else(|| properties.error(key, "must have a value"))?;
        create.insert(key.to_owned(), value);
    }
    if create["BillingMode"] != "PAY_PER_REQUEST" {
        return Err(properties.error(
            "BillingMode",
            "only PAY_PER_REQUEST is supported by the local stack",
        ));
    }
    let mut stream = properties.inner("StreamSpecification")?;
    if let Some(view) = stream.one_of("StreamViewType", STREAM_VIEWS)? {
        create.insert(
            "StreamSpecification".to_owned(),
            json!({"StreamEnabled": true, "StreamViewType": view}),
        );
    }
    stream.finish()?;
    let mut ttl = properties.inner("TimeToLiveSpecification")?;
    let attribute = ttl.text("AttributeName")?;
    let ttl_attribute = if ttl.flag("Enabled")? {
        attribute
    } else {
        None
    };
    ttl.finish()?;
    properties.ignore(&[
        "DeletionProtectionEnabled",
        "PointInTimeRecoverySpecification",
        "SSESpecification",
        "TableName",
        "Tags",
    ]);
    properties.finish()?;
    Ok(TableSpec {
        logical_id: id.to_owned(),
        name: name.to_owned(),
        create: Value::Object(create),
        ttl_attribute,
    })
}

fn topic(id: &str, name: &str, mut properties: Properties) -> Result<TopicSpec> {
    properties.ignore(&["DisplayName", "KmsMasterKeyId", "Tags", "TopicName"]);
    properties.finish()?;
    Ok(TopicSpec {
        logical_id: id.to_owned(),
        arn: topic_arn(name),
    })
}

/// An API that is being read: its own part, and the authorizers its routes may name.
pub struct ApiDraft {
    /// What is known of it so far.
    pub spec: ApiSpec,
    /// The authorizers by name.
    pub authorizers: std::collections::BTreeMap<String, super::Authorizer>,
    /// The one a route uses that names none.
    pub default_authorizer: Option<String>,
}
