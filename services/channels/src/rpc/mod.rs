//! The use cases, one file each.

mod check_account;
mod create_account;
mod fields;
mod get_account;
mod get_order_sync;
mod list_accounts;
mod list_dead_letters;
mod open_credentials;
mod pause_account;
mod replay_dead_letter;
mod resume_account;
mod rotate_credentials;

use std::{fmt, pin::Pin, sync::Arc};

use omnimesh_kit::{
    call::Call, clock::Timestamp, error::Fault, page::PageToken, secrets::Secrets, store::Conn, validate::Violations,
};
use omnimesh_proto::{
    channels::v1::{self as proto, channel_service_server::ChannelService},
    common::v1::Cursor,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    app::App,
    domain::{AccountId, account::Account},
    error::Error,
    store::accounts,
};

/// The gRPC server.
#[derive(Clone)]
pub(crate) struct Channels(pub(crate) Arc<App>);

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channels")
    }
}

macro_rules! unary {
    ($($name:ident($request:ident) -> $response:ident),+ $(,)?) => {
        // As async_trait writes it: the attribute does not see through a macro.
        $(fn $name<'life0, 'async_trait>(
            &'life0 self,
            request: Request<proto::$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<proto::$response>, Status>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async move {
                let call = Call::of(&request)?;
                $name::run(&self.0, &call, request.into_inner()).await.map_err(Status::from)
            })
        })+
    };
}

#[tonic::async_trait]
impl ChannelService for Channels {
    unary! {
        create_account(CreateAccountRequest) -> CreateAccountResponse,
        check_account(CheckAccountRequest) -> CheckAccountResponse,
        pause_account(PauseAccountRequest) -> PauseAccountResponse,
        resume_account(ResumeAccountRequest) -> ResumeAccountResponse,
        rotate_credentials(RotateCredentialsRequest) -> RotateCredentialsResponse,
        get_account(GetAccountRequest) -> GetAccountResponse,
        list_accounts(ListAccountsRequest) -> ListAccountsResponse,
        get_order_sync(GetOrderSyncRequest) -> GetOrderSyncResponse,
        list_dead_letters(ListDeadLettersRequest) -> ListDeadLettersResponse,
        replay_dead_letter(ReplayDeadLetterRequest) -> ReplayDeadLetterResponse,
        open_credentials(OpenCredentialsRequest) -> OpenCredentialsResponse,
    }
}

fn account_id(text: &str) -> Result<AccountId, Error> {
    let mut v = Violations::new();
    let id = v.parse::<AccountId>("account_id", text);
    Ok(v.finish_with((id,))?.0)
}

async fn account(conn: &mut Conn, id: AccountId) -> Result<Account, Error> {
    accounts::by_id(conn, id).await?.ok_or(Error::NoSuchAccount)
}

/// The account with how it is in sync.
async fn shown(conn: &mut Conn, account: &Account, now: Timestamp) -> Result<proto::Account, Error> {
    Ok(account.to_proto(accounts::sync(conn, account.id, now).await?))
}

async fn set_active(app: &App, id: AccountId, active: bool) -> Result<proto::Account, Error> {
    omnimesh_kit::transaction!(app.deps.db, tx => {
        accounts::set_active(&mut tx, id, active).await?;
        let account = account(&mut tx, id).await?;
        let now = tx.now();
        shown(&mut tx, &account, now).await
    })
}

/// After which id a page begins.
fn begin(secrets: &Secrets, call: &Call, filter: &[u8], token: &str) -> Result<Uuid, Error> {
    let cursor = PageToken::open(secrets, &call.principal(), filter, token)?;
    match cursor.keys.as_slice() {
        [] => Ok(Uuid::nil()),
        [id] => Ok(id.parse().map_err(Fault::internal)?),
        _ => Err(Fault::internal("a page token of another form").into()),
    }
}

/// Cuts what was read one beyond the page, and says where the next one begins.
fn cut<T>(
    secrets: &Secrets,
    call: &Call,
    filter: &[u8],
    items: &mut Vec<T>,
    size: i64,
    id: impl Fn(&T) -> Uuid,
) -> String {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if items.len() <= size {
        return String::new();
    }
    items.truncate(size);
    let keys = items.last().map(|last| id(last).to_string()).into_iter().collect();
    PageToken::seal(secrets, &call.principal(), filter, &Cursor { keys, ..Cursor::default() })
}
