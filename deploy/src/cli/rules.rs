//! `kgroot rules`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use schemas::codec::Format;
use schemas::ids::TenantId;
use schemas::time::EventTime;

use super::{ConfigOptions, Output, parse_format};

/// `kgroot rules`.
#[derive(Debug, Args)]
pub struct RulesOptions {
    /// What to do with the rules.
    #[command(subcommand)]
    pub action: RulesAction,
}

/// What to do with the rules.
#[derive(Debug, Subcommand)]
pub enum RulesAction {
    /// Check kinds and rules, and count them.
    Check {
        /// A rules file; the built-in rules alone when absent.
        file: Option<PathBuf>,
    },
    /// List the rules.
    List {
        /// A rules file; the built-in rules alone when absent.
        file: Option<PathBuf>,
    },
    /// List the kinds that rules may name.
    Kinds,
    /// Compute history by the present rules and by proposed ones, and say which incidents, alerts, rankings and links differ.
    Preview(Box<PreviewOptions>),
}

/// `kgroot rules preview`. At most 200,000 records; take a shorter time if there are more.
#[derive(Debug, Args)]
pub struct PreviewOptions {
    /// The proposed rules file.
    #[arg(long)]
    pub rules: PathBuf,
    /// Incidents seen at or after this instant, RFC 3339; what arrived up to one horizon before is computed too.
    #[arg(long, value_parser = EventTime::parse)]
    pub from: Option<EventTime>,
    /// Incidents that began, of what arrived, before this instant, RFC 3339.
    #[arg(long, value_parser = EventTime::parse)]
    pub to: Option<EventTime>,
    /// Present rules, engine and event log; no process may have an embedded log open meanwhile.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// The folder `data` of the configuration.
    #[arg(long, conflicts_with = "recording")]
    pub data: Option<PathBuf>,
    /// Files or folders to read instead of an event log, as `kgroot replay` does.
    #[arg(long, num_args = 1..)]
    pub recording: Vec<PathBuf>,
    /// Format of a recording; detected when absent.
    #[arg(long, value_parser = parse_format, requires = "recording")]
    pub format: Option<Format>,
    /// Whose history; all tenants of the log when absent, `local` for a recording.
    #[arg(long)]
    pub tenant: Option<TenantId>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}
