//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use schemas::codec::Format;
use schemas::ids::TenantId;
use schemas::time::EventTime;
use schemas::view::ViewName;

mod rules;

pub use rules::{PreviewOptions, RulesAction, RulesOptions};

/// Explains production outages from the events that led to them.
#[derive(Debug, Parser)]
#[command(name = "kgroot", version, about)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replay a recorded outage and explain it; then serve the API, unless --once.
    Demo(DemoOptions),
    /// Run the engine and the API from a configuration.
    Run(RunOptions),
    /// Explain files, folders or standard input on the spot.
    Replay(ReplayOptions),
    /// Check a configuration without starting anything.
    Validate(ValidateOptions),
    /// Try everything that a configuration names: ✓ or ✗, with the reason and what to do.
    Doctor(ConfigOptions),
    /// Check, list and try rules.
    Rules(RulesOptions),
    /// The schema of envelopes, and the registry that producers share.
    Schema(SchemaOptions),
    /// Look at what must outlive the process: control log and snapshots.
    State(StateOptions),
    /// Ask a running kgroot.
    Investigate(InvestigateOptions),
    /// Search events and conclusions of a running kgroot for words.
    Search(SearchOptions),
    /// Watch a view of a running kgroot: + came, - went.
    Tap(TapOptions),
    /// Incidents of a running kgroot.
    Incidents(ViewOptions),
    /// Chains of a running kgroot.
    Chains(ViewOptions),
    /// Anomaly candidates of a running kgroot.
    Anomalies(ViewOptions),
    /// Alerts of a running kgroot.
    Alerts(ViewOptions),
    /// Relations known to a running kgroot.
    Topology(ViewOptions),
    /// Refused records of a running kgroot.
    Rejects(ViewOptions),
    /// Write rows of a view of a running kgroot to a file.
    Export(ExportOptions),
    /// Carry messages of the Model Context Protocol between standard input and output and a running kgroot.
    Mcp(McpOptions),
}

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON document per line.
    Ndjson,
}

/// `kgroot demo`.
#[derive(Debug, Args)]
pub struct DemoOptions {
    /// Print the answer and exit.
    #[arg(long)]
    pub once: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// Where the API listens afterwards.
    #[arg(long, default_value = "127.0.0.1:8000")]
    pub listen: String,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, Args)]
pub struct ConfigOptions {
    /// Configuration file.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Override one key: section.key=value.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// `kgroot run`.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// Which process of a cluster this is, from 0; process 0 reads and seals.
    #[arg(long, requires = "hosts")]
    pub process: Option<usize>,
    /// File with one `host:port` per line, by which the processes of a cluster reach each other.
    #[arg(long, requires = "process")]
    pub hosts: Option<PathBuf>,
}

/// `kgroot state`.
#[derive(Debug, Args)]
pub struct StateOptions {
    /// What to do.
    #[command(subcommand)]
    pub action: StateAction,
}

/// What to do with the state. None of it while `kgroot run` has the embedded log open.
#[derive(Debug, Subcommand)]
pub enum StateAction {
    /// Say what is sealed, and which snapshots there are.
    Inspect(ConfigOptions),
    /// Read every snapshot and every control record.
    Verify(ConfigOptions),
    /// Remove snapshots and control records that no recovery needs.
    Compact(ConfigOptions),
}

/// `kgroot validate`.
#[derive(Debug, Args)]
pub struct ValidateOptions {
    /// Configuration file.
    pub config: PathBuf,
}

/// `kgroot schema`.
#[derive(Debug, Args)]
pub struct SchemaOptions {
    /// What to do with the schema.
    #[command(subcommand)]
    pub action: SchemaAction,
}

/// What to do with the schema.
#[derive(Debug, Subcommand)]
pub enum SchemaAction {
    /// Print the schema that this kgroot reads.
    Show,
    /// Say whether a schema can be registered; change nothing.
    Check(RegistryOptions),
    /// Register a schema once it has been checked.
    Register(RegistryOptions),
}

/// A registry, and a schema for it.
#[derive(Debug, Args)]
pub struct RegistryOptions {
    /// Confluent-compatible registry, as in `kafka.registry`.
    #[arg(long)]
    pub registry: String,
    /// A later version of the schema; the built-in one when absent.
    #[arg(long)]
    pub file: Option<PathBuf>,
}

