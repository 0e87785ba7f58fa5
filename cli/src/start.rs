//! Starts the service and keeps it until it is told to end.

use crate::options::Start;
use crate::{product, programs, welcome, workspace};
use local::template::Template;
use local::{Error, Result, Signer, Stack};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long the end may take once every function has ended.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Runs the service until Ctrl-C or SIGTERM.
pub fn run(options: &Start) -> Result<()> {
    let root = workspace::root()?;
    let template = root.join(workspace::TEMPLATE);
    // The port is taken first: nobody wants to wait for a build to hear that it is not free.
    let listener = local::listen(options.port)?;
    let parameters = product::parameters(listener.local_addr()?.port());
    let functions = Template::load(&template, &parameters)?.functions;
    let binaries = match &options.binaries {
        Some(folder) => folder.clone(),
        None => programs::build(&root, &functions, options.release)?,
    };
    let data = workspace::data_folder(options.data.as_deref())?;
    std::fs::create_dir_all(&data)
        .map_err(|error| Error::new(format!("{}: {error}", data.display())))?;
    let signer = Signer::open(&data)?;
    let pages = product::pages(&signer, &format!("http://{}", listener.local_addr()?));
    let stack = local::Options {
        template,
        parameters,
        binaries,
        data,
        listener,
        pages,
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(until_told(stack, &signer, options));
    // A thread that waits for the disk does not keep the terminal waiting.
    runtime.shutdown_timeout(END_LIMIT);
    outcome
}

async fn until_told(stack: local::Options, signer: &Signer, options: &Start) -> Result<()> {
    let tokens = welcome::Tokens::write(signer, &stack.data)?;
    // Before the start, so that a signal during it is not the end of this process alone.
    let mut end = std::pin::pin!(told_to_end(options.until_eof)?);
    let stack = tokio::select! {
        stack = Stack::start(stack) => stack?,
        () = &mut end => return Ok(()),
    };
    if options.json {
        eprint!("{}", welcome::text(&stack, &tokens));
        println!("{}", welcome::json_line(&stack));
    } else {
        print!("{}", welcome::text(&stack, &tokens));
    }
    end.await;
    eprintln!("ending");
    stack.stop().await;
    Ok(())
}

/// Ends with Ctrl-C, SIGTERM or, if asked for, the end of standard input.
fn told_to_end(until_eof: bool) -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let eof = async {
            if until_eof {
                let read = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
                if let Err(error) = read {
                    eprintln!("standard input: {error}");
                }
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = eof => {}
        }
    })
}
