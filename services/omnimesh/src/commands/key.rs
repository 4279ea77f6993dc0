//! `omnimesh key`: API keys of a running mesh.

use std::time::Duration;

use anyhow::{Context as _, Result};
use omnimesh_kit::{
    clock::Clock,
    config::{Flags, Settings},
    ids::uuid_v7,
};
use omnimesh_proto::sessions::v1::{
    ApiKey, ApiKeyKind, CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest,
    api_key_service_client::ApiKeyServiceClient,
};
use omnimesh_sessions::KeySpec;

use crate::{
    cli::{KeyCommand, KeyCreateArgs, KeyKind},
    client::Client,
    mesh, targets,
};

const SECONDS_PER_DAY: i64 = 86_400;

/// Runs `omnimesh key …`.
///
/// # Errors
/// If the mesh does not answer or refuses.
pub async fn key(command: KeyCommand, out: &mut impl std::io::Write) -> Result<()> {
    match command {
        KeyCommand::Create(args) => create(args, out).await,
        KeyCommand::List { client } => list(&Client::connect(&client).await?, out).await,
        KeyCommand::Revoke { client, key_id } => revoke(&Client::connect(&client).await?, key_id, out).await,
    }
}

async fn create(args: KeyCreateArgs, out: &mut impl std::io::Write) -> Result<()> {
    let kind = match args.kind {
        KeyKind::Publishable => ApiKeyKind::Publishable,
        KeyKind::Secret => ApiKeyKind::Secret,
        KeyKind::Partner => ApiKeyKind::Partner,
        KeyKind::Admin => ApiKeyKind::Admin,
    };
    let secret = if args.offline { create_offline(args, kind).await? } else { create_online(args, kind).await? };
    writeln!(out, "{secret}")?;
    Ok(())
}

async fn create_online(args: KeyCreateArgs, kind: ApiKeyKind) -> Result<String> {
    let client = Client::connect(&args.client).await?;
    let request = CreateApiKeyRequest {
        kind: kind.into(),
        display_name: args.name,
        scopes: args.scopes,
        origins: args.origins,
        channels: Vec::new(),
        account_id: args.account,
        ttl: args.days.map(|days| prost_types::Duration { seconds: i64::from(days) * SECONDS_PER_DAY, nanos: 0 }),
        request_id: uuid_v7(Clock::System.now()).to_string(),
    };
    Ok(keys(&client).create_api_key(client.request(request)).await?.into_inner().secret)
}

async fn create_offline(args: KeyCreateArgs, kind: ApiKeyKind) -> Result<String> {
    let flags = Flags { data_dir: Some(args.client.data_dir), ..Flags::default() };
    let settings = Settings::load(&targets::sources(args.config, flags))?;
    let spec = KeySpec {
        scopes: args.scopes,
        origins: args.origins,
        account: args.account,
        ttl: args.days.map(|days| Duration::from_secs(u64::from(days) * SECONDS_PER_DAY.unsigned_abs())),
        ..KeySpec::plain(kind, &args.name)
    };
    let db = mesh::open(&settings, &omnimesh_sessions::MIGRATIONS).await?;
    let (_, secret) = omnimesh_sessions::create_key(&db, spec).await?;
    db.close().await;
    Ok(secret.expose().clone())
}

async fn list(client: &Client, out: &mut impl std::io::Write) -> Result<()> {
    let mut page_token = String::new();
    loop {
        let request = ListApiKeysRequest { page_size: 100, page_token };
        let page = keys(client).list_api_keys(client.request(request)).await?.into_inner();
        for key in &page.api_keys {
            writeln!(
                out,
                "{:<28} {:<12} {:<8} {:<32} {}",
                key.key_id,
                kind_name(key),
                state(key),
                key.display_name,
                key.scopes.join(",")
            )?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn revoke(client: &Client, key_id: String, out: &mut impl std::io::Write) -> Result<()> {
    let request = RevokeApiKeyRequest { key_id, request_id: uuid_v7(Clock::System.now()).to_string() };
    let key = keys(client).revoke_api_key(client.request(request)).await?.into_inner().api_key;
    let key = key.context("the mesh answered without the key")?;
    writeln!(out, "{} is revoked", key.key_id)?;
    Ok(())
}

fn keys(client: &Client) -> ApiKeyServiceClient<tonic::transport::Channel> {
    ApiKeyServiceClient::new(client.channel())
}

fn kind_name(key: &ApiKey) -> String {
    key.kind().as_str_name().trim_start_matches("API_KEY_KIND_").to_lowercase()
}

fn state(key: &ApiKey) -> &'static str {
    let now = Clock::System.now().to_proto().seconds;
    match (&key.revoke_time, &key.expire_time) {
        (Some(_), _) => "revoked",
        (None, Some(expiry)) if expiry.seconds <= now => "expired",
        _ => "valid",
    }
}
