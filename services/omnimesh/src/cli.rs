//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use omnimesh_kit::config::Flags;

use crate::{
    bench::{BenchArgs, ReferenceArgs},
    client::ClientArgs,
};

/// A retailer's channels as one: one profile, one cart, one order book, over gRPC, gRPC-Web and Connect.
///
/// Without a command it starts the whole mesh in this process, with embedded stores in ./omnimesh-data. Settings come from
/// omnimesh.toml, then OMNIMESH_* variables, then flags; `omnimesh config` shows them.
#[derive(Debug, Parser)]
#[command(name = "omnimesh", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; nothing means `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve, without a command.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the mesh, or some of its services.
    Serve(ServeArgs),
    /// Bring the databases up to date, as `serve` does at its start, and stop.
    Migrate(SettingsArgs),
    /// Print the effective settings, secrets hidden.
    Config(SettingsArgs),
    /// API keys of a running mesh.
    Key(KeyArgs),
    /// Events that a service could not take: list them, and give them their effect once the cause is mended.
    Events(EventsArgs),
    /// Read products, orders or customer records from a CSV file (also .gz) into a running mesh.
    Import(ImportArgs),
    /// Write orders of a running mesh as JSON lines.
    Export(ExportArgs),
    /// Customers of a running mesh: look at one, merge two, split one again, and see which may be one.
    Profile(ProfileArgs),
    /// Figures of a running mesh's order book.
    Report(ReportArgs),
    /// Accounts at marketplaces: add one, check it, see how it is in sync, and try again what failed.
    Channel(ChannelArgs),
    /// Stand-ins of systems that the mesh talks to, to try it with.
    Sandbox(SandboxArgs),
    /// Play a customer's story over five channels against a running mesh, and print every step.
    Tour(TourArgs),
    /// Measure the mesh on this machine: what a call costs, beside bare echoes and the stores themselves.
    Bench(Box<BenchArgs>),
    /// A bare server that a bench compares with.
    #[command(hide = true)]
    BenchReference(ReferenceArgs),
}

/// Where settings come from.
#[derive(Args, Clone, Debug, Default)]
pub struct SettingsArgs {
    /// The settings file; otherwise omnimesh.toml, if it is there.
    #[arg(long, env = "OMNIMESH_CONFIG")]
    pub config: Option<PathBuf>,
    /// The folder of the embedded stores, the secret and the admin key [default: ./omnimesh-data].
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
}

/// How to serve.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// Where settings come from.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Where the gateway listens [default: 127.0.0.1:8080].
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Where the services of this process listen for other processes [default: a free port of 127.0.0.1].
    #[arg(long)]
    pub internal_listen: Option<SocketAddr>,
    /// A service to run, as often as needed; none means all. The others are found at `addresses` of the settings.
    #[arg(long = "target", value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Leave out the demo catalog, stores and shipping methods of the first start.
    #[arg(long)]
    pub no_demo: bool,
}

impl ServeArgs {
    /// The settings that these flags set.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags {
            listen: self.listen,
            internal_listen: self.internal_listen,
            data_dir: self.settings.data_dir.clone(),
            targets: self.targets.clone(),
        }
    }
}

impl SettingsArgs {
    /// The settings that these flags set.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags { data_dir: self.data_dir.clone(), ..Flags::default() }
    }
}

/// API keys.
#[derive(Args, Debug)]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// Accounts at marketplaces.
#[derive(Args, Debug)]
pub struct ChannelArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ChannelCommand,
}

