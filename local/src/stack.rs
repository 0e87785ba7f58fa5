//! A whole stack in one process: everything the template names, started, connected, and ended together.

use crate::asynchronous::AsyncFunction;
use crate::control::{self, Control};
use crate::error::{Error, Result};
use crate::function::Function;
use crate::gateway::{self, Gateway};
use crate::outbox::{self, Page};
use crate::output::say;
use crate::routes::Routes;
use crate::secrets::SecretsManager;
use crate::state::State;
use crate::table::Tables;
use crate::template::{FunctionSpec, Template};
use crate::throttle::Throttle;
use crate::tokens::Signer;
use crate::topics::Topics;
use crate::{custom, door, mapping, queue, schedule, sns};
use axum::Router;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Its lock is held by the stack that uses the data folder.
const LOCK_FILE: &str = "stack.lock";

/// What a stack is started from.
pub struct Options {
    /// The template's file.
    pub template: PathBuf,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, String>,
    /// What Secrets Manager holds, by ARN.
    pub secrets: BTreeMap<String, String>,
    /// The folder with one program per function, named by `Metadata.BuildProperties.Binary`.
    pub binaries: PathBuf,
    /// The folder that outlives the stack: tables, checkpoints, the token key. Made if it is missing.
    pub data: PathBuf,
    /// Where the API answers; see [`listen`].
    pub listener: TcpListener,
    /// What is served under `/_local/` beside the outbox.
    pub pages: Vec<Page>,
}

/// A running stack; it ends when it is dropped.
pub struct Stack {
    api: SocketAddr,
    sns: SocketAddr,
    sqs: SocketAddr,
    control: SocketAddr,
    secrets: SecretsManager,
    dynamodb: String,
    table_names: Vec<String>,
    functions: BTreeMap<String, Function>,
    tasks: Tasks,
    _asynchronous: BTreeMap<String, AsyncFunction>,
    _tables: Tables,
    /// Released when everything else has ended.
    _lock: File,
}

/// What runs beside the functions; it ends when this is dropped, with a start that fails, too.
struct Tasks(Vec<JoinHandle<()>>);

impl Tasks {
    /// Serves programs on a port of its own.
    fn serve(&mut self, what: &'static str, router: Router) -> Result<SocketAddr> {
        let listener = listen(0)?;
        let address = listener.local_addr()?;
        let task = serve(listener, what, door::programs_only(router))?;
        self.0.push(task);
        Ok(address)
    }

    /// Connects the functions with what invokes them: topics, mappings, schedules.
    async fn connect(
        &mut self,
        template: &Template,
        functions: &BTreeMap<String, Function>,
        topics: &Topics,
        tables: &Tables,
        state: &State,
    ) -> Result<BTreeMap<String, AsyncFunction>> {
        let asynchronous = asynchronous(template, functions, state).await?;
        for subscription in &template.subscriptions {
            let function = asynchronous[&subscription.function].clone();
            topics.subscribe(&subscription.topic, function.into());
        }
        self.0.extend(mappings(template, functions, tables, state)?);
        for source in template.schedules.clone() {
            let function = asynchronous[&source.function].clone();
            self.0
                .push(schedule::spawn(source, function, state.clone()));
        }
        Ok(asynchronous)
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// Takes a port of this machine for the API; 0 takes a free one.
pub fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Error::new(format!(
            "port {port} is taken by another program; --port 0 takes a free one"
        )),
        _ => Error::new(format!("port {port}: {error}")),
    })
}

impl Stack {
    /// Starts everything; when this returns, the API answers.
    pub async fn start(options: Options) -> Result<Self> {
        let mut template = Template::load(&options.template, &options.parameters)?;
        let binaries = binaries(&template.functions, &options.binaries)?;
        let spec = template.api.take().unwrap_or_default();
        let routes = Routes::new(&spec.routes)?;
        let lock = hold(&options.data)?;
        let signer = Signer::open(&options.data)?;
        let state = State::open(&options.data)?;
        queue::declare(&state, &template.queues)?;
        let clock = state.clock().clone();
        let tables =
            Tables::start_with_clock(&options.data, &template.tables, clock.clone()).await?;

        let mut tasks = Tasks(Vec::new());
        let topics = Topics::new(&template.topics, [], clock.clone());
        let sns = tasks.serve("SNS", sns::router(state.clone(), topics.clone()))?;
        let sqs = tasks.serve("SQS", queue::router(state.clone()))?;
        let secrets = SecretsManager::start(options.secrets)?;
        let endpoints = endpoints(&tables, &secrets, sns, sqs);
        let functions = functions(&mut template, &binaries, &endpoints, &state).await?;
        let asynchronous = tasks
            .connect(&template, &functions, &topics, &tables, &state)
            .await?;

        let api = options.listener.local_addr()?;
        let template = Arc::new(template);
        let plane = Control::new(&template, &spec, (api, sqs), &functions, &tables)?;
        let control = tasks.serve("the control plane", control::router(plane))?;
        let gateway = Gateway {
            routes,
            cors: spec.cors,
            throttle: Throttle::new(spec.throttling),
            functions: functions.clone(),
            signer,
            clock,
            port: api.port(),
            body_time: gateway::BODY_TIME,
        };
        let own = outbox::router(state, options.pages);
        tasks
            .0
            .push(serve(options.listener, "the API", gateway.router(own))?);
        let dynamodb = tables.url();
        let names = template.tables.iter().map(|table| table.name.clone());
        Ok(Self {
            api,
            sns,
            sqs,
            control,
            secrets,
            dynamodb,
            table_names: names.collect(),
            functions,
            tasks,
            _asynchronous: asynchronous,
            _tables: tables,
            _lock: lock,
        })
    }

