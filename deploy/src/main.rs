//! `kgroot`: arguments, telemetry, command, exit code.

use std::process::ExitCode;

use clap::Parser;
use deploy::cli::{Arguments, Command};
use deploy::{client, demo, doctor, exit, export, mcp, replay, rules, schema, serve, state, telemetry};

/// Gives memory back after a burst (docs/adr/0008).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let telemetry = telemetry::start();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&anyhow::Error::new(error).context("start the async runtime")),
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            Command::Demo(options) => demo::run(options).await,
            Command::Run(options) => serve::run(options).await,
            Command::Replay(options) => replay::run(options).await,
            Command::Validate(options) => serve::validate(&options),
            Command::Doctor(options) => doctor::run(options).await,
            Command::Rules(options) => rules::run(&options).await,
            Command::Schema(options) => schema::run(options).await,
            Command::State(options) => state::run(options).await,
            Command::Investigate(options) => client::investigate(options).await,
            Command::Search(options) => client::search(options).await,
            Command::Tap(options) => client::tap(options).await,
            Command::Incidents(options) => client::view("incidents", options).await,
            Command::Chains(options) => client::view("chains", options).await,
            Command::Anomalies(options) => client::view("anomalies", options).await,
            Command::Alerts(options) => client::view("alerts", options).await,
            Command::Topology(options) => client::view("topology", options).await,
            Command::Rejects(options) => client::view("rejects", options).await,
            Command::Export(options) => export::run(options).await,
            Command::Mcp(options) => mcp::run(options).await,
        }
    });
    // Whatever has not stopped by now, such as a thread that waits for a broker, is not waited for.
    runtime.shutdown_background();
    drop(telemetry);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}
