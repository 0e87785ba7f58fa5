//! A whole stack in one process: everything the template names, started, connected, and ended together.

use crate::asynchronous::AsyncFunction;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::function::Function;
use crate::gateway::{self, Gateway};
use crate::outbox::{self, Page};
use crate::output::say;
use crate::routes::Routes;
use crate::state::State;
use crate::table::Tables;
use crate::template::{FunctionSpec, ScheduleSource, Template};
use crate::tokens::Signer;
use crate::topics::Topics;
use crate::{door, mapping, queue, schedule, sns};
use axum::Router;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use tokio::task::JoinHandle;

/// Its lock is held by the stack that uses the data folder.
const LOCK_FILE: &str = "stack.lock";

/// What a stack is started from.
pub struct Options {
    /// The template's file.
    pub template: PathBuf,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, String>,
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
    dynamodb: String,
    table_names: Vec<String>,
    functions: BTreeMap<String, Function>,
    tasks: Vec<JoinHandle<()>>,
    _asynchronous: BTreeMap<String, AsyncFunction>,
    _tables: Tables,
    /// Released when everything else has ended.
    _lock: File,
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
        let template = Template::load(&options.template, &options.parameters)?;
        let binaries = binaries(&template.functions, &options.binaries)?;
        let spec = template.api.clone().unwrap_or_default();
        let routes = Routes::new(&spec.routes)?;
        let lock = hold(&options.data)?;
        let signer = Signer::open(&options.data)?;
        let state = State::open(&options.data)?;
        queue::declare(&state, &template.queues)?;
        let clock = state.clock().clone();
        let tables =
            Tables::start_with_clock(&options.data, &template.tables, clock.clone()).await?;

        let mut tasks = Vec::new();
        let (push_listener, queue_listener) = (listen(0)?, listen(0)?);
        let (sns, sqs) = (push_listener.local_addr()?, queue_listener.local_addr()?);
        let endpoints = BTreeMap::from([
            ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), tables.url()),
            ("AWS_ENDPOINT_URL_SNS".to_owned(), format!("http://{sns}")),
            ("AWS_ENDPOINT_URL_SQS".to_owned(), format!("http://{sqs}")),
        ]);
        let functions = functions(&template, binaries, &endpoints, &clock);
        let asynchronous = asynchronous(&template, &functions, &state).await?;
        let topics = topics(&template, &asynchronous, clock.clone());
        for (listener, what, router) in [
            (push_listener, "SNS", sns::router(state.clone(), topics)),
            (queue_listener, "SQS", queue::router(state.clone())),
        ] {
            tasks.push(serve(listener, what, door::programs_only(router))?);
        }
        tasks.extend(mappings(&template, &functions, &tables, &state)?);
        tasks.extend(schedules(&template, &asynchronous, &state));

        let api = options.listener.local_addr()?;
        let gateway = Gateway {
            routes,
            cors: spec.cors,
            functions: functions.clone(),
            signer,
            clock,
            port: api.port(),
            body_time: gateway::BODY_TIME,
        };
        let own = outbox::router(state, options.pages);
        tasks.push(serve(options.listener, "the API", gateway.router(own))?);
        Ok(Self {
            api,
            sns,
            sqs,
            dynamodb: tables.url(),
            table_names: (template.tables.into_iter())
                .map(|table| table.name)
                .collect(),
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

    /// The tables' names, in the template's order of logical ids.
    #[must_use]
    pub fn table_names(&self) -> &[String] {
        &self.table_names
    }

    /// Ends everything and waits until no process is left.
    pub async fn stop(self) {
        for task in &self.tasks {
            task.abort();
        }
        for function in self.functions.values() {
            function.stop().await;
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        for function in self.functions.values() {
            function.end();
        }
    }
}

/// The functions by logical id.
fn functions(
    template: &Template,
    binaries: Vec<PathBuf>,
    endpoints: &BTreeMap<String, String>,
    clock: &Clock,
) -> BTreeMap<String, Function> {
    (template.functions.iter().zip(binaries))
        .map(|(spec, binary)| {
            let function = Function::with_clock(spec, binary, endpoints, clock.clone());
            (spec.logical_id.clone(), function)
        })
        .collect()
}

/// The template's topics, connected to the functions that listen.
fn topics(
    template: &Template,
    functions: &BTreeMap<String, AsyncFunction>,
    clock: Clock,
) -> Topics {
    let listeners = (template.subscriptions.iter()).map(|subscription| {
        let function = functions[&subscription.function].clone();
        (subscription.topic.clone(), function.into())
    });
    Topics::new(&template.topics, listeners, clock)
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

/// Starts what invokes functions by the clock.
fn schedules(
    template: &Template,
    functions: &BTreeMap<String, AsyncFunction>,
    state: &State,
) -> Vec<JoinHandle<()>> {
    let start = |source: ScheduleSource| {
        let function = functions[&source.function].clone();
        schedule::spawn(source, function, state.clone())
    };
    template.schedules.iter().cloned().map(start).collect()
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
