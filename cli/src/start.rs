//! Starts the service and keeps it until it is told to end.

use crate::options::Start;
use crate::{place, product, programs, welcome, workspace};
use local::template::Template;
use local::{Error, Result, Signer, Stack};
use std::io::Write as _;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long the end may take once every function has ended.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Runs the service until it is told to end.
pub fn run(options: &Start) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(async {
        // Before anything is started, so that a signal is never the end of this process alone.
        let mut end = std::pin::pin!(told_to_end(options.until_eof)?);
        let stack = tokio::select! {
            stack = start(options) => stack?,
            () = &mut end => return Ok(()),
        };
        end.await;
        local::say("ending");
        stack.stop().await;
        place::forget(&workspace::data_folder(options.data.as_deref())?);
        Ok(())
    });
    // A thread that waits for the disk does not keep the terminal waiting.
    runtime.shutdown_timeout(END_LIMIT);
    outcome
}

/// Builds what is to be built, starts everything and says where it is.
async fn start(options: &Start) -> Result<Stack> {
    if options.log {
        // Who reads no more is told nothing more.
        local::watch_log(|function, line| {
            writeln!(std::io::stdout(), "{function} {line}").ok();
        });
    }
    let root = workspace::root()?;
    let template = root.join(workspace::TEMPLATE);
    // The port is taken first: nobody wants to wait for a build to hear that it is not free.
    let listener = local::listen(options.port)?;
    let parameters = product::parameters(listener.local_addr()?.port());
    let functions = Template::load(&template, &parameters)?.functions;
    let binaries = match &options.binaries {
        Some(folder) => folder.clone(),
        None => programs::build(&root, &functions, options.release).await?,
    };
    let data = workspace::data_folder(options.data.as_deref())?;
    std::fs::create_dir_all(&data)
        .map_err(|error| Error::new(format!("{}: {error}", data.display())))?;
    let signer = Signer::open(&data)?;
    let tokens = welcome::Tokens::write(&signer, &data)?;
    let api = format!("http://{}", listener.local_addr()?);
    let running = data.clone();
    let stack = Stack::start(local::Options {
        template,
        parameters,
        secrets: product::secrets(),
        binaries,
        data,
        listener,
        pages: product::pages(signer, api),
    })
    .await?;
    place::announce(&running, &welcome::json_line(&stack))?;
    let text = welcome::text(&stack, &tokens);
    if options.json {
        local::say(text.trim_end());
        // Whoever asked for the line cannot use the stack without it.
        writeln!(std::io::stdout(), "{}", welcome::json_line(&stack))?;
    } else {
        // The page and the API work, read or not.
        std::io::stdout().write_all(text.as_bytes()).ok();
    }
    Ok(stack)
}

/// Ends with Ctrl-C, SIGTERM, the end of the terminal or, if asked for, the end of standard input.
fn told_to_end(until_eof: bool) -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        let eof = async {
            if until_eof {
                let read = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
                if let Err(error) = read {
                    local::say(format_args!("standard input: {error}"));
                }
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            () = eof => {}
        }
    })
}
