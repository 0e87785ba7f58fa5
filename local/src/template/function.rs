//! A function's properties and events.

use super::properties::Properties;
use super::resources::ApiDraft;
use super::schedule::{self, Scheduler};
use super::{
    Authorizer, FunctionSpec, RouteSpec, Subscription, Template, asynchronous, sqs, stream,
};
use crate::error::{Error, Result};
use crate::intrinsics::Scope;
use serde_json::{Map, Value};
use std::time::Duration;

const METHODS: &[&str] = &[
    "ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT",
];

const LOG_LEVELS: &[&str] = &["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];

/// One function of the template, and what reading it needs.
pub struct Reader<'a> {
    /// Its logical id.
    pub id: &'a str,
    /// What its values refer to.
    pub scope: &'a Scope,
    /// The resource as the template has it.
    pub resource: &'a Value,
    /// The API its routes belong to.
    pub api: Option<&'a ApiDraft>,
}

impl Reader<'_> {
    /// Reads the function from its properties, merged with the globals, into `template`; answers its routes.
    pub fn read(&self, properties: &Value, template: &mut Template) -> Result<Vec<RouteSpec>> {
        let place = format!("resource {}", self.id);
        let mut properties = Properties::new(self.scope, &place, Some(properties))?;
        let runtime = properties.required("Runtime")?;
        if !runtime.starts_with("provided.") {
            return Err(
                properties.error("Runtime", "only provided.* is supported by the local stack")
            );
        }
        let mut logging = properties.inner("LoggingConfig")?;
        let log_format =
            (logging.one_of("LogFormat", &["JSON", "Text"])?).unwrap_or_else(|| "Text".to_owned());
        let log_level = (logging.one_of("ApplicationLogLevel", LOG_LEVELS)?)
            .unwrap_or_else(|| "INFO".to_owned());
        logging.one_of("SystemLogLevel", &["DEBUG", "INFO", "WARN"])?;
        logging.ignore(&["LogGroup"]);
        logging.finish()?;
        architecture(&mut properties)?;
        let mut environment = properties.inner("Environment")?;
        let variables = environment.inner("Variables")?.all_texts()?;
        environment.finish()?;
        let spec = FunctionSpec {
            logical_id: self.id.to_owned(),
            name: self.scope.name_of(self.id).to_owned(),
            binary: self.binary(&place)?,
            memory: limited(&mut properties, "MemorySize", 128, 10_240, 128)?,
            timeout: Duration::from_secs(limited(&mut properties, "Timeout", 1, 900, 3)?),
            environment: variables,
            log_format,
            log_level,
            asynchronous: asynchronous::read(properties.inner("EventInvokeConfig")?)?,
        };
        let routes = self.events(properties.inner("Events")?, template)?;
        // One version runs here, and is what an alias would name.
        properties.ignore(&[
            "AutoPublishAlias",
            "AutoPublishAliasAllProperties",
            "CodeUri",
            "DeploymentPreference",
            "Description",
            "FunctionName",
            "Handler",
            "Policies",
            "ReservedConcurrentExecutions",
            "Role",
            "Tags",
            "Tracing",
            "VersionDescription",
        ]);
        properties.finish()?;
        template.functions.push(spec);
        Ok(routes)
    }

    fn events(&self, events: Properties, template: &mut Template) -> Result<Vec<RouteSpec>> {
        let mut routes = Vec::new();
        for (name, mut event) in events.entries() {
            let kind = event.required("Type")?;
            let mut details = event.inner("Properties")?;
            match kind.as_str() {
                "HttpApi" => routes.push(self.route(details)?),
                "DynamoDB" => template
                    .streams
                    .push(stream::read(self.id, &name, details)?),
                "SNS" => {
                    let topic = details.required("Topic")?;
                    details.finish()?;
                    let function = self.id.to_owned();
                    (template.subscriptions).push(Subscription { function, topic });
                }
                "SQS" => template.pollers.extend(sqs::read(self.id, &name, details)?),
                "Schedule" | "ScheduleV2" => {
                    let scheduler = match kind.as_str() {
                        "Schedule" => Scheduler::Rule,
                        _ => Scheduler::Scheduler,
                    };
                    let schedule = schedule::read(self.id, &name, scheduler, details)?;
                    template.schedules.extend(schedule);
                }
                _ => {
                    return Err(event.error(
                        "Type",
                        &format!("{kind} is not supported by the local stack"),
                    ));
                }
            }
            event.finish()?;
        }
        Ok(routes)
    }

    fn binary(&self, place: &str) -> Result<String> {
        let mut metadata = Properties::new(
            self.scope,
            &format!("{place}: Metadata"),
            self.resource.get("Metadata"),
        )?;
        let method = metadata.required("BuildMethod")?;
        if method != "rust-cargolambda" {
            return Err(metadata.error(
                "BuildMethod",
                "only rust-cargolambda is supported by the local stack",
            ));
        }
        let mut build = metadata.inner("BuildProperties")?;
        let binary = build.required("Binary")?;
        build.finish()?;
        metadata.finish()?;
        Ok(binary)
    }

    fn route(&self, mut event: Properties) -> Result<RouteSpec> {
        let api = self.api.ok_or_else(|| {
            Error::new(format!("{}: the template has no HTTP API", event.place()))
        })?;
        if event
            .text("ApiId")?
            .is_some_and(|id| id != api.spec.logical_id)
        {
            return Err(event.error("ApiId", "is not the template's HTTP API"));
        }
        let method = event.required("Method")?.to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            return Err(event.error("Method", "is not a method the local stack supports"));
        }
        let path = event.required("Path")?;
        if !path.starts_with('/') {
            return Err(event.error(
                "Path",
                "only paths that begin with / are supported by the local stack",
            ));
        }
        let mut auth = event.inner("Auth")?;
        let named = auth.text("Authorizer")?;
        let own_scopes = auth.has("AuthorizationScopes");
        let scopes = auth.texts("AuthorizationScopes")?;
        let authorizer = match named.or_else(|| api.default_authorizer.clone()).as_deref() {
            None | Some("NONE") => None,
            Some(name) => {
                let authorizer = api.authorizers.get(name).ok_or_else(|| {
                    auth.error("Authorizer", &format!("there is no authorizer {name}"))
                })?;
                let scopes = if own_scopes {
                    scopes
                } else {
                    authorizer.scopes.clone()
                };
                Some(Authorizer {
                    scopes,
                    ..authorizer.clone()
                })
            }
        };
        auth.finish()?;
        if let Some(version) = event.text("PayloadFormatVersion")?
            && version != "2.0"
        {
            return Err(event.error(
                "PayloadFormatVersion",
                "only 2.0 is supported by the local stack",
            ));
        }
        event.finish()?;
        Ok(RouteSpec {
            method,
            path,
            function: self.id.to_owned(),
            authorizer,
        })
    }
}

