//! `omnimesh import`: runs an import and says what became of it.

use std::io::Write;

use anyhow::{Context as _, Result};
use omnimesh_proto::orders::v1::ImportMode;

use crate::{
    cli::{ImportCommand, ImportFileArgs, ModeArg},
    client::Client,
    import::{Kind, Mapping, Plan, Summary, import_orders, import_products, import_profiles},
};

/// Runs `omnimesh import …`. Whether every row was imported.
///
/// # Errors
/// If the file or mapping can't be used, or the mesh does not answer.
pub async fn import(command: ImportCommand, out: &mut impl Write) -> Result<bool> {
    let (kind, args) = match &command {
        ImportCommand::Products(args) => (Kind::Products, args),
        ImportCommand::Orders { file, .. } => (Kind::Orders, file),
        ImportCommand::Profiles(args) => (Kind::Profiles, args),
    };
    if args.print_mapping {
        write!(out, "{}", Mapping::example(kind))?;
        return Ok(true);
    }
    let plan = plan(args)?;
    let client = Client::connect(&args.client).await?;
    let summary = match &command {
        ImportCommand::Products(_) => import_products(&client, &plan).await?,
        ImportCommand::Orders { mode: ModeArg::Historical, .. } => {
            import_orders(&client, &plan, ImportMode::Historical).await?
        }
        ImportCommand::Profiles(_) => import_profiles(&client, &plan).await?,
        ImportCommand::Orders { mode: ModeArg::Live, .. } => import_orders(&client, &plan, ImportMode::Live).await?,
    };
    print(&summary, kind, out)?;
    Ok(summary.refused.is_empty())
}

fn plan(args: &ImportFileArgs) -> Result<Plan> {
    Ok(Plan {
        file: args.file.clone().context("name the file to import")?,
        mapping: args.mapping.clone(),
        checkpoints: args.client.data_dir.join("imports"),
    })
}

fn print(summary: &Summary, kind: Kind, out: &mut impl Write) -> Result<()> {
    for refusal in &summary.refused {
        writeln!(out, "line {}: refused: {}", refusal.line, refusal.reason)?;
    }
    let noun = match kind {
        Kind::Products => "products",
        Kind::Orders => "documents",
        Kind::Profiles => "records",
    };
    let updated = if kind == Kind::Profiles { "added to profiles that were known" } else { "updated" };
    writeln!(out, "{} rows, {} {noun}", summary.rows, summary.items)?;
    for (count, what) in [
        (summary.resumed as u64, "finished by an earlier run"),
        (summary.created, "created"),
        (summary.updated, updated),
        (summary.unchanged, "unchanged"),
        (summary.stale, "older than the ones known, dropped"),
        (summary.conflict, "of the same time as the ones known but different, kept aside"),
        (summary.suppressed, "about customers who were erased, not kept"),
        (summary.refused.len() as u64, "rows refused"),
    ] {
        if count > 0 {
            writeln!(out, "  {count:>8} {what}")?;
        }
    }
    Ok(())
}