/// `kgroot replay`.
#[derive(Debug, Args)]
pub struct ReplayOptions {
    /// Files or folders; `-` reads standard input.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Format of the input; detected when absent.
    #[arg(long, value_parser = parse_format)]
    pub format: Option<Format>,
    /// Whose events they are.
    #[arg(long, default_value = "local")]
    pub tenant: TenantId,
    /// Ask this question afterwards.
    #[arg(long, value_name = "QUESTION")]
    pub investigate: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Where a running kgroot is, and whose views are asked.
#[derive(Clone, Debug, Args)]
pub struct Remote {
    /// Address of the API.
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    pub url: String,
    /// Whose views.
    #[arg(long)]
    pub tenant: TenantId,
}

/// `kgroot investigate`.
#[derive(Debug, Args)]
pub struct InvestigateOptions {
    /// The question.
    pub query: String,
    /// Where and whose.
    #[command(flatten)]
    pub remote: Remote,
    /// Service to look at.
    #[arg(long)]
    pub service: Option<String>,
    /// Start of the window, RFC 3339.
    #[arg(long, requires = "to")]
    pub from: Option<String>,
    /// End of the window, RFC 3339.
    #[arg(long, requires = "from")]
    pub to: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// `kgroot search`.
#[derive(Debug, Args)]
pub struct SearchOptions {
    /// Words, "phrases", begin*, either OR other, -not, field:value.
    pub query: String,
    /// Where and whose.
    #[command(flatten)]
    pub remote: Remote,
    /// Rows that end at or after this instant, RFC 3339.
    #[arg(long)]
    pub from: Option<String>,
    /// Rows that begin before this instant, RFC 3339.
    #[arg(long)]
    pub to: Option<String>,
    /// Most rows, newest first.
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// `kgroot tap`.
#[derive(Debug, Args)]
pub struct TapOptions {
    /// The view to watch.
    pub view: String,
    /// Where and whose.
    #[command(flatten)]
    pub remote: Remote,
}

/// `kgroot incidents` and the like.
#[derive(Debug, Args)]
pub struct ViewOptions {
    /// List rows, or show one.
    #[command(subcommand)]
    pub action: ViewAction,
}

/// List or show.
#[derive(Debug, Subcommand)]
pub enum ViewAction {
    /// All rows.
    List {
        /// Where and whose.
        #[command(flatten)]
        remote: Remote,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Rows of one incident or entity.
    Show {
        /// `inc_…`, or an entity as kind/namespace/name.
        id: String,
        /// Where and whose.
        #[command(flatten)]
        remote: Remote,
        /// How to print.
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}

/// `kgroot export`.
#[derive(Debug, Args)]
pub struct ExportOptions {
    /// The view.
    #[arg(long, value_parser = parse_view)]
    pub view: ViewName,
    /// Rows whose time ends at or after this instant, RFC 3339.
    #[arg(long, value_parser = EventTime::parse)]
    pub from: Option<EventTime>,
    /// Rows whose time begins before this instant, RFC 3339.
    #[arg(long, value_parser = EventTime::parse)]
    pub to: Option<EventTime>,
    /// The file; or a folder, in which the file is named after view, tenant and window.
    #[arg(long)]
    pub out: PathBuf,
    /// What is written.
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,
    /// Replace the file if it is there.
    #[arg(long)]
    pub force: bool,
    /// Where and whose.
    #[command(flatten)]
    pub remote: Remote,
}

/// `kgroot mcp`.
#[derive(Debug, Args)]
pub struct McpOptions {
    /// Address of the API.
    #[arg(long, visible_alias = "url", default_value = "http://127.0.0.1:8000")]
    pub server: String,
    /// Whose views.
    #[arg(long)]
    pub tenant: TenantId,
}

/// Format of an exported file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Columns, as in the Parquet store.
    #[default]
    Parquet,
    /// One JSON document per line, as in the API.
    Ndjson,
    /// For spreadsheets; nested values are JSON.
    Csv,
}

impl ExportFormat {
    /// What names of such files end with.
    pub fn extension(self) -> &'static str {
        match self {
            ExportFormat::Parquet => "parquet",
            ExportFormat::Ndjson => "ndjson",
            ExportFormat::Csv => "csv",
        }
    }
}

fn parse_view(text: &str) -> Result<ViewName, String> {
    text.parse().map_err(|_| {
        let names: Vec<&str> = ViewName::ALL.iter().map(|view| view.as_str()).collect();
        format!("unknown view; use one of {}", names.join(", "))
    })
}

fn parse_format(text: &str) -> Result<Format, String> {
    text.parse().map_err(|_| {
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
        format!("unknown format; use one of {}", names.join(", "))
    })
}