/// What to do with accounts at marketplaces.
#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Add an account and print its id. Its orders are pulled from then on.
    Add {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// The connector, such as trendyol.
        vendor: String,
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What the connector asks for, as often as needed; NAME=@FILE reads a value, such as a secret, from a file.
        #[arg(long = "field", value_name = "NAME=VALUE")]
        fields: Vec<String>,
    },
    /// Ask the marketplace whether an account's credentials work.
    Check {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// The account's id, as `status` shows it.
        account_id: String,
    },
    /// Show how accounts are in sync, with what needs a person; or how one order is.
    Status {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// An account (chan_…) or an order (order_…); nothing for all accounts.
        id: Option<String>,
    },
    /// Try again what needed a person, once its cause is mended.
    Replay {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// Ids (dead_…), as `status` shows them.
        #[arg(required = true)]
        dead_letter_ids: Vec<String>,
    },
}

/// What to do with API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key and print it; it is shown only this once.
    Create(KeyCreateArgs),
    /// List the keys, without their secrets.
    List {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Revoke a key: calls with it fail within seconds.
    Revoke {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// The key's id, as `list` shows it.
        key_id: String,
    },
}

/// Events that wait.
#[derive(Args, Debug)]
pub struct EventsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: EventsCommand,
}

/// What to do with events that wait.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List the carts, orders and the like whose events wait, per service, with the reason.
    Parked {
        /// The databases.
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Give the waiting events of one of them their effect, in order.
    Replay {
        /// The databases.
        #[command(flatten)]
        settings: SettingsArgs,
        /// The service that could not take them, as `parked` shows it.
        #[arg(long)]
        service: String,
        /// The typed id that they are about, as `parked` shows it.
        aggregate_id: String,
    },
}

/// A key to create.
#[derive(Args, Debug)]
pub struct KeyCreateArgs {
    /// The mesh.
    #[command(flatten)]
    pub client: ClientArgs,
    /// What it is for.
    #[arg(long, value_enum)]
    pub kind: KeyKind,
    /// What people call it.
    #[arg(long)]
    pub name: String,
    /// A scope of a secret or partner key, such as payments.write; as often as needed.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// An origin that a publishable key may be used from, such as https://shop.example; none allows all.
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub origins: Vec<String>,
    /// The channel account of a partner key.
    #[arg(long, default_value = "")]
    pub account: String,
    /// Days until it expires; left out it does not.
    #[arg(long)]
    pub days: Option<u32>,
    /// Write it into the database of the settings in place of asking a running mesh: for when the admin key is lost.
    #[arg(long)]
    pub offline: bool,
    /// The settings file that names the database, with --offline.
    #[arg(long, env = "OMNIMESH_CONFIG")]
    pub config: Option<PathBuf>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KeyKind {
    /// For web pages and apps: starts sessions, nothing else.
    Publishable,
    /// For the retailer's back-ends, with scopes.
    Secret,
    /// For one partner, bound to a channel account.
    Partner,
    /// For administrators: everything.
    Admin,
}

/// What to import.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// What the file holds.
    #[command(subcommand)]
    pub command: ImportCommand,
}

/// What a file holds.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Products; rows of one SKU are one product.
    Products(ImportFileArgs),
    /// Orders, returns and adjustments; rows of one number are one document.
    Orders {
        /// The file.
        #[command(flatten)]
        file: ImportFileArgs,
        /// Whether the orders are a record of the past or are to be fulfilled.
        #[arg(long, value_enum, default_value_t = ModeArg::Historical)]
        mode: ModeArg,
    },
    /// Customer records: what each channel knows of a person, a row a record.
    Profiles(ImportFileArgs),
}

/// A file to import.
#[derive(Args, Debug)]
pub struct ImportFileArgs {
    /// The mesh.
    #[command(flatten)]
    pub client: ClientArgs,
    /// The CSV file, plain or .gz.
    #[arg(required_unless_present = "print_mapping")]
    pub file: Option<PathBuf>,
    /// The mapping file: which column holds what. Left out: a built-in one that fits the header.
    #[arg(long)]
    pub mapping: Option<PathBuf>,
    /// Print a built-in mapping with its explanations, to start your own from.
    #[arg(long)]
    pub print_mapping: bool,
}

/// How imported orders count.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModeArg {
    /// A record of the past: no stock moves, nobody is told.
    Historical,
    /// Orders to fulfil: they reserve stock.
    Live,
}

