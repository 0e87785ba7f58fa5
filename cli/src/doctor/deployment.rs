//! The stack that is examined: what its template asks for, and where its parts are.

use super::aws::{Aws, Problem, Refusal};
use super::report::Fault;
use crate::options::Doctor;
use crate::{place, product, workspace};
use local::Signer;
use local::template::Template;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// `CloudFormation`'s version of its protocol.
const VERSION: &str = "2010-05-15";
/// What a stack on this machine is called.
const LOCAL: &str = "local";
/// Where `sam deploy` has its options, in sections.
const SAMCONFIG: &str = "samconfig.toml";
/// A region for a stack on this machine; any would do.
const REGION: &str = "us-east-1";

/// A stack.
pub struct Deployment {
    /// Its name.
    pub name: String,
    /// The services it is in.
    pub aws: Aws,
    /// What should be.
    pub template: Template,
    /// Who signs tokens, if it runs on this machine.
    pub signer: Option<Signer>,
    /// What is wrong with it as a whole, though it can be examined.
    pub failed: Option<Fault>,
    /// Where its API answers, as its outputs say; empty if they do not.
    pub api_url: String,
    /// The values of its parameters.
    parameters: BTreeMap<String, String>,
    /// Type and physical id of what it consists of, by logical id.
    resources: BTreeMap<String, (String, String)>,
}

impl Deployment {
    /// Finds the stack, or says why it cannot.
    pub async fn find(options: &Doctor) -> Result<Deployment, Fault> {
        let template = template()?;
        let (name, aws, signer) = match &options.stack {
            Some(name) => (name.clone(), remote(options)?, None),
            None => here(options)?,
        };
        let mut found = Deployment {
            name,
            aws,
            template,
            signer,
            failed: None,
            api_url: String::new(),
            parameters: BTreeMap::new(),
            resources: BTreeMap::new(),
        };
        let read = found.read().await;
        match read {
            Ok(None) => Ok(found),
            Ok(Some(fault)) => Err(fault),
            Err(Problem::Refused(refusal)) => Err(found.refused(&refusal)),
            Err(Problem::Silent(..)) if found.is_local() => {
                let what = "the stack on this machine does not answer";
                Err(Fault::new(what, "start it with `cargo run`"))
            }
            Err(problem) => Err(problem.fault()),
        }
    }

    /// Whether it runs on this machine.
    pub fn is_local(&self) -> bool {
        self.signer.is_some()
    }

    /// Its region, for sentences.
    pub fn place(&self) -> String {
        if self.is_local() {
            "on this machine".to_owned()
        } else {
            format!("in {}", self.aws.region())
        }
    }

    /// The physical id of the resource with this logical id: a name, a URL, an ARN.
    pub fn id(&self, logical: &str) -> Option<&str> {
        let (_, id) = self.resources.get(logical)?;
        Some(id)
    }

    /// The physical id of the first resource of this type whose logical id begins so.
    pub fn id_of(&self, kind: &str, prefix: &str) -> Option<&str> {
        let of_kind = |(id, (found, _)): &(&String, &(String, String))| {
            found == kind && id.starts_with(prefix)
        };
        let (_, (_, id)) = self.resources.iter().find(of_kind)?;
        Some(id)
    }

    /// Whether a parameter has this value.
    pub fn says(&self, parameter: &str, value: &str) -> bool {
        self.parameter(parameter) == value
    }

    /// The value of a parameter; empty if there is none.
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// The command that builds what is checked out and deploys it, with these options.
    pub fn deploy(&self, options: &str) -> String {
        let text = workspace::root().map(|root| std::fs::read_to_string(root.join(SAMCONFIG)));
        let text = text.ok().and_then(std::result::Result::ok);
        let environment = match section(text.as_deref().unwrap_or_default(), &self.name) {
            Some("default") => String::new(),
            Some(name) => format!(" --config-env {name}"),
            None => format!(" --stack-name {}", self.name),
        };
        format!("`sam build && sam deploy{environment}{options}`")
    }

    /// The command that has the credentials of the platform applications read and set again.
    pub fn credentials_again(&self) -> String {
        let version = self.parameter("CredentialsVersion").parse();
        let next = version.unwrap_or(1_u64).saturating_add(1);
        self.deploy(&format!(" --parameter-overrides CredentialsVersion={next}"))
    }

    /// Where Lambda has a function, with what follows its name there; that of its alias, if it has one.
    pub fn function_path(&self, logical: &str, rest: &str) -> Option<String> {
        let name = self.id(logical)?;
        let alias = self.id_of("AWS::Lambda::Alias", &format!("{logical}Alias"));
        let qualifier = alias.and_then(|arn| arn.rsplit(':').next());
        let qualifier = qualifier.map_or(String::new(), |name| format!("?Qualifier={name}"));
        Some(format!("/2015-03-31/functions/{name}/{rest}{qualifier}"))
    }

