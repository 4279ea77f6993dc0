//! The command `omnimesh`: see [`omnimesh::cli`].

use std::{
    fs::File,
    io::{BufWriter, Write},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use omnimesh::{
    bench,
    cli::{Cli, Command, ExportCommand, ReportCommand, SettingsArgs},
    client::Client,
    commands, mesh, serve, targets, tour,
};
use omnimesh_kit::config::Settings;

fn main() -> ExitCode {
    match start(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        // Done, but something was refused and is listed.
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            omnimesh::say(&format!("omnimesh: {}", explain(&error)));
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> Result<bool> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(cli))
}

async fn run(cli: Cli) -> Result<bool> {
    // A line at a time would be a system call a line; locked once, nothing else prints.
    let mut out = BufWriter::new(std::io::stdout());
    let whole = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => {
            serve::serve(&args).await?;
            true
        }
        Command::Migrate(args) => {
            mesh::migrate(&settings(&args)?).await?;
            writeln!(out, "every database is up to date")?;
            true
        }
        Command::Config(args) => {
            serde_json::to_writer_pretty(&mut out, &settings(&args)?.effective())?;
            writeln!(out)?;
            true
        }
        Command::Key(args) => {
            commands::key(args.command, &mut out).await?;
            true
        }
        Command::Events(args) => {
            commands::events(args.command, settings, &mut out).await?;
            true
        }
        Command::Import(args) => commands::import(args.command, &mut out).await?,
        Command::Export(args) => {
            let ExportCommand::Orders { client, account, output } = args.command;
            let client = Client::connect(&client).await?;
            match output {
                None => commands::export_orders(&client, &account, &mut out).await?,
                Some(path) => {
                    let file = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
                    commands::export_orders(&client, &account, &mut BufWriter::new(file)).await?
                }
            };
            true
        }
        Command::Profile(args) => {
            commands::profile(args.command, &mut out).await?;
            true
        }
        Command::Report(args) => {
            let ReportCommand::Sales { client, json, currency, account } = args.command;
            let client = Client::connect(&client).await?;
            commands::report_sales(&client, &account, currency.as_deref(), json, &mut out).await?;
            true
        }
        Command::Channel(args) => {
            commands::channel(args.command, &mut out).await?;
            true
        }
        Command::Sandbox(args) => {
            commands::sandbox(args.command, &mut out).await?;
            true
        }
        Command::Tour(args) => {
            tour::play(&Client::connect(&args.client).await?, &mut out).await?;
            true
        }
        Command::Bench(args) => bench::bench(&args, &mut out).await?,
        Command::BenchReference(args) => {
            bench::serve_reference(&args).await?;
            true
        }
    };
    out.flush()?;
    Ok(whole)
}

fn settings(args: &SettingsArgs) -> Result<Settings> {
    Ok(Settings::load(&targets::sources(args.config.clone(), args.flags()))?)
}

/// The error and its causes, for a person: of a gRPC status its code and text.
fn explain(error: &anyhow::Error) -> String {
    let mut parts = Vec::new();
    for cause in error.chain() {
        match cause.downcast_ref::<tonic::Status>() {
            Some(status) => parts.push(format!("{:?}: {}", status.code(), status.message())),
            None => parts.push(cause.to_string()),
        }
    }
    parts.dedup();
    parts.join(": ")
}