/// What to export.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// What.
    #[command(subcommand)]
    pub command: ExportCommand,
}

/// What to export.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Orders, a JSON object a line, in the protobuf JSON form of omnimesh.orders.v1.Order.
    Orders {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// Only orders of this channel account or imported system.
        #[arg(long, default_value = "")]
        account: String,
        /// The file to write; left out: standard output.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

/// Customers.
#[derive(Args, Debug)]
pub struct ProfileArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ProfileCommand,
}

/// What to do with customers.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Show a customer: what they are known by, how strongly, and which merges hold the profile together.
    Show {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// A profile id, or words to search for: a name, phone, e-mail address, loyalty card or order number.
        #[arg(required = true)]
        query: Vec<String>,
        /// Print JSON in place of text.
        #[arg(long)]
        json: bool,
    },
    /// Make two profiles one customer.
    Merge {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// One profile.
        profile_id: String,
        /// The other.
        other_profile_id: String,
        /// Why; it is kept with the merge.
        #[arg(long)]
        reason: String,
        /// Merge although they hold different cards or the like, of which a person has one.
        #[arg(long)]
        override_veto: bool,
    },
    /// Take a customer apart again: the named profiles leave, and are not joined again by the mesh.
    Split {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// The customer.
        profile_id: String,
        /// Profiles that leave, as `show` lists them.
        leaving: Vec<String>,
        /// A merge to undo, as `show` lists it, in place of profiles that leave.
        #[arg(long, conflicts_with = "leaving", required_unless_present = "leaving")]
        merge: Option<String>,
        /// Why; it is kept with the split.
        #[arg(long)]
        reason: String,
    },
    /// Pairs of profiles that may be one customer, with the evidence; accept one or keep it apart for ever.
    Suggestions {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// Only about this profile.
        #[arg(long, default_value = "")]
        profile: String,
        /// How many to list at the most.
        #[arg(long, default_value_t = 20)]
        limit: u16,
        /// Merge the two of this suggestion.
        #[arg(long, value_name = "SUGGESTION", conflicts_with = "reject")]
        accept: Option<String>,
        /// Keep the two of this suggestion apart for ever.
        #[arg(long, value_name = "SUGGESTION")]
        reject: Option<String>,
    },
}

/// What to report.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// What.
    #[command(subcommand)]
    pub command: ReportCommand,
}

/// What to report.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Gross, returns, net, orders, customers; by month and country; top products and customers; RFM quintiles.
    Sales {
        /// The mesh.
        #[command(flatten)]
        client: ClientArgs,
        /// Print JSON in place of a table.
        #[arg(long)]
        json: bool,
        /// Only documents of this currency.
        #[arg(long)]
        currency: Option<String>,
        /// Only documents of this channel account or imported system.
        #[arg(long, default_value = "")]
        account: String,
    },
}

/// Stand-ins.
#[derive(Args, Debug)]
pub struct SandboxArgs {
    /// Of what.
    #[command(subcommand)]
    pub command: SandboxCommand,
}

/// What there is a stand-in of.
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// İYS, Türkiye's registry of consents: takes consents, answers for them, and has outages at will.
    Iys {
        /// Where it listens.
        #[arg(long, default_value = "127.0.0.1:8090")]
        listen: SocketAddr,
    },
    /// Trendyol's marketplace: orders that appear and go their way, stock, prices and claims, and faults at will.
    Trendyol {
        /// Where it listens.
        #[arg(long, default_value = "127.0.0.1:8091")]
        listen: SocketAddr,
        /// Seconds from one order to the next; 0 lets none appear by itself.
        #[arg(long, default_value_t = 0)]
        every: u64,
    },
}

/// The tour.
#[derive(Args, Debug)]
pub struct TourArgs {
    /// The mesh.
    #[command(flatten)]
    pub client: ClientArgs,
}