/// Merges as SAM does: mappings entry by entry, lists one after the other, and otherwise the resource wins.
pub fn merge(globals: &Value, own: &Value) -> Value {
    match (globals, own) {
        // Two intrinsic functions are two values, not two mappings.
        (global, own) if is_intrinsic(global) || is_intrinsic(own) => own.clone(),
        (Value::Object(globals), Value::Object(own)) => {
            let mut merged: Map<String, Value> = globals.clone();
            for (key, value) in own {
                let value = globals
                    .get(key)
                    .map_or_else(|| value.clone(), |global| merge(global, value));
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(globals), Value::Array(own)) => globals.iter().chain(own).cloned().collect(),
        (global, Value::Null) => global.clone(),
        (_, own) => own.clone(),
    }
}

fn is_intrinsic(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        object
            .keys()
            .any(|key| key == "Ref" || key.starts_with("Fn::"))
    })
}

/// One processor; the programs are always of this machine's own.
fn architecture(properties: &mut Properties) -> Result<()> {
    match properties.texts("Architectures")?.as_slice() {
        [] => Ok(()),
        [one] if ["arm64", "x86_64"].contains(&one.as_str()) => Ok(()),
        _ => Err(properties.error("Architectures", "must be one of arm64, x86_64")),
    }
}

/// A whole number in a range.
fn limited(
    properties: &mut Properties,
    key: &str,
    least: u64,
    most: u64,
    default: u64,
) -> Result<u64> {
    match properties.number(key)? {
        None => Ok(default),
        Some(number) => u64::try_from(number)
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| properties.error(key, &format!("must be {least} to {most}"))),
    }
}
