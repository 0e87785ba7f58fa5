//! What `CloudFormation` sends, read leniently: it waits for an hour if nobody answers, so an odd event
//! gets an answer, too.

use serde_json::Value;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Create,
    Update,
    Delete,
}

/// How the physical id of what was created begins; the applications' name follows.
const CREATED: &str = "applications/";
/// How the physical id begins that answers a create that failed.
const NOT_CREATED: &str = "not-created/";

/// A request.
pub struct Request {
    /// `None` if it is no kind that is known.
    pub kind: Option<Kind>,
    /// What the event calls its kind.
    pub kind_text: String,
    /// Where the answer goes: whoever knows this URL may answer, so it is never logged.
    pub response_url: String,
    pub stack_id: String,
    pub id: String,
    pub logical_id: String,
    /// Empty in a create.
    pub physical_id: String,
    pub properties: Value,
    /// The properties before an update.
    pub old: Value,
}

impl Request {
    /// Reads an event; `None` if it does not say where its answer goes.
    pub fn read(event: &Value) -> Option<Request> {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let response_url = text("ResponseURL");
        if response_url.is_empty() {
            return None;
        }
        let kind_text = text("RequestType");
        let kind = match kind_text.as_str() {
            "Create" => Some(Kind::Create),
            "Update" => Some(Kind::Update),
            "Delete" => Some(Kind::Delete),
            _ => None,
        };
        Some(Request {
            kind,
            kind_text,
            response_url,
            stack_id: text("StackId"),
            id: text("RequestId"),
            logical_id: text("LogicalResourceId"),
            physical_id: text("PhysicalResourceId"),
            properties: event["ResourceProperties"].clone(),
            old: event["OldResourceProperties"].clone(),
        })
    }

    /// The applications' name in the physical id of what was created.
    pub fn created_name(&self) -> Option<&str> {
        self.physical_id.strip_prefix(CREATED)
    }

    /// The physical id to answer with. It never changes once there is one: another one would have
    /// `CloudFormation` delete what is in use.
    pub fn answered_id(&self, succeeded: bool) -> String {
        if !self.physical_id.is_empty() {
            return self.physical_id.clone();
        }
        let start = if succeeded { CREATED } else { NOT_CREATED };
        let name = self.properties["Name"].as_str().unwrap_or_default();
        // At most 1 KB; a name has 256 characters.
        let name: String = name.chars().take(256).collect();
        format!("{start}{name}")
    }
}
