//! Dead letters.

use omnimesh_kit::{
    args,
    clock::Timestamp,
    store::{Conn, Error, Row, Tx},
};
use omnimesh_proto::channels::v1::{self as proto, ActionKind as ProtoKind};
use uuid::Uuid;

use crate::domain::{
    AccountId, DeadLetterId,
    action::{Action, ActionKind},
};

/// The SQL of this module.
pub mod sql {
    omnimesh_kit::statements! {
        /// A dead letter, once.
        INSERT = "INSERT INTO dead_letters (id, account_id, subject, native_id, action_id, action_kind, problem, cursor, created_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account_id, subject) DO UPDATE SET problem = excluded.problem";
        /// Oldest first, after one, of an account or of all.
        AFTER = "SELECT * FROM dead_letters WHERE id > $1 AND (account_id = $2 OR $2 IS NULL) ORDER BY id LIMIT $3";
        /// Takes one out.
        TAKE = "DELETE FROM dead_letters WHERE id = $1 RETURNING *";
    }
}

/// A dead letter.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    pub(crate) id: DeadLetterId,
    pub(crate) account: AccountId,
    pub(crate) native_id: String,
    pub(crate) action: Option<Uuid>,
    pub(crate) kind: Option<ActionKind>,
    pub(crate) problem: String,
    pub(crate) cursor: Vec<u8>,
    pub(crate) created_at: Timestamp,
}

impl DeadLetter {
    pub(crate) fn to_proto(&self) -> proto::DeadLetter {
        proto::DeadLetter {
            dead_letter_id: self.id.to_string(),
            account_id: self.account.to_string(),
            native_id: self.native_id.clone(),
            action_kind: self.kind.map_or(ProtoKind::Unspecified, ActionKind::to_proto).into(),
            problem: self.problem.clone(),
            create_time: Some(self.created_at.to_proto()),
        }
    }
}

/// An order of a page that can't be taken. Its page is pulled again when it is replayed.
pub(crate) async fn add_order(
    tx: &mut Tx,
    account: AccountId,
    native_id: &str,
    problem: &str,
    cursor: Vec<u8>,
) -> Result<(), Error> {
    let now = tx.now();
    let (id, subject) = (DeadLetterId::new(now).0, format!("order:{native_id}"));
    let values = args![id, account.0, subject, native_id, None::<Uuid>, "", problem, cursor, now];
    tx.execute(sql::INSERT, values).await.map(drop)
}

/// An action that was refused.
pub(crate) async fn add_action(tx: &mut Tx, action: &Action) -> Result<(), Error> {
    let now = tx.now();
    let (id, subject) = (DeadLetterId::new(now).0, format!("action:{}", action.id));
    let (kind, native_id) = (action.kind.as_str(), &action.native_id);
    let values = args![
        id,
        action.account.0,
        subject,
        native_id,
        Some(action.id.0),
        kind,
        &action.problem,
        Vec::<u8>::new(),
        now
    ];
    tx.execute(sql::INSERT, values).await.map(drop)
}

pub(crate) async fn after(
    conn: &mut Conn,
    id: Uuid,
    account: Option<AccountId>,
    limit: i64,
) -> Result<Vec<DeadLetter>, Error> {
    let values = args![id, account.map(|account| account.0), limit];
    conn.fetch_all(sql::AFTER, values).await?.iter().map(dead_letter_of).collect()
}

pub(crate) async fn take(tx: &mut Tx, id: DeadLetterId) -> Result<Option<DeadLetter>, Error> {
    tx.fetch_optional(sql::TAKE, args![id.0]).await?.map(|row| dead_letter_of(&row)).transpose()
}

fn dead_letter_of(row: &Row) -> Result<DeadLetter, Error> {
    Ok(DeadLetter {
        id: DeadLetterId(row.get("id")?),
        account: AccountId(row.get("account_id")?),
        native_id: row.get("native_id")?,
        action: row.get("action_id")?,
        kind: ActionKind::of(&row.get::<String>("action_kind")?),
        problem: row.get("problem")?,
        cursor: row.get("cursor")?,
        created_at: row.get("created_at")?,
    })
}