    /// Where the API answers.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Where the stack's own pages are.
    #[must_use]
    pub fn page_url(&self) -> String {
        format!("http://{}/_local/", self.api)
    }

    /// Where the tables answer `DynamoDB`'s protocol.
    #[must_use]
    pub fn dynamodb_url(&self) -> String {
        self.dynamodb.clone()
    }

    /// Where mobile push answers the protocol of SNS.
    #[must_use]
    pub fn sns_url(&self) -> String {
        format!("http://{}", self.sns)
    }

    /// Where the queues answer the protocol of SQS.
    #[must_use]
    pub fn sqs_url(&self) -> String {
        format!("http://{}", self.sqs)
    }

    /// Where `CloudFormation`, Lambda and API Gateway answer who examines the stack.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// Where secrets answer the protocol of Secrets Manager.
    #[must_use]
    pub fn secrets_url(&self) -> &str {
        self.secrets.url()
    }

    /// The tables' names, in the template's order of logical ids.
    #[must_use]
    pub fn table_names(&self) -> &[String] {
        &self.table_names
    }

    /// Ends everything and waits until no process is left.
    pub async fn stop(self) {
        for task in &self.tasks.0 {
            task.abort();
        }
        for function in self.functions.values() {
            function.stop().await;
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for function in self.functions.values() {
            function.end();
        }
    }
}

/// The variables by which every SDK finds the services.
fn endpoints(
    tables: &Tables,
    secrets: &SecretsManager,
    sns: SocketAddr,
    sqs: SocketAddr,
) -> BTreeMap<String, String> {
    let endpoints = [
        ("DYNAMODB", tables.url()),
        ("SECRETS_MANAGER", secrets.url().to_owned()),
        ("SNS", format!("http://{sns}")),
        ("SQS", format!("http://{sqs}")),
    ];
    BTreeMap::from(endpoints.map(|(name, url)| (format!("AWS_ENDPOINT_URL_{name}"), url)))
}

/// The functions as they are invoked by who does not wait for them.
async fn asynchronous(
    template: &Template,
    functions: &BTreeMap<String, Function>,
    state: &State,
) -> Result<BTreeMap<String, AsyncFunction>> {
    let mut asynchronous = BTreeMap::new();
    for spec in &template.functions {
        let (id, config) = (&spec.logical_id, spec.asynchronous.clone());
        let function = AsyncFunction::start(functions[id].clone(), config, state.clone()).await?;
        asynchronous.insert(id.clone(), function);
    }
    Ok(asynchronous)
}

/// Starts the event source mappings.
fn mappings(
    template: &Template,
    functions: &BTreeMap<String, Function>,
    tables: &Tables,
    state: &State,
) -> Result<Vec<JoinHandle<()>>> {
    let mut tasks = Vec::new();
    for source in template.streams.clone() {
        let function = functions[&source.function].clone();
        tasks.push(mapping::spawn(source, tables, function, state.clone())?);
    }
    for source in template.pollers.clone() {
        let function = functions[&source.function].clone();
        tasks.push(mapping::poller::spawn(source, function, state.clone()));
    }
    Ok(tasks)
}

/// Serves until the task is aborted.
fn serve(listener: TcpListener, what: &'static str, router: Router) -> Result<JoinHandle<()>> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    Ok(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, service).await {
            say(format_args!("{what} ended: {error}"));
        }
    }))
}

/// The functions, which can be invoked. Those behind custom resources come first: the others' variables may hold what
/// they answer.
async fn functions(
    template: &mut Template,
    binaries: &[PathBuf],
    endpoints: &BTreeMap<String, String>,
    state: &State,
) -> Result<BTreeMap<String, Function>> {
    let customs = template.customs.clone();
    let is_first = |spec: &FunctionSpec| customs.iter().any(|c| c.function == spec.logical_id);
    let make = |template: &Template, first: bool| {
        let specs = template.functions.iter().zip(binaries);
        let specs = specs.filter(|(spec, _)| is_first(spec) == first);
        specs
            .map(|(spec, binary)| {
                let function =
                    Function::with_clock(spec, binary.clone(), endpoints, state.clock().clone());
                (spec.logical_id.clone(), function)
            })
            .collect::<BTreeMap<_, _>>()
    };
    let mut functions = make(template, true);
    let answers = custom::settle(state, &customs, &functions).await?;
    template.fill(&answers)?;
    functions.extend(make(template, false));
    Ok(functions)
}

/// The functions' programs, in their order.
fn binaries(functions: &[FunctionSpec], folder: &Path) -> Result<Vec<PathBuf>> {
    let absolute = std::path::absolute(folder)?;
    let binary = |spec: &FunctionSpec| {
        let path = absolute.join(&spec.binary);
        if path.is_file() {
            Ok(path)
        } else {
            Err(Error::new(format!(
                "function {} has no program: {} is missing",
                spec.logical_id,
                path.display()
            )))
        }
    };
    functions.iter().map(binary).collect()
}

/// Makes the data folder, and takes it for this stack alone.
fn hold(data: &Path) -> Result<File> {
    let failed = |error: std::io::Error| Error::new(format!("{}: {error}", data.display()));
    std::fs::create_dir_all(data).map_err(failed)?;
    let lock = File::create(data.join(LOCK_FILE)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::new(format!(
            "{} is in use by another local stack: stop that one, or choose another folder",
            data.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
