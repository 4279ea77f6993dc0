//! `omnimesh channel`: accounts at marketplaces, as a running mesh has them.

use std::{collections::BTreeMap, fs, io::Write};

use anyhow::{Context as _, Result, bail, ensure};
use omnimesh_kit::{
    clock::{Clock, Timestamp},
    ids::uuid_v7,
};
use omnimesh_proto::{
    channels::v1::{
        Account, AccountState, CheckAccountRequest, CreateAccountRequest, GetAccountRequest, GetOrderSyncRequest,
        ListAccountsRequest, ListDeadLettersRequest, ReplayDeadLetterRequest,
        channel_service_client::ChannelServiceClient,
    },
    connectors::v1::CheckVerdict,
};
use tonic::transport::Channel;

use crate::{cli::ChannelCommand, client::Client};

/// Runs `omnimesh channel …`.
///
/// # Errors
/// If the mesh does not answer or refuses, or an account does not work.
pub async fn channel(command: ChannelCommand, out: &mut impl Write) -> Result<()> {
    match command {
        ChannelCommand::Add { client, vendor, name, fields } => {
            let fields = fields.iter().map(|field| read(field)).collect::<Result<BTreeMap<_, _>>>()?;
            add(&Client::connect(&client).await?, vendor, name, fields, out).await
        }
        ChannelCommand::Check { client, account_id } => check(&Client::connect(&client).await?, account_id, out).await,
        ChannelCommand::Status { client, id } => {
            let client = Client::connect(&client).await?;
            match id {
                Some(id) if id.starts_with("order_") => order(&client, id, out).await,
                Some(id) => {
                    let request = client.request(GetAccountRequest { account_id: id });
                    let account = channels(&client).get_account(request).await?.into_inner().account;
                    show(&client, &account.context("the mesh answered without the account")?, out).await
                }
                None => all(&client, out).await,
            }
        }
        ChannelCommand::Replay { client, dead_letter_ids } => {
            replay(&Client::connect(&client).await?, dead_letter_ids, out).await
        }
    }
}

fn channels(client: &Client) -> ChannelServiceClient<Channel> {
    ChannelServiceClient::new(client.channel())
}

/// `NAME=VALUE` or `NAME=@FILE`. What is wrong is said without the value.
fn read(field: &str) -> Result<(String, String)> {
    let Some((name, value)) = field.split_once('=') else { bail!("--field takes NAME=VALUE or NAME=@FILE") };
    let value = match value.strip_prefix('@') {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| format!("the file of {name} can't be read: {file}"))?;
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
        None => value.to_owned(),
    };
    Ok((name.to_owned(), value))
}

async fn add(
    client: &Client,
    vendor: String,
    display_name: String,
    fields: BTreeMap<String, String>,
    out: &mut impl Write,
) -> Result<()> {
    let request_id = uuid_v7(Clock::System.now()).to_string();
    let request = CreateAccountRequest { vendor, display_name, fields, request_id };
    let account = channels(client).create_account(client.request(request)).await?.into_inner().account;
    writeln!(out, "{}", account.context("the mesh answered without the account")?.account_id)?;
    Ok(())
}

async fn check(client: &Client, account_id: String, out: &mut impl Write) -> Result<()> {
    let request = client.request(CheckAccountRequest { account_id });
    let answer = channels(client).check_account(request).await?.into_inner();
    let verdict = short(answer.verdict().as_str_name(), "CHECK_VERDICT_");
    writeln!(out, "{verdict}")?;
    let said = answer.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    ensure!(answer.verdict() == CheckVerdict::Ok, "the account does not work: {verdict} {said}");
    Ok(())
}

async fn all(client: &Client, out: &mut impl Write) -> Result<()> {
    let mut page_token = String::new();
    loop {
        let request = ListAccountsRequest { page_size: 100, page_token };
        let page = channels(client).list_accounts(client.request(request)).await?.into_inner();
        for account in &page.accounts {
            show(client, account, out).await?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn show(client: &Client, account: &Account, out: &mut impl Write) -> Result<()> {
    let sync = account.sync.clone().unwrap_or_default();
    let state = match account.state() {
        AccountState::Paused => " (paused)",
        _ => "",
    };
    writeln!(out, "{}  {}  {}{state}", account.account_id, account.vendor, account.display_name)?;
    let pulled = sync.pull_time.as_ref().and_then(Timestamp::from_proto).map(|pulled| pulled.to_string());
    writeln!(
        out,
        "  last pull {}; {} orders; actions: {} pending, {} in doubt, {} overdue; {} dead letters",
        pulled.as_deref().unwrap_or("never"),
        sync.units,
        sync.pending_actions,
        sync.actions_in_doubt,
        sync.overdue_actions,
        sync.dead_letters
    )?;
    if !sync.problem.is_empty() {
        writeln!(out, "  problem: {}", sync.problem)?;
    }
    let mut page_token = String::new();
    loop {
        let request = ListDeadLettersRequest { account_id: account.account_id.clone(), page_size: 100, page_token };
        let page = channels(client).list_dead_letters(client.request(request)).await?.into_inner();
        for letter in &page.dead_letters {
            let kind = short(letter.action_kind().as_str_name(), "ACTION_KIND_");
            let kind = if kind == "unspecified" { "order".to_owned() } else { kind };
            writeln!(out, "  {}  {kind} {}: {}", letter.dead_letter_id, letter.native_id, letter.problem)?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn order(client: &Client, order_id: String, out: &mut impl Write) -> Result<()> {
    let request = client.request(GetOrderSyncRequest { order_id });
    let sync = channels(client).get_order_sync(request).await?.into_inner();
    for unit in &sync.units {
        let state = short(unit.state().as_str_name(), "CHANNEL_ORDER_STATE_");
        writeln!(out, "{}  {}  {state} ({})", unit.account_id, unit.native_id, unit.raw_state)?;
    }
    for action in &sync.actions {
        let kind = short(action.kind().as_str_name(), "ACTION_KIND_");
        let state = short(action.state().as_str_name(), "ACTION_STATE_");
        let problem = if action.problem.is_empty() { String::new() } else { format!(": {}", action.problem) };
        writeln!(out, "{}  {kind}  {state}{problem}", action.action_id)?;
    }
    Ok(())
}

async fn replay(client: &Client, dead_letter_ids: Vec<String>, out: &mut impl Write) -> Result<()> {
    for dead_letter_id in dead_letter_ids {
        let request = client.request(ReplayDeadLetterRequest { dead_letter_id: dead_letter_id.clone() });
        channels(client).replay_dead_letter(request).await?;
        writeln!(out, "{dead_letter_id} is on its way again")?;
    }
    Ok(())
}

/// A value's name without what all of them begin with.
fn short(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}