    /// Reads the stack's state, outputs and resources; answers what is wrong with it.
    async fn read(&mut self) -> Result<Option<Fault>, Problem> {
        let name = self.name.clone();
        let name = ("StackName", name.as_str());
        let aws = &self.aws;
        let stacks = aws
            .query("cloudformation", VERSION, "DescribeStacks", &[name])
            .await?;
        let stacks = stacks.all("DescribeStacksResult/Stacks/member");
        let Some(stack) = stacks.first() else {
            return Ok(Some(self.unknown()));
        };
        let state = stack.text("StackStatus");
        if state.contains("FAILED") || state.contains("ROLLBACK") {
            self.failed = Some(Fault::new(
                format!("{} is {state}: its last deployment failed", self.name),
                format!(
                    "read why with `aws cloudformation describe-stack-events --stack-name {}`, and deploy again",
                    self.name
                ),
            ));
        }
        let outputs = stack.all("Outputs/member");
        let url = outputs
            .iter()
            .find(|output| output.text("OutputKey") == "ApiUrl");
        let url = url.map_or("", |output| output.text("OutputValue"));
        let url = url.trim_end_matches('/').to_owned();
        let parameters = stack.all("Parameters/member").into_iter().map(|parameter| {
            let text = |name| parameter.text(name).to_owned();
            (text("ParameterKey"), text("ParameterValue"))
        });
        let parameters = parameters.collect();
        let mut token = String::new();
        let mut resources = BTreeMap::new();
        loop {
            let next = [name, ("NextToken", token.as_str())];
            let fields = if token.is_empty() { &next[..1] } else { &next };
            let page = aws
                .query("cloudformation", VERSION, "ListStackResources", fields)
                .await?;
            let result = "ListStackResourcesResult";
            for resource in page.all(&format!("{result}/StackResourceSummaries/member")) {
                let text = |name| resource.text(name).to_owned();
                let id = (text("ResourceType"), text("PhysicalResourceId"));
                resources.insert(text("LogicalResourceId"), id);
            }
            let next = page.text(&format!("{result}/NextToken")).to_owned();
            if next.is_empty() || next == token {
                break;
            }
            token = next;
        }
        (self.api_url, self.parameters, self.resources) = (url, parameters, resources);
        Ok(None)
    }

    fn unknown(&self) -> Fault {
        Fault::new(
            format!("there is no stack {} in {}", self.name, self.aws.region()),
            "name its region with --region, and use credentials of its account; `aws sts get-caller-identity` says whose they are",
        )
    }

    /// What a refusal means, by its code and words.
    fn refused(&self, refusal: &Refusal) -> Fault {
        let Refusal { code, message, .. } = refusal;
        if message.contains("does not exist") {
            return self.unknown();
        }
        let late = ["expired:", "not yet current", "RequestExpired", "TooSkewed"];
        if late
            .iter()
            .any(|word| message.contains(word) || code.contains(word))
        {
            return Fault::new(
                format!("AWS takes this machine's clock for wrong ({code})"),
                "set the clock, as with `sudo timedatectl set-ntp true`",
            );
        }
        Fault::new(
            format!("AWS does not accept the credentials ({code})"),
            "put credentials that may read the stack into the environment: `eval \"$(aws configure export-credentials --format env)\"`",
        )
    }
}

/// The section of a `samconfig.toml` that names a stack.
fn section<'t>(samconfig: &'t str, stack: &str) -> Option<&'t str> {
    let mut section = None;
    for line in samconfig.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.split('.').next();
        }
        let value = line.strip_prefix("stack_name").map(str::trim_start);
        let value = value.and_then(|value| value.strip_prefix('='));
        let value = value.and_then(|value| value.split('#').next());
        if value.is_some_and(|value| value.trim().trim_matches('"') == stack) {
            return section;
        }
    }
    None
}

/// What the template in this checkout asks for.
fn template() -> Result<Template, Fault> {
    let read = workspace::root()
        .and_then(|root| Template::load(&root.join(workspace::TEMPLATE), &product::parameters(0)));
    let mend = "run the doctor in a checkout of the version that is deployed";
    read.map_err(|error| Fault::new(error.to_string(), mend))
}

/// The services of AWS that the options and the environment name.
fn remote(options: &Doctor) -> Result<Aws, Fault> {
    let region = options.region.clone().or_else(shared::aws::region);
    let Some(region) = region else {
        let mend = "say it with --region, or with AWS_REGION in the environment";
        return Err(Fault::new("no region is named", mend));
    };
    Aws::new(region, |_| None).map_err(|error| {
        Fault::new(
            format!(
                "there are no credentials in the environment ({})",
                error.chain()
            ),
            "put them there: `eval \"$(aws configure export-credentials --format env)\"`",
        )
    })
}

/// The stack that runs on this machine.
fn here(options: &Doctor) -> Result<(String, Aws, Option<Signer>), Fault> {
    let broken = |error: String| Fault::new(error, "start a stack with `cargo run`");
    let folder = workspace::data_folder(options.data.as_deref());
    let folder = folder.map_err(|error| broken(error.to_string()))?;
    let none = || broken(format!("no stack runs with {}", folder.display()));
    let running = place::running_stack(&folder).ok_or_else(none)?;
    let signer = signer(&folder)?;
    let endpoint = |service: &str| Some(endpoint(&running, service));
    let aws = Aws::new(REGION.to_owned(), endpoint).map_err(|error| broken(error.chain()))?;
    Ok((LOCAL.to_owned(), aws, Some(signer)))
}

fn signer(folder: &Path) -> Result<Signer, Fault> {
    let mend = "start the stack again with `cargo run`, which makes one";
    Signer::open(folder).map_err(|error| Fault::new(format!("the token key: {error}"), mend))
}

/// Where a service of the stack on this machine answers. What it has left no word of is at a closed port, so that nothing on
/// AWS is asked instead.
fn endpoint(running: &Value, service: &str) -> String {
    let name = match service {
        "dynamodb" | "sns" | "sqs" => service,
        _ => "control",
    };
    let url = running[name].as_str().unwrap_or("http://127.0.0.1:9");
    url.to_owned()
}

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn a_stack_is_deployed_by_the_section_that_names_it() {
        let samconfig = include_str!("../../../samconfig.toml");
        for (stack, name) in [
            ("tidings", Some("default")),
            ("tidings-prod", Some("prod")),
            ("tidings-staging", Some("staging")),
            ("other", None),
        ] {
            assert_eq!(section(samconfig, stack), name, "{stack}");
        }
    }
}
